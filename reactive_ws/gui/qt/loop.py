"""`QtLoop`: PySide6, PyQt6 and qasync. A posted event wakes the UI thread, because a QTimer of a plain thread never fires.

PySide6 6.12.0 on Python 3.11 loses a reference of True or None with every call
and aborts the process; install `PySide6-Essentials>=6.8,<6.12` there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ...errors import UsageError
from ..loop import UiLoop, check_toolkit, without_arguments

__all__ = ["QtLoop"]


class QtLoop(UiLoop):
    """The loop of a `QApplication`. Make it on the application's thread. It closes when the application quits.

    Args:
        qt_core: The module `PySide6.QtCore` or `PyQt6.QtCore`.
        options: What `UiLoop` takes.

    Raises:
        UsageError: the program has no application yet, or `qt_core` is another module.
    """

    def __init__(self, qt_core: ModuleType, **options: Any) -> None:
        check_toolkit(
            qt_core, "QCoreApplication", "QtLoop(QtCore), with the module of PySide6 or PyQt6"
        )
        application = qt_core.QCoreApplication.instance()
        if application is None:
            raise UsageError("make the QApplication first, and then its QtLoop")
        super().__init__(**options)
        self._qt = qt_core
        self._application = application
        # PyQt6 drops its Python object of a living one that Qt made, such as the header of a table.
        self._kept: dict[int, Any] = {}
        self._kind = qt_core.QEvent.Type(qt_core.QEvent.registerEventType())
        self._receiver = self._make_receiver()
        application.aboutToQuit.connect(self.close)
        self._state: Any = getattr(application, "applicationStateChanged", None)
        if self._state is not None:
            # A window that appears makes the application active, and the last one that goes makes it inactive.
            # PySide6 makes an enum when it is first named, and cannot give the slot a value of one that it has not made.
            _ = qt_core.Qt.ApplicationState
            self._state.connect(self._state_changed)

    def _make_receiver(self) -> Any:
        kind, run = self._kind, self.run_posted

        def event(_: Any, it: Any) -> bool:
            # Qt sends no other event to this object that needs an answer.
            if it.type() == kind:
                run()
                return True
            return False

        base = self._qt.QObject
        return type(base)("Receiver", (base,), {"event": event})()

    def _state_changed(self, _: object = None) -> None:
        self.seen_changed()

    def is_seen(self) -> bool:
        """Whether a widget's window is shown and not minimized; True in programs without widgets. UI thread."""
        # No QWindow: PySide6 may delete what it has wrapped at the end of the program, and Qt then deletes it again.
        find = getattr(self._application, "topLevelWidgets", None)
        windows: list[Any] = [] if find is None else find()
        return not windows or any(it.isVisible() and not it.isMinimized() for it in windows)

    def on_resized(self, parent: Any, child: Any, place: Callable[[Any], None]) -> None:
        """Calls `place(child)` when `parent` changes its size. The child owns the event filter. UI thread."""
        self._on_events(parent, child, (self._qt.QEvent.Type.Resize,), place)

    def on_layout(self, widget: Any, place: Callable[[Any], None]) -> None:
        """Calls `place(widget)` when the contents of `widget` need another size. UI thread."""
        self._on_events(widget, widget, (self._qt.QEvent.Type.LayoutRequest,), place)

    def on_palette(self, widget: Any, paint: Callable[[Any], None]) -> None:
        """Calls `paint(widget)` when the application changes its palette, such as from light to dark. UI thread."""
        kinds = self._qt.QEvent.Type
        events = (kinds.PaletteChange, kinds.ApplicationPaletteChange, kinds.StyleChange)
        self._on_events(widget, widget, events, paint)

    def on_shown(self, widget: Any, function: Callable[[], None]) -> None:
        """Calls `function` when `widget` appears or disappears. UI thread."""
        kinds = self._qt.QEvent.Type
        events = (kinds.Show, kinds.Hide, kinds.WindowStateChange)
        self._on_events(widget, widget, events, lambda _: self._post(function))

    def _post(self, function: Callable[[], None]) -> None:
        self.post(function)

    def _on_events(
        self, source: Any, owner: Any, kinds: tuple[Any, ...], function: Callable[[Any], None]
    ) -> None:
        def event_filter(watcher: Any, _: Any, it: Any) -> bool:
            if it.type() in kinds:
                function(watcher.parent())
            return False

        base = self._qt.QObject
        watcher = type(base)("EventWatcher", (base,), {"eventFilter": event_filter})(owner)
        source.installEventFilter(watcher)

    def is_alive(self, thing: Any) -> bool:
        """Whether the C++ object still exists; True for objects that are none of Qt's. PySide6 and PyQt6."""
        if thing is None:
            return False
        shiboken = sys.modules.get("shiboken6")
        if shiboken is not None:
            return bool(shiboken.isValid(thing))
        sip = sys.modules.get("PyQt6.sip")
        if sip is not None and isinstance(thing, sip.simplewrapper):
            return not sip.isdeleted(thing)
        return True

    def on_gone(self, thing: Any, gone: Callable[[], None]) -> None:
        """Calls `gone` at the `destroyed` signal; items and other objects go when Python collects them."""
        if not isinstance(thing, self._qt.QObject):
            return
        thing.destroyed.connect(without_arguments(gone))
        if _is_made_by_qt(thing):
            kept, name = self._kept, id(thing)
            kept[name] = thing

            def forget() -> None:
                kept.pop(name, None)

            thing.destroyed.connect(without_arguments(forget))

    def wake(self) -> None:
        self._qt.QCoreApplication.postEvent(self._receiver, self._qt.QEvent(self._kind))

    def start_timer(self, delay: float, function: Callable[[], None]) -> Callable[[], None]:
        timer = self._qt.QTimer(self._receiver)
        timer.setSingleShot(True)
        timer.setTimerType(self._qt.Qt.TimerType.PreciseTimer)

        def fire() -> None:
            timer.deleteLater()
            function()

        def cancel() -> None:
            if self.is_alive(timer):
                timer.stop()
                timer.deleteLater()

        timer.timeout.connect(fire)
        timer.start(round(delay * 1000.0))
        return cancel

    def release(self) -> None:
        self._kept.clear()
        if self.is_alive(self._application):
            self._application.aboutToQuit.disconnect(self.close)
            if self._state is not None:
                self._state.disconnect(self._state_changed)
        if self.is_alive(self._receiver):
            self._receiver.deleteLater()


def _is_made_by_qt(thing: Any) -> bool:
    """Whether Qt made a QObject and deletes it."""
    sip = sys.modules.get("PyQt6.sip")
    if sip is not None and isinstance(thing, sip.simplewrapper):
        return not sip.ispycreated(thing) and not sip.ispyowned(thing)
    shiboken: Any = sys.modules.get("shiboken6")
    if shiboken is None:
        return False
    return not shiboken.createdByPython(thing) and not shiboken.ownedByPython(thing)
