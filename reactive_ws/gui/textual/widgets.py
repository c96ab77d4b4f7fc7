"""Connection widgets for Textual: `ConnectionStatus`, `ConnectionIndicator` and `ConnectionBanner`.

They are Textual widgets: yield them in `compose` and style them in CSS. Each has one of the classes `-good`, `-busy`, `-bad` and
`-idle`. Their default colours follow the theme of the application, light or dark. All texts are shown as plain text.
"""

from __future__ import annotations

from typing import Any, ClassVar

from reactivex import Observable
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.style import Style
from textual.widget import Widget
from textual.widgets import Button, Static

from ..loop import check_loop
from ..loops import TextualLoop
from ..status import (
    DARK,
    LIGHT,
    ConnectionView,
    Corner,
    Detail,
    Ink,
    Palette,
    Spinner,
    Tone,
    check_corner,
    check_detail,
)

__all__ = ["ConnectionBanner", "ConnectionIndicator", "ConnectionStatus", "Corner"]

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏⠋⠙"
_TONES = tuple(f"-{tone.value}" for tone in Tone)


def _app(widget: Widget) -> App[Any]:
    return widget.app  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - generic in Textual


def _take_own_colours(widget: Widget, view: ConnectionView) -> Ink:
    """Gives a widget the colours of a theme of the program; those of `Theme()` are in the default CSS. Returns the colours."""
    ink = view.ink(is_dark=_app(widget).current_theme.dark)
    if view.theme.light is not LIGHT or view.theme.dark is not DARK:
        widget.styles.background, widget.styles.color = ink.tint, ink.text
    return ink


def _colours(palette: Palette, pseudo: str) -> str:
    """Returns the CSS rules of a palette."""
    return "".join(
        f"&.-{tone.value}:{pseudo} {{ background: {palette.of(tone).tint}; color: {palette.of(tone).text}; }}\n"
        for tone in Tone
    )


class _Painted(Static):
    """A text that takes a tone, with a symbol that turns.

    Args:
        ui: The loop.
        id, classes: Of the widget.
    """

    DEFAULT_CSS = f"""
    _Painted {{
        width: auto;
        height: auto;
        padding: 0 1;
        {_colours(LIGHT, "light")}
        {_colours(DARK, "dark")}
    }}
    """

    def __init__(self, ui: TextualLoop, *, classes: str) -> None:
        super().__init__("", markup=False, classes=classes)
        self._view: ConnectionView | None = None
        self._words = ""
        self._has_badge = False
        self._cells = -1
        self.spinner = Spinner(
            ui, self, can_move=self._can_move, paint=lambda _: self._paint(layout=False)
        )

    def paint(self, view: ConnectionView, words: str, *, has_badge: bool) -> None:
        """Shows words in the tone of a view."""
        self._view, self._words, self._has_badge = view, words, has_badge
        for name in _TONES:
            self.set_class(name == f"-{view.tone.value}", name)
        self.tooltip = Content(view.full)
        # A layout costs the whole screen. An age that changes mostly keeps its width; words of a banner wrap, and need one.
        self._paint(layout=not has_badge or self._cells_of(view) != self._cells)
        self.spinner.show(view)

    def on_mount(self) -> None:
        """Takes the colours of the theme, which it knows from here on."""
        self.watch(_app(self), "theme", lambda: self._paint(layout=False), init=False)
        self.watch(_app(self), "app_focus", lambda: self.spinner.check(), init=False)
        if self._view is not None:
            self.paint(self._view, self._words, has_badge=self._has_badge)

    def _paint(self, *, layout: bool) -> None:
        view = self._view
        if view is None or not self.is_attached:
            return
        ink = _take_own_colours(self, view)
        turning = view.is_busy and self.spinner.is_turning
        symbol = _FRAMES[self.spinner.step] if turning else view.symbol
        parts: list[Any] = [(symbol, Style.parse(ink.symbol))]
        if self._words:
            parts += [" ", Content(self._words)]
        if self._has_badge and view.badge:
            parts += [" ", (f" {view.badge} ", Style.parse(f"{ink.tint} on {ink.text}"))]
        self._cells = self._cells_of(view)
        self.update(Content.assemble(*parts), layout=layout)

    def _cells_of(self, view: ConnectionView) -> int:
        """Returns how wide the pill of a view is."""
        badge = len(view.badge) + 3 if view.badge else 0
        return cell_len(view.symbol) + cell_len(self._words) + badge

    def _can_move(self) -> bool:
        return (
            self.is_attached
            and self.display
            and _app(self).app_focus
            and _app(self).animation_level != "none"
        )


class _Retry(Button):
    """A small button that dials at once."""

    DEFAULT_CSS = """
    _Retry { width: auto; min-width: 0; height: 1; margin: 0 0 0 1; border: none; text-style: underline; background: transparent; }
    _Retry.-style-default, _Retry.-textual-compact { border: none; background: transparent; }
    _Retry:focus { text-style: bold reverse; }
    """

    def __init__(self) -> None:
        super().__init__("", compact=True, classes="connection-retry")
        self._view: ConnectionView | None = None

    def show(self, view: ConnectionView, *, is_on: bool = True) -> None:
        """Shows itself while there is something to retry."""
        self._view = view
        label = view.theme.words.retry
        if str(self.label) != label:
            self.label = Content(label)
        self.display = is_on and view.retry is not None

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Dials."""
        event.stop()
        if self._view is not None and self._view.retry is not None:
            self._view.retry()


class ConnectionStatus(Vertical):
    """The connection as a pill: symbol, words, number of waiting messages, and a button that dials at once.

    Args:
        ui: The loop.
        views: From `connection_view`.
        detail: "full" for symbol, words and badge; "compact" for symbol and badge, with the words in a tooltip; "metrics"
            for a pill with the numbers below it.
        corner: The corner of the screen over whose content the pill floats; None to lay it out yourself.
        id, classes: Of the widget.
    """

    DEFAULT_CSS = """
    ConnectionStatus {
        width: auto;
        height: auto;
        & > Horizontal { width: auto; height: 1; }
        & .connection-numbers { width: auto; height: auto; padding: 0 1; color: $foreground; }
    }
    """

    def __init__(
        self,
        ui: TextualLoop,
        views: Observable[ConnectionView],
        *,
        detail: Detail = "full",
        corner: Corner | None = None,
        id: str | None = None,  # noqa: A002 - Textual's word
        classes: str | None = None,
    ) -> None:
        check_loop(ui, TextualLoop, "ConnectionStatus(ui, views)")
        check_detail(detail)
        check_corner("corner", corner)
        super().__init__(id=id, classes=classes)
        self._detail = detail
        self.pill = _Painted(ui, classes="connection-pill")
        self.numbers = Static("", markup=False, classes="connection-numbers")
        self.retry = _Retry()
        self._shown_numbers = ""
        self._corner = corner
        if corner is not None:
            self.styles.position = "absolute"
            self.styles.overlay = "screen"
        ui.bind(views, self, lambda it, view: it._show(view))

    def on_mount(self) -> None:
        """Follows the size of the screen, where it floats in a corner."""
        if self._corner is not None:
            self.watch(self.screen, "size", self._place)

    def on_resize(self) -> None:
        """Keeps to its corner when its words change."""
        self._place()

    def _place(self) -> None:
        if self._corner is None:
            return
        vertical, horizontal = self._corner.split("-")
        room = self.screen.size
        x = 0 if horizontal == "left" else max(0, room.width - self.size.width)
        y = 0 if vertical == "top" else max(0, room.height - self.size.height)
        self.styles.offset = (x, y)

    def compose(self) -> ComposeResult:
        """Yields the pill, the button, and the numbers."""
        with Horizontal():
            yield self.pill
            yield self.retry
        if self._detail == "metrics":
            yield self.numbers

    @property
    def text(self) -> str:
        """The text of the pill."""
        return str(self.pill.render())

    def _show(self, view: ConnectionView) -> None:
        is_compact = self._detail == "compact"
        self.pill.paint(view, "" if is_compact else view.text, has_badge=True)
        self.retry.show(view, is_on=not is_compact)
        if self._detail == "metrics":
            widest = max(len(it.name) for it in view.numbers)
            lines = (f"{it.name:<{widest}}  {it.value:>16}" for it in view.numbers)
            text = "\n".join(lines)
            if text != self._shown_numbers:
                self._shown_numbers = text
                self.numbers.update(Content(text))


class ConnectionIndicator(ConnectionStatus):
    """A small symbol in a corner of the screen, with the words in a tooltip.

    Args:
        ui: The loop.
        views: From `connection_view`.
        position: Which corner.
        hide_when_connected: Whether the indicator shows only in outages that last longer than the grace period.
    """

    DEFAULT_CSS: ClassVar[str] = ""

    def __init__(
        self,
        ui: TextualLoop,
        views: Observable[ConnectionView],
        *,
        position: Corner = "top-right",
        hide_when_connected: bool = False,
    ) -> None:
        check_corner("position", position)
        self._hides = hide_when_connected
        super().__init__(ui, views, detail="compact", corner=position)

    def _show(self, view: ConnectionView) -> None:
        super()._show(view)
        self.display = not (self._hides and view.is_calm)


class ConnectionBanner(Horizontal):
    """A line across the screen while the connection is lost or the outbox is full: two texts, the queue, and Retry.

    Args:
        ui: The loop.
        views: From `connection_view`.
        id, classes: Of the widget.
    """

    DEFAULT_CSS = f"""
    ConnectionBanner {{
        height: auto;
        width: 100%;
        padding: 0 1;
        {_colours(LIGHT, "light")}
        {_colours(DARK, "dark")}
        & > _Painted {{ width: 1fr; padding: 0; }}
    }}
    """

    def __init__(
        self,
        ui: TextualLoop,
        views: Observable[ConnectionView],
        *,
        id: str | None = None,  # noqa: A002 - Textual's word
        classes: str | None = None,
    ) -> None:
        check_loop(ui, TextualLoop, "ConnectionBanner(ui, views)")
        super().__init__(id=id, classes=classes)
        self._view: ConnectionView | None = None
        self.words = _Painted(ui, classes="connection-words")
        self.retry = _Retry()
        self.display = False
        ui.bind(views, self, lambda it, view: it._show(view))

    def compose(self) -> ComposeResult:
        """Yields the words and the button."""
        yield self.words
        yield self.retry

    def on_mount(self) -> None:
        """Takes the colours of the theme, and follows it."""
        self.watch(_app(self), "theme", self._recolour)

    def _recolour(self) -> None:
        if self._view is not None and self.is_attached:
            _take_own_colours(self, self._view)

    @property
    def text(self) -> str:
        """The text of the banner."""
        return str(self.words.render())

    def _show(self, view: ConnectionView) -> None:
        self._view = view
        is_shown = view.banner is not None
        if is_shown:
            self._recolour()
            for name in _TONES:
                self.set_class(name == f"-{view.tone.value}", name)
            queue = f" {view.queue_text}." if view.queued else ""
            self.words.paint(view, f"{view.banner}{queue}", has_badge=False)
            self.retry.show(view)
        self.display = is_shown
        if not is_shown:
            self.words.spinner.stop()
