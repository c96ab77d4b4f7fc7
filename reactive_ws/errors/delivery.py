"""Messages that were not delivered, and files and ports that cannot be used."""

from __future__ import annotations

import attrs

from .root import ReactiveWSError

__all__ = [
    "AcknowledgementLate",
    "DeliveryError",
    "DeliveryFailed",
    "DeliveryUncertain",
    "FileUnusable",
    "JournalError",
    "ListenFailed",
    "OutboxFull",
]


class DeliveryError(ReactiveWSError):
    """A message was not or will not be delivered."""


@attrs.define(eq=False, slots=False)
class OutboxFull(DeliveryError):
    """The outbox has no room for another message that must not be dropped. Nothing was queued.

    Attributes:
        limit: How many messages the outbox holds.
    """

    limit: int

    text = (
        "the outbox holds {limit} messages and is full; wait for acknowledgements or raise "
        "its limit"
    )


@attrs.define(eq=False, slots=False)
class AcknowledgementLate(DeliveryError):
    """The server has read a message and has not acknowledged it in time. The message still waits.

    Attributes:
        id: The message id.
        seconds: How long the server has had the message.
    """

    id: str
    seconds: float

    text = "the server has had message {id} for {seconds:g} s and has not acknowledged it"


class DeliveryFailed(DeliveryError):
    """Raised by awaiting a Delivery that failed; `DeliveryUncertain` when the outcome is unknown.

    Attributes:
        id: The message id.
        reason: Why it failed.
    """

    def __init__(self, id: str, reason: str) -> None:  # noqa: A002 - the wire field's name
        super().__init__(id, reason)
        self.id = id
        self.reason = reason

    text = "message {id} was not delivered: {reason}"


class DeliveryUncertain(DeliveryFailed):
    """Raised by awaiting a Delivery of a message that was sent, and whose outcome will not be known.

    The server may have it. To send the same message again, send it with the same id: a server that knows the id drops the copy.
    """

    text = "it is not known whether message {id} was delivered: {reason}"


@attrs.define(eq=False, slots=False)
class JournalError(ReactiveWSError):
    """The durable outbox's file cannot be used; no stored message is lost.

    Attributes:
        path: The file.
        reason: The problem and what to do.
    """

    path: str
    reason: str

    text = "outbox file {path!r} {reason}"


@attrs.define(eq=False, slots=False)
class FileUnusable(ReactiveWSError):
    """A file that the user named cannot be read or written.

    Attributes:
        path: The file.
        reason: The problem and what to do.
    """

    path: str
    reason: str

    text = "{path!r} {reason}"


@attrs.define(eq=False, slots=False)
class ListenFailed(ReactiveWSError):
    """A server cannot listen on its address.

    Attributes:
        host: The host name or address.
        port: The TCP port.
        reason: The problem and what to do.
    """

    host: str
    port: int
    reason: str

    text = "cannot listen on {host!r} port {port}: {reason}"
