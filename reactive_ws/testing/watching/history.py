"""Did every message arrive, once, in order? A `History` is written while a test runs; `judge` compares it with a promise.

The client's side writes `accepted` (it took the message), `acknowledged` (the server confirmed it) and `dropped` (it
reported that the message will not arrive); the receiving side writes `received`, once for each time that the message took
effect. Linear time, no search: ids say which message is which.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Iterable

import attrs

__all__ = ["History", "Judgement", "Noted", "Promise", "Step", "judge"]


class Promise(enum.Enum):
    """How far delivery is promised."""

    AT_MOST_ONCE = "at most once"
    """Losses are allowed, duplicates are not."""
    AT_LEAST_ONCE = "at least once"
    """Duplicates are allowed; what is lost without being reported as dropped is not."""
    EFFECTIVELY_ONCE = "effectively once"
    """Neither is allowed: resends that the receiver recognises by their id."""


class Step(enum.Enum):
    """One step of a message."""

    ACCEPTED = "accepted"
    RECEIVED = "received"
    ACKNOWLEDGED = "acknowledged"
    DROPPED = "dropped"


@attrs.frozen
class Noted:
    """One line of a history.

    Attributes:
        time: Seconds, for the reader; the order of the lines decides.
        step: What happened.
        id: To which message.
    """

    time: float
    step: Step
    id: str


class History:
    """Writes down what happens to messages.

    Args:
        clock: Gives seconds; all times are 0 when None.
    """

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self.entries: list[Noted] = []
        self._clock = clock

    def __repr__(self) -> str:
        return f"<History of {len(self.entries)} entries>"

    def accepted(self, id: str) -> None:  # noqa: A002 - the wire's word
        """The client took a message."""
        self._note(Step.ACCEPTED, id)

    def received(self, id: str) -> None:  # noqa: A002
        """A message took effect at the receiver."""
        self._note(Step.RECEIVED, id)

    def acknowledged(self, id: str) -> None:  # noqa: A002
        """The server confirmed a message to the client."""
        self._note(Step.ACKNOWLEDGED, id)

    def dropped(self, id: str) -> None:  # noqa: A002
        """The client reported that a message will not arrive, or that its end is unknown."""
        self._note(Step.DROPPED, id)

    def judge(self, promise: Promise, *, is_finished: bool = True) -> Judgement:
        """Returns the verdict on what was written so far; see `judge`."""
        return judge(self.entries, promise, is_finished=is_finished)

    def _note(self, step: Step, id: str) -> None:  # noqa: A002
        self.entries.append(Noted(0.0 if self._clock is None else self._clock(), step, id))


@attrs.frozen
class Judgement:
    """The ends of the messages of a history: ids, in the order in which they were accepted or first received.

    Attributes:
        promise: The promise that was judged.
        delivered: Accepted and received.
        lost: Accepted, never received, and not reported as dropped.
        dropped: Reported as dropped, and never received.
        duplicated: Received more than once.
        invented: Received, but never accepted before.
        reordered: Received for the first time after a message that was accepted later.
        acknowledged_but_lost: Acknowledged, and never received.
        is_finished: Whether messages under way count as lost.
    """

    promise: Promise
    delivered: tuple[str, ...]
    lost: tuple[str, ...]
    dropped: tuple[str, ...]
    duplicated: tuple[str, ...]
    invented: tuple[str, ...]
    reordered: tuple[str, ...]
    acknowledged_but_lost: tuple[str, ...]
    is_finished: bool = True

    @property
    def broken(self) -> dict[str, tuple[str, ...]]:
        """The faults that break the promise: name of the class, and the ids in it."""
        rules = ["invented", "reordered", "acknowledged_but_lost"]
        if self.promise is not Promise.AT_LEAST_ONCE:
            rules.append("duplicated")
        if self.promise is not Promise.AT_MOST_ONCE and self.is_finished:
            rules.append("lost")
        return {rule: ids for rule in rules if (ids := getattr(self, rule))}

    def check(self) -> None:
        """Raises when the promise was broken.

        Raises:
            AssertionError: it was; the text names the ids.
        """
        if self.broken:
            said = "; ".join(f"{rule}: {', '.join(ids)}" for rule, ids in self.broken.items())
            raise AssertionError(f"{self.promise.value} was promised, but {said}")


def judge(entries: Iterable[Noted], promise: Promise, *, is_finished: bool = True) -> Judgement:
    """Classifies every message of a history against a promise.

    Args:
        entries: What happened, in order.
        promise: The promise that was judged.
        is_finished: False while messages may still be under way: then nothing counts as lost yet.
    """
    places: dict[str, int] = {}
    received: Counter[str] = Counter()
    invented: dict[str, None] = {}
    reordered: dict[str, None] = {}
    acknowledged: dict[str, None] = {}
    dropped: dict[str, None] = {}
    furthest = -1
    for entry in entries:
        match entry.step:
            case Step.ACCEPTED:
                places.setdefault(entry.id, len(places))
            case Step.ACKNOWLEDGED:
                acknowledged[entry.id] = None
            case Step.DROPPED:
                dropped[entry.id] = None
            case Step.RECEIVED:
                received[entry.id] += 1
                place = places.get(entry.id)
                if place is None:
                    invented[entry.id] = None
                elif received[entry.id] == 1:
                    if place < furthest:
                        reordered[entry.id] = None
                    furthest = max(furthest, place)
    missing = [each for each in places if each not in received]
    return Judgement(
        promise,
        delivered=tuple(each for each in places if each in received),
        lost=tuple(each for each in missing if each not in dropped),
        dropped=tuple(each for each in missing if each in dropped),
        duplicated=tuple(each for each, times in received.items() if times > 1),
        invented=tuple(invented),
        reordered=tuple(reordered),
        acknowledged_but_lost=tuple(each for each in acknowledged if each not in received),
        is_finished=is_finished,
    )
