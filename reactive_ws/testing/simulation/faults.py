"""Faults below the messages, at the level of bytes, as data.

Only what TCP can do: bytes come late, slowly, in pieces or not at all, and connections break; bytes never vanish from
the middle of a stream, change, repeat or overtake each other. For what a misbehaving server does with whole messages see
`server`. The in-memory `network` and the real `proxy` obey the same values, and `strategies.fault_plans` draws them.
"""

from __future__ import annotations

import enum
from typing import Any, TypeAlias

import attrs

__all__ = [
    "Bandwidth",
    "BlackHole",
    "Buffers",
    "Direction",
    "Fault",
    "FaultPlan",
    "Hang",
    "Heal",
    "Latency",
    "Refuse",
    "Reset",
    "Split",
    "Stall",
    "Timed",
    "Truncate",
]


class Direction(enum.Enum):
    """Which way bytes travel."""

    UP = "up"
    """From the client to the server."""
    DOWN = "down"
    """From the server to the client."""
    BOTH = "both"


_POSITIVE: Any = attrs.validators.gt(0)
_NOT_NEGATIVE: Any = attrs.validators.ge(0)


@attrs.frozen
class Latency:
    """Every byte takes `seconds`, plus a random part of `jitter` seconds. New connections need a round trip of it."""

    seconds: float = attrs.field(validator=_NOT_NEGATIVE)
    jitter: float = attrs.field(default=0.0, validator=_NOT_NEGATIVE)
    direction: Direction = Direction.BOTH


@attrs.frozen
class Bandwidth:
    """At most `rate` bytes a second; None lifts the limit."""

    rate: float | None = attrs.field(validator=attrs.validators.optional(_POSITIVE))
    direction: Direction = Direction.BOTH


@attrs.frozen
class Buffers:
    """Kernels and middle boxes take `size` bytes that the other side has not read before a write has to wait.

    Large ones are usual: several megabytes are gone from the writer long before a slow line has carried them. A real proxy
    cannot change the kernels of others and ignores it.
    """

    size: int = attrs.field(validator=_NOT_NEGATIVE)
    direction: Direction = Direction.BOTH


@attrs.frozen
class Split:
    """Splits each write into pieces of 1 to `max_size` bytes; None ends it."""

    max_size: int | None = attrs.field(validator=attrs.validators.optional(_POSITIVE))
    direction: Direction = Direction.BOTH


@attrs.frozen
class Stall:
    """Nothing arrives for `seconds`, then everything that was held."""

    seconds: float = attrs.field(validator=_POSITIVE)
    direction: Direction = Direction.BOTH


@attrs.frozen
class BlackHole:
    """Nothing arrives, and neither side notices, until `Heal`: a pulled cable, a dead router, a suspended peer.

    What was sent meanwhile arrives after healing, because TCP retransmits it; unless an end gave up first.
    """

    direction: Direction = Direction.BOTH


@attrs.frozen
class Reset:
    """Both ends of every open connection get a connection reset, and what was under way is lost."""


@attrs.frozen
class Truncate:
    """After `size` more bytes in `direction`, the connection is closed in the middle, `is_reset` or politely."""

    size: int = attrs.field(validator=_NOT_NEGATIVE)
    is_reset: bool = False
    direction: Direction = Direction.DOWN


@attrs.frozen
class Refuse:
    """The next `times` connections are refused; None refuses all. With `host`, only those to this address of a simulation."""

    times: int | None = attrs.field(default=None, validator=attrs.validators.optional(_POSITIVE))
    host: str | None = None


@attrs.frozen
class Hang:
    """The next `times` connections are neither accepted nor refused; None means all. They time out after 127 s.

    With `host`, only those to this address of a simulation: a firewall, or an address family without a route.
    """

    times: int | None = attrs.field(default=None, validator=attrs.validators.optional(_POSITIVE))
    host: str | None = None


@attrs.frozen
class Heal:
    """Ends black holes, stalls, refusals, hanging and truncation to come. Latency, bandwidth, buffers and splitting stay."""


Fault: TypeAlias = (
    Latency
    | Bandwidth
    | Buffers
    | Split
    | Stall
    | BlackHole
    | Reset
    | Truncate
    | Refuse
    | Hang
    | Heal
)
"""A fault of the simulated network."""


@attrs.frozen
class Timed:
    """A fault, `at` seconds after its plan started."""

    at: float = attrs.field(validator=_NOT_NEGATIVE)
    fault: Fault


FaultPlan: TypeAlias = tuple[Timed, ...]
"""Faults with their times, as `Network.play` takes them."""
