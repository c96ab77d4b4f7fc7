"""Questions and their answers: who waits for a reply, and which message is it.

A reply that carries the request's id answers it; a reply of the type without an id answers the oldest request that waits
for the type; an `error` with `replyTo` fails its request. It sends nothing and sets no timeouts: `service.request` does.
"""

from __future__ import annotations

from typing import Any

import attrs

from ..errors import RequestFailed
from ..outbox import Pending
from ..wire import Envelope, MessageReceived, ServerError

__all__ = ["Requests"]


@attrs.define(eq=False)
class _Request:
    id: str
    reply: type[Any] | str
    answer: Pending[Envelope[Any]]


class Requests:
    """The open questions, oldest first. Asking and forgetting may be done from any thread."""

    def __init__(self) -> None:
        self._open: dict[str, _Request] = {}

    @property
    def is_waiting(self) -> bool:
        """Whether somebody waits."""
        return bool(self._open)

    def ask(self, identity: str, reply: type[Any] | str) -> Pending[Envelope[Any]]:
        """Waits for the reply to the message with this id."""
        request = _Request(identity, reply, Pending())
        self._open[identity] = request
        return request.answer

    def forget(self, identity: str) -> None:
        """Nobody waits any more."""
        self._open.pop(identity, None)

    def arrived(self, envelope: Envelope[Any]) -> None:
        """Looks whether this message answers somebody."""
        payload = envelope.payload
        if isinstance(payload, ServerError) and payload.reply_to is not None:
            failed = self._open.pop(payload.reply_to, None)
            if failed is not None:
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
        """Nothing will be answered any more."""
        waiting, self._open = self._open, {}
        for request in waiting.values():
            request.answer.fail(error)
