"""Connection widgets for Textual: painters of `ConnectionView`. Each has a `widget` to yield in `compose` or to mount.

You hand in the class `textual.widgets.Static`; nothing is imported here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from reactivex import Observable

from ..asyncio_loop import TextualLoop
from ..status import ConnectionView, Theme

__all__ = ["ConnectionBanner", "ConnectionIndicator", "ConnectionStatus"]


class ConnectionStatus:
    """The connection in a line.

    Args:
        ui: The loop.
        static: The class `textual.widgets.Static`.
        views: From `connection_view`.
        detail: "full" for symbol, words and queue; "compact" for symbol and queue, with the words in a tooltip; "metrics"
            for a line and the numbers below.

    Attributes:
        widget: A Static.
    """

    def __init__(
        self,
        ui: TextualLoop,
        static: Callable[..., Any],
        views: Observable[ConnectionView],
        *,
        detail: Literal["full", "compact", "metrics"] = "full",
    ) -> None:
        self.widget: Any = static("", markup=False)
        self.widget.styles.width = "auto"
        self.widget.styles.height = "auto"

        def paint(it: Any, view: ConnectionView) -> None:
            lines = {
                "full": view.line,
                "compact": view.short,
                "metrics": "\n".join((view.line, *view.metrics)),
            }
            it.update(lines[detail])
            it.styles.color = view.colour
            it.tooltip = view.full

        ui.bind(views, self.widget, paint)


class ConnectionIndicator:
    """A small sign in a corner of the screen, with the words in a tooltip.

    Args:
        ui: The loop.
        static: The class `textual.widgets.Static`.
        views: From `connection_view`.
        position: Which corner.
        hide_when_connected: Whether it is there only in outages that last longer than the grace period.

    Attributes:
        widget: A Static, docked.
    """

    def __init__(
        self,
        ui: TextualLoop,
        static: Callable[..., Any],
        views: Observable[ConnectionView],
        *,
        position: Literal["top-left", "top-right", "bottom-left", "bottom-right"] = "top-right",
        hide_when_connected: bool = False,
    ) -> None:
        self.widget: Any = static("", markup=False)
        vertical, horizontal = position.split("-")
        styles = self.widget.styles
        styles.dock = vertical
        styles.height = 1
        styles.text_align = horizontal

        def paint(it: Any, view: ConnectionView) -> None:
            it.update(view.short)
            it.styles.color = view.colour
            it.tooltip = view.full
            it.display = not (hide_when_connected and view.is_calm)

        ui.bind(views, self.widget, paint)


class ConnectionBanner:
    """A line across the screen while the connection is lost.

    Args:
        ui: The loop.
        static: The class `textual.widgets.Static`.
        views: From `connection_view`.
        theme: For the banner's colours; the usual one when None.

    Attributes:
        widget: A Static.
    """

    def __init__(
        self,
        ui: TextualLoop,
        static: Callable[..., Any],
        views: Observable[ConnectionView],
        *,
        theme: Theme | None = None,
    ) -> None:
        look = theme or Theme()
        self.widget: Any = static("", markup=False)
        styles = self.widget.styles
        styles.height = "auto"
        styles.padding = (0, 1)
        styles.background = look.banner_colour
        styles.color = look.banner_text_colour

        def paint(it: Any, view: ConnectionView) -> None:
            it.update("" if view.banner is None else f"{view.symbol} {view.banner}")
            it.display = view.banner is not None

        ui.bind(views, self.widget, paint)
