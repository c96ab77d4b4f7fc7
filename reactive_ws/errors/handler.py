"""Exceptions that handlers of a server raise on purpose, and misuse of a server. The whole tree is drawn in `errors`."""

from __future__ import annotations

import attrs

from .root import ReactiveWSError
from .usage import UsageError

__all__ = ["Refused", "StateUnusable"]


@attrs.define(eq=False, slots=False)
class Refused(ReactiveWSError):
    """A handler refuses its command. The server records the refusal; a resend of the command gets it again.

    Attributes:
        code: A word that programs understand, such as "full".
        reason: A sentence that people understand. A client may get the beginning of a long one only.

    Raises:
        UsageError: code or reason is not a text that UTF-8 can write, or the code is empty.
    """

    code: str
    reason: str

    text = "{code}: {reason}"

    def __attrs_post_init__(self) -> None:
        # The log keeps both as the answer to each resend of the command, so what cannot be read again must not get there.
        for value in (self.code, self.reason):
            # A program without types may give anything.
            if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise UsageError(
                    f"a refusal has two texts, not {value!r:.60}: Refused('full', 'there are a hundred already')"
                )
            try:
                value.encode()
            except UnicodeEncodeError as error:
                raise UsageError(f"the text of a refusal has a lone surrogate: {error}") from None
        if not self.code:
            raise UsageError(
                "a refusal needs a code, a word that programs understand, such as 'full'"
            )


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
