"""The outbox and its file together: what is stored, what is restored, what another process did meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reactive_ws.errors import JournalError, MessageRejected
from reactive_ws.outbox.delivery import DeliveryStatus as Status
from reactive_ws.outbox.journal import Journal, Stored
from reactive_ws.outbox.outgoing import OutboxOptions, Outgoing
from reactive_ws.outbox.queue import Outbox
from reactive_ws.outbox.storage import Storage
from reactive_ws.stores.wire.chat import SessionClose, agent_chat
from reactive_ws.wire.codec import JsonCodec
from reactive_ws.wire.envelope import Envelope
from reactive_ws.wire.registry import Guarantee

LONG = 60.0
NOON = 1_800_000_000.0
CODEC = JsonCodec(agent_chat())


class Rig:
    """An outbox with a file; what the journal's thread posts is run by `settle`."""

    def __init__(self, path: Path, wall: float = NOON) -> None:
        self.wall = wall
        self.outbox = Outbox(OutboxOptions(path=path), wall=lambda: self.wall)
        self.changes = 0
        self.failures: list[Exception] = []
        self.posted: list[Callable[[], None]] = []
        self._arrived = threading.Semaphore(0)
        self.storage = Storage(
            path,
            outbox=self.outbox,
            codec=CODEC,
            now=lambda: 5.0,
            wall=lambda: self.wall,
            post=self.post,
            changed=self.change,
            failed=self.failures.append,
        )

    def post(self, function: Callable[[], None]) -> None:
        self.posted.append(function)
        self._arrived.release()

    def change(self) -> None:
        self.changes += 1

    def settle(self, count: int) -> None:
        for _ in range(count):
            assert self._arrived.acquire(timeout=LONG)
            self.posted.pop(0)()

    def send(self, identity: str, time_to_live: float | None = None) -> Outgoing:
        envelope: Envelope[Any] = Envelope("session.close", SessionClose(identity), id=identity)
        entry = self.outbox.offer(
            envelope,
            CODEC.encode(envelope),
            Guarantee.AT_LEAST_ONCE,
            5.0,
            time_to_live=time_to_live,
            is_durable=True,
            is_ready=False,
        )
        self.storage.store(entry)
        return entry

    def ids(self) -> list[str]:
        return [waiting.id for waiting in self.outbox.view().entries]


def stored(path: Path) -> list[str]:
    journal = Journal(path)
    try:
        return [one.id for one in journal.entries()]
    finally:
        journal.close()


def test_a_message_is_stored_before_it_may_be_sent_and_forgotten_when_it_is_over(
    tmp_path: Path,
) -> None:
    path = tmp_path / "box.db"
    rig = Rig(path)
    rig.outbox.online(has_acknowledgements=True)
    first, second = rig.send("a"), rig.send("b")
    assert rig.outbox.take(0.0) is None
    rig.settle(2)
    assert rig.changes == 2
    assert [first.delivery.status, second.delivery.status] == [Status.STORED] * 2
    assert rig.outbox.take(0.0) is first
    rig.outbox.acknowledge("a")
    rig.storage.close()
    assert stored(path) == ["b"]


def test_what_an_earlier_process_left_is_queued_again_in_order(
    tmp_path: Path,
) -> None:
    path = tmp_path / "box.db"
    before = Rig(path)
    for identity in ("a", "b", "c"):
        before.send(identity)
    before.settle(3)
    before.storage.close()
    rig = Rig(path)
    rig.outbox.online(has_acknowledgements=True)
    assert [
        (waiting.id, waiting.status, waiting.attempts, waiting.since, waiting.envelope.payload)
        for waiting in rig.outbox.view().entries
    ] == [(name, Status.STORED, 0, 5.0, SessionClose(name)) for name in ("a", "b", "c")]
    assert rig.outbox.is_durable("a")
    rig.storage.close()


def test_what_cannot_be_read_stays_in_the_file_and_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "box.db"
    Rig(path).storage.close()
    journal = Journal(path)
    for identity, frame in (("x", "no json"), ("y", "{}")):
        journal.append(Stored(identity, frame), lambda error: None)
    journal.close()
    rig = Rig(path)
    assert rig.ids() == []
    assert rig.outbox.view().unreadable == ("x", "y")
    # Before the first connect no observer of errors can be there.
    assert rig.failures == []
    rig.storage.open()
    assert [(type(error), error.id) for error in rig.failures] == [  # type: ignore[attr-defined]
        (MessageRejected, "x"),
        (MessageRejected, "y"),
    ]
    assert str(path) in str(rig.failures[0])
    rig.storage.close()
    assert stored(path) == ["x", "y"]
    rig.storage.discard(["x", "unknown"])
    assert rig.outbox.view().unreadable == ("y",)
    rig.storage.close()
    assert stored(path) == ["y"]
    assert rig.storage.clear() == 1
    rig.storage.close()
    assert stored(path) == []


@pytest.mark.parametrize("how", ["discard", "clear"])
def test_what_the_user_deletes_while_the_file_is_closed_is_gone(how: str, tmp_path: Path) -> None:
    path = tmp_path / "box.db"
    rig = Rig(path)
    rig.send("a")
    rig.send("b")
    rig.settle(2)
    rig.storage.close()
    if how == "discard":
        rig.outbox.discard({"a"})
    else:
        rig.outbox.clear()
    rig.storage.open()
    assert rig.ids() == (["b"] if how == "discard" else [])
    rig.storage.close()
    assert stored(path) == (["b"] if how == "discard" else [])


def test_a_message_that_does_not_fit_fails_alone_and_says_why(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "box.db")
    database = rig.storage._journal._file.database
    pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.execute(f"PRAGMA max_page_count={pages + 2}")
    big = rig.send("x" * 100_000)
    rig.settle(1)
    small = rig.send("small")
    rig.settle(1)
    assert (big.delivery.status, small.delivery.status) == (Status.FAILED, Status.STORED)
    assert [type(error) for error in rig.failures] == [JournalError]
    assert "the disk is full" in str(rig.failures[0])
    assert big.delivery.reason == str(rig.failures[0])
    rig.storage.close()


def test_after_a_pause_in_which_no_other_owner_had_the_file_nothing_changes(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "box.db")
    entry = rig.send("a")
    rig.settle(1)
    rig.storage.close()
    rig.storage.open()
    rig.storage.open()
    assert rig.ids() == ["a"]
    assert entry.delivery.status is Status.STORED
    rig.storage.close()


def test_after_a_pause_in_which_another_process_had_the_file_its_work_is_not_done_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "box.db"
    rig = Rig(path)
    taken, kept = rig.send("taken"), rig.send("kept")
    rig.settle(2)
    rig.storage.close()
    other = Rig(path)
    other.outbox.online(has_acknowledgements=True)
    other.outbox.acknowledge("taken")
    other.send("new")
    other.settle(1)
    with pytest.raises(JournalError, match="another part of this program"):
        rig.storage.open()
    other.storage.close()
    rig.storage.open()
    assert rig.ids() == ["kept", "new"]
    assert (taken.delivery.status, kept.delivery.status) == (Status.FAILED, Status.STORED)
    assert "another process took it over" in (taken.delivery.reason or "")
    rig.storage.close()
    assert stored(path) == ["kept", "new"]


def test_messages_that_are_not_durable_are_no_business_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "box.db"
    rig = Rig(path)
    rig.outbox.online(has_acknowledgements=True)
    envelope: Envelope[Any] = Envelope("note", 1, id="loose")
    entry = rig.outbox.offer(envelope, CODEC.encode(envelope), Guarantee.AT_MOST_ONCE, 0.0)
    assert rig.outbox.take(0.0) is entry
    rig.outbox.written(entry)
    assert not rig.outbox.is_durable("loose")
    rig.storage.close()
    assert stored(path) == []


def sent(path: Path) -> dict[str, float | None]:
    journal = Journal(path)
    try:
        return {one.id: one.sent for one in journal.entries()}
    finally:
        journal.close()


def take(rig: Rig) -> list[str]:
    return [it.delivery.id for it in iter(lambda: rig.outbox.take(0.0), None)]


def test_the_file_says_that_a_message_may_have_left_before_it_leaves(tmp_path: Path) -> None:
    path = tmp_path / "box.db"
    rig = Rig(path)
    rig.send("a")
    rig.send("b")
    rig.settle(2)
    rig.outbox.online(has_acknowledgements=True)
    # Nothing leaves before the note is on disk; one note serves both.
    assert take(rig) == []
    assert take(rig) == []
    rig.wall += 7
    rig.settle(1)
    assert take(rig) == ["a", "b"]
    assert rig.posted == []
    # What goes out at once has its note from the beginning.
    rig.send("c")
    rig.settle(1)
    assert take(rig) == ["c"]
    rig.storage.close()
    assert sent(path) == {"a": NOON, "b": NOON, "c": NOON + 7}


def test_only_what_may_leave_with_the_window_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "box.db"
    rig = Rig(path)
    count = 2 * rig.outbox.options.window + 1
    for number in range(count):
        rig.send(f"m{number}")
    rig.settle(count)
    rig.outbox.online(has_acknowledgements=True)
    assert take(rig) == []
    rig.settle(1)
    assert len(take(rig)) == rig.outbox.options.window
    rig.storage.close()
    marked = [name for name, when in sent(path).items() if when is not None]
    assert marked == [f"m{number}" for number in range(rig.outbox.options.window)]


@pytest.mark.parametrize(("age", "is_over"), [(99.0, False), (101.0, True), (1e9, True)])
def test_a_message_is_as_old_after_a_restart_as_it_was_before(
    age: float, is_over: bool, tmp_path: Path
) -> None:
    path = tmp_path / "box.db"
    before = Rig(path)
    before.outbox.online(has_acknowledgements=True, keeps_outcomes=100.0)
    before.send("sent")
    before.settle(1)
    assert take(before) == ["sent"]
    before.outbox.lost()
    before.send("never")
    before.settle(1)
    before.storage.close()
    rig = Rig(path)
    first, _ = rig.outbox.view().entries
    assert rig.outbox.unknown() == ("sent",)
    rig.wall = NOON + age
    rig.outbox.online(has_acknowledgements=True, keeps_outcomes=100.0)
    names = take(rig)
    rig.settle(1)
    # What was never transmitted is sent whatever its age.
    assert names + take(rig) == (["never"] if is_over else ["sent", "never"])
    if is_over:
        assert first.delivery.status is Status.UNCERTAIN
        assert "keeps outcomes for 100 s" in (first.delivery.reason or "")
    rig.storage.close()


def test_a_message_that_another_process_may_have_sent_has_its_age(tmp_path: Path) -> None:
    path = tmp_path / "box.db"
    rig = Rig(path)
    rig.send("a")
    rig.settle(1)
    rig.storage.close()
    other = Rig(path)
    other.outbox.online(has_acknowledgements=True)
    assert take(other) == []
    other.settle(1)
    assert take(other) == ["a"]
    other.storage.close()
    rig.storage.open()
    assert rig.outbox.unknown() == ("a",)
    rig.wall = NOON + 101
    rig.outbox.online(has_acknowledgements=True, keeps_outcomes=100.0)
    assert take(rig) == []
    assert rig.ids() == []
    rig.storage.close()


def test_a_note_that_finds_no_room_on_the_disk_keeps_no_message_back(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "box.db")
    rig.send("a")
    rig.settle(1)
    rig.outbox.online(has_acknowledgements=True)
    rig.storage._journal._die(RuntimeError("broken"), [])
    assert take(rig) == []
    # The death of the thread, and the note that it did not take.
    rig.settle(2)
    assert take(rig) == ["a"]
    assert [type(error) for error in rig.failures] == [JournalError, JournalError]
    rig.storage.close()


@pytest.mark.parametrize("away", [30.0, 61.0])
def test_the_time_to_live_of_a_message_goes_on_while_no_process_runs(
    away: float, tmp_path: Path
) -> None:
    path = tmp_path / "box.db"
    before = Rig(path)
    before.send("a", time_to_live=60.0)
    before.send("b")
    before.settle(2)
    before.storage.close()
    drops: list[tuple[str, str]] = []
    rig = Rig(path, wall=NOON + away)
    rig.outbox._on_drop = lambda entry, reason: drops.append((entry.delivery.id, reason))
    is_over = away > 60.0
    assert rig.outbox.deadline == 5.0 + 60.0 - away
    rig.outbox.tick(5.0)
    assert drops == ([("a", "its time to live was over")] if is_over else [])
    rig.outbox.tick(5.0 + 60.0 - away)
    assert drops == [("a", "its time to live was over")]
    rig.storage.close()
    assert stored(path) == ["b"]


def test_a_message_that_may_have_left_has_no_time_to_live_any_longer(tmp_path: Path) -> None:
    path = tmp_path / "box.db"
    before = Rig(path)
    before.send("a", time_to_live=60.0)
    before.settle(1)
    before.outbox.online(has_acknowledgements=True)
    assert take(before) == []
    before.settle(1)
    assert take(before) == ["a"]
    before.storage.close()
    rig = Rig(path, wall=NOON + 1e6)
    assert rig.outbox.deadline is None
    rig.outbox.online(has_acknowledgements=True)
    assert take(rig) == ["a"]
    rig.storage.close()
