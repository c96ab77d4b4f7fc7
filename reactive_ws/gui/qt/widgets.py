"""Connection widgets for Qt: `ConnectionStatus`, `ConnectionIndicator` and `ConnectionBanner`.

Each copies a `ConnectionView` into its `widget`. The program hands in the module `PySide6.QtWidgets` or `PyQt6.QtWidgets`. All
texts are shown as plain text. Screen readers get the name of the state as accessible name, all words as description, and an
announcement when the state changes.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any

from reactivex import Observable

from ..status import ConnectionView, Corner, Detail, check_corner, check_detail
from .loop import QtLoop
from .parts import (
    Symbol,
    badge_ink,
    badge_label,
    eliding_label,
    fade,
    kit_for,
    kit_of,
    pill,
    retry_button,
    set_ink,
)
from .text import tooltip

__all__ = ["ConnectionBanner", "ConnectionIndicator", "ConnectionStatus", "Corner"]

_MARGIN = 8


class ConnectionStatus:
    """The connection as a pill: symbol, words, number of waiting messages, and a button that dials at once.

    Object names for style sheets: `connectionStatus`, and in it `connectionSymbol`, `connectionText`, `connectionBadge`,
    `connectionRetry` and `connectionMetrics`. Properties: `tone` ("good", "busy", "bad", "idle") and `state`.

    Args:
        ui: The loop.
        qt_widgets: The module `PySide6.QtWidgets` or `PyQt6.QtWidgets`.
        views: From `connection_view`.
        detail: "full" for symbol, words and badge; "compact" for symbol and badge, with the words in a tooltip; "metrics"
            for a pill with a panel of numbers below it.
        corner: The corner of `parent` over whose content the pill floats; None to lay it out yourself.
        parent: The widget that `corner` belongs to.

    Attributes:
        widget: A QWidget. Put it into a layout, unless `corner` is given.

    Raises:
        ValueError: `corner` without `parent`.
        UsageError: `ui` is the loop of another toolkit. A program with qasync takes `QtLoop`.
    """

    def __init__(
        self,
        ui: QtLoop,
        qt_widgets: ModuleType,
        views: Observable[ConnectionView],
        *,
        detail: Detail = "full",
        corner: Corner | None = None,
        parent: Any = None,
    ) -> None:
        check_detail(detail)
        check_corner("corner", corner)
        if corner is not None and parent is None:
            raise ValueError("corner needs parent=, the widget over which the pill floats")
        self._kit = kit = kit_for(ui, qt_widgets)
        self._detail = detail
        self._live = ""
        self._view: ConnectionView | None = None
        self.widget: Any = qt_widgets.QWidget(parent) if detail == "metrics" else None
        self._pill = pill(kit, "connectionStatus", parent if self.widget is None else None)
        if self.widget is None:
            self.widget = self._pill
        self._symbol = Symbol(ui, kit, "connectionSymbol")
        self._text = eliding_label(kit, "connectionText")
        self._badge = badge_label(kit, "connectionBadge")
        self._retry = retry_button(kit, "connectionRetry")
        row = self._pill.layout()
        for part in (self._symbol.widget, self._text, self._badge, self._retry):
            row.addWidget(part)
        self._text.setVisible(detail != "compact")
        policy = qt_widgets.QSizePolicy.Policy
        self._pill.setSizePolicy(policy.Maximum, policy.Fixed)
        self._numbers: list[tuple[Any, Any]] = []
        self._panel: Any = None
        if detail == "metrics":
            self._make_panel()
        _keep_with(self.widget, self)
        self._retry.clicked.connect(_weak(self._dial))
        ui.on_palette(self.widget, lambda it: it.controller._paint())
        ui.bind(views, self.widget, lambda it, view: it.controller._show(view))
        if corner is not None:
            _float(ui, self.widget, parent, corner)

    def _show(self, view: ConnectionView) -> None:
        self._view = view
        self._paint()
        self._text.setText(view.text)
        badge = self._badge.findChild(self._kit.widgets.QLabel)
        badge.setText(view.badge)
        self._badge.setVisible(bool(view.badge))
        self._retry.setText(view.theme.words.retry)
        self._retry.setVisible(view.retry is not None and self._detail != "compact")
        for (name, value), number in zip(self._numbers, view.numbers, strict=bool(self._numbers)):
            name.setText(number.name)
            value.setText(number.value)
        _describe(self._pill, view)
        if self._live and self._live != view.live:
            self._kit.announce(self._pill, view.full)
        self._live = view.live

    def _paint(self) -> None:
        view = self._view
        if view is None:
            return
        ink = view.ink(is_dark=self._kit.is_dark(self.widget))
        set_ink(self._kit, self._pill, view, ink)
        set_ink(self._kit, self._badge, view, badge_ink(ink))
        self._symbol.show(view, ink.symbol)
        if self._panel is not None:
            theme = view.theme
            palette = theme.dark if self._kit.is_dark(self.widget) else theme.light
            set_ink(self._kit, self._panel, view, palette.idle)

    def _dial(self) -> None:
        if self._view is not None and self._view.retry is not None:
            self._view.retry()

    def _make_panel(self) -> None:
        widgets = self._kit.widgets
        column = widgets.QVBoxLayout(self.widget)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._pill)
        self._panel = self._kit.Pill()
        self._panel.setObjectName("connectionMetrics")
        self._panel.setProperty("radius", 8.0)
        policy = widgets.QSizePolicy.Policy
        self._panel.setSizePolicy(policy.Maximum, policy.Fixed)
        self.widget.setSizePolicy(policy.Preferred, policy.Fixed)
        grid = widgets.QGridLayout(self._panel)
        grid.setContentsMargins(12, 8, 12, 8)
        grid.setHorizontalSpacing(24)
        grid.setVerticalSpacing(3)
        plain = self._kit.core.Qt.TextFormat.PlainText
        right = self._kit.core.Qt.AlignmentFlag.AlignRight
        for row in range(5):
            name, value = widgets.QLabel(), widgets.QLabel()
            value.setAlignment(right)
            for label in (name, value):
                label.setTextFormat(plain)
            grid.addWidget(name, row, 0)
            grid.addWidget(value, row, 1)
            self._numbers.append((name, value))
        column.addWidget(self._panel)


class ConnectionIndicator:
    """A small symbol in a corner of a widget, with the words in a tooltip.

    Args:
        ui: The loop.
        qt_widgets: The module `PySide6.QtWidgets` or `PyQt6.QtWidgets`.
        parent: The widget in whose corner the indicator floats.
        views: From `connection_view`.
        position: Which corner.
        hide_when_connected: Whether the indicator shows only in outages that last longer than the grace period.

    Attributes:
        widget: A QFrame with the object name `connectionStatus`.
    """

    def __init__(
        self,
        ui: QtLoop,
        qt_widgets: ModuleType,
        parent: Any,
        views: Observable[ConnectionView],
        *,
        position: Corner = "top-right",
        hide_when_connected: bool = False,
    ) -> None:
        check_corner("position", position)
        status = ConnectionStatus(ui, qt_widgets, views, detail="compact", parent=parent)
        self.widget: Any = status.widget
        self.widget.layout().setContentsMargins(5, 5, 5, 5)
        kit = kit_of(qt_widgets)

        def show(widget: Any, view: ConnectionView) -> None:
            is_shown = not (hide_when_connected and view.is_calm)
            fade(kit, widget, is_shown=is_shown, has_motion=view.theme.has_motion)

        ui.bind(views, self.widget, show)
        _float(ui, self.widget, parent, position)


class ConnectionBanner:
    """A line across the window while the connection is lost or the outbox is full: two texts, the queue, and Retry.

    Object names for style sheets: `connectionBanner`, and in it `connectionTitle`, `connectionText`, `connectionQueue` and
    `connectionRetry`. Properties: `tone` and `state`.

    Args:
        ui: The loop.
        qt_widgets: The module `PySide6.QtWidgets` or `PyQt6.QtWidgets`.
        views: From `connection_view`.

    Attributes:
        widget: A QFrame. Put it into a layout where the banner should appear. It wraps its text.

    Raises:
        UsageError: `ui` is the loop of another toolkit. A program with qasync takes `QtLoop`.
    """

    def __init__(
        self, ui: QtLoop, qt_widgets: ModuleType, views: Observable[ConnectionView]
    ) -> None:
        self._kit = kit = kit_for(ui, qt_widgets)
        self._view: ConnectionView | None = None
        self._said = ""
        self.widget: Any = pill(kit, "connectionBanner", radius=8.0)
        self.widget.layout().setContentsMargins(12, 8, 12, 8)
        self._symbol = Symbol(ui, kit, "connectionSymbol")
        self._retry = retry_button(kit, "connectionRetry")
        self._title, self._text, self._queue = (
            self._label(f"connection{name}") for name in ("Title", "Text", "Queue")
        )
        font = self._title.font()
        font.setBold(True)
        self._title.setFont(font)
        words = qt_widgets.QVBoxLayout()
        words.setSpacing(1)
        for label in (self._title, self._text, self._queue):
            words.addWidget(label)
        row = self.widget.layout()
        row.addWidget(self._symbol.widget, 0, kit.core.Qt.AlignmentFlag.AlignTop)
        row.addLayout(words, 1)
        row.addWidget(self._retry)
        self._retry.clicked.connect(lambda: self._dial())
        self.widget.hide()
        ui.on_palette(self.widget, lambda _: self._paint())
        ui.on_resized(self.widget, self.widget, _keep_low)
        ui.on_layout(self.widget, _keep_low)
        ui.bind(views, self.widget, lambda _, view: self._show(view))

    def _label(self, name: str) -> Any:
        label = self._kit.widgets.QLabel()
        label.setObjectName(name)
        label.setTextFormat(self._kit.core.Qt.TextFormat.PlainText)
        label.setWordWrap(True)
        return label

    def _show(self, view: ConnectionView) -> None:
        self._view = view
        title = view.banner_title
        if title is not None:
            # While it fades out it keeps its words.
            self._title.setText(title)
            self._text.setText(view.banner_text)
            self._text.setVisible(bool(view.banner_text))
            self._queue.setText(view.queue_text)
            self._queue.setVisible(bool(view.queue_text))
            self._retry.setText(view.theme.words.retry)
            self._retry.setVisible(view.retry is not None)
            self._paint()
            _describe(self.widget, view, view.banner or "")
        fade(self._kit, self.widget, is_shown=title is not None, has_motion=view.theme.has_motion)
        if title is not None and view.banner != self._said:
            self._kit.announce(self.widget, view.banner or "")
        self._said = view.banner or ""

    def _paint(self) -> None:
        if self._view is not None:
            ink = self._view.ink(is_dark=self._kit.is_dark(self.widget))
            set_ink(self._kit, self.widget, self._view, ink)
            self._symbol.show(self._view, ink.symbol)

    def _dial(self) -> None:
        if self._view is not None and self._view.retry is not None:
            self._view.retry()


def _keep_low(banner: Any) -> None:
    """Keeps a banner as high as its words, in a layout that has more room than its widgets ask for."""
    height = banner.layout().totalHeightForWidth(banner.width())
    if height > 0 and height != banner.maximumHeight():
        banner.setMaximumHeight(height)


def _keep_with(widget: Any, controller: object) -> None:
    """Keeps a controller for as long as its widget lives, also where the program keeps the widget only."""
    widget.controller = controller


def _weak(method: Callable[[], None]) -> Callable[..., None]:
    # Qt holds the function of a connection where Python's collector does not see it.
    reference = weakref.WeakMethod(method)

    def call(*_: object) -> None:
        living = reference()
        if living is not None:
            living()

    return call


def _describe(widget: Any, view: ConnectionView, name: str = "") -> None:
    widget.setToolTip(tooltip(view.full))
    widget.setAccessibleName(name or view.live)
    widget.setAccessibleDescription(view.full)


def _float(ui: QtLoop, widget: Any, parent: Any, corner: Corner) -> None:
    """Keeps a widget in a corner of its parent, above the other children."""
    vertical, horizontal = corner.split("-")

    def place(it: Any) -> None:
        room = parent.width() - 2 * _MARGIN
        it.resize(min(it.sizeHint().width(), room), it.sizeHint().height())
        right = parent.width() - it.width() - _MARGIN
        bottom = parent.height() - it.height() - _MARGIN
        it.move(
            _MARGIN if horizontal == "left" else right, _MARGIN if vertical == "top" else bottom
        )
        it.raise_()

    ui.on_resized(parent, widget, place)
    ui.on_layout(widget, place)
    place(widget)
