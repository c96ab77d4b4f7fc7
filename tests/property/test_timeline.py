"""A timeline keeps what a sorted list of (place, id) keeps, each id once, at any length and with a short index."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from reactive_ws.stores.history import timeline
from reactive_ws.stores.history.entry import Entry, Place
from reactive_ws.stores.history.timeline import Timeline
from reactive_ws.stores.wire.chat import Message


def entry(identity: str, place: Place | None, text: str = "") -> Entry:
    # The sequence is that of the place, as is usual, or that of the first waiting entry.
    sequence = 0 if place is None else place[1]
    return Entry(Message(identity, "s", "user", text, 0.0, sequence=sequence)).placed(place)


class TimelineMachine(RuleBasedStateMachine):
    """The model: a plain list of settled (place, id, text), sorted, and a plain list of waiting (id, text)."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(timeline, "INDEXED", 5)
        self.patch.setattr(timeline, "_SPARE", 3)
        self.timeline = Timeline()
        self.settled: list[tuple[Place, str, str]] = []
        self.waiting: list[tuple[str, str]] = []
        self.dropped = 0
        self.count = 0

    def teardown(self) -> None:
        self.patch.undo()

    def fresh(self) -> str:
        self.count += 1
        return f"m{self.count}"

    @rule(text=st.text(max_size=3))
    def await_new(self, text: str) -> None:
        identity = self.fresh()
        self.timeline = self.timeline.put(entry(identity, None, text))
        self.waiting.append((identity, text))

    @rule(sequence=st.integers(1, 30), era=st.integers(0, 1), text=st.text(max_size=3))
    def settle_new(self, sequence: int, era: int, text: str) -> None:
        self.settle(self.fresh(), (era, sequence, 0), text)

    @rule(count=st.integers(0, 12), step=st.integers(1, 3))
    def settle_many_at_the_end(self, count: int, step: int) -> None:
        last = self.settled[-1][0] if self.settled else (0, 0, 0)
        places = [(last[0], last[1] + step * number, 0) for number in range(1, count + 1)]
        rows = [(place, self.fresh(), "") for place in places]
        assert not any(self.timeline.knows(identity) for _, identity, _ in rows)
        self.timeline = self.timeline.extended({row[1]: entry(row[1], row[0]) for row in rows})
        self.settled += rows

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), sequence=st.integers(1, 30))
    def settle_waiting(self, data: st.DataObject, sequence: int) -> None:
        row = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(row)
        self.settle(row[0], (0, sequence, 0), row[1])

    @precondition(lambda self: self.settled)
    @rule(data=st.data(), text=st.text(max_size=3))
    def change_settled(self, data: st.DataObject, text: str) -> None:
        place, identity, _ = row = data.draw(st.sampled_from(self.settled))
        self.settled[self.settled.index(row)] = (place, identity, text)
        self.timeline = self.timeline.put(entry(identity, place, text))

    @precondition(lambda self: self.settled)
    @rule(data=st.data(), sequence=st.integers(1, 30))
    def move_a_recent_one(self, data: st.DataObject, sequence: int) -> None:
        row = data.draw(st.sampled_from(self.settled[-5:]))
        self.settled.remove(row)
        self.settle(row[1], (0, sequence, 0), row[2])

    @precondition(lambda self: self.settled)
    @rule(data=st.data())
    def wait_again(self, data: st.DataObject) -> None:
        row = data.draw(st.sampled_from(self.settled[-5:]))
        self.settled.remove(row)
        self.waiting.append((row[1], row[2]))
        self.timeline = self.timeline.put(entry(row[1], None, row[2]))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), text=st.text(max_size=3))
    def change_waiting(self, data: st.DataObject, text: str) -> None:
        row = data.draw(st.sampled_from(self.waiting))
        self.waiting[self.waiting.index(row)] = (row[0], text)
        self.timeline = self.timeline.put(entry(row[0], None, text))

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        ids = [row[1] for row in self.settled[-5:]] + [row[0] for row in self.waiting]
        identity = data.draw(st.sampled_from([*ids, "nobody"]))
        self.timeline = self.timeline.remove(identity)
        self.settled = [row for row in self.settled if row[1] != identity]
        self.waiting = [row for row in self.waiting if row[0] != identity]

    @rule(keep=st.integers(0, 12))
    def cut(self, keep: int) -> None:
        self.timeline = self.timeline.cut(keep)
        gone = max(0, len(self.settled) - keep)
        self.settled = self.settled[gone:]
        self.dropped += gone

    def settle(self, identity: str, place: Place, text: str) -> None:
        self.timeline = self.timeline.put(entry(identity, place, text))
        taken = {row[0] for row in self.settled}
        while place in taken:
            place = (place[0], place[1], place[2] + 1)
        self.settled = sorted([*self.settled, (place, identity, text)])

    @invariant()
    def is_the_model(self) -> None:
        shown = [(e.id, e.content) for e in self.timeline]
        assert shown == [row[1:] for row in self.settled] + self.waiting
        assert [e.place for e in self.timeline.settled] == [row[0] for row in self.settled]
        assert (len(self.timeline), self.timeline.dropped) == (len(shown), self.dropped)
        for start in (0, len(self.settled) - 1, len(self.settled) + 1):
            window = self.timeline.window(start, 3)
            assert [e.id for e in window] == [
                row[0] for row in shown[max(0, start) : max(0, start + 3)]
            ]
        assert [e.id for e in self.timeline.last(2)] == [row[0] for row in shown[-2:]]

    @invariant()
    def every_one_is_found(self) -> None:
        for place, identity, _ in self.settled:
            found = self.timeline.find(identity, place)
            assert found is not None
            assert found.place == place
        for identity in [row[1] for row in self.settled[-5:]] + [row[0] for row in self.waiting]:
            found = self.timeline.find(identity)
            assert found is not None
            assert found.id == identity
            assert self.timeline.knows(identity)
        assert self.timeline.find("nobody", (0, 3, 0)) is None

    @invariant()
    def the_index_is_bounded(self) -> None:
        known = len(self.timeline._recent)
        assert min(5, len(self.settled)) <= known <= 5 + 3
        entries = [self.timeline.find(name) for name in self.timeline._recent]
        assert {it.id: it.place for it in entries if it is not None} == {
            row[1]: row[0] for row in self.settled[len(self.settled) - known :]
        }
        assert [self.timeline._recent.get(name) for name in self.timeline._recent] == entries


TestTimeline = TimelineMachine.TestCase


def test_an_old_id_that_came_again_names_the_newer_entry_also_when_the_old_one_would_be_known_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(timeline, "INDEXED", 5)
    monkeypatch.setattr(timeline, "_SPARE", 3)
    names = ["again", *(f"m{number}" for number in range(10)), "again"]
    kept = Timeline()
    for number, name in enumerate(names):
        kept = kept.put(entry(name, (0, number, 0)))
    for name in reversed(names[1:-1]):
        kept = kept.remove(name)
    found = kept.find("again")
    assert found is not None
    assert (len(kept), found.place) == (2, (0, 11, 0))
    assert len(kept.cut(0)) == 0


def test_who_waits_waits_also_when_its_sequence_is_the_number_of_its_arrival() -> None:
    kept = Timeline().put(entry("own", None))
    found = kept.find("own")
    assert found is not None
    assert (found.is_waiting, len(kept.waiting)) == (True, 1)
    assert len(kept.put(entry("own", (0, 0, 0))).waiting) == 0
