"""`connection_view`: the stream of the views of a service, with one timer while a view depends on the time.

The views themselves are `connection_view.view_at`, a pure function. All widgets of a window share one stream.
"""

from __future__ import annotations

from collections.abc import Callable, Sized
from typing import Any, Protocol

from reactivex import Observable, abc
from reactivex.disposable import Disposable

from ...connection import Connection, ConnectionState, Metrics
from ...errors import UsageError
from ...state import ReadOnly, derived
from ..loop import UiLoop
from ..mirror import Mirror
from .connection_view import LOST, ConnectionView, next_change, view_at
from .theme import Theme

__all__ = ["Service", "connection_view"]


class Service(Protocol):
    """The part of a `WebSocketService` that `connection_view` needs."""

    @property
    def connection(self) -> ReadOnly[Connection]: ...
    @property
    def metrics(self) -> ReadOnly[Metrics]: ...
    @property
    def outbox(self) -> ReadOnly[Sized]: ...
    @property
    def can_send(self) -> ReadOnly[bool]: ...
    @property
    def is_filling(self) -> ReadOnly[bool]: ...
    def connect(self) -> object: ...


def connection_view(
    ui: UiLoop,
    service: Service,
    *,
    grace: float = 0.5,
    theme: Theme | None = None,
) -> Observable[ConnectionView]:
    """Returns the views of a service's connection, as they change.

    Emits: a view at once, then each one that differs, at most one a frame. A timer runs only while there is an observer,
        only in states whose words change with time, and only while the user can see a window (`UiLoop.is_seen`).
    Replays: the current view.
    Thread: the UI thread. Subscribe on the UI thread.
    Ends: with the loop.

    Args:
        ui: The loop of the user interface.
        service: A `WebSocketService`.
        grace: Seconds of an outage during which there is no banner, from the first moment of the outage.
        theme: Colours, symbols and words; those of `Theme()` when None.

    Raises:
        UsageError: `ui` is not a loop of a user interface, or `service` is not a service.
    """
    if not isinstance(ui, UiLoop) or not hasattr(service, "can_send"):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(
            f"write connection_view(ui, service), with a UiLoop and a WebSocketService; got {type(ui).__name__}"
            f" and {type(service).__name__}"
        )
    return Observable(_Watching(ui, service, grace, theme or Theme()).subscribe)


class _Watching:
    """The views of one service: a mirror for each fact, and one timer while the view depends on the time.

    All observers share them, so that a window with many widgets wakes as often as a window with one. They exist while there is
    an observer.
    """

    def __init__(self, ui: UiLoop, service: Service, grace: float, theme: Theme) -> None:
        self._ui = ui
        self._service = service
        self._grace = grace
        self._theme = theme
        self._observers: dict[object, abc.ObserverBase[ConnectionView]] = {}
        self._shown: ConnectionView | None = None
        self._lost_since: float | None = None
        self._filling_since: float | None = None
        self._is_first = True
        self._cancel: Callable[[], None] | None = None
        self._end: Callable[[], None] | None = None
        self._facts: ReadOnly[tuple[Connection, int, Metrics, bool, bool]]

    def subscribe(
        self, observer: abc.ObserverBase[ConnectionView], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        """Shows the current view to an observer, and each later one. UI thread."""
        del scheduler
        key = object()

        def leave() -> None:
            if self._observers.pop(key, None) is not None and not self._observers:
                self._stop()

        is_first = not self._observers
        self._observers[key] = observer
        if is_first:
            self._start()
        elif self._shown is not None:
            observer.on_next(self._shown)
        return Disposable(leave)

    def _start(self) -> None:
        ui, service = self._ui, self._service
        self._shown, self._lost_since, self._filling_since = None, None, None
        self._is_first = True
        connection = ui.mirror(service.connection)
        outbox = ui.mirror(service.outbox)
        metrics = ui.mirror(service.metrics)
        room = ui.mirror(service.can_send)
        filling = ui.mirror(service.is_filling)
        self._facts = derived(
            connection,
            outbox,
            metrics,
            room,
            filling,
            lambda now, waiting, counts, can_send, is_filling: (
                (now, len(waiting), counts, can_send, is_filling)
            ),
        )
        mirrors: tuple[Mirror[Any], ...] = (connection, outbox, metrics, room, filling)
        subscription = self._facts.select().subscribe(lambda _: self._look())
        forget = ui.on_seen(self._look)

        def end() -> None:
            forget()
            subscription.dispose()
            for mirror in mirrors:
                mirror.dispose()

        if self._observers:
            self._end = end
        else:
            # The only observer left when it got the first view.
            end()

    def _stop(self) -> None:
        if self._cancel is not None:
            self._cancel()
            self._cancel = None
        end, self._end = self._end, None
        if end is not None:
            end()

    def _look(self) -> None:
        if self._cancel is not None:
            self._cancel()
            self._cancel = None
        connection, queued, metrics, can_send, is_filling = self._facts.get()
        now = self._ui.now()
        is_first, self._is_first = self._is_first, False
        self._note_outage(connection, now, is_first=is_first)
        if not is_filling:
            self._filling_since = None
        elif self._filling_since is None:
            # A new window cannot know how long this has lasted.
            self._filling_since = now - self._grace if is_first else now
        view = view_at(
            connection,
            queued,
            metrics,
            now=now,
            lost_since=self._lost_since,
            grace=self._grace,
            theme=self._theme,
            can_send=can_send,
            filling_since=self._filling_since,
            retry=self._service.connect,
        )
        wait = next_change(
            connection,
            now=now,
            lost_since=self._lost_since,
            filling_since=self._filling_since,
            grace=self._grace,
            is_seen=self._ui.is_seen(),
        )
        if wait is not None:
            self._cancel = self._ui.later(wait, self._look)
        if view != self._shown:
            self._shown = view
            for observer in list(self._observers.values()):
                self._ui.guard(observer.on_next, view)

    def _note_outage(self, connection: Connection, now: float, *, is_first: bool) -> None:
        if connection.state in LOST:
            if self._lost_since is None:
                # A window that opens in the middle of an outage goes by the state's own beginning.
                self._lost_since = min(now, connection.since) if is_first else now
        elif connection.state is not ConnectionState.CONNECTING:
            self._lost_since = None
