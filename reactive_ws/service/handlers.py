"""The reading half of a service's surface: handlers, channel patterns, streams of messages, server-side channels.

It only registers; `receiver` and `dispatcher` deliver. Every method may be called from any thread; handlers run on the
service's loop, in the batch of their burst.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from reactivex.abc import DisposableBase
from reactivex.disposable import Disposable

from ..connection import ErrorKind
from ..inbound import AsyncHandler, Dispatcher, Receiver, Subscriptions, name_of
from ..state import EventStream
from ..wire import Envelope

__all__ = ["Routing"]

P = TypeVar("P")


class Routing:
    """Base of `WebSocketService`."""

    _dispatcher: Dispatcher
    _receiver: Receiver

    def __init__(self) -> None:
        self._routing_lock = threading.Lock()
        self._subscriptions = Subscriptions()
        self._async_handlers: dict[AsyncHandler, None] = {}

    if TYPE_CHECKING:

        def _subscriptions_changed(self) -> None: ...
        def _report(
            self,
            kind: ErrorKind,
            error: Exception,
            is_retryable: bool,  # noqa: FBT001 - one signature for all reporters
            source: str | None = None,
            /,
        ) -> None: ...

    @overload
    def on(
        self,
        key: type[P],
        handler: Callable[[P], Any],
        *,
        run: Callable[[Sequence[Envelope[P]]], Any] | None = None,
    ) -> DisposableBase: ...
    @overload
    def on(
        self,
        key: str,
        handler: Callable[[Envelope[Any]], Any],
        *,
        run: Callable[[Sequence[Envelope[Any]]], Any] | None = None,
    ) -> DisposableBase: ...

    def on(
        self,
        key: type[Any] | str,
        handler: Callable[[Any], Any],
        *,
        run: Callable[[Sequence[Envelope[Any]]], Any] | None = None,
    ) -> DisposableBase:
        """Calls `handler` with the payload of every message of a class, or with the envelopes of a type name.

        A handler is short and synchronous. All its writes for one message take effect together, with those of the other
        messages of the burst; if it raises, its own writes for that message are dropped and the error is reported.

        Args:
            key: A payload class or a type name.
            handler: What to call for one message.
            run: For handlers that must be fast: called instead with the envelopes of several messages that came in a row,
                when all handlers of these messages have one. It must have the effect of `handler` for each in turn and
                read nothing that other handlers of the type write. When it raises, `handler` is called for each.

        Returns:
            The registration; `dispose()` it or use it as a context manager.

        Raises:
            UnknownType: the class is not registered.
        """
        return self._dispatcher.on(key, handler, run=run)

    @overload
    def on_async(self, key: type[P], handler: Callable[[P], Awaitable[Any]]) -> DisposableBase: ...
    @overload
    def on_async(
        self, key: str, handler: Callable[[Envelope[Any]], Awaitable[Any]]
    ) -> DisposableBase: ...

    def on_async(
        self, key: type[Any] | str, handler: Callable[[Any], Awaitable[Any]]
    ) -> DisposableBase:
        """Like `on` for slow work: calls come in order, one at a time, in a task; at most 1 000 may wait.

        The handler runs after the burst's commit and outside its batch. A disconnect cancels it.

        Raises:
            UnknownType: the class is not registered.
        """

        def failed(name: str, error: Exception) -> None:
            self._report(ErrorKind.APPLICATION, error, False, name)

        worker = AsyncHandler(name_of(handler), handler, failed)
        registration = self._dispatcher.on(key, handler, call=worker.give)
        with self._routing_lock:
            self._async_handlers[worker] = None

        def dispose() -> None:
            registration.dispose()
            with self._routing_lock:
                # One that still works stays listed: a disconnect cancels it.
                if worker.task is None:
                    self._async_handlers.pop(worker, None)

        return Disposable(dispose)

    def off(self, key: type[Any] | str, handler: Callable[..., Any]) -> bool:
        """Removes the newest registration of this handler for this class, type name or pattern.

        Returns:
            False when there was none.
        """
        return self._dispatcher.off(key, handler)

    def subscribe(
        self, pattern: str, handler: Callable[[Any, Envelope[Any]], Any]
    ) -> DisposableBase:
        """Calls `handler(payload, envelope)` for the messages of the channels that match: like `on` otherwise.

        Args:
            pattern: A channel; `a.*` for everything below `a.` at any depth; `*` for all.
            handler: Short and synchronous.
        """
        return self._dispatcher.subscribe(pattern, handler)

    def messages(self, pattern: str = "*") -> EventStream[Envelope[Any]]:
        """Returns the messages of the channels that match.

        Emits: every message, after its handlers and their commit. Replays: nothing. Thread: the service's loop.
        Ends: never. Can also be iterated with `async for`, in any loop.
        """
        return self._receiver.messages(pattern)

    def channel(self, pattern: str) -> EventStream[Envelope[Any]]:
        """Returns the messages of a channel for which the server must be asked.

        The first subscription of any stream of this pattern subscribes on the server, the last one that is disposed
        unsubscribes, and every new connection subscribes anew. What is disposed and subscribed again within one turn of
        the loop is not sent.

        Emits: every message whose channel matches, after its handlers. Replays: nothing. Thread: the service's loop.
        Ends: never. Can also be iterated with `async for`, in any loop.
        """

        def start() -> None:
            self._subscriptions.add(pattern)
            self._subscriptions_changed()

        def stop() -> None:
            self._subscriptions.remove(pattern)
            self._subscriptions_changed()

        return self._receiver.messages(pattern, on_start=start, on_stop=stop)
