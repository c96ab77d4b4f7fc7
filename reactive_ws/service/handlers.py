"""The reading half of a service: handlers, channel patterns, streams of messages, subscriptions on the server.

It only registers; the receiver and the dispatcher deliver. Every method may be called from any thread. Handlers run on
the service's loop, in the batch of their burst. `service` documents the public methods.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from reactivex.abc import DisposableBase

from ..engine import Registration, name_of
from ..errors import MessageRejected, UsageError
from ..inbound import AsyncHandler, Dispatcher, Receiver, Subscriptions
from ..state import EventStream
from ..wire import Envelope
from .place import ServicePlace

__all__ = ["Handlers"]


class Handlers:
    """The handlers and streams of a program.

    Args:
        dispatcher: Calls the handlers.
        receiver: Gives the streams of messages.
        subscriptions: The channels that the server is asked for.
        place: Where the service runs.
        failed: Called with the name of an async handler and what it raised.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        receiver: Receiver,
        subscriptions: Subscriptions,
        place: ServicePlace,
        failed: Callable[[str, Exception], None],
    ) -> None:
        self._dispatcher = dispatcher
        self._receiver = receiver
        self._subscriptions = subscriptions
        self._place = place
        self._failed = failed
        self._lock = threading.Lock()
        self._async_handlers: dict[AsyncHandler, None] = {}
        self._answers: dict[str, tuple[Callable[[Any], Any], bool]] = {}

    def on(
        self,
        key: type[Any] | str,
        handler: Callable[[Any], Any],
        run: Callable[[Sequence[Envelope[Any]]], Any] | None,
    ) -> DisposableBase:
        """Registers a handler for a class or a type name."""
        return self._dispatcher.on(key, handler, run=run)

    def on_async(
        self, key: type[Any] | str, handler: Callable[[Any], Awaitable[Any]]
    ) -> DisposableBase:
        """Registers a slow handler."""
        worker = AsyncHandler(name_of(handler), handler, self._failed)
        registration = self._dispatcher.on(key, handler, call=worker.give)
        with self._lock:
            self._async_handlers[worker] = None

        def dispose() -> None:
            registration.dispose()
            with self._lock:
                # A handler that still works stays listed, so that a disconnect cancels it.
                if worker.task is None:
                    self._async_handlers.pop(worker, None)

        return Registration(dispose)

    def on_request(self, key: type[Any] | str, answer: Callable[[Any], Any]) -> DisposableBase:
        """Registers what answers the server's requests of a class or a type name."""
        name = self._dispatcher.name_of(key)
        entry = answer, isinstance(key, str)
        with self._lock:
            if name in self._answers:
                raise UsageError(f"requests of the type {name!r} are answered already")
            self._answers[name] = entry

        def dispose() -> None:
            with self._lock:
                if self._answers.get(name) is entry:
                    del self._answers[name]

        return Registration(dispose)

    def answer(self, message: Envelope[Any]) -> Any:
        """Returns the answer to a request of the server.

        Raises:
            MessageRejected: nothing answers it, or the function of the program raised.
        """
        found = self._answers.get(message.type)
        if found is None:
            reason = "the server asks and nothing answers; register an answer with on_request"
            raise MessageRejected(reason, type=message.type)
        function, takes_envelope = found
        try:
            return function(message if takes_envelope else message.payload)
        except Exception as error:
            reason = f"{name_of(function)} raised {type(error).__name__}"
            raise MessageRejected(reason, type=message.type) from error

    def off(self, key: type[Any] | str, handler: Callable[..., Any]) -> bool:
        """Removes the newest registration; False when there was none."""
        return self._dispatcher.off(key, handler)

    def on_channel(
        self, pattern: str, handler: Callable[[Any, Envelope[Any]], Any]
    ) -> DisposableBase:
        """Registers a handler for channels."""
        return self._dispatcher.on_channel(pattern, handler)

    def messages(self, pattern: str, *, subscribe: bool) -> EventStream[Envelope[Any]]:
        """Returns the messages of the channels that match; with `subscribe`, asks the server for them."""
        if not subscribe:
            return self._receiver.messages(pattern)

        def start() -> None:
            self._subscriptions.add(pattern)
            self._say_soon()

        def stop() -> None:
            self._subscriptions.remove(pattern)
            self._say_soon()

        return self._receiver.messages(pattern, on_start=start, on_stop=stop)

    def cancel(self) -> set[asyncio.Task[None]]:
        """Drops what waits for async handlers and cancels the calls that are under way; returns their tasks."""
        tasks: set[asyncio.Task[None]] = set()
        for handler in list(self._async_handlers):
            handler.close()
            if handler.task is not None:
                tasks.add(handler.task)
        return tasks

    def _say_soon(self) -> None:
        """Tells the server in the next turn of the loop what changed until then."""

        def say() -> None:
            if self._place.shell is not None:
                self._place.shell.say_subscriptions()

        def soon() -> None:
            if self._place.shell is not None:
                self._place.shell.loop.call_soon(say)

        self._place.post(soon)
