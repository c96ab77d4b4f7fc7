"""Connection widgets for Qt: painters of `ConnectionView`. Each has a `widget` that you put into a layout.

You hand in the module `PySide6.QtWidgets`; nothing is imported here. Screen readers get the state's name as the widget's
accessible name, and all words as its description.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, Literal

from reactivex import Observable

from ..status import ConnectionView, Theme
from .loop import QtLoop

__all__ = ["ConnectionBanner", "ConnectionIndicator", "ConnectionStatus"]

_MARGIN = 8


def _describe(label: Any, view: ConnectionView) -> None:
    label.setToolTip(view.full)
    label.setAccessibleName(view.live)
    label.setAccessibleDescription(view.full)


class ConnectionStatus:
    """The connection in a line.

    Args:
        ui: The loop.
        qt_widgets: The module `PySide6.QtWidgets`.
        views: From `connection_view`.
        detail: "full" for symbol, words and queue; "compact" for symbol and queue, with the words in a tooltip; "metrics"
            for a line and the numbers below.

    Attributes:
        widget: A QLabel. Put it into a layout.
    """

    def __init__(
        self,
        ui: QtLoop,
        qt_widgets: ModuleType,
        views: Observable[ConnectionView],
        *,
        detail: Literal["full", "compact", "metrics"] = "full",
    ) -> None:
        self.widget: Any = qt_widgets.QLabel()

        def paint(label: Any, view: ConnectionView) -> None:
            lines = {
                "full": view.line,
                "compact": view.short,
                "metrics": "\n".join((view.line, *view.metrics)),
            }
            label.setText(lines[detail])
            label.setStyleSheet(f"color: {view.colour}")
            _describe(label, view)

        ui.bind(views, self.widget, paint)


class ConnectionIndicator:
    """A small sign in a corner of a widget, with the words in a tooltip.

    Args:
        ui: The loop.
        qt_widgets: The module `PySide6.QtWidgets`.
        parent: In whose corner; the indicator places itself.
        views: From `connection_view`.
        position: Which corner.
        hide_when_connected: Whether it is there only in outages that last longer than the grace period.

    Attributes:
        widget: A QLabel.
    """

    def __init__(
        self,
        ui: QtLoop,
        qt_widgets: ModuleType,
        parent: Any,
        views: Observable[ConnectionView],
        *,
        position: Literal["top-left", "top-right", "bottom-left", "bottom-right"] = "top-right",
        hide_when_connected: bool = False,
    ) -> None:
        self.widget: Any = qt_widgets.QLabel(parent)
        vertical, horizontal = position.split("-")

        def place(label: Any) -> None:
            label.adjustSize()
            right = parent.width() - label.width() - _MARGIN
            bottom = parent.height() - label.height() - _MARGIN
            label.move(
                _MARGIN if horizontal == "left" else right, _MARGIN if vertical == "top" else bottom
            )
            label.raise_()

        def paint(label: Any, view: ConnectionView) -> None:
            label.setText(view.short)
            label.setStyleSheet(f"color: {view.colour}")
            _describe(label, view)
            label.setVisible(not (hide_when_connected and view.is_calm))
            place(label)

        ui.on_resized(parent, self.widget, place)
        ui.bind(views, self.widget, paint)


class ConnectionBanner:
    """A line across the window while the connection is lost.

    Args:
        ui: The loop.
        qt_widgets: The module `PySide6.QtWidgets`.
        views: From `connection_view`.
        theme: For the banner's colours; the usual one when None.

    Attributes:
        widget: A QLabel. Put it into a layout where the banner should appear.
    """

    def __init__(
        self,
        ui: QtLoop,
        qt_widgets: ModuleType,
        views: Observable[ConnectionView],
        *,
        theme: Theme | None = None,
    ) -> None:
        look = theme or Theme()
        self.widget: Any = qt_widgets.QLabel()
        self.widget.setWordWrap(True)
        self.widget.hide()
        self.widget.setStyleSheet(
            f"background: {look.banner_colour}; color: {look.banner_text_colour}; padding: 6px 12px"
        )

        def paint(label: Any, view: ConnectionView) -> None:
            label.setText("" if view.banner is None else f"{view.symbol}  {view.banner}")
            label.setAccessibleName(view.live)
            label.setVisible(view.banner is not None)

        ui.bind(views, self.widget, paint)
