"""Mistakes in the program."""

from __future__ import annotations

import attrs

from .root import ReactiveWSError, one_line

__all__ = [
    "BadAddress",
    "DomainMismatch",
    "DuplicateId",
    "FeedbackLoop",
    "FellBehind",
    "IllegalTransition",
    "ServiceClosed",
    "StoreClosed",
    "UsageError",
]


class UsageError(ReactiveWSError):
    """The program made an impossible call. The text says what to write instead."""


@attrs.define(eq=False, slots=False)
class DomainMismatch(UsageError):
    """One batch, derived value or snapshot used stores of two domains.

    Attributes:
        expected: Name of the domain of the first stores.
        got: Name of the other domain.
    """

    expected: str
    got: str

    text = (
        "a store of domain {got!r} was used together with stores of domain {expected!r}; "
        "order and batches hold inside one domain only. Create the stores with the same "
        "domain= argument."
    )


@attrs.define(eq=False, slots=False)
class StoreClosed(UsageError):
    """A write to a closed store.

    Attributes:
        store: Name of the store.
    """

    store: str

    text = "store {store!r} is closed; create a new one instead of writing to it"


@attrs.define(eq=False, slots=False)
class FeedbackLoop(UsageError):
    """An observer wrote, which notified an observer, which wrote, and so on.

    Attributes:
        store: Name of the store that was written.
        depth: Number of commits in the chain of causes.
    """

    store: str
    depth: int

    text = (
        "the write to store {store!r} is number {depth} in a chain of observers that write "
        "what they observe; let the observer write only when the value is not yet the right one"
    )


@attrs.define(eq=False, slots=False)
class FellBehind(UsageError):
    """An `async for` over every value of a stream is slower than the stream.

    Attributes:
        stream: Name of the store or of the stream of events.
        max_waiting: How many values may wait.
    """

    stream: str
    max_waiting: int

    text = (
        "an async for over {stream!r} is slower than its stream, and more than {max_waiting} values would wait; "
        "take the newest value only, pass a larger max_waiting=, or let values drop with when_full="
    )


@attrs.define(eq=False, slots=False)
class BadAddress(UsageError):
    """A URL that cannot be dialled. The text never shows user, password or query.

    Attributes:
        url: The redacted URL.
        reason: The problem with the URL.
    """

    url: str
    reason: str

    text = "cannot dial {url!r}: {reason}"


@attrs.define(eq=False, slots=False)
class DuplicateId(UsageError):
    """A message has the id of another one that still waits, or that was given up while the server may still answer it.

    Attributes:
        id: The message id.
        is_given_up: Whether the other one was written on this connection, and given up. The id is free again when the
            connection ends, for the same message: a server that has it drops the copy.
    """

    id: str
    is_given_up: bool = False

    def __str__(self) -> str:
        if self.is_given_up:
            text = (
                f"a message with id {self.id!r} was given up after it was written on this connection, and the server may still "
                "take it; send it again after a reconnect(), or give the new message its own id"
            )
        else:
            text = f"a message with id {self.id!r} waits in the outbox already; give every message its own id"
        return one_line(text)


class ServiceClosed(UsageError):
    """A message was sent after disconnect() or stop()."""

    text = "the service was disconnected; call connect() before sending"


@attrs.define(eq=False, slots=False)
class IllegalTransition(UsageError):
    """An event that the state table does not name; nothing changed.

    Attributes:
        state: Name of the state the connection is in.
        event: Name of the event.
    """

    state: str
    event: str

    text = "event {event!r} cannot happen in state {state!r}"
