"""Exceptions that handlers of a server raise on purpose, and misuse of a server. The whole tree is drawn in `errors`."""

from __future__ import annotations

import attrs

from .root import ReactiveWSError

__all__ = ["Refused", "StateUnusable"]


@attrs.define(eq=False, slots=False)
class Refused(ReactiveWSError):
    """A handler refuses its command. The server records the refusal; a resend of the command gets it again.

    Attributes:
        code: A word that programs understand, such as "full".
        reason: A sentence that people understand.
    """

    code: str
    reason: str

    text = "{code}: {reason}"


@attrs.define(eq=False, slots=False)
class StateUnusable(ReactiveWSError):
    """The state of a stream cannot be made from its log.

    Attributes:
        stream: Which stream.
        reason: What is wrong and what to do.
    """

    stream: str
    reason: str

    text = "the state of stream {stream!r} cannot be made: {reason}"
