"""Matches replies to requests.

A reply that carries the request's id answers it; a reply of the type without an id answers the oldest request that waits
for the type; so does the result that comes with an acknowledgement. A refusal fails its request, unless the server wants the
message again later. The end of a connection fails the requests that were sent on it and are not sent again. It sends nothing and sets no timeouts:
`service.request` does.
"""

from __future__ import annotations

from typing import Any

import attrs
import msgspec

from ..errors import ConnectionLost, MessageRejected
from ..outbox import Delivery, DeliveryStatus, Pending
from ..wire import Envelope

__all__ = ["Requests"]


@attrs.define(eq=False)
class _Request:
    id: str
    reply: type[Any] | str
    answer: Pending[Envelope[Any]]
    delivery: Delivery | None = None


class Requests:
    """The open questions. Asking and forgetting may be done from any thread.

    Attributes:
        waiting: By the id of the question, oldest first. Other modules only look whether there is one.
    """

    def __init__(self) -> None:
        self.waiting: dict[str, _Request] = {}

    def ask(self, identity: str, reply: type[Any] | str) -> Pending[Envelope[Any]]:
        """Waits for the reply to the message with this id."""
        request = _Request(identity, reply, Pending())
        self.waiting[identity] = request
        return request.answer

    def sent_as(self, identity: str, delivery: Delivery) -> None:
        """The request is on its way as this delivery."""
        request = self.waiting.get(identity)
        if request is not None:
            request.delivery = delivery

    def lost(self, error: ConnectionLost) -> None:
        """The connection ended: what was sent on it and is not sent again gets no reply."""
        for identity, request in list(self.waiting.items()):
            delivery = request.delivery
            if delivery is None or delivery.status is not DeliveryStatus.SENT:
                continue
            if delivery.is_final:
                self.waiting.pop(identity, None)
                request.answer.fail(error)

    def forget(self, identity: str) -> None:
        """The caller no longer waits."""
        self.waiting.pop(identity, None)

    def refused(self, identity: str, error: Exception) -> None:
        """The server refused the message for good."""
        request = self.waiting.pop(identity, None)
        if request is not None:
            request.answer.fail(error)

    def acknowledged(self, identity: str, reply: Any, message: Envelope[Any] | None) -> None:
        """The server acknowledged the message: perhaps with its result, or the acknowledgement is the reply itself."""
        request = self.waiting.get(identity)
        if request is None:
            return
        wanted = request.reply
        if message is not None and _is_reply(message, wanted):
            self._settle(request, message)
        elif reply is not None and not isinstance(wanted, str):
            try:
                result = msgspec.convert(reply, wanted)
            except (msgspec.ValidationError, TypeError) as error:
                self.refused(identity, MessageRejected(f"the result of the request: {error}"))
            else:
                self._settle(request, Envelope("reply", result, id=identity))

    def arrived(self, envelope: Envelope[Any]) -> None:
        """Answers the request that this message is the reply to."""
        for identity, request in list(self.waiting.items()):
            if envelope.id in (None, identity) and _is_reply(envelope, request.reply):
                self._settle(request, envelope)
                return

    def _settle(self, request: _Request, reply: Envelope[Any]) -> None:
        self.waiting.pop(request.id, None)
        request.answer.settle(reply)

    def fail_all(self, error: Exception) -> None:
        """Fails every open request."""
        waiting, self.waiting = self.waiting, {}
        for request in waiting.values():
            request.answer.fail(error)


def _is_reply(envelope: Envelope[Any], wanted: type[Any] | str) -> bool:
    if isinstance(wanted, str):
        return envelope.type == wanted
    return isinstance(envelope.payload, wanted)
