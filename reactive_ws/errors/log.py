"""A log of the server half cannot take or give entries. The whole tree is drawn in `errors`."""

from __future__ import annotations

import attrs

from .root import ReactiveWSError

__all__ = ["Conflict", "LogError", "LogUnavailable", "LogUnusable"]


class LogError(ReactiveWSError):
    """A log of the server half did not do what it was asked."""


@attrs.define(eq=False, slots=False)
class Conflict(LogError):
    """Another command changed a stream that this command read; nothing was written. Run the handler again.

    Attributes:
        stream: The first stream that changed.
    """

    stream: str

    text = "another command changed stream {stream!r} first; run the handler again"


@attrs.define(eq=False, slots=False)
class LogUnavailable(LogError):
    """The log cannot be reached now; the command may or may not be in it. Ask again with the same key.

    Attributes:
        log: Which log, without a password.
        reason: What failed.
    """

    log: str
    reason: str

    text = "log {log!r} is not available: {reason}"


@attrs.define(eq=False, slots=False)
class LogUnusable(LogError):
    """The log cannot be used as it is: no schema, another format, a foreign database. Retrying does not help.

    Attributes:
        log: Which log, without a password.
        reason: What is wrong and what to do.
    """

    log: str
    reason: str

    text = "log {log!r} cannot be used: {reason}"
