"""Delays before the next dial: a generator of seconds. It knows no clock, sleeps nowhere and counts no attempts.

`decisions` draws one delay for each retry of an outage and starts a new generator for the next outage.

With t = min(cap, initial * factor**n) for the n-th retry (n from 0) and U a uniform random number:

    full           t * U(0, 1)
    equal          t * U(0.5, 1)                  the default
    decorrelated   min(cap, U(initial, 3 * previous delay))
    none           t

Jitter comes after the cap: before it, clients that reached the cap sleep exactly the cap and come back as one herd.
The default, min(60, 1.0 * 1.5**n) * U(0.5, 1), waits 0.5-1 s, 0.75-1.5 s, 1.1-2.25 s, ... and 30-60 s from the
eleventh retry on.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Callable, Iterator
from typing import Protocol, runtime_checkable

import attrs

__all__ = ["Backoff", "DelaySource", "Jitter"]


class Jitter(enum.Enum):
    """How delays are spread so that clients of one outage do not come back together."""

    NONE = "none"
    FULL = "full"
    EQUAL = "equal"
    DECORRELATED = "decorrelated"


@runtime_checkable
class DelaySource(Protocol):
    """Makes the delays of an outage."""

    def delays(self, rng: random.Random) -> Iterator[float]:
        """Yields the seconds to wait before retry 0, 1, 2, ... of one outage; never ends."""
        ...


def _positive(_instance: object, attribute: attrs.Attribute[float], value: float) -> None:
    if not 0 < value < float("inf"):
        raise ValueError(f"{attribute.name} must be a positive number of seconds, got {value!r}")


def _growing(_instance: object, _attribute: attrs.Attribute[float], value: float) -> None:
    if not 1 <= value < float("inf"):
        raise ValueError(f"factor must be at least 1, got {value!r}; below it retries speed up")


@attrs.frozen
class Backoff:
    """Exponential backoff, see the formulas at the top of this module.

    Attributes:
        initial: Seconds before the first retry, before jitter.
        factor: Growth from one retry to the next, at least 1.
        cap: Seconds that no delay exceeds.
        jitter: How delays are spread.
    """

    initial: float = attrs.field(default=1.0, validator=_positive)
    factor: float = attrs.field(default=1.5, validator=_growing)
    cap: float = attrs.field(default=60.0, validator=_positive)
    jitter: Jitter = Jitter.EQUAL

    def delays(self, rng: random.Random) -> Iterator[float]:
        """Yields the delays of one outage; never ends."""
        if self.jitter is Jitter.DECORRELATED:
            delay = self.initial
            while True:
                delay = min(self.cap, rng.uniform(self.initial, 3 * delay))
                yield delay
        # The loop multiplies instead of raising to a power, which overflows after some thousand retries.
        ceiling = min(self.cap, self.initial)
        while True:
            if self.jitter is Jitter.NONE:
                yield ceiling
            elif self.jitter is Jitter.FULL:
                yield ceiling * rng.random()
            else:
                yield ceiling * rng.uniform(0.5, 1.0)
            ceiling = min(self.cap, ceiling * self.factor)

    @classmethod
    def of(cls, function: Callable[[int], float]) -> DelaySource:
        """Returns delays that your own function computes.

        Args:
            function: Takes the number of the retry, which counts from 0 in each outage, and returns seconds. A negative
                result counts as 0.
        """
        return _Computed(function)


@attrs.frozen
class _Computed:
    """Delays that a function computes."""

    function: Callable[[int], float]

    def delays(self, rng: random.Random) -> Iterator[float]:  # noqa: ARG002 - DelaySource's shape
        """Yields the delays of one outage; never ends."""
        retry = 0
        while True:
            yield max(0.0, self.function(retry))
            retry += 1
