"""Saves before a signal ends the process: SIGTERM (logging out, `docker stop`) and SIGHUP (the terminal was closed).

Python ends the process on these signals at once, without `atexit`. While a save is registered, and only where the program
has no handler of its own, this module handles them: a thread runs the saves, and then the signal ends the process as it
would have. The saves have a thread of their own. The main thread may hold a lock when the signal comes, or may be inside a
C function (the loop of a toolkit). A second signal ends the process at once. Called by `persist_file`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable

__all__ = ["save_before_signals"]

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))

_GRACE = 1.0
"""Seconds that the main thread has to end the process by the signal itself, before the thread ends it with a status."""

_lock = threading.RLock()
_saves: list[Callable[[], object]] = []


class _Watch:
    """The thread that waits for a signal, and the pipe that wakes it."""

    def __init__(self) -> None:
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._write_end, False)
        self.is_saving = False
        self._is_saved = False
        self._was_handled = False
        # Python writes the number of each signal there at once, also while the main thread is inside a C function.
        before = signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        if before != -1:
            signal.set_wakeup_fd(before)
        self._thread = threading.Thread(
            target=self._run, name="reactive_ws save before signals", daemon=True
        )
        self._thread.start()

    def wake(self, number: int) -> None:
        """Lets the thread know of a signal."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._write_end, bytes([number]))

    def may_end(self) -> bool:
        """Whether a signal ends the process now. Called once for each that the main thread handles.

        The pipe may wake the thread before the main thread handles the first signal. So the first one that is handled is
        not a second signal, although the thread is saving.
        """
        was_handled, self._was_handled = self._was_handled, True
        return self._is_saved or (self.is_saving and was_handled)

    def stop(self) -> None:
        """Ends the thread. On the main thread."""
        self.forget()
        # Not for good: a signal may come at this moment, and the thread may then save a file that the caller holds.
        self._thread.join(_GRACE)

    def forget(self) -> None:
        """Closes the writing end, which ends the thread where there is one."""
        before = signal.set_wakeup_fd(-1)
        if before not in (-1, self._write_end):
            signal.set_wakeup_fd(before)
        os.close(self._write_end)

    def close_in_child(self) -> None:
        """Closes this copy of the parent's pipe. In a child after a fork."""
        self.forget()
        os.close(self._read_end)

    def _run(self) -> None:
        while numbers := os.read(self._read_end, 64):
            for number in numbers:
                if number in _SIGNALS and signal.getsignal(number) is _on_signal:
                    self._save_and_end(number)
        os.close(self._read_end)

    def _save_and_end(self, number: int) -> None:
        self.is_saving = True
        for save in _saves:
            # A failing save has reported why; the others have their turn.
            with contextlib.suppress(BaseException):
                save()
        self._is_saved = True
        os.kill(os.getpid(), number)
        time.sleep(_GRACE)
        # The main thread is inside a C function and runs no handler. A status tells it like a shell does.
        os._exit(128 + number)


_watch: _Watch | None = None


def _on_signal(number: int, _frame: object) -> None:
    if _watch is None or _watch.may_end():
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    else:
        _watch.wake(number)


def save_before_signals(save: Callable[[], object]) -> Callable[[], None]:
    """Runs `save` before SIGTERM or SIGHUP ends the process, where the program has no handler for them.

    Signal handlers belong to the main thread: called elsewhere, this notes the function for the time when a call on the
    main thread installs the handlers.

    Returns:
        A function that takes `save` back.
    """
    with _lock:
        _saves.append(save)
        _settle()

    def forget() -> None:
        with _lock:
            if save in _saves:
                _saves.remove(save)
            _settle()

    return forget


def _settle() -> None:
    """Installs the handlers when there is something to save, and takes them away when there is nothing."""
    global _watch
    if threading.current_thread() is not threading.main_thread():
        return
    if _saves and _watch is None:
        free = [number for number in _SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
        if free:
            _watch = _Watch()
            for number in free:
                signal.signal(number, _on_signal)
    elif not _saves and _watch is not None and not _watch.is_saving:
        _give_back()
        watch, _watch = _watch, None
        watch.stop()


def _give_back() -> None:
    for number in _SIGNALS:
        if signal.getsignal(number) is _on_signal:
            signal.signal(number, signal.SIG_DFL)


def _after_fork() -> None:
    """Lets a child end by signals as before; what is to be saved is the parent's."""
    global _watch, _lock
    _lock = threading.RLock()
    _saves.clear()
    watch, _watch = _watch, None
    if watch is not None:
        _give_back()
        watch.close_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
