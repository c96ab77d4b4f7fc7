"""Failures of one message. The connection stays open."""

from __future__ import annotations

from typing import Any

import attrs

from .root import ReactiveWSError, one_line

__all__ = [
    "MessageError",
    "MessageRejected",
    "MessageTooBig",
    "MessagesMissing",
    "PositionsDropped",
    "RequestFailed",
    "RequestTimeout",
    "StateTooBig",
    "UnknownType",
]


class MessageError(ReactiveWSError):
    """One message could not be read or sent. The connection stays open."""


@attrs.define(eq=False, slots=False)
class MessageRejected(MessageError):
    """A frame that is not a valid message.

    Attributes:
        reason: The problem, with the path of the field when there is one.
        type: The message type, None when the frame was not even an envelope.
        stream, epoch, seq: Its position, if it had one: a rejected message still advances its stream.
        id: The message id, if it had one.
        more: Whether another message with the same position follows.
    """

    reason: str
    type: str | None = attrs.field(default=None, kw_only=True)
    stream: str | None = attrs.field(default=None, kw_only=True)
    epoch: str | None = attrs.field(default=None, kw_only=True)
    seq: int | None = attrs.field(default=None, kw_only=True)
    id: str | None = attrs.field(default=None, kw_only=True)
    more: bool = attrs.field(default=False, kw_only=True)

    def __str__(self) -> str:
        what = f"a {self.type!r} message" if self.type is not None else "a frame"
        return one_line(f"{what} was rejected: {self.reason}")


@attrs.define(eq=False, slots=False)
class MessagesMissing(MessageError):
    """Messages of an ordered stream are missing. The service asks for a snapshot.

    Attributes:
        stream: Name of the stream.
        expected: The `seq` that was expected.
        got: The `seq` from which the stream goes on.
        is_new_epoch: Whether the server began new numbers, so that `expected` and `got` cannot be compared.
        epoch: The epoch of `expected`.
    """

    stream: str
    expected: int
    got: int
    is_new_epoch: bool = False
    epoch: str = attrs.field(default="", kw_only=True)

    def __str__(self) -> str:
        if self.is_new_epoch:
            last = self.expected - 1
            return (
                f"the server began new numbers for stream {self.stream!r} and goes on at {self.got}; "
                f"messages after the old number {last} may be missing"
            )
        return f"stream {self.stream!r} went on at {self.got} where {self.expected} was expected"


@attrs.define(eq=False, slots=False)
class PositionsDropped(MessageError):
    """More streams began since the server's last two marks than the service keeps positions of. It drops the longest unused.

    Attributes:
        streams: Names of the streams whose positions were dropped.
    """

    streams: tuple[str, ...]

    def __str__(self) -> str:
        first, *others = self.streams
        more = f" and {len(others)} more" if others else ""
        return (
            f"too many new streams: the position of {first!r}{more} was dropped. After the next reconnect the "
            "server may send all entries of such a stream again; unsubscribe from channels that the program does not need, "
            "or forget streams that ended"
        )


@attrs.define(eq=False, slots=False)
class UnknownType(MessageError):
    """A payload class that was never registered.

    Attributes:
        payload: Name of the class.
    """

    payload: str

    text = (
        "{payload} is not a message type of this registry;"
        " use @registry.message('some.type'), and give the service that registry="
    )


@attrs.define(eq=False, slots=False)
class MessageTooBig(MessageError):
    """A message larger than the peer accepts.

    Attributes:
        size: Bytes of the encoded message.
        limit: Bytes that the peer accepts.
    """

    size: int
    limit: int

    text = "the message has {size} bytes and the limit is {limit}; send it in parts"


@attrs.define(eq=False, slots=False)
class StateTooBig(MessageError):
    """The state of a stream is larger than its replica takes. The replica is broken, and does not ask again by itself.

    Attributes:
        stream: Name of the stream.
        size: Bytes of the state.
        limit: Bytes that the replica takes.
    """

    stream: str
    size: int
    limit: int

    text = (
        "the state of stream {stream!r} has {size} bytes and the limit is {limit}; "
        "pass a larger max_state_size=, or let the server keep less in one stream"
    )


@attrs.define(eq=False, slots=False)
class RequestFailed(MessageError):
    """The server answered a request with an `error` message.

    Attributes:
        code: The server's error code.
        message: The server's text.
        retryable: Whether the server accepts a retry, or None when it did not say.
        payload: The message that the server refused, so that a program can offer it again; None when it is not here. The text
            and the repr do not show it.
    """

    code: str
    message: str
    retryable: bool | None = attrs.field(default=None, kw_only=True)
    payload: Any = attrs.field(default=None, kw_only=True, repr=False)

    text = "the server answered with error {code!r}: {message}"


@attrs.define(eq=False, slots=False)
class RequestTimeout(MessageError, TimeoutError):
    """No reply to a request in time.

    Attributes:
        seconds: The limit of the wait.
        reply: Name of the reply type that was expected.
        standing: How the connection stands; "" when unknown.
    """

    seconds: float
    reply: str
    standing: str = ""

    def __str__(self) -> str:
        text = f"no {self.reply!r} arrived within {self.seconds:g} s"
        return one_line(f"{text}; {self.standing}" if self.standing else text)
