"""The parts of the Tk widgets: a pill on a canvas, a tooltip that stays on the screen, colours of the window.

`ttk` styles change the colours: the styles `good.Connection`, `busy.Connection`, `bad.Connection` and `idle.Connection` win
over the theme. Their options are `background`, `foreground`, `symbolcolor` and `bordercolor`; `Connection` has a `font`.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs

from ...connection import ConnectionState
from ..status import ConnectionView, Ink, Spinner, cap, is_dark, mark
from .loop import TkLoop

if TYPE_CHECKING:
    import tkinter as tk

__all__ = ["Corners", "Images", "Pill", "Tooltip", "background_of", "font_of", "ink_of", "tkinter"]

_TOOLTIP_DELAY = 0.5
_TOOLTIP_WIDTH = 420
"""Pixels at which the text of a tooltip wraps."""
_STYLE = "Connection"


def tkinter(name: str = "tkinter") -> Any:
    """Returns a module of tkinter. The program has imported it, because it has a root window."""
    if name not in sys.modules:
        __import__(name)
    return sys.modules[name]


def background_of(widget: Any) -> str:
    """Returns the background of a widget as `#rrggbb`, of ttk and CustomTkinter too."""
    try:
        colour = str(widget.cget("background"))
    except ValueError:
        # CustomTkinter does not know the option; those of Tk itself raise a TclError.
        colour = _custom_background_of(widget)
    except Exception:  # noqa: BLE001 - TclError: a ttk widget has its colours in styles
        style = tkinter("tkinter.ttk").Style(widget)
        colour = str(style.lookup(str(widget.winfo_class()), "background")) or "#d9d9d9"
    return "#" + "".join(f"{it // 257:02x}" for it in widget.winfo_rgb(colour))


def _custom_background_of(widget: Any) -> str:
    """Returns the background of a widget of CustomTkinter: of two colours, that of the mode of the moment."""
    colour = widget.cget("fg_color")
    if colour == "transparent":
        colour = widget.cget("bg_color")
    if isinstance(colour, str):
        return colour
    light, dark = colour
    return str(dark if tkinter("customtkinter").get_appearance_mode() == "Dark" else light)


def ink_of(widget: Any, view: ConnectionView) -> Ink:
    """Returns the colours of a view on the widget's window: those of the theme, then those of ttk styles."""
    ink = view.ink(is_dark=is_dark(background_of(widget)))
    style = tkinter("tkinter.ttk").Style(widget)

    def option(name: str, usual: str) -> str:
        # The lookup of a style falls back to its parents, so a general one must not win.
        own = str(style.lookup(f"{view.tone.value}.{_STYLE}", name))
        general = str(style.lookup(".", name))
        colour = own if own and own != general else usual
        return "#" + "".join(f"{it // 257:02x}" for it in widget.winfo_rgb(colour))

    return Ink(
        text=option("foreground", ink.text),
        symbol=option("symbolcolor", ink.symbol),
        tint=option("background", ink.tint),
        edge=option("bordercolor", ink.edge),
    )


def font_of(widget: Any, **options: Any) -> Any:
    """Returns a font of the widget's own, like that of the widgets; Tk deletes it together with the widget.

    Args:
        widget: The widget.
        options: What differs, such as `weight="bold"`.
    """
    own = tkinter("tkinter.ttk").Style(widget).lookup(_STYLE, "font")
    kit = tkinter("tkinter.font")
    font = kit.Font(root=widget, font=own or "TkDefaultFont")
    font.configure(**options)
    # A font that is not deleted by its finalizer, for the reason that `Images` gives.
    font.delete_font = False
    _at_end_of(widget, lambda: widget.tk.call("font", "delete", font.name))
    return font


class Images:
    """The images that a widget shows; Tk deletes them when they are replaced and with the widget.

    A `PhotoImage` deletes itself when Python collects it. A collection runs on any thread: there Tk refuses the call, or
    the thread waits for the UI.
    """

    def __init__(self, widget: Any) -> None:
        self._tk = widget.tk
        self._names: dict[str, list[str]] = {}
        _at_end_of(widget, self._drop_all)

    def show(self, use: str, pngs: list[bytes], put: Callable[[list[str]], object]) -> None:
        """Creates images, calls `put` with their names, and deletes the images that had the same use before."""
        names = [str(self._tk.call("image", "create", "photo", "-data", png)) for png in pngs]
        put(names)
        self._drop(use)
        self._names[use] = names

    def _drop(self, use: str) -> None:
        for name in self._names.pop(use, ()):
            self._tk.call("image", "delete", name)

    def _drop_all(self) -> None:
        for use in list(self._names):
            self._drop(use)


def _at_end_of(widget: Any, delete: Callable[[], object]) -> None:
    """Calls `delete` when Tk destroys the widget, on the thread of the UI."""

    def destroyed(event: Any) -> None:
        if event.widget is widget:
            with contextlib.suppress(tkinter().TclError):
                delete()

    widget.bind("<Destroy>", destroyed, add="+")


class Corners:
    """Rounds the corners of a frame with four small pictures.

    Args:
        frame: A Frame with an outline of one pixel, its highlight.
        radius: Pixels.
    """

    def __init__(self, frame: Any, radius: int) -> None:
        self._frame = frame
        self._radius = radius
        self._painted: tuple[str, ...] = ()
        self._images = Images(frame)
        self._parts: list[Any] = []
        for relx, side in ((0.0, "w"), (1.0, "e")):
            for rely, end in ((0.0, "n"), (1.0, "s")):
                size = {"width": radius, "height": radius}
                canvas = tkinter().Canvas(frame, borderwidth=0, highlightthickness=0, **size)
                # An end of a pill is twice as high as a corner: the canvas shows half of it.
                canvas.create_image(0, -radius if rely else 0, anchor="nw", tags="end")
                canvas.place(relx=relx, rely=rely, anchor=end + side, bordermode="outside")
                self._parts.append(canvas)

    def paint(self, fill: str, edge: str, background: str) -> None:
        """Paints the frame and its corners."""
        if self._painted == (fill, edge, background):
            return
        self._painted = (fill, edge, background)
        self._frame.configure(background=fill, highlightthickness=1, highlightbackground=edge)

        def put(names: list[str]) -> None:
            ends = (names[0], names[0], names[1], names[1])
            for canvas, name in zip(self._parts, ends, strict=True):
                canvas.itemconfigure("end", image=name)
                canvas.configure(background=background)

        pngs = [cap(2 * self._radius, fill, edge, is_left=is_left) for is_left in (True, False)]
        self._images.show("corners", pngs, put)


@attrs.frozen
class _Look:
    """Everything that decides the drawing of a pill, except for its words."""

    state: ConnectionState
    badge: str
    ink: Ink
    background: str
    width: int


class Pill:
    """A rounded label with a symbol, words that elide, and a badge, drawn on a canvas.

    Args:
        ui: The loop.
        parent: Where the canvas belongs.
        has_text: Whether it shows words.

    Attributes:
        widget: The canvas. It asks for the width of its words, and elides them where it gets less.
    """

    def __init__(self, ui: TkLoop, parent: tk.Misc, *, has_text: bool) -> None:
        self._ui = ui
        self._has_text = has_text
        self._view: ConnectionView | None = None
        self._drawn: _Look | None = None
        self._symbol = 0
        self._words = 0
        self._room = 0
        self.text = ""
        self.widget: Any = tkinter().Canvas(
            parent, highlightthickness=0, borderwidth=0, takefocus=0
        )
        self._images = Images(self.widget)
        self._font = font_of(self.widget)
        self._bold = font_of(self.widget, weight="bold")
        self._line = int(self._font.metrics("linespace"))
        self.height = self._line + 2 * max(3, self._line // 4)
        self.widget.configure(height=self.height, width=self.height)
        self.spinner = Spinner(ui, self.widget, can_move=self._can_move, paint=self._turn)
        for event in ("<Map>", "<Unmap>", "<Visibility>"):
            self.widget.bind(event, self._mapped, add="+")
        self.widget.bind("<Configure>", self._resized, add="+")

    def show(self, view: ConnectionView) -> None:
        """Draws a view."""
        self._view = view
        gap, badge = self._line // 2, self._badge_width(view)
        words = int(self._font.measure(view.text)) + gap if self._has_text else 0
        wanted = 2 * gap + self._line + words + (badge + gap if badge else 0)
        if int(self.widget.cget("width")) != wanted:
            self.widget.configure(width=wanted)
        self._draw()
        self.spinner.show(view)

    def repaint(self) -> None:
        """Draws the view again, in the colours that its window has now."""
        self._draw()

    def _mapped(self, _: object) -> None:
        self._ui.seen_changed()

    def _resized(self, event: Any) -> None:
        self._room = int(event.width)
        self._draw()

    def _badge_width(self, view: ConnectionView) -> int:
        return int(self._bold.measure(view.badge)) + self._line if view.badge else 0

    def _draw(self) -> None:
        view, canvas = self._view, self.widget
        if view is None or not self._ui.is_alive(canvas):
            return
        wanted = int(canvas.cget("width"))
        width = min(wanted, self._room or wanted)
        ink = ink_of(canvas.master, view)
        look = _Look(view.state, view.badge, ink, background_of(canvas.master), width)
        gap, middle = self._line // 2, self.height // 2
        badge = self._badge_width(view)
        start = 2 * gap + self._line
        room = width - start - gap - (badge + gap if badge else 0)
        self.text = _elided(view.text, room, self._font.measure) if self._has_text else ""
        if look == self._drawn:
            # Most changes are those of an age, which needs no new drawing.
            if self._words:
                canvas.itemconfigure(self._words, text=self.text)
            return
        self._drawn = look
        canvas.delete("all")
        canvas.configure(background=look.background)
        self._rounded("edge", 0, 0, width, self.height, ink.tint, ink.edge)
        self._symbol = canvas.create_image(gap, middle, anchor="w")
        self._turn(self.spinner.step)
        self._words = 0
        if self._has_text:
            self._words = canvas.create_text(
                start, middle, anchor="w", text=self.text, fill=ink.text, font=self._font
            )
        if badge:
            left, top = width - gap - badge, (self.height - self._line) // 2
            self._rounded("badge", left, top, badge, self._line, ink.text, ink.text)
            canvas.create_text(
                left + badge // 2, middle, text=view.badge, fill=ink.tint, font=self._bold
            )

    def _rounded(
        self, use: str, x: int, y: int, width: int, height: int, fill: str, edge: str
    ) -> None:
        canvas = self.widget
        end = (height + 1) // 2

        def put(names: list[str]) -> None:
            for place, name in zip((x, x + width - end), names, strict=True):
                canvas.create_image(place, y, anchor="nw", image=name)

        caps = [cap(height, fill, edge, is_left=is_left) for is_left in (True, False)]
        self._images.show(use, caps, put)
        box = (x + end, y, x + width - end, y + height)
        canvas.create_rectangle(*box, fill=fill, width=0)
        for line in (y, y + height - 1):
            canvas.create_line(x + end, line, x + width - end, line, fill=edge)

    def _turn(self, step: int) -> None:
        if self._drawn is None or self._view is None or not self._ui.is_alive(self.widget):
            return
        data = mark(self._view.state, self._line, self._drawn.ink.symbol, step)
        self._images.show(
            "symbol",
            [data],
            lambda names: self.widget.itemconfigure(self._symbol, image=names[0]),
        )

    def _can_move(self) -> bool:
        return self._ui.is_alive(self.widget) and bool(self.widget.winfo_viewable())


def _elided(text: str, room: int, measure: Callable[[str], int]) -> str:
    if measure(text) <= room:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if measure(text[:middle].rstrip() + "…") <= room:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + "…" if low else ""


class Tooltip:
    """A text that appears when the pointer rests on a widget. It wraps, and stays on the screen."""

    def __init__(self, ui: TkLoop, widget: tk.Widget) -> None:
        self._ui = ui
        self._widget = widget
        self._window: Any = None
        self._cancel: Callable[[], None] | None = None
        self._text = ""
        self._label: Any = None
        for event, function in (
            ("<Enter>", self._enter),
            ("<Leave>", self._leave),
            ("<Destroy>", self._leave),
        ):
            widget.bind(event, function, add="+")

    @property
    def text(self) -> str:
        """The text."""
        return self._text

    @text.setter
    def text(self, value: str) -> None:
        self._text = value
        if self._label is not None:
            self._label.configure(text=value)
            self._place()

    def _enter(self, _: object) -> None:
        self._leave(None)
        self._cancel = self._ui.later(_TOOLTIP_DELAY, self._show)

    def _show(self) -> None:
        kit = tkinter()
        self._window = kit.Toplevel(self._widget)
        self._window.wm_overrideredirect(True)
        # Its colours are its own: those of the window may be of either kind.
        self._label = kit.Label(
            self._window,
            text=self._text,
            justify="left",
            background="#1f2937",
            foreground="#f9fafb",
            padx=8,
            pady=5,
            wraplength=min(_TOOLTIP_WIDTH, self._widget.winfo_screenwidth() // 2),
        )
        self._label.pack()
        self._place()

    def _place(self) -> None:
        window, widget = self._window, self._widget
        window.update_idletasks()
        width, height = window.winfo_reqwidth(), window.winfo_reqheight()
        below = widget.winfo_rooty() + widget.winfo_height() + 4
        if below + height > widget.winfo_screenheight():
            below = widget.winfo_rooty() - height - 4
        left = min(widget.winfo_rootx(), widget.winfo_screenwidth() - width - 4)
        window.wm_geometry(f"+{max(0, left)}+{max(0, below)}")

    def _leave(self, _: object) -> None:
        if self._cancel is not None:
            self._cancel()
            self._cancel = None
        if self._window is not None:
            self._window.destroy()
            self._window = None
            self._label = None
