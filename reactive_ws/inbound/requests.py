"""Matches replies to requests.

A reply that carries the request's id answers it; a reply of the type without an id answers the oldest request that waits
for the type; an `error` with `replyTo` fails its request, unless the server wants the message again later. The end of a
connection fails the requests that were sent on it and are not sent again. It sends nothing and sets no timeouts:
`service.request` does.
"""

from __future__ import annotations

from typing import Any

import attrs

from ..errors import ConnectionLost, RequestFailed
from ..outbox import Delivery, DeliveryStatus, Pending
from ..wire import Envelope, MessageReceived, ServerError

__all__ = ["Requests"]


@attrs.define(eq=False)
class _Request:
    id: str
    reply: type[Any] | str
    answer: Pending[Envelope[Any]]
    delivery: Delivery | None = None
    is_postponed: bool = False


class Requests:
    """The open questions, oldest first. Asking and forgetting may be done from any thread."""

    def __init__(self) -> None:
        self._open: dict[str, _Request] = {}

    @property
    def is_waiting(self) -> bool:
        """Whether a request is open."""
        return bool(self._open)

    def ask(self, identity: str, reply: type[Any] | str) -> Pending[Envelope[Any]]:
        """Waits for the reply to the message with this id."""
        request = _Request(identity, reply, Pending())
        self._open[identity] = request
        return request.answer

    def sent_as(self, identity: str, delivery: Delivery) -> None:
        """The request is on its way as this delivery."""
        request = self._open.get(identity)
        if request is not None:
            request.delivery = delivery

    def postponed(self, identity: str) -> None:
        """The server wants the request again later; the error that says so does not fail it."""
        request = self._open.get(identity)
        if request is not None:
            request.is_postponed = True

    def lost(self, error: ConnectionLost) -> None:
        """The connection ended: what was sent on it and is not sent again gets no reply."""
        for identity, request in list(self._open.items()):
            delivery = request.delivery
            if delivery is None or delivery.status is not DeliveryStatus.SENT:
                continue
            if delivery.is_final:
                self._open.pop(identity, None)
                request.answer.fail(error)

    def forget(self, identity: str) -> None:
        """The caller no longer waits."""
        self._open.pop(identity, None)

    def arrived(self, envelope: Envelope[Any]) -> None:
        """Answers the request that this message is the reply to."""
        payload = envelope.payload
        if isinstance(payload, ServerError) and payload.reply_to is not None:
            failed = self._open.get(payload.reply_to)
            if failed is not None and failed.is_postponed:
                failed.is_postponed = False
                return
            if failed is not None:
                self._open.pop(payload.reply_to, None)
                failed.answer.fail(
                    RequestFailed(payload.code, payload.message, retryable=payload.retryable)
                )
                return
        answers = payload.message_id if isinstance(payload, MessageReceived) else envelope.id
        for identity, request in list(self._open.items()):
            if answers not in (None, identity):
                continue
            is_reply = (
                envelope.type == request.reply
                if isinstance(request.reply, str)
                else isinstance(payload, request.reply)
            )
            if is_reply:
                self._open.pop(identity, None)
                request.answer.settle(envelope)
                return

    def fail_all(self, error: Exception) -> None:
        """Fails every open request."""
        waiting, self._open = self._open, {}
        for request in waiting.values():
            request.answer.fail(error)
