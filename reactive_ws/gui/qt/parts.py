"""The parts of the Qt widgets: a pill, a symbol that turns, a label that elides, a fade.

They follow the palette of the application, light or dark. Each has an object name and the properties `tone` and `state`, so
that a style sheet of the program can change them; a style sheet wins over the colours of the theme.
"""

from __future__ import annotations

import sys
from functools import cache
from types import ModuleType
from typing import Any

from ...errors import UsageError
from ..loop import check_toolkit
from ..status import ConnectionView, Ink, TurningMark, is_dark
from .loop import QtLoop

__all__ = [
    "Kit",
    "Symbol",
    "badge_ink",
    "badge_label",
    "eliding_label",
    "fade",
    "kit_for",
    "kit_of",
    "pill",
    "retry_button",
    "set_ink",
]

_FADE = 150
"""Milliseconds of a fade."""


class Kit:
    """The modules and classes of one binding, PySide6 or PyQt6.

    Args:
        qt_widgets: The module `QtWidgets`. Importing it imports `QtGui` and `QtCore` too.
    """

    def __init__(self, qt_widgets: ModuleType) -> None:
        package = qt_widgets.__name__.rpartition(".")[0]
        self.widgets: Any = qt_widgets
        self.gui: Any = sys.modules[f"{package}.QtGui"]
        self.core: Any = sys.modules[f"{package}.QtCore"]
        self.Pill = self._pill_class()
        self.Eliding = self._eliding_class()

    def is_dark(self, widget: Any) -> bool:
        """Whether the window of a widget has a dark background."""
        palette = widget.window().palette()
        return is_dark(palette.color(self.gui.QPalette.ColorRole.Window).name())

    def has_motion(self, widget: Any) -> bool:
        """Whether the user's settings allow animations."""
        hint = self.widgets.QStyle.StyleHint.SH_Widget_Animation_Duration
        return int(widget.style().styleHint(hint, None, widget)) > 0

    def announce(self, widget: Any, text: str) -> None:
        """Makes a screen reader say `text`, from Qt 6.8 on."""
        event = getattr(self.gui, "QAccessibleAnnouncementEvent", None)
        if event is not None:
            self.gui.QAccessible.updateAccessibility(event(widget, text))

    def _pill_class(self) -> Any:
        gui, widgets = self.gui, self.widgets

        def paint(pill: Any, _: Any) -> None:
            fill, edge = pill.property("fill"), pill.property("edge")
            painter = gui.QPainter(pill)
            if fill:
                painter.setRenderHint(gui.QPainter.RenderHint.Antialiasing)
                painter.setPen(gui.QPen(gui.QColor(edge), 1.0))
                painter.setBrush(gui.QColor(fill))
                radius = min(pill.height() / 2.0 - 0.5, float(pill.property("radius") or 99))
                box = self.core.QRectF(pill.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
                painter.drawRoundedRect(box, radius, radius)
            # A style sheet of the program paints over the colours of the theme.
            option = widgets.QStyleOption()
            option.initFrom(pill)
            element = widgets.QStyle.PrimitiveElement.PE_Widget
            pill.style().drawPrimitive(element, option, painter, pill)
            painter.end()

        base = widgets.QFrame
        return type(base)("ConnectionPill", (base,), {"paintEvent": paint})

    def _eliding_class(self) -> Any:
        gui, widgets, core = self.gui, self.widgets, self.core

        def paint(label: Any, _: Any) -> None:
            painter = gui.QPainter(label)
            box = label.contentsRect()
            mode = core.Qt.TextElideMode.ElideRight
            text = label.fontMetrics().elidedText(label.text(), mode, box.width())
            flags = core.Qt.AlignmentFlag.AlignVCenter | core.Qt.AlignmentFlag.AlignLeft
            role = label.foregroundRole()
            label.style().drawItemText(
                painter, box, int(flags.value), label.palette(), label.isEnabled(), text, role
            )
            painter.end()

        def least(label: Any) -> Any:
            metrics = label.fontMetrics()
            shortest = min(metrics.horizontalAdvance("mmmmmm…"), label.sizeHint().width())
            return core.QSize(shortest, metrics.height())

        base = widgets.QLabel
        return type(base)("ElidingLabel", (base,), {"paintEvent": paint, "minimumSizeHint": least})


def kit_for(ui: object, qt_widgets: ModuleType) -> Kit:
    """Returns the kit of a binding for a widget of this loop.

    Raises:
        UsageError: `ui` is the loop of another toolkit, or `qt_widgets` is another module.
    """
    if not isinstance(ui, QtLoop):
        raise UsageError(
            f"widgets of Qt need a QtLoop, not {type(ui).__name__}: write QtLoop(QtCore), also under qasync"
        )
    check_toolkit(
        qt_widgets, "QFrame", "ConnectionStatus(ui, QtWidgets, ...), with the module QtWidgets"
    )
    return kit_of(qt_widgets)


@cache
def kit_of(qt_widgets: ModuleType) -> Kit:
    """Returns the kit of a binding, made once."""
    return Kit(qt_widgets)


def pill(kit: Kit, name: str, parent: Any = None, *, radius: float = 99.0) -> Any:
    """Returns a frame with rounded ends and a horizontal layout."""
    frame = kit.Pill(parent)
    frame.setObjectName(name)
    frame.setProperty("radius", radius)
    layout = kit.widgets.QHBoxLayout(frame)
    layout.setContentsMargins(10, 4, 10, 4)
    layout.setSpacing(7)
    return frame


def eliding_label(kit: Kit, name: str) -> Any:
    """Returns a label for plain text that ends in "…" where the window is too narrow."""
    label = kit.Eliding()
    label.setObjectName(name)
    label.setTextFormat(kit.core.Qt.TextFormat.PlainText)
    return label


def badge_label(kit: Kit, name: str) -> Any:
    """Returns a small pill for a number."""
    frame = pill(kit, f"{name}Frame")
    frame.setProperty("isBadge", True)
    frame.layout().setContentsMargins(6, 0, 6, 0)
    label = kit.widgets.QLabel()
    label.setObjectName(name)
    label.setTextFormat(kit.core.Qt.TextFormat.PlainText)
    font = label.font()
    font.setBold(True)
    label.setFont(font)
    label.setAlignment(kit.core.Qt.AlignmentFlag.AlignCenter)
    frame.layout().addWidget(label)
    fixed = kit.widgets.QSizePolicy.Policy.Fixed
    frame.setSizePolicy(fixed, fixed)
    frame.hide()
    return frame


def retry_button(kit: Kit, name: str) -> Any:
    """Returns a flat button that takes the focus from the keyboard."""
    button = kit.widgets.QPushButton()
    button.setObjectName(name)
    button.setFlat(True)
    button.setAutoDefault(False)
    button.setCursor(kit.core.Qt.CursorShape.PointingHandCursor)
    font = button.font()
    font.setUnderline(True)
    button.setFont(font)
    button.setFixedHeight(button.fontMetrics().height() + 4)
    button.hide()
    return button


def set_ink(kit: Kit, widget: Any, view: ConnectionView, ink: Ink) -> None:
    """Paints a pill and the labels in it, and sets the properties that style sheets name."""
    key = (view.state.value, ink)
    if widget.property("ink") == str(key):
        return
    widget.setProperty("ink", str(key))
    widget.setProperty("fill", ink.tint)
    widget.setProperty("edge", ink.edge)
    widget.setProperty("tone", view.tone.value)
    widget.setProperty("state", view.state.name.lower())
    palette = widget.palette()
    role, colour = kit.gui.QPalette.ColorRole, kit.gui.QColor(ink.text)
    for one in (role.WindowText, role.ButtonText, role.Text):
        palette.setColor(one, colour)
    palette.setColor(role.Button, kit.gui.QColor(ink.tint))
    # Below a style sheet Qt hands no palette down, so each part gets it.
    for part in (widget, *widget.findChildren(kit.widgets.QWidget)):
        badge = part if part.property("isBadge") else part.parent()
        if part is widget or badge is widget or badge is None or not badge.property("isBadge"):
            part.setPalette(palette)
    # Style sheets with [tone="..."] look at properties only when they are asked to.
    widget.style().unpolish(widget)
    widget.style().polish(widget)
    widget.update()


def badge_ink(ink: Ink) -> Ink:
    """Returns the colours of a badge on a pill: the pill's own, the other way round."""
    return Ink(text=ink.tint, symbol=ink.tint, tint=ink.text, edge=ink.text)


class Symbol:
    """The symbol of a state in a label. It turns while the service is busy.

    Args:
        ui: The loop.
        kit: The binding.
        name: The object name of the label.

    Attributes:
        widget: A QLabel.
        show: Shows a view's symbol in a colour.
        spinner: Turns it.
    """

    def __init__(self, ui: QtLoop, kit: Kit, name: str) -> None:
        self._ui = ui
        self._kit = kit
        self.widget: Any = kit.widgets.QLabel()
        self.widget.setObjectName(name)
        mark = TurningMark(
            ui, self.widget, pixels=self._pixels, draw=self._draw, can_move=self._can_move
        )
        self.show = mark.show
        self.spinner = mark.spinner
        ui.on_shown(self.widget, ui.seen_changed)

    def _pixels(self) -> int:
        height: int = self.widget.fontMetrics().height()
        return round(max(10, round(height * 0.9)) * float(self.widget.devicePixelRatioF()))

    def _draw(self, png: bytes) -> None:
        if not self._ui.is_alive(self.widget):
            return
        picture = self._kit.gui.QPixmap()
        picture.loadFromData(png)
        picture.setDevicePixelRatio(float(self.widget.devicePixelRatioF()))
        self.widget.setPixmap(picture)

    def _can_move(self) -> bool:
        label = self.widget
        return (
            self._ui.is_alive(label)
            and label.isVisible()
            and not label.window().isMinimized()
            and self._kit.has_motion(label)
        )


def fade(kit: Kit, widget: Any, *, is_shown: bool, has_motion: bool) -> None:
    """Shows or hides a widget, over a short time where motion is allowed."""
    if widget.property("isShown") == is_shown:
        return
    widget.setProperty("isShown", is_shown)
    if widget.parent() is None:
        # Shown now it would be a window of its own. A window shows its children that were not hidden on purpose.
        widget.setVisible(False)
        attribute = kit.core.Qt.WidgetAttribute.WA_WState_ExplicitShowHide
        widget.setAttribute(attribute, not is_shown)
        return
    running = widget.property("fade")
    if running is not None:
        running.stop()
        widget.setProperty("fade", None)
    if not (has_motion and kit.has_motion(widget) and widget.window().isVisible()):
        widget.setGraphicsEffect(None)
        widget.setVisible(is_shown)
        return
    effect = kit.widgets.QGraphicsOpacityEffect(widget)
    effect.setOpacity(0.0 if is_shown else 1.0)
    widget.setGraphicsEffect(effect)
    move = kit.core.QPropertyAnimation(effect, b"opacity", widget)
    move.setDuration(_FADE)
    move.setStartValue(0.0 if is_shown else 1.0)
    move.setEndValue(1.0 if is_shown else 0.0)

    def finished() -> None:
        # An effect makes text blurred on fractional scales, so it goes with the fade.
        widget.setProperty("fade", None)
        widget.setGraphicsEffect(None)
        widget.setVisible(bool(widget.property("isShown")))

    move.finished.connect(finished)
    widget.setProperty("fade", move)
    widget.setVisible(True)
    move.start()
