"""Own messages on their way: over the socket, or by a function that the user gives, such as a REST call.

They are shown at once and their delivery status follows. `history` hands this out; what a status makes of a conversation
is decided in `own_messages`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeAlias

import attrs

from reactive_ws.connection import ErrorKind
from reactive_ws.engine import Domain
from reactive_ws.outbox import Delivery, DeliveryStatus
from reactive_ws.state import Map, Store
from reactive_ws.wire import MessageReceived

from ..outside import Report, Send, call
from ..wire import Message, MessageSend
from .conversation import Conversation
from .entry import Entry
from .own_messages import acknowledged, advanced, answered_by_post, composed, withdrawn

__all__ = ["Outgoing", "Post"]

Post: TypeAlias = Callable[[Message], Message | Awaitable[Message | None] | None]
"""Sends a message in its own way; may return the server's copy, whose id may be another one. Raises when it cannot."""


# --- state ------------------------------------------------------------------------------------------------------------


@attrs.frozen
class _Sent:
    """An own message that is not settled yet. `post` is the way it went; None for the socket."""

    session_id: str
    post: Post | None = None


# --- store ------------------------------------------------------------------------------------------------------------


class Outgoing:
    """Own messages. Made by `History`.

    Args:
        domain: Of its store.
        get: Returns a session's conversation.
        change: Applies a reducer to a session's conversation.
        send, report: See `ports`.
        epoch: Returns the server's epoch.
    """

    def __init__(
        self,
        domain: Domain,
        *,
        get: Callable[[str], Conversation],
        change: Callable[[str, Callable[[Conversation], Conversation]], None],
        send: Send,
        report: Report,
        epoch: Callable[[], str | None],
    ) -> None:
        # An acknowledgement names a message and no session.
        self._sent: Store[Map[str, _Sent]] = Store(Map(), name="stores.history.sent", domain=domain)
        self._get = get
        self._change = change
        self._send = send
        self._report = report
        self._epoch = epoch

    # --- actions --------------------------------------------------------------------------------------------------------

    def received(self, received: MessageReceived, epoch: str | None) -> bool:
        """The server acknowledged a message; False when it was none of these."""
        sent = self._sent.get().get(received.message_id)
        if sent is None:
            return False
        self._change(sent.session_id, lambda now: acknowledged(now, received, epoch))
        self._forget(received.message_id)
        return True

    def send(self, message: Message) -> Delivery:
        """Shows a message and sends it over the socket.

        Raises:
            ServiceClosed, MessageRejected: it cannot be sent, and is not shown.
            OutboxFull: the outbox is full, and its overflow is RAISE; otherwise the Delivery fails with it.
        """
        session_id, message_id = message.session_id, message.id
        before = self._compose(message, None)
        try:
            delivery = self._send(MessageSend(session_id, message))
        except Exception:
            self._forget(message_id)
            self._change(session_id, lambda now: withdrawn(now, message_id, before))
            raise
        delivery.watch(lambda status: self._advanced(session_id, delivery, status))
        return delivery

    def post(self, message: Message, post: Post) -> Delivery:
        """Shows a message and gives it to a function. What that raises fails the delivery and is reported."""
        self._compose(message, post)
        delivery = Delivery(message.id, is_final_when_sent=False)
        delivery.watch(lambda status: self._advanced(message.session_id, delivery, status))
        call(
            partial(post, message),
            partial(self._posted, message, delivery),
            partial(self._post_failed, delivery),
        )
        return delivery

    def retry(self, session_id: str, message_id: str) -> Delivery:
        """Sends a message again, in the way it went before. See `History.retry`."""
        entry = self._get(session_id).timeline.find(message_id)
        if entry is None:
            raise KeyError(f"there is no message {message_id!r} in session {session_id!r}")
        if entry.status not in (DeliveryStatus.FAILED, DeliveryStatus.UNCERTAIN):
            raise ValueError(f"message {message_id} did not fail; only what failed is sent again")
        sent = self._sent.get().get(message_id)
        if sent is not None and sent.post is not None:
            return self.post(entry.message, sent.post)
        return self.send(entry.message)

    def adopt(self, message: Message, delivery: Delivery) -> None:
        """Shows a message that an earlier process queued and that still waits."""
        if self._get(message.session_id).timeline.find(message.id) is None:
            self._compose(message, None)
            delivery.watch(lambda status: self._advanced(message.session_id, delivery, status))

    def forget(self, session_id: str) -> None:
        """Follows the messages of a session no further; they are on their way all the same."""
        own = [name for name, sent in self._sent.get().items() if sent.session_id == session_id]
        for message_id in own:
            self._forget(message_id)

    def _compose(self, message: Message, post: Post | None) -> Entry | None:
        before = self._get(message.session_id).timeline.find(message.id)
        # Before it is queued, because the acknowledgement may come before `send` returns.
        sent = _Sent(message.session_id, post)
        self._sent.update(lambda now: now.set(message.id, sent))
        self._change(message.session_id, lambda now: composed(now, message))
        return before

    def _posted(self, message: Message, delivery: Delivery, copy: Message | None) -> None:
        if message.id in self._sent.get():
            epoch = self._epoch()
            # The entry first: the delivery's watchers look at it.
            self._change(
                message.session_id,
                lambda now: answered_by_post(now, message, copy, epoch),
            )
            self._forget(message.id)
        delivery.advance(DeliveryStatus.ACKNOWLEDGED)

    def _post_failed(self, delivery: Delivery, error: BaseException) -> None:
        delivery.advance(DeliveryStatus.FAILED, type(error).__name__)
        self._report(
            ErrorKind.APPLICATION,
            f"message {delivery.id} could not be sent: {type(error).__name__}; retry it",
            is_retryable=True,
        )

    def _advanced(self, session_id: str, delivery: Delivery, status: DeliveryStatus) -> None:
        sent = self._sent.get().get(delivery.id)
        if sent is None:
            # It is settled already, or its session was forgotten.
            return
        is_final = delivery.is_final
        reason = delivery.reason
        self._change(
            session_id, lambda now: advanced(now, delivery.id, status, reason, is_final=is_final)
        )
        # How it went is needed for a retry.
        if is_final and status is not DeliveryStatus.ACKNOWLEDGED and sent.post is None:
            self._forget(delivery.id)

    def _forget(self, message_id: str) -> None:
        self._sent.update(lambda now: now.delete(message_id) if message_id in now else now)
