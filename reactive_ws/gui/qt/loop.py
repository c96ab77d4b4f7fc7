"""`QtLoop`: PySide6. A posted event wakes the UI thread, because a QTimer that a plain thread starts never fires.

Developed against PySide6 6.8 to 6.11. PySide6 6.12.0 on Python 3.11 loses a reference of True or None with every call
and aborts the process; install `PySide6-Essentials>=6.8,<6.12` there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ...errors import UsageError
from ..loop import UiLoop

__all__ = ["QtLoop"]


class QtLoop(UiLoop):
    """The loop of a `QApplication`. Make it on the application's thread. Closes when the application quits.

    Args:
        qt_core: The module `PySide6.QtCore`.
        options: What `UiLoop` takes.

    Raises:
        UsageError: there is no application yet.
    """

    def __init__(self, qt_core: ModuleType, **options: Any) -> None:
        application = qt_core.QCoreApplication.instance()
        if application is None:
            raise UsageError("make the QApplication first, and then its QtLoop")
        super().__init__(**options)
        self._qt = qt_core
        self._application = application
        self._kind = qt_core.QEvent.Type(qt_core.QEvent.registerEventType())
        self._receiver = self._make_receiver()
        application.aboutToQuit.connect(self.close)

    def _make_receiver(self) -> Any:
        kind, run = self._kind, self._run_posted

        def event(_: Any, it: Any) -> bool:
            # Nothing else is ever sent to this object that it would have to care for.
            if it.type() == kind:
                run()
                return True
            return False

        base = self._qt.QObject
        return type(base)("Receiver", (base,), {"event": event})()

    def on_resized(self, parent: Any, child: Any, place: Callable[[Any], None]) -> None:
        """Calls `place(child)` when `parent` changes its size. The child owns what this needs. UI thread."""
        kind = self._qt.QEvent.Type.Resize

        def event_filter(watcher: Any, _: Any, it: Any) -> bool:
            if it.type() == kind:
                place(watcher.parent())
            return False

        base = self._qt.QObject
        watcher = type(base)("ResizeWatcher", (base,), {"eventFilter": event_filter})(child)
        parent.installEventFilter(watcher)

    def is_alive(self, widget: Any) -> bool:
        """Whether the C++ object behind the widget still exists."""
        shiboken = sys.modules.get("shiboken6")
        return widget is not None and (shiboken is None or bool(shiboken.isValid(widget)))

    def _on_gone(self, widget: Any, gone: Callable[[], None]) -> None:
        widget.destroyed.connect(_ignoring(gone))

    def _wake(self) -> None:
        self._qt.QCoreApplication.postEvent(self._receiver, self._qt.QEvent(self._kind))

    def _start_timer(self, delay: float, function: Callable[[], None]) -> Callable[[], None]:
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

    def _release(self) -> None:
        if self.is_alive(self._application):
            self._application.aboutToQuit.disconnect(self.close)
        if self.is_alive(self._receiver):
            self._receiver.deleteLater()


def _ignoring(function: Callable[[], None]) -> Callable[..., None]:
    def call(*_: object) -> None:
        function()

    return call
