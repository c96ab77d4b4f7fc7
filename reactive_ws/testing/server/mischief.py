"""Faults of a server with whole messages, as data. `faults` has the faults below the messages.

`ScriptedServer.misbehave` obeys these values, and `strategies.mischiefs` draws them. Each holds for the next few messages that
the server sends (or receives, where it says so); `types` chooses them by a pattern such as "message.*".
"""

from __future__ import annotations

from typing import Any, TypeAlias

import attrs

__all__ = ["Delay", "DieAfter", "Drop", "Duplicate", "Mischief", "Mute", "Reorder"]

_AT_LEAST_ONE: Any = attrs.validators.ge(1)
_POSITIVE: Any = attrs.validators.gt(0)


@attrs.frozen
class Drop:
    """The next `times` messages are not sent; their numbers in a stream are used up."""

    times: int = attrs.field(default=1, validator=_AT_LEAST_ONE)
    types: str = "*"


@attrs.frozen
class Duplicate:
    """The next `times` messages are sent twice."""

    times: int = attrs.field(default=1, validator=_AT_LEAST_ONE)
    types: str = "*"


@attrs.frozen
class Delay:
    """The next `times` messages are sent `seconds` later; others overtake them."""

    seconds: float = attrs.field(validator=_POSITIVE)
    times: int = attrs.field(default=1, validator=_AT_LEAST_ONE)
    types: str = "*"


@attrs.frozen
class Reorder:
    """The next `times` messages wait for each other and are sent last first."""

    times: int = attrs.field(default=2, validator=attrs.validators.ge(2))
    types: str = "*"


@attrs.frozen
class Mute:
    """Nothing at all is sent for `seconds`, then everything that waited; None has no end."""

    seconds: float | None = attrs.field(
        default=None, validator=attrs.validators.optional(_POSITIVE)
    )


@attrs.frozen
class DieAfter:
    """The server takes `messages` more messages, answers none of them, and its connection breaks."""

    messages: int = attrs.field(default=1, validator=_AT_LEAST_ONE)


Mischief: TypeAlias = Drop | Duplicate | Delay | Reorder | Mute | DieAfter
"""The argument of `ScriptedServer.misbehave`."""
