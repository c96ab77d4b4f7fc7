"""Connection widgets for tkinter: `ConnectionStatus`, `ConnectionIndicator` and `ConnectionBanner`.

Each copies a `ConnectionView` into its `widget`. They take tkinter from the program, which has imported it. Tk 8.6 tells screen
readers nothing, so a program for their users hands `view.live` to a speech program.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from reactivex import Observable

from ..loop import check_loop
from ..status import (
    ConnectionView,
    Corner,
    Detail,
    Ink,
    Spinner,
    blend,
    check_corner,
    check_detail,
    is_dark,
    mark,
)
from .loop import TkLoop
from .parts import Corners, Images, Pill, Tooltip, background_of, font_of, ink_of, tkinter

if TYPE_CHECKING:
    import tkinter as tk

__all__ = ["ConnectionBanner", "ConnectionIndicator", "ConnectionStatus", "Corner"]

_CORNERS: dict[str, tuple[float, float, Any]] = {
    "top-left": (0.0, 0.0, "nw"),
    "top-right": (1.0, 0.0, "ne"),
    "bottom-left": (0.0, 1.0, "sw"),
    "bottom-right": (1.0, 1.0, "se"),
}
_MARGIN = 8
_FADE_STEPS = 6
_FADE_STEP = 0.025
"""Seconds between two steps of a fade."""


class ConnectionStatus:
    """The connection as a pill: symbol, words, number of waiting messages, and a button that dials at once.

    Args:
        ui: The loop.
        parent: Where the widget belongs.
        views: From `connection_view`.
        detail: "full" for symbol, words and badge; "compact" for symbol and badge, with the words in a tooltip; "metrics"
            for a pill with a panel of numbers below it.
        corner: The corner of `parent` over whose content the pill floats; None to lay it out yourself.

    Attributes:
        widget: A Frame. Lay it out, unless `corner` is given.
    """

    def __init__(
        self,
        ui: TkLoop,
        parent: tk.Misc,
        views: Observable[ConnectionView],
        *,
        detail: Detail = "full",
        corner: Corner | None = None,
    ) -> None:
        check_loop(ui, TkLoop, "ConnectionStatus(ui, root, views)")
        check_detail(detail)
        check_corner("corner", corner)
        kit = tkinter()
        self._view: ConnectionView | None = None
        self.widget: tk.Frame = kit.Frame(parent, borderwidth=0)
        self._top = kit.Frame(self.widget, borderwidth=0)
        self._top.pack(anchor="w", fill="x")
        self.pill = Pill(ui, self._top, has_text=detail != "compact")
        # In a narrow window the pill gets less room, and its words elide; the button stays whole.
        self._top.columnconfigure(0, weight=1)
        self._top.columnconfigure(2, weight=1_000)
        self.pill.widget.grid(row=0, column=0, sticky="w")
        self._tooltip = Tooltip(ui, self.pill.widget)
        self._retry = _button(self._top, self._dial)
        self._has_retry = detail != "compact"
        self._numbers: list[tuple[Any, Any]] = []
        self._panel: Any = None
        self._corners: Corners | None = None
        self._painted: tuple[str, Ink] | None = None
        if detail == "metrics":
            self._make_panel()
        ui.on_palette(self.widget, self._repaint)
        ui.bind(views, self.widget, lambda _, view: self._show(view))
        if corner is not None:
            _float(self.widget, corner)

    @property
    def tooltip(self) -> str:
        """The text of the tooltip."""
        return self._tooltip.text

    def _show(self, view: ConnectionView) -> None:
        self._view = view
        self._paint()
        self.pill.show(view)
        self._tooltip.text = view.full
        if view.retry is None or not self._has_retry:
            self._retry.grid_remove()
        elif not self._retry.winfo_manager():
            self._retry.configure(text=view.theme.words.retry)
            self._retry.grid(row=0, column=1, padx=(8, 0))
        for (name, value), number in zip(self._numbers, view.numbers, strict=bool(self._numbers)):
            name.configure(text=number.name)
            value.configure(text=number.value)

    def _repaint(self) -> None:
        self._paint()
        self.pill.repaint()

    def _paint(self) -> None:
        """Takes the colours of the window: each time, because Tk does not tell of all changes."""
        view = self._view
        if view is None:
            return
        background = background_of(self.widget.master)
        ink = view.ink(is_dark=is_dark(background))
        if self._painted == (background, ink):
            return
        self._painted = (background, ink)
        for frame in (self.widget, self._top):
            frame.configure(background=background)
        # The button stands on the window and not on the pill.
        _colour(self._retry, background, ink.text)
        if self._corners is not None:
            quiet = (view.theme.dark if is_dark(background) else view.theme.light).idle
            self._corners.paint(quiet.tint, quiet.edge, background)
            for label in itertools.chain.from_iterable(self._numbers):
                label.configure(background=quiet.tint, foreground=quiet.text)

    def _dial(self) -> None:
        if self._view is not None and self._view.retry is not None:
            self._view.retry()

    def _make_panel(self) -> None:
        kit = tkinter()
        self._panel = kit.Frame(self.widget, borderwidth=0, highlightthickness=1, padx=2, pady=6)
        self._corners = Corners(self._panel, self.pill.height // 3)
        self._panel.pack(anchor="w", fill="x", pady=(6, 0))
        self._panel.columnconfigure(1, weight=1)
        for row in range(5):
            name, value = (kit.Label(self._panel, padx=10, pady=1) for _ in range(2))
            name.grid(row=row, column=0, sticky="w")
            value.grid(row=row, column=1, sticky="e")
            self._numbers.append((name, value))


class ConnectionIndicator:
    """A small symbol in a corner of a window, with the words in a tooltip.

    Args:
        ui: The loop.
        parent: The window in whose corner the indicator floats.
        views: From `connection_view`.
        position: Which corner.
        hide_when_connected: Whether the indicator shows only in outages that last longer than the grace period.

    Attributes:
        widget: A Frame.
    """

    def __init__(
        self,
        ui: TkLoop,
        parent: tk.Misc,
        views: Observable[ConnectionView],
        *,
        position: Corner = "top-right",
        hide_when_connected: bool = False,
    ) -> None:
        check_corner("position", position)
        self.status = ConnectionStatus(ui, parent, views, detail="compact")
        self.widget: tk.Frame = self.status.widget

        def show(frame: Any, view: ConnectionView) -> None:
            if hide_when_connected and view.is_calm:
                frame.place_forget()
            elif not frame.winfo_manager():
                _float(frame, position)

        ui.bind(views, self.widget, show)


class ConnectionBanner:
    """A line across the window while the connection is lost or the outbox is full: two texts, the queue, and Retry.

    Its text wraps. It has no height while there is nothing to say.

    Args:
        ui: The loop.
        parent: Where the widget belongs.
        views: From `connection_view`.

    Attributes:
        widget: The Frame. Lay it out where the banner should appear, filling the width.
    """

    def __init__(self, ui: TkLoop, parent: tk.Misc, views: Observable[ConnectionView]) -> None:
        check_loop(ui, TkLoop, "ConnectionBanner(ui, root, views)")
        kit = tkinter()
        self._ui = ui
        self._view: ConnectionView | None = None
        self._ink: Ink | None = None
        self._part = 0.0
        self.widget: tk.Frame = kit.Frame(
            parent, height=1, borderwidth=0, background=background_of(parent)
        )
        self._inner = kit.Frame(self.widget, borderwidth=0, highlightthickness=1)
        self._symbol = kit.Label(self._inner, borderwidth=0)
        self._images = Images(self._symbol)
        bold = font_of(self.widget, weight="bold")
        self._labels = [
            kit.Label(self._inner, justify="left", anchor="w", borderwidth=0) for _ in range(3)
        ]
        self._labels[0].configure(font=bold)
        self._retry = _button(self._inner, self._dial)
        self._inner.columnconfigure(1, weight=1)
        self._symbol.grid(row=0, column=0, sticky="n", padx=(12, 8), pady=(8, 0))
        self._line = int(bold.metrics("linespace"))
        self._corners = Corners(self._inner, self._line // 2)
        self.spinner = Spinner(
            ui, self.widget, can_move=self._can_move, paint=lambda _: self._paint_symbol()
        )
        self.widget.bind("<Configure>", self._wrap, add="+")
        for event in ("<Map>", "<Unmap>"):
            self.widget.bind(event, self._mapped, add="+")
        ui.on_palette(self.widget, self._repaint)
        ui.bind(views, self.widget, lambda _, view: self._show(view))

    @property
    def texts(self) -> tuple[str, ...]:
        """Its title, text and queue; empty while it is hidden."""
        if not self._inner.winfo_manager():
            return ()
        return tuple(str(it.cget("text")) for it in self._labels if it.winfo_manager())

    def _show(self, view: ConnectionView) -> None:
        self._view = view
        if view.banner_title is None:
            self._part = 0.0
            self._inner.pack_forget()
            # A frame keeps its size when its last child goes.
            self.widget.configure(height=1, background=background_of(self.widget.master))
            self.spinner.stop()
            return
        texts = (view.banner_title, view.banner_text, view.queue_text)
        for row, (label, text) in enumerate(zip(self._labels, texts, strict=True)):
            label.configure(text=text)
            if text:
                pady = (8 if row == 0 else 0, 8 if row == 2 else 2)
                label.grid(row=row, column=1, sticky="ew", pady=pady)
            else:
                label.grid_remove()
        if view.retry is None:
            self._retry.grid_remove()
        else:
            self._retry.configure(text=view.theme.words.retry)
            self._retry.grid(row=0, column=2, rowspan=3, padx=12)
        self._ink = ink_of(self.widget.master, view)
        if not self._inner.winfo_manager():
            self._inner.pack(fill="x")
            self._part = 0.0 if view.theme.has_motion else 1.0
            if self._part == 0.0:
                self._fade()
        self._paint()
        self.spinner.show(view)

    def _fade(self) -> None:
        if not self._ui.is_alive(self.widget) or not self._inner.winfo_manager():
            return
        self._part = min(1.0, self._part + 1.0 / _FADE_STEPS)
        self._paint()
        if self._part < 1.0:
            self._ui.later(_FADE_STEP, self._fade)

    def _repaint(self) -> None:
        if self._view is not None:
            self._show(self._view)

    def _paint(self) -> None:
        ink = self._ink
        if ink is None:
            return
        back = background_of(self.widget.master)
        tint, text, edge = (blend(back, it, self._part) for it in (ink.tint, ink.text, ink.edge))
        # With a height of its own, each configure would ask for that height again.
        self.widget.configure(background=back, height=0)
        self._corners.paint(tint, edge, back)
        for label in (self._symbol, *self._labels):
            label.configure(background=tint, foreground=text)
        _colour(self._retry, tint, text)
        self._paint_symbol()

    def _paint_symbol(self) -> None:
        if self._ink is None or self._view is None or not self._ui.is_alive(self._symbol):
            return
        data = mark(self._view.state, self._line, self._ink.symbol, self.spinner.step)
        self._images.show("symbol", [data], lambda names: self._symbol.configure(image=names[0]))

    def _mapped(self, _: object) -> None:
        self._ui.seen_changed()

    def _wrap(self, event: Any) -> None:
        button = self._retry.winfo_reqwidth() + 24 if self._retry.winfo_manager() else 0
        room = max(60, int(event.width) - self._line - 34 - button)
        for label in self._labels:
            label.configure(wraplength=room)

    def _can_move(self) -> bool:
        return self._ui.is_alive(self.widget) and bool(self._symbol.winfo_viewable())

    def _dial(self) -> None:
        if self._view is not None and self._view.retry is not None:
            self._view.retry()


def _button(parent: Any, command: Any) -> Any:
    button = tkinter().Button(
        parent, command=command, relief="flat", borderwidth=0, padx=6, pady=2, cursor="hand2"
    )
    button.configure(font=font_of(button, underline=True), highlightthickness=2)

    def press(_: object) -> None:
        button.invoke()

    button.bind("<Return>", press)
    return button


def _colour(button: Any, background: str, text: str) -> None:
    button.configure(
        background=background,
        foreground=text,
        activebackground=background,
        activeforeground=text,
        highlightbackground=background,
        highlightcolor=text,
    )


def _float(frame: Any, corner: Corner) -> None:
    x, y, anchor = _CORNERS[corner]
    offsets = {"x": _MARGIN if x == 0.0 else -_MARGIN, "y": _MARGIN if y == 0.0 else -_MARGIN}
    frame.place(relx=x, rely=y, anchor=anchor, **offsets)
    frame.lift()
