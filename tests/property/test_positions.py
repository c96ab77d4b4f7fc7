"""A client that keeps few positions gets no entry twice: it drops only positions of streams that are older than its newest mark.

`Inbound` decides here for the client of `session_world` which position it drops, beside the real session of the server.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from session_world import EXTRA, Client, World

from reactive_ws.inbound.order import Inbound
from reactive_ws.server.session import ServerSession
from reactive_ws.wire import Envelope, Position

RUNS = 100
STEPS = 120
KEPT = 5
"""Positions that the client keeps."""


class Keeper(Client):
    """A client whose positions are those that `Inbound` keeps.

    Attributes:
        inbound: The real one.
        reported: Streams whose position it dropped too early, and that it reported.
        named: Positions in the newest resume. The client may drop one of them before the answer comes.
        counts: How many positions were dropped, and how many of them were reported.
    """

    def __init__(self, make: Callable[[int], Inbound]) -> None:
        super().__init__()
        self.inbound = make(KEPT)
        self.reported: set[str] = set()
        self.named: dict[str, Position] = {}
        self.counts: Counter[str] = Counter()

    def resume(self, channels: list[str], chunks: bool) -> list[str]:
        if not self.wants_extra:
            self.inbound.forget(EXTRA)
            self.inbound.take_forgotten()
        self.inbound.lost()
        self.named = dict(self.positions)
        frames = super().resume(channels, chunks)
        self.inbound.ready(0.0)
        return frames

    def take(self, frame: dict[str, Any]) -> None:
        kind, payload = frame["type"], frame.get("payload", {})
        if kind == "resumed":
            for name, row in payload["streams"].items():
                if row["recovered"] and not row.get("new") and name in self.named:
                    self.positions.setdefault(name, self.named[name])
        super().take(frame)
        if kind in ("resumed", "subscribed"):
            for name, row in payload.get("streams", {}).items():
                if not row["recovered"]:
                    self.inbound.restarted(name, Position(row["epoch"], row["seq"]))
        if kind in ("resumed", "pong") and payload.get("mark"):
            self.inbound.marked(payload["mark"])
        self.inbound.take_moved()
        for name in self.inbound.take_forgotten():
            if name in self.positions:
                self.forget(name)
                self.counts["dropped"] += 1
        self.counts["reported"] += len(self.inbound.dropped)
        self.reported.update(self.inbound.dropped)
        self.inbound.dropped.clear()

    def hear(self, frame: dict[str, Any]) -> None:
        name, at = frame["stream"], Position(frame["epoch"], frame["seq"])
        if name not in self.positions and name in self.forgotten:
            # On one connection the server goes on, and the next entry begins the stream again.
            self.positions[name] = Position(at.epoch, at.seq - 1)
            self.forgotten.discard(name)
        super().hear(frame)
        envelope: Envelope[Any] = Envelope(
            "noted", None, stream=name, epoch=at.epoch, seq=at.seq, more=bool(frame.get("more"))
        )
        if envelope.more:
            self.inbound.gather(envelope)
        else:
            self.inbound.whole(envelope, 0.0)


class ManyStreams(World):
    """A world with more streams than the client keeps positions of. They begin one after the other."""

    NAMES = tuple(f"s/{number}" for number in range(40))

    def __init__(
        self,
        choose: random.Random,
        make: Callable[..., ServerSession],
        keep: Callable[[int], Inbound],
    ) -> None:
        super().__init__(choose, make)
        self.client: Keeper = Keeper(keep)
        self.newest = 0

    def step(self) -> None:
        rare = self.choose.random()
        if rare < 0.03:
            self.cut()
            self.connect()
        elif rare < 0.05:
            self.renew()
        elif rare < 0.1:
            self.ping()
        elif rare < 0.5:
            self.append()
        elif rare < 0.8:
            self.rest()
        else:
            self.choose.choice((self.answer, self.deliver, self.signal, self.offer))()

    def append(self) -> None:
        """Writes to a stream, mostly to one of those that began last."""
        self.newest = min(self.newest + (self.choose.random() < 0.3), len(self.NAMES) - 1)
        first = 0 if self.choose.random() < 0.2 else max(0, self.newest - 6)
        self.log.append([self.NAMES[self.choose.randint(first, self.newest)]], None)

    def rest(self) -> None:
        """Lets what is under way go on, but for a question now and then."""
        for _ in range(self.choose.choice((5, 20, 100))):
            if self.choose.random() < 0.8:
                self.answer()
            self.deliver()
            self.signal()
            self.offer()
            if self.session is not None:
                self.perform(self.session.took(has_room=True))

    def check(self) -> None:
        client = self.client
        assert client.broken == []
        for name, heard in client.heard.items():
            assert name in client.reported or len(heard) == len(set(heard)), f"{name}: twice"
        for name, stored in self.log.streams.items():
            if name == EXTRA or not client.is_ready:
                continue
            heard = client.heard.get(name, [])
            for seq in stored.entries:
                rows = client.excused.get(name, [])
                is_excused = any(
                    e == self.log.epoch and low <= seq <= high for e, low, high in rows
                )
                assert (self.log.epoch, seq) in heard or is_excused, f"{name}: {seq} was lost"


def run(
    seed: int,
    make: Callable[..., ServerSession] = ServerSession,
    keep: Callable[[int], Inbound] = Inbound,
) -> Counter[str]:
    world = ManyStreams(random.Random(seed), make, keep)
    world.connect()
    for _ in range(STEPS):
        world.step()
    world.settle()
    world.check()
    return world.client.counts


def runs(seeds: range) -> Counter[str]:
    counts: Counter[str] = Counter()
    for seed in seeds:
        try:
            counts += run(seed)
        except AssertionError as error:
            error.add_note(f"seed {seed}")
            raise
    return counts


def test_no_entry_comes_twice_to_a_client_that_drops_positions() -> None:
    counts = runs(range(RUNS))
    # Most positions that were dropped were older than two marks, so the runs say something about the rule.
    assert counts["dropped"] - counts["reported"] > RUNS, counts


@pytest.mark.deep
def test_three_thousand_more_runs_of_a_client_that_drops_positions() -> None:
    runs(range(10_000, 13_000))


# --- planted bugs -----------------------------------------------------------------------------------------------------


class DropsTheLongestUnused(Inbound):
    """Drops the longest unused position, whatever the marks say."""

    def _drop(self, count: int) -> None:
        for name in list(self._cursors)[:count]:
            self.forget(name)


class WaitsForOneMark(Inbound):
    """Drops positions of streams that it saw before its last mark."""

    def marked(self, mark: str) -> None:
        if mark != self._mark:
            self._mark = mark
            self._marks += 2


class TakesAMarkTwice(Inbound):
    """Counts a mark that comes again."""

    def marked(self, mark: str) -> None:
        self._mark = None
        super().marked(mark)


class KeepsTheAgeInANewEpoch(Inbound):
    """A stream is as old as before when its numbers begin again."""

    def _start(self, stream: str, epoch: str, seq: int) -> None:
        before = self._cursors.get(stream)
        super()._start(stream, epoch, seq)
        if before is not None and stream in self._cursors:
            self._cursors[stream].since = before.since


@pytest.mark.parametrize(
    ("bug", "first"),
    [
        (DropsTheLongestUnused, 0),
        (WaitsForOneMark, 0),
        (TakesAMarkTwice, 400),
        (KeepsTheAgeInANewEpoch, 1900),
    ],
)
def test_a_planted_bug_of_the_client_is_found(bug: type[Inbound], first: int) -> None:
    for seed in range(first, first + 300):
        try:
            run(seed, keep=bug)
        except AssertionError:
            return
    pytest.fail(f"{bug.__name__} was not found in 300 runs")
