"""The program asked for something that cannot be. The whole tree is drawn in `errors`."""

from __future__ import annotations

import attrs

from .root import ReactiveWSError

__all__ = [
    "BadAddress",
    "DomainMismatch",
    "FeedbackLoop",
    "IllegalTransition",
    "ServiceClosed",
    "StoreClosed",
    "UsageError",
]


class UsageError(ReactiveWSError):
    """The program asked for something that cannot be; the text says what to write instead."""


@attrs.define(eq=False, slots=False)
class DomainMismatch(UsageError):
    """Stores of two domains met in one batch, derived value or snapshot."""

    expected: str
    got: str

    text = (
        "a store of domain {got!r} was used together with stores of domain {expected!r}; "
        "order and batches hold inside one domain only. Create the stores with the same "
        "domain= argument."
    )


@attrs.define(eq=False, slots=False)
class StoreClosed(UsageError):
    """A write to a closed store."""

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
        "what they observe; make the observer stop when the value is as wanted"
    )


@attrs.define(eq=False, slots=False)
class BadAddress(UsageError):
    """A URL that cannot be dialled. The text never shows user, password or query.

    Attributes:
        url: The redacted URL.
        reason: What is wrong with it.
    """

    url: str
    reason: str

    text = "cannot dial {url!r}: {reason}"


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
