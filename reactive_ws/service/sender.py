"""The writing half of a service's surface: send a message, ask a question.

It stamps, encodes and queues; the outbox decides what becomes of a message and the line writes it. `send` may be called
from any thread and never blocks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ..connection import Decisions, Logbook
from ..errors import RequestTimeout, ServiceClosed
from ..inbound import Receiver
from ..outbox import Delivery, DeliveryStatus, Outbox, OutboxView, Storage
from ..state import Store
from ..transport import Settings
from ..wire import Envelope, Guarantee, MessageSend

__all__ = ["Sending"]

R = TypeVar("R")


class Sending:
    """Base of `WebSocketService`."""

    _settings: Settings
    _outbox: Outbox
    _receiver: Receiver
    _storage: Storage | None
    _protocol: Decisions
    _log: Logbook
    _view: Store[OutboxView]
    _is_accepting: bool

    if TYPE_CHECKING:

        def _now(self) -> float: ...
        def _poke(self) -> None: ...
        def _in_loop(self, function: Callable[[], None]) -> None: ...
        def _send_frame(self, frame: str | bytes, delivery: Delivery) -> None: ...

    @overload
    def send(
        self,
        message: str,
        payload: Any = None,
        *,
        channel: str | None = None,
        time_to_live: float | None = None,
    ) -> Delivery: ...
    @overload
    def send(
        self, message: object, *, channel: str | None = None, time_to_live: float | None = None
    ) -> Delivery: ...

    def send(
        self,
        message: object,
        payload: Any = None,
        *,
        channel: str | None = None,
        time_to_live: float | None = None,
    ) -> Delivery:
        """Queues a message and returns at once. Any thread.

        How far delivery is promised is declared with the type: at-least-once messages are kept and resent with the same
        id until the server acknowledges them, at-most-once ones are kept until they are written, volatile ones go now or
        never.

        Args:
            message: A payload of a registered class, or the name of a type.
            payload: With a type name: plain JSON values.
            channel: Routing name for the server.
            time_to_live: Seconds after which the message is not sent for the first time any more.

        Returns:
            What becomes of it; see `Delivery`.

        Raises:
            UnknownType: the class was never registered.
            MessageRejected: the payload cannot be encoded.
            OutboxFull: there is no room, and nothing may be dropped for it.
            ServiceClosed: after `disconnect()` or `stop()`.
        """
        envelope, guarantee = self._envelope(message, payload, channel)
        return self._queue(envelope, guarantee, time_to_live)

    def discard(self, *ids: str) -> None:
        """Gives up on messages that wait, in the service's loop; ids of others are no error. Any thread.

        What was never sent fails; what was is uncertain, because the server may have it.
        """

        def give_up() -> None:
            self._outbox.discard(frozenset(ids))
            self._poke()

        self._in_loop(give_up)

    async def request(
        self,
        message: object,
        payload: Any = None,
        *,
        reply: type[R],
        timeout: float = 10.0,
        channel: str | None = None,
    ) -> R:
        """Sends a message and returns the payload of its reply.

        A reply is a message of class `reply` that carries the request's id, or, without an id, the next one of that class.

        Raises:
            RequestTimeout: no reply within `timeout` seconds; the message may have been delivered.
            RequestFailed: the server answered with an error.
            DeliveryFailed: the message was not delivered.
            ServiceClosed: after or by `disconnect()`.
        """
        envelope, guarantee = self._envelope(message, payload, channel)
        identity = envelope.id or ""
        requests = self._receiver.requests
        answer = requests.ask(identity, reply)
        try:
            delivery = self._queue(envelope, guarantee, timeout)

            def fail(status: DeliveryStatus) -> None:
                if status is DeliveryStatus.FAILED or status is DeliveryStatus.UNCERTAIN:
                    answer.fail(delivery.failure)

            undo = delivery.watch(fail)
            try:
                async with asyncio.timeout(timeout):
                    arrived = await answer
            finally:
                undo()
        except TimeoutError as error:
            raise RequestTimeout(timeout, reply.__name__) from error
        finally:
            requests.forget(identity)
        result: R = arrived.payload
        return result

    def _envelope(
        self, message: object, payload: Any, channel: str | None
    ) -> tuple[Envelope[Any], Guarantee]:
        settings = self._settings
        if isinstance(message, str):
            row = settings.registry.get(message)
            name, body = message, payload
            guarantee = row.guarantee if row is not None else Guarantee.AT_MOST_ONCE
        else:
            row = settings.registry.of(type(message))
            name, body, guarantee = row.name, message, row.guarantee
        # The server acknowledges a chat message by the message's own id.
        identity = body.message.id if isinstance(body, MessageSend) else settings.new_id()
        stamped: Envelope[Any] = Envelope(
            name, body, channel or name, identity, timestamp=settings.clock()
        )
        return stamped, guarantee

    def _queue(
        self, envelope: Envelope[Any], guarantee: Guarantee, time_to_live: float | None
    ) -> Delivery:
        if not self._is_accepting:
            raise ServiceClosed
        frame = self._settings.codec.encode(envelope)
        if guarantee is Guarantee.CONTROL:
            delivery = Delivery(envelope.id or "", is_final_when_sent=True)
            self._send_frame(frame, delivery)
            return delivery
        storage = self._storage if guarantee is Guarantee.AT_LEAST_ONCE else None
        entry = self._outbox.offer(
            envelope,
            frame,
            guarantee,
            self._now(),
            time_to_live=time_to_live,
            is_durable=storage is not None,
            is_ready=storage is None,
        )
        if storage is not None:
            storage.store(entry)
        if not self._protocol.connection.is_connected and not entry.is_over:
            self._log.queued(envelope.type, len(self._outbox))
        self._poke()
        return entry.delivery

    async def drain(self, timeout: float | None = None) -> None:
        """Waits until nothing waits to be sent or acknowledged any more. Any loop.

        Raises:
            TimeoutError: something still does after `timeout` seconds; it goes on waiting to be sent.
        """
        async with asyncio.timeout(timeout):
            while len(self._outbox):
                # The view is shown a turn of the loop later than the outbox changes.
                await asyncio.sleep(0)
                await self._view.select(len).wait_for(lambda waiting: not waiting)

    def clear_outbox(self) -> int:
        """Gives up everything that waits, also what is stored in a file. Any thread.

        What was never sent fails, what is in flight becomes uncertain.

        Returns:
            How many messages were given up.
        """
        count = self._outbox.clear()
        self._poke()
        return count
