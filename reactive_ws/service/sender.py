"""The writing half of a service: send a message, ask a question, give messages up.

It stamps, encodes and queues; the outbox decides what becomes of a message, and the line writes it. `service` documents
the public methods.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from ..connection import Decisions, Logbook
from ..engine import check_seconds
from ..errors import MessageRejected, RequestTimeout, ServiceClosed, UsageError
from ..inbound import Receiver
from ..outbox import Delivery, DeliveryStatus, Outbox, OutboxView, Sending, Storage
from ..state import EventSource, ReadOnly
from ..transport import Settings, frame_size
from ..wire import MAX_ID_LENGTH, Envelope, Guarantee
from .place import ServicePlace

__all__ = ["Sender"]

R = TypeVar("R")


class Sender:
    """Takes what a program sends. Any thread, except for `accept`, `refuse`, `close` and `fail_requests`.

    Args:
        settings: The options of the service.
        outbox: Takes the messages.
        receiver: Has the open requests.
        decisions: Knows whether there is a connection.
        place: Where the service runs.
        view: Shows the outbox.
        log: Takes a line for each message that waits.
        changed: Called after the outbox changed.
        storage_failed: Called with what the durable outbox could not store or read.
        explain: Returns how the connection stands, for texts of errors.

    Attributes:
        sending: The source of `service.sending`.
        closing: Called when the service ends: each writes a file.

    Raises:
        JournalError: the durable outbox's file cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        outbox: Outbox,
        receiver: Receiver,
        decisions: Decisions,
        place: ServicePlace,
        view: ReadOnly[OutboxView],
        log: Logbook,
        changed: Callable[[], None],
        storage_failed: Callable[[Exception], None],
        explain: Callable[[], str],
    ) -> None:
        self._settings = settings
        self._outbox = outbox
        self._requests = receiver.requests
        self._decisions = decisions
        self._place = place
        self._view = view
        self._log = log
        self._changed = changed
        self._explain = explain
        self.sending: EventSource[Sending] = EventSource("service.sending")
        self.closing: list[Callable[[], object]] = []
        self._is_accepting = True
        self._storage: Storage | None = None
        path = outbox.options.path
        if path is not None:
            self._storage = Storage(
                path,
                outbox=outbox,
                codec=settings.codec,
                now=place.now,
                wall=lambda: settings.clock().timestamp(),
                post=place.post,
                changed=changed,
                failed=storage_failed,
            )
            changed()

    # --- for `runtime` --------------------------------------------------------------------------------------------------

    def accept(self) -> None:
        """Takes messages from now on."""
        self._is_accepting = True

    def refuse(self) -> None:
        """Takes no messages from now on."""
        self._is_accepting = False

    def open(self) -> None:
        """Takes the durable outbox's file, which `close` let go.

        Raises:
            JournalError: the file cannot be used.
        """
        if self._storage is not None:
            self._storage.open()

    def settle(self) -> None:
        """Disconnected without a loop: gives every waiting message its final status."""
        self._log.given_up(self._outbox.settle())
        self._changed()

    def close(self) -> None:
        """Writes what the durable outbox and the replicas have to write; lets the outbox's file go. Takes some milliseconds."""
        for write in tuple(self.closing):
            write()
        if self._storage is not None:
            self._storage.close()

    def fail_requests(self) -> None:
        """Ends every request that is open."""
        self._requests.fail_all(ServiceClosed())

    # --- for programs ---------------------------------------------------------------------------------------------------

    def send(
        self,
        message: object,
        payload: Any,
        channel: str | None,
        time_to_live: float | None,
        before: Callable[[Envelope[Any]], None] | None = None,
    ) -> Delivery:
        """Queues a message; calls `before` with it first."""
        envelope, guarantee = self._envelope(message, payload, channel)
        if before is not None:
            before(envelope)
        return self._queue(envelope, guarantee, time_to_live)

    async def request(
        self, message: object, payload: Any, reply: type[R], timeout: float, channel: str | None
    ) -> R:
        """Sends a message and returns the payload of its reply."""
        envelope, guarantee = self._envelope(message, payload, channel)
        identity = envelope.id or ""
        answer = self._requests.ask(identity, reply)
        try:
            delivery = self._queue(envelope, guarantee, timeout)
            self._requests.sent_as(identity, delivery)

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
            raise RequestTimeout(timeout, reply.__name__, self._explain()) from error
        finally:
            self._requests.forget(identity)
        result: R = arrived.payload
        return result

    def discard(self, ids: frozenset[str]) -> None:
        """Gives up on messages that wait."""
        self._place.check_process()

        def give_up() -> None:
            self._outbox.discard(ids)
            if self._storage is not None:
                self._storage.discard(ids)
            self._changed()

        self._place.post(give_up)

    def clear(self) -> int:
        """Gives up everything that waits; returns how many messages that were."""
        self._place.check_process()
        count = self._outbox.clear()
        if self._storage is not None:
            count += self._storage.clear()
        self._changed()
        return count

    async def drain(self, timeout: float | None) -> None:
        """Waits until the outbox is empty."""
        self._place.check_process()
        try:
            async with asyncio.timeout(timeout):
                while len(self._outbox):
                    # The view is shown a turn of the loop later than the outbox changes.
                    await asyncio.sleep(0)
                    await self._view.select(len).wait_for(lambda waiting: not waiting)
        except TimeoutError:
            count = len(self._outbox)
            waiting = "1 message still waits" if count == 1 else f"{count} messages still wait"
            raise TimeoutError(f"{waiting} after {timeout:g} s; {self._explain()}") from None

    # --- how ------------------------------------------------------------------------------------------------------------

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
        own = None if row is None or not isinstance(body, row.payload) else row.identity
        # A function of the program made it, so it may be anything.
        identity: Any = settings.new_id() if own is None else own(body)
        if not isinstance(identity, str) or not 1 <= len(identity) <= MAX_ID_LENGTH:
            raise UsageError(_bad_id(name, identity))
        stamped: Envelope[Any] = Envelope(
            name, body, channel or name, identity, timestamp=settings.clock()
        )
        return stamped, guarantee

    def _queue(
        self, envelope: Envelope[Any], guarantee: Guarantee, time_to_live: float | None
    ) -> Delivery:
        self._place.check_process()
        if not self._is_accepting:
            raise ServiceClosed
        if time_to_live is not None:
            check_seconds(time_to_live, "time_to_live=")
        frame = self._settings.codec.encode(envelope)
        size = frame_size(frame, envelope.type)
        if guarantee is Guarantee.CONTROL:
            delivery = Delivery(envelope.id or "", is_final_when_sent=True)
            self._sent(envelope, guarantee, delivery)
            self._send_now(envelope, frame, delivery)
            return delivery
        storage = self._storage if guarantee is Guarantee.AT_LEAST_ONCE else None
        entry = self._outbox.offer(
            envelope,
            frame,
            guarantee,
            self._place.now(),
            size=size,
            time_to_live=time_to_live,
            is_durable=storage is not None,
            is_ready=storage is None,
        )
        if storage is not None:
            storage.store(entry)
        if not self._decisions.connection.is_connected and not entry.is_over:
            self._log.queued(envelope.type, len(self._outbox))
        # Before the message may be written, so that what watches its delivery sees it queued.
        self._sent(envelope, guarantee, entry.delivery)
        self._changed()
        return entry.delivery

    def _sent(self, envelope: Envelope[Any], guarantee: Guarantee, delivery: Delivery) -> None:
        if self.sending.is_observed:
            self.sending.emit(Sending(envelope, guarantee, delivery))

    def _send_now(self, envelope: Envelope[Any], frame: str | bytes, delivery: Delivery) -> None:
        def go() -> None:
            shell = self._place.shell
            try:
                is_sent = shell is not None and shell.send_now(envelope, frame)
            except MessageRejected as error:
                delivery.advance(DeliveryStatus.FAILED, str(error), error)
                return
            if is_sent:
                delivery.advance(DeliveryStatus.SENT)
            else:
                reason = "not connected, and control messages do not wait"
                delivery.advance(DeliveryStatus.FAILED, reason)

        self._place.post(go)


def _bad_id(name: str, identity: object) -> str:
    if not isinstance(identity, str):
        found = f"{type(identity).__name__} {identity!r:.80}"
    else:
        found = f"text of {len(identity)} characters"
    return f"the id of a message is text of 1 to {MAX_ID_LENGTH} characters; identity= of {name!r} or new_id= gave {found}"
