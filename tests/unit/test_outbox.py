from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from reactive_ws.errors import (
    DeliveryFailed,
    DeliveryUncertain,
    DuplicateId,
    JournalError,
    MessageTooBig,
    OutboxFull,
    RequestFailed,
)
from reactive_ws.outbox.delivery import DeliveryEvent as Event
from reactive_ws.outbox.delivery import DeliveryStatus as Status
from reactive_ws.outbox.outgoing import OutboxOptions, Outgoing, Overflow
from reactive_ws.outbox.queue import Outbox
from reactive_ws.wire.envelope import Envelope
from reactive_ws.wire.registry import Guarantee

SURE, LOOSE, VOLATILE = Guarantee.AT_LEAST_ONCE, Guarantee.AT_MOST_ONCE, Guarantee.VOLATILE


def put(
    box: Outbox, name: str, kind: Guarantee = SURE, now: float = 0.0, **more: float
) -> Outgoing:
    return box.offer(Envelope("t", None, id=name), name, kind, now, **more)  # type: ignore[arg-type]


def take_all(box: Outbox, now: float = 0.0) -> list[str]:
    taken: list[str] = []
    while (entry := box.take(now)) is not None:
        taken.append(entry.delivery.id)
        box.written(entry)
    return taken


def read(box: Outbox, now: float) -> None:
    """The server confirms that it read everything that is in flight."""
    for number, entry in enumerate(box._in_flight.values()):
        entry.position = number
    box.confirmed(len(box._in_flight), now)


def online(box: Outbox) -> Outbox:
    box.online(has_acknowledgements=True)
    return box


def test_nothing_leaves_while_offline_and_everything_in_order_afterwards() -> None:
    box = Outbox()
    for name in "abc":
        put(box, name)
    assert take_all(box) == []
    assert take_all(online(box)) == ["a", "b", "c"]
    assert box.in_flight == 3


def test_at_most_the_window_is_in_flight() -> None:
    box = online(Outbox(OutboxOptions(window=2)))
    entries = [put(box, name) for name in "abcd"]
    assert take_all(box) == ["a", "b"]
    assert box.acknowledge("b")
    assert take_all(box) == ["c"]
    assert [e.delivery.status for e in entries] == [
        Status.SENT,
        Status.ACKNOWLEDGED,
        Status.SENT,
        Status.QUEUED,
    ]
    assert not box.acknowledge("b")


def test_after_a_loss_the_unacknowledged_come_first_in_order() -> None:
    box = online(Outbox())
    for name in "abc":
        put(box, name)
    take_all(box)
    box.acknowledge("b")
    put(box, "d")
    box.lost()
    put(box, "e")
    assert take_all(online(box)) == ["a", "c", "d", "e"]
    assert box.resent == 2


def test_the_loss_of_a_connection_never_counts() -> None:
    box = Outbox()
    entry = put(box, "a")
    for _ in range(20):
        assert take_all(online(box)) == ["a"]
        box.lost()
    assert entry.delivery.status is Status.SENT
    assert entry.refusals == 0


def test_an_acknowledgement_timeout_does_not_run_offline() -> None:
    box = online(Outbox())
    put(box, "a")
    take_all(box)
    box.lost()
    assert box.deadline is None
    assert box.tick(1000.0)


def test_full_drops_the_oldest_at_most_once_message_and_says_so() -> None:
    drops: list[str] = []
    box = Outbox(OutboxOptions(limit=3), on_drop=lambda e, _: drops.append(e.delivery.id))
    put(box, "sure")
    old = put(box, "old", LOOSE)
    put(box, "new", LOOSE)
    put(box, "newer", LOOSE)
    assert drops == ["old"]
    assert old.delivery.status is Status.FAILED
    assert old.delivery.reason == "the outbox was full"
    assert take_all(online(box)) == ["sure", "new", "newer"]
    assert box.dropped == 1


def test_entries_in_flight_are_never_dropped() -> None:
    box = online(Outbox(OutboxOptions(limit=1)))
    put(box, "a")
    take_all(box)
    assert put(box, "b", LOOSE).delivery.status is Status.FAILED
    assert box.in_flight == 1


@pytest.mark.parametrize("overflow", [Overflow.DROP_NEWEST, Overflow.RAISE])
def test_other_overflow_policies(overflow: Overflow) -> None:
    box = Outbox(OutboxOptions(limit=1, overflow=overflow))
    put(box, "a", LOOSE)
    if overflow is Overflow.RAISE:
        with pytest.raises(OutboxFull):
            put(box, "b", LOOSE)
    else:
        assert put(box, "b", LOOSE).delivery.status is Status.FAILED
    assert take_all(online(box)) == ["a"]


def test_volatile_messages_go_now_or_never() -> None:
    box = Outbox()
    assert put(box, "a", VOLATILE).delivery.status is Status.FAILED
    online(box)
    late = put(box, "b", VOLATILE)
    box.lost()
    assert late.delivery.status is Status.FAILED
    assert len(box) == 0


def test_time_to_live_ends_waiting_but_not_what_was_sent() -> None:
    box = Outbox()
    short = put(box, "short", LOOSE, time_to_live=5.0)
    put(box, "long", LOOSE, time_to_live=50.0)
    assert box.deadline == 5.0
    box.tick(5.0)
    assert short.delivery.status is Status.FAILED
    assert box.deadline == 50.0
    sent = put(online(box), "sent", SURE, time_to_live=60.0)
    assert take_all(box, 6.0) == ["long", "sent"]
    box.lost()
    online(box)
    assert take_all(box, 100.0) == ["sent"]
    assert sent.delivery.status is Status.SENT


def test_disconnecting_fails_the_unsent_and_leaves_the_sent_uncertain() -> None:
    box = online(Outbox())
    flying = put(box, "a")
    take_all(box)
    waiting = put(box, "b")
    box.settle()
    assert (flying.delivery.status, waiting.delivery.status) == (Status.UNCERTAIN, Status.FAILED)
    assert len(box) == 0


def test_too_big_fails_the_one_that_was_alone() -> None:
    box = online(Outbox())
    entry = put(box, "a")
    take_all(box)
    box.lost(refusals=math.inf)
    assert entry.delivery.status is Status.FAILED


def test_too_big_among_several_is_found_one_by_one() -> None:
    box = online(Outbox())
    for name in "abc":
        put(box, name)
    take_all(box)
    box.lost(refusals=math.inf)
    assert take_all(online(box)) == ["a"]
    box.acknowledge("a")
    assert take_all(box) == ["b"]
    box.lost(refusals=math.inf)
    online(box)
    assert take_all(box) == ["c"]
    box.acknowledge("c")
    for name in "def":
        put(box, name)
    assert take_all(box) == ["d", "e", "f"]


def test_a_policy_close_counts_only_when_the_message_was_alone() -> None:
    box = online(Outbox())
    one, two = put(box, "a"), put(box, "b")
    take_all(box)
    box.lost(refusals=1)
    assert (one.refusals, two.refusals) == (0, 0)
    box.acknowledge("b")
    take_all(online(box))
    box.lost(refusals=1)
    assert one.refusals == 1


def test_an_entry_that_is_not_on_disk_yet_holds_the_queue() -> None:
    box = online(Outbox())
    entry = box.offer(Envelope("t", None, id="a"), "a", SURE, 0.0, is_durable=True, is_ready=False)
    put(box, "b")
    assert take_all(box) == []
    seen: list[Status] = []
    entry.delivery.watch(seen.append)
    box.stored(entry)
    assert take_all(box) == ["a", "b"]
    assert seen == [Status.QUEUED, Status.STORED, Status.SENT]


def test_without_acknowledgements_written_is_final() -> None:
    box = Outbox()
    box.online(has_acknowledgements=False)
    entry = put(box, "a")
    assert take_all(box) == ["a"]
    assert entry.delivery.is_final
    assert len(box) == 0


def test_a_message_cut_off_in_plain_mode_goes_back_to_the_head() -> None:
    box = Outbox()
    box.online(has_acknowledgements=False)
    put(box, "a")
    put(box, "b")
    entry = box.take(0.0)
    assert entry is not None
    box.cut_off(entry)
    box.lost()
    box.online(has_acknowledgements=False)
    assert take_all(box) == ["a", "b"]


def test_ten_thousand_acknowledgements_leave_no_ghosts() -> None:
    box = online(Outbox(OutboxOptions(limit=20_000)))
    for n in range(10_000):
        put(box, str(n))
    for n in range(10_000):
        box.acknowledge(str(n))
    assert len(box) == 0
    assert len(box._queue) <= 64


def test_a_volatile_message_that_was_dropped_does_not_count_as_lost_again() -> None:
    outbox = Outbox(OutboxOptions(limit=2, window=1))
    outbox.online(has_acknowledgements=True)
    put(outbox, "sure")
    assert outbox.take(0.0) is not None
    put(outbox, "held", VOLATILE)
    put(outbox, "next", VOLATILE)
    outbox.lost()
    assert len(outbox) == 1
    outbox.settle()
    assert len(outbox) == 0


def test_clearing_gives_everything_up_and_says_so() -> None:
    outbox = Outbox(OutboxOptions(window=1))
    outbox.online(has_acknowledgements=True)
    entries = [put(outbox, name) for name in ("a", "b")]
    flying = outbox.take(0.0)
    assert flying is entries[0]
    assert outbox.clear() == 2
    assert [(e.delivery.status.value, e.delivery.reason) for e in entries] == [
        ("uncertain", "the outbox was cleared before the acknowledgement"),
        ("failed", "the outbox was cleared before it was sent"),
    ]
    assert not outbox.acknowledge("a")
    assert (len(outbox), outbox.in_flight, outbox.deadline, outbox.take(0.0)) == (0, 0, None, None)
    later = put(outbox, "c")
    assert outbox.take(0.0) is later


def statuses(*entries: Outgoing) -> list[tuple[str, str | None]]:
    return [(entry.delivery.status.value, entry.delivery.reason) for entry in entries]


def test_what_the_server_refuses_fails_with_its_answer_and_frees_the_window() -> None:
    box = online(Outbox(OutboxOptions(window=1)))
    first, second = put(box, "a"), put(box, "b")
    assert take_all(box) == ["a"]
    error = RequestFailed("bad", "no such session")
    assert box.reject("a", error)
    assert not box.reject("a", error)
    assert not box.reject("nobody", error)
    assert first.delivery.failure is error
    assert statuses(first, second) == [("failed", str(error)), ("queued", None)]
    assert take_all(box) == ["b"]


def test_what_cannot_be_sent_at_all_fails_alone() -> None:
    box = online(Outbox())
    put(box, "a")
    entry = box.take(0.0)
    assert entry is not None
    error = MessageTooBig(10, 5)
    box.refused(entry, error)
    box.refused(entry, MessageTooBig(11, 5))
    assert (entry.delivery.failure, len(box), box.in_flight) == (error, 0, 0)


def test_discarded_messages_fail_unless_they_were_sent() -> None:
    box = online(Outbox(OutboxOptions(window=1)))
    entries = [put(box, name) for name in "abc"]
    assert take_all(box) == ["a"]
    box.discard({"a", "c", "nobody"})
    box.discard({"a"})
    assert statuses(*entries) == [
        ("uncertain", "discarded after it was sent"),
        ("queued", None),
        ("failed", "discarded before it was sent"),
    ]
    assert take_all(box) == ["b"]


def test_an_at_most_once_message_that_was_cut_off_is_uncertain() -> None:
    box = online(Outbox())
    put(box, "a", LOOSE)
    entry = box.take(0.0)
    assert entry is not None
    box.cut_off(entry)
    box.cut_off(entry)
    assert statuses(entry) == [("uncertain", "the connection ended while it was written")]
    assert len(box) == 0


def test_a_message_that_was_cut_off_or_written_after_its_end_stays_as_it_is() -> None:
    box = online(Outbox())
    put(box, "a")
    entry = box.take(0.0)
    assert entry is not None
    box.acknowledge("a")
    box.written(entry)
    box.cut_off(entry)
    assert statuses(entry) == [("acknowledged", None)]
    assert (len(box), take_all(box)) == (0, [])


def test_restored_messages_are_queued_once_and_are_durable() -> None:
    box = Outbox()
    for _ in range(2):
        box.restore(Envelope("t", None, id="a"), "a", 3.0, sent=1.0)
        box.restore(Envelope("t", None, id="b"), "b", 3.0, sent=None)
    assert [(e.id, e.status, e.attempts, e.since) for e in box.view().entries] == [
        ("a", Status.STORED, 1, 3.0),
        ("b", Status.STORED, 0, 3.0),
    ]
    assert (box.is_durable("a"), box.is_durable("c")) == (True, False)
    assert box.deadline is None
    assert box.unknown() == ("a",)
    assert take_all(online(box)) == ["a", "b"]
    # An earlier process may have sent the first one.
    assert box.resent == 1


def test_views_in_a_row_share_what_did_not_change() -> None:
    box = online(Outbox())
    for name in "ab":
        put(box, name)
    before = box.view().entries
    entry = box.take(1.0)
    assert entry is not None
    taken = box.view().entries
    entry.envelope = Envelope("t", None, id="a", redelivered=True)
    box.written(entry)
    written = resent = box.view().entries
    assert [(e.status, e.attempts) for e in (before[0], taken[0], resent[0], written[0])] == [
        (Status.QUEUED, 0),
        (Status.QUEUED, 1),
        (Status.SENT, 1),
        (Status.SENT, 1),
    ]
    assert [e.envelope.redelivered for e in (taken[0], resent[0])] == [False, True]
    assert before[1] is taken[1] is resent[1] is written[1]
    assert box.view().entries[0] is written[0]


def test_a_message_that_could_not_be_stored_fails_and_lets_the_next_one_pass() -> None:
    box = online(Outbox())
    entry = box.offer(Envelope("t", None, id="a"), "a", SURE, 0.0, is_durable=True, is_ready=False)
    put(box, "b")
    error = JournalError("box.db", "the disk is full")
    box.stored(entry, error)
    assert entry.delivery.failure is error
    assert take_all(box) == ["b"]
    box.stored(entry)
    assert entry.delivery.status is Status.FAILED


def test_a_disconnect_keeps_what_is_durable_and_sends_it_first_the_next_time() -> None:
    box = online(Outbox())
    durable = box.offer(Envelope("t", None, id="a"), "a", SURE, 0.0, is_durable=True)
    loose = put(box, "b")
    assert take_all(box) == ["a", "b"]
    box.settle()
    assert statuses(durable, loose) == [
        ("sent", None),
        ("uncertain", "disconnected before the acknowledgement"),
    ]
    put(box, "c")
    assert take_all(online(box)) == ["a", "c"]


def test_every_end_of_an_entry_is_told_once() -> None:
    box = online(Outbox(OutboxOptions(limit=2)))
    over: list[str] = []
    box.on_over = lambda entry: over.append(entry.delivery.id)
    put(box, "old", LOOSE)
    put(box, "a")
    put(box, "b")
    take_all(box)
    box.acknowledge("a")
    box.reject("b", RequestFailed("bad", "no"))
    assert over == ["old", "a", "b"]


def test_each_change_gives_a_new_version_and_looking_does_not() -> None:
    box = online(Outbox())
    versions = [box.version]
    put(box, "a")
    versions.append(box.version)
    take_all(box)
    versions.append(box.version)
    box.acknowledge("a")
    versions.append(box.version)
    assert sorted(set(versions)) == versions
    box.view()
    box.take(0.0)
    box.acknowledge("a")
    box.tick(100.0)
    assert box.version == versions[-1]


def test_the_deadline_is_the_first_of_expiry_and_acknowledgement() -> None:
    box = online(Outbox(OutboxOptions(acknowledgement_timeout=3.0)))
    assert box.deadline is None
    put(box, "a", time_to_live=9.0)
    assert box.deadline == 9.0
    put(box, "b", time_to_live=4.0)
    put(box, "c", time_to_live=6.0)
    assert box.deadline == 4.0
    take_all(box, now=2.0)
    assert box.deadline == 4.0
    box.tick(4.0)
    # The wait begins when the server has read the message.
    assert box.deadline is None
    read(box, 2.5)
    assert box.deadline == 5.5


def test_the_time_to_live_ends_a_wait_at_its_moment_and_not_before() -> None:
    drops: list[tuple[str, str]] = []
    box = Outbox(on_drop=lambda entry, reason: drops.append((entry.delivery.id, reason)))
    put(box, "a", now=1.0, time_to_live=5.0)
    box.tick(5.9)
    assert len(box) == 1
    box.tick(6.0)
    assert drops == [("a", "its time to live was over")]
    # Between two ticks the writer itself finds it.
    put(online(box), "b", now=6.0, time_to_live=1.0)
    assert take_all(box, 7.0) == []
    assert drops[1:] == [("b", "its time to live was over")]
    assert (len(box), box.dropped) == (0, 2)


def test_a_policy_close_with_other_writes_beside_blames_nobody() -> None:
    box = online(Outbox())
    sure = put(box, "a")
    put(box, "loose", LOOSE)
    take_all(box)
    box.lost(refusals=1)
    assert sure.refusals == 0
    take_all(online(box))
    box.lost(refusals=1)
    assert sure.refusals == 1
    take_all(online(box))
    box.lost()
    assert sure.refusals == 1


def test_an_acknowledgement_forgets_what_was_written_beside() -> None:
    box = online(Outbox())
    put(box, "a")
    put(box, "loose", LOOSE)
    take_all(box)
    box.acknowledge("a")
    alone = put(box, "b")
    take_all(box)
    box.lost(refusals=1)
    assert alone.refusals == 1


def test_while_the_offender_is_looked_for_nothing_is_written_beside_it() -> None:
    box = online(Outbox())
    for name in "ab":
        put(box, name)
    take_all(box)
    box.lost(refusals=math.inf)
    put(box, "loose", LOOSE)
    online(box)
    assert take_all(box) == ["a"]
    box.acknowledge("a")
    assert take_all(box) == ["b"]
    box.acknowledge("b")
    assert take_all(box) == ["loose"]


def test_a_volatile_message_waits_for_its_turn_but_not_for_a_connection() -> None:
    drops: list[str] = []
    box = Outbox(on_drop=lambda entry, _: drops.append(entry.delivery.id))
    never = put(box, "never", VOLATILE)
    assert statuses(never) == [("failed", "not connected, and a volatile message does not wait")]
    assert (len(box), box.dropped, drops) == (0, 0, [])
    online(box)
    put(box, "now", VOLATILE)
    assert take_all(box) == ["now"]
    late = put(box, "late", VOLATILE)
    box.lost()
    assert statuses(late) == [("failed", "the connection ended before it was sent")]


def test_an_at_least_once_message_pushes_an_at_most_once_one_out() -> None:
    drops: list[str] = []
    box = Outbox(
        OutboxOptions(limit=2, overflow=Overflow.DROP_NEWEST),
        on_drop=lambda entry, _: drops.append(entry.delivery.id),
    )
    put(box, "a", LOOSE)
    put(box, "b", LOOSE)
    put(box, "c", LOOSE)
    put(box, "sure")
    assert drops == ["c", "a"]
    assert [e.id for e in box.view().entries] == ["b", "sure"]


def test_ghosts_do_not_pile_up_and_the_view_does_not_show_them() -> None:
    box = Outbox(OutboxOptions(limit=1000))
    for number in range(300):
        put(box, str(number))
        if number:
            box.discard({str(number)})
    assert [e.id for e in box.view().entries] == ["0"]
    assert len(box._queue) <= 2 * 1 + 64
    assert take_all(online(box)) == ["0"]


def test_expiry_looks_only_at_what_was_never_sent_and_may_expire() -> None:
    box = online(Outbox())
    sent = put(box, "sent", time_to_live=5.0)
    take_all(box)
    box.lost()
    over = put(box, "over", time_to_live=5.0)
    box.discard({"over"})
    for_ever, short = put(box, "for ever"), put(box, "short", time_to_live=5.0)
    box.tick(5.0)
    assert statuses(sent, over, for_ever, short) == [
        ("sent", None),
        ("failed", "discarded before it was sent"),
        ("queued", None),
        ("failed", "its time to live was over"),
    ]
    assert (box.dropped, box.deadline) == (1, None)


def test_what_is_dropped_is_over_whether_it_was_in_the_queue_or_not() -> None:
    box = Outbox(OutboxOptions(limit=1, overflow=Overflow.DROP_NEWEST))
    put(box, "a")
    assert put(box, "b", LOOSE).is_over
    other = Outbox(OutboxOptions(limit=1))
    old = put(other, "old", LOOSE)
    put(other, "new", LOOSE)
    assert old.is_over


def test_ghosts_are_removed_many_at_a_time_and_at_the_end() -> None:
    box = Outbox(OutboxOptions(limit=1000))
    for number in range(51):
        put(box, str(number))
        if number:
            box.discard({str(number)})
    # One by one would take a look at the whole queue for each.
    assert len(box._queue) == 51
    box.settle()
    assert len(box._queue) == 0


def test_an_at_most_once_message_that_was_written_is_out_of_the_books() -> None:
    box = online(Outbox())
    entry = put(box, "a", LOOSE)
    assert take_all(box) == ["a"]
    assert (len(box), entry.is_over) == (0, True)


def test_after_a_disconnect_nothing_leaves_until_the_next_connection() -> None:
    box = online(Outbox())
    box.settle()
    put(box, "a")
    assert take_all(box) == []
    assert take_all(online(box)) == ["a"]


def test_nothing_is_sent_twice_on_a_living_connection() -> None:
    box = online(Outbox())
    put(box, "a")
    assert take_all(box, 0.0) == ["a"]
    read(box, 1.0)
    box.tick(11.0)
    assert take_all(box, 11.0) == []
    assert (box.resent, len(box)) == (0, 1)


def test_silence_never_ends_a_promise() -> None:
    box = Outbox()
    entry = put(box, "a")
    now = 0.0
    for _ in range(30):
        take_all(online(box), now)
        read(box, now)
        due = box.deadline
        assert due is not None
        while box.tick(due):
            assert box.deadline is not None
            assert box.deadline > due
            due = box.deadline
        now = due
        box.lost()
    assert (entry.delivery.status, len(box)) == (Status.SENT, 1)


def test_a_message_that_the_server_read_and_does_not_acknowledge_is_slow_once() -> None:
    slow: list[tuple[str, float | None]] = []
    box = online(Outbox(on_slow=lambda it: slow.append((it.delivery.id, it.confirmed_at))))
    put(box, "a")
    take_all(box, 0.0)
    assert box.deadline is None
    read(box, 5.0)
    assert box.deadline == 15.0
    assert box.tick(15.0)
    assert slow == [("a", 5.0)]
    assert [it.is_slow for it in box.view()] == [True]
    assert box.deadline == 65.0
    assert box.tick(64.0)
    assert not box.tick(65.0)
    assert slow == [("a", 5.0)]
    box.lost()
    assert [it.is_slow for it in box.view()] == [False]


def test_reconnects_for_want_of_an_acknowledgement_come_less_and_less_often() -> None:
    box = Outbox()
    waits: list[float] = []
    put(box, "a")
    for _ in range(6):
        take_all(online(box), 0.0)
        read(box, 0.0)
        box.tick(10.0)
        assert box.deadline is not None
        waits.append(box.deadline)
        assert not box.tick(box.deadline)
        box.lost()
    assert waits == [60.0, 120.0, 240.0, 480.0, 600.0, 600.0]
    put(box, "b")
    take_all(online(box), 0.0)
    box.acknowledge("a")
    read(box, 0.0)
    box.tick(10.0)
    assert box.deadline == 60.0


def test_a_message_that_the_server_refuses_for_now_is_parked_and_sent_again_later() -> None:
    box = online(Outbox(OutboxOptions(window=1)))
    entry = put(box, "a")
    put(box, "b")
    assert take_all(box, 0.0) == ["a"]
    assert box.postpone("a", 1.0, 5.0)
    assert (box.parked, box.in_flight, len(box)) == (1, 0, 2)
    assert [(it.id, it.is_parked) for it in box.view()] == [("a", True), ("b", False)]
    # What comes behind it goes ahead.
    assert take_all(box, 1.0) == ["b"]
    box.acknowledge("b")
    assert box.deadline == 6.0
    box.tick(6.0)
    assert take_all(box, 6.0) == ["a"]
    assert entry.delivery.status is Status.SENT
    assert not box.postpone("unknown", 6.0, None)


def test_without_a_time_a_parked_message_waits_longer_each_time() -> None:
    box = online(Outbox())
    put(box, "a")
    now, waits = 0.0, []
    for _ in range(8):
        take_all(box, now)
        box.postpone("a", now, None)
        assert box.deadline is not None
        waits.append(box.deadline - now)
        now = box.deadline
        box.tick(now)
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]


def test_a_server_that_always_asks_for_no_wait_is_not_asked_without_end() -> None:
    box = online(Outbox())
    put(box, "a")
    now, waits = 0.0, []
    for _ in range(7):
        take_all(box, now)
        box.postpone("a", now, 0.0)
        due = now if box.deadline is None else box.deadline
        waits.append(round(due - now, 6))
        now = due
        box.tick(now)
    assert waits == [0.0, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_a_parked_message_can_be_acknowledged_refused_or_given_up() -> None:
    box = online(Outbox())
    entries = [put(box, name) for name in "abc"]
    take_all(box)
    for name in "abc":
        box.postpone(name, 0.0, 9.0)
    box.acknowledge("a")
    box.reject("b", RequestFailed("bad", "no"))
    box.discard({"c"})
    assert [it.delivery.status for it in entries] == [
        Status.ACKNOWLEDGED,
        Status.FAILED,
        Status.UNCERTAIN,
    ]
    assert (len(box), box.parked) == (0, 0)


def test_a_message_that_is_too_large_for_a_server_waits_for_another_one() -> None:
    box = online(Outbox())
    put(box, "large")
    put(box, "b")
    entry = box.take(0.0)
    assert entry is not None
    assert box.park_too_big(entry)
    assert take_all(box) == ["b"]
    box.lost()
    box.online(has_acknowledgements=True, max_size=3)
    assert take_all(box) == ["b"]
    box.lost()
    box.online(has_acknowledgements=True, max_size=5)
    assert take_all(box) == ["large", "b"]
    loose = put(box, "loose", LOOSE)
    box.take(0.0)
    assert not box.park_too_big(loose)


def test_an_id_that_waits_already_is_refused_and_changes_nothing() -> None:
    box = online(Outbox())
    first = put(box, "a")
    with pytest.raises(DuplicateId, match="'a'"):
        put(box, "a")
    take_all(box)
    with pytest.raises(DuplicateId):
        put(box, "a", LOOSE)
    box.acknowledge("a")
    assert (first.delivery.status, len(box)) == (Status.ACKNOWLEDGED, 0)
    put(box, "a")


def test_full_of_at_least_once_messages_fails_the_next_and_drops_none() -> None:
    told: list[tuple[str, str]] = []
    box = Outbox(OutboxOptions(limit=2), on_drop=lambda it, why: told.append((it.delivery.id, why)))
    assert not box.is_full
    put(box, "a")
    put(box, "b")
    assert box.is_full
    refused = put(box, "c").delivery
    assert refused.status is Status.FAILED
    assert isinstance(refused.failure, OutboxFull)
    assert put(box, "d", LOOSE).delivery.status is Status.FAILED
    assert [name for name, _ in told] == ["c", "d"]
    assert take_all(online(box)) == ["a", "b"]
    box.acknowledge("a")
    assert not box.is_full
    put(box, "e")
    assert take_all(box) == ["e"]


def test_a_program_that_wants_an_exception_from_a_full_outbox_gets_one() -> None:
    box = Outbox(OutboxOptions(limit=1, overflow=Overflow.RAISE))
    put(box, "a")
    with pytest.raises(OutboxFull):
        put(box, "b")
    assert len(box) == 1


def test_the_outbox_is_bounded_in_bytes() -> None:
    box = Outbox(OutboxOptions(max_size=10))
    # One message may be larger, or nothing large could ever be sent.
    put(box, "x" * 11)
    assert isinstance(put(box, "y").delivery.failure, OutboxFull)
    box.clear()
    old, new = put(box, "a" * 4, LOOSE), put(box, "b" * 4, LOOSE)
    put(box, "c" * 6)
    assert (old.delivery.status, new.delivery.status) == (Status.FAILED, Status.QUEUED)
    assert box.is_full is False
    box.discard({"b" * 4})
    put(box, "d" * 4)
    assert box.is_full


def test_a_message_for_which_there_is_no_room_waits_with_all_behind_it() -> None:
    box = online(Outbox())
    put(box, "large")
    put(box, "b")
    assert box.take(0.0, 4) is None
    assert box.has_next
    entry = box.take(0.0, 5)
    assert entry is not None
    assert entry.delivery.id == "large"


def test_an_acknowledgement_confirms_what_was_written_before_it() -> None:
    box = online(Outbox())
    for name, position in (("a", 100), ("b", 200)):
        put(box, name)
        entry = box.take(0.0)
        assert entry is not None
        entry.position = position
    box.acknowledge("b")
    assert box.position == 200
    box.lost()
    take_all(online(box))
    # What was written on another connection confirms nothing on this one.
    assert box.position == 0
    box.acknowledge("a")
    assert box.position == 0


def test_a_view_costs_what_changed_and_not_what_waits() -> None:
    box = Outbox(OutboxOptions(limit=10_000))
    for number in range(5_000):
        put(box, str(number))
    before = box.view()
    put(box, "new")
    after = box.view()
    changed = [new for old, new in zip(before.parts, after.parts, strict=False) if old is not new]
    assert len(changed) <= 1
    assert (len(before), len(after)) == (5_000, 5_001)
    assert after.entries[:-1] == before.entries
    assert after.entries[-1].id == "new"
    assert before != after
    assert box.view() == after


def test_a_message_that_was_sent_longer_ago_than_the_server_remembers_becomes_uncertain() -> None:
    dropped: list[str] = []
    wall = 1000.0
    box = Outbox(
        on_drop=lambda it, why: dropped.append(f"{it.delivery.id}: {why}"), wall=lambda: wall
    )
    box.online(has_acknowledgements=True, keeps_outcomes=100.0)
    old, young = put(box, "old"), put(box, "young")
    assert box.take(0.0) is old
    wall += 50
    assert box.take(0.0) is young
    never = put(box, "never", now=50.0)
    box.lost()
    wall += 50.1
    box.online(has_acknowledgements=True, keeps_outcomes=100.0)
    # The age counts from the first transmission, by a clock that no sleep of the computer stops. What was never sent has none.
    assert take_all(box, 1.0) == ["young", "never"]
    assert old.delivery.status is Status.UNCERTAIN
    reason = "its outcome is unknown: the server keeps outcomes for 100 s"
    assert (old.delivery.reason, dropped) == (reason, [f"old: {reason}"])
    assert len(box) == 2
    box.lost()
    # A server without such a limit gets every message again.
    wall += 10_000
    assert take_all(online(box), 2.0) == ["young", "never"]
    assert not never.delivery.is_final


@pytest.mark.parametrize("deduplicates", [None, True, False])
def test_a_resend_to_a_server_that_drops_no_copies_may_arrive_twice(
    deduplicates: bool | None,
) -> None:
    box = Outbox()
    sent, waits = put(box, "sent"), put(box, "waits")
    box.online(has_acknowledgements=True, deduplicates=deduplicates)
    assert box.take(0.0) is sent
    assert not sent.delivery.is_maybe_twice
    box.lost()
    box.online(has_acknowledgements=True, deduplicates=deduplicates)
    assert take_all(box) == ["sent", "waits"]
    assert sent.delivery.is_maybe_twice is (deduplicates is False)
    assert not waits.delivery.is_maybe_twice


def test_a_server_that_acknowledges_nothing_drops_no_copies() -> None:
    box = Outbox()
    entry = put(box, "a")
    for _ in range(2):
        box.online(has_acknowledgements=False)
        assert box.take(0.0) is entry
        box.cut_off(entry)
        box.lost()
    assert entry.delivery.is_maybe_twice


def test_the_events_of_a_delivery_say_what_takes_longer() -> None:
    box = online(Outbox())
    delivery = put(box, "a").delivery
    seen: list[object] = []
    ended: list[str] = []
    delivery.events.subscribe(seen.append, on_completed=lambda: ended.append("over"))
    left: list[object] = []
    delivery.events.subscribe(left.append).dispose()

    def fail(event: object) -> None:
        raise RuntimeError(event)

    delivery.events.subscribe(fail)
    take_all(box, 0.0)
    read(box, 0.0)
    box.tick(10.0)
    assert box.postpone("a", 10.0, 5.0)
    box.tick(15.0)
    taken = box.take(15.0)
    assert taken is not None
    assert box.park_too_big(taken)
    assert seen == [Event.SLOW, Event.PARKED, Event.PARKED]
    assert (left, ended) == ([], [])
    box.acknowledge("a")
    assert ended == ["over"]
    assert len(seen) == 3


@pytest.mark.parametrize("how", ["discard", "clear"])
def test_the_id_of_a_message_that_was_given_up_on_the_wire_is_refused_until_the_connection_ends(
    how: str,
) -> None:
    box = online(Outbox())
    first = put(box, "a").delivery
    put(box, "never sent")
    box.take(0.0)
    if how == "discard":
        box.discard(["a", "never sent"])
    else:
        box.clear()
    assert first.status is Status.UNCERTAIN
    put(box, "never sent")
    with pytest.raises(DuplicateId, match="given up after it was written on this connection") as it:
        put(box, "a")
    assert it.value.is_given_up
    # The late answer is of the first message, and ends nothing else.
    assert len(box) == 1
    box.lost()
    again = put(box, "a").delivery
    assert take_all(online(box)) == ["never sent", "a"]
    assert box.acknowledge("a")
    assert again.status is Status.ACKNOWLEDGED


@pytest.mark.parametrize("answer", ["acknowledge", "reject"])
def test_the_answer_of_the_server_frees_the_id_of_a_message_that_was_given_up(answer: str) -> None:
    box = online(Outbox())
    put(box, "a")
    take_all(box)
    box.discard(["a"])
    if answer == "acknowledge":
        assert not box.acknowledge("a")
    else:
        assert not box.reject("a", RequestFailed("no", "no"))
    put(box, "a")
    assert len(box) == 1


def test_a_message_that_the_server_refused_for_now_leaves_its_id_free() -> None:
    box = online(Outbox())
    put(box, "a")
    take_all(box)
    box.postpone("a", 0.0, 5.0)
    box.discard(["a"])
    put(box, "a")


def test_the_ids_of_messages_that_were_given_up_have_a_bound() -> None:
    box = online(Outbox(OutboxOptions(window=20_000, limit=20_000)))
    names = [f"m{number}" for number in range(10_001)]
    for name in names:
        put(box, name)
    take_all(box)
    box.discard(names)
    put(box, "m0")
    with pytest.raises(DuplicateId):
        put(box, "m1")


def test_an_unknown_outcome_has_other_words_than_a_failure() -> None:
    box = online(Outbox())
    sent = put(box, "a").delivery
    take_all(box)
    waiting = put(box, "b").delivery
    box.settle()
    assert type(waiting.failure) is DeliveryFailed
    assert str(waiting.failure) == "message b was not delivered: disconnected before it was sent"
    assert type(sent.failure) is DeliveryUncertain
    assert (
        str(sent.failure)
        == "it is not known whether message a was delivered: disconnected before the acknowledgement"
    )


def test_the_entries_of_a_window_are_marked_together_and_once() -> None:
    box = online(Outbox(OutboxOptions(window=3)))
    asked: list[list[str]] = []
    entries: list[Outgoing] = []

    def mark(found: Sequence[Outgoing]) -> None:
        asked.append([entry.delivery.id for entry in found])
        entries.extend(found)

    box.on_first = mark
    box.restore(Envelope("t", None, id="a"), "a", 0.0, sent=None)
    put(box, "beside", LOOSE)
    for name in "bc":
        box.restore(Envelope("t", None, id=name), name, 0.0, sent=None)
    # The file is asked once, and until it answers nothing passes.
    assert (take_all(box), take_all(box), asked) == ([], [], [["a", "b"]])
    box.marked(entries)
    assert take_all(box) == ["a", "beside", "b"]
    assert asked == [["a", "b"], ["c"]]


def test_what_another_process_sent_is_a_copy_when_it_is_sent_here() -> None:
    box = Outbox()
    for name in "ab":
        box.restore(Envelope("t", None, id=name), name, 0.0, sent=None)
    before = box.version
    assert [one.attempts for one in box.view().entries] == [0, 0]
    for name, sent in (("a", None), ("c", 5.0)):
        box.learn(name, sent)
    assert box.version == before
    box.learn("a", 5.0)
    assert [one.attempts for one in box.view().entries] == [1, 0]
    assert (box.unknown(), box.version > before) == (("a",), True)
    # What is known already stays.
    known = box.version
    box.learn("a", 9.0)
    assert box.version == known
    assert take_all(online(box)) == ["a", "b"]
    assert box.resent == 1


def test_a_policy_close_that_cut_off_a_write_beside_blames_no_promise() -> None:
    box = online(Outbox())
    sure = put(box, "a")
    take_all(box)
    loose = put(box, "loose", LOOSE)
    assert box.take(0.0) is loose
    loose.position = 40
    box.cut_off(loose)
    box.lost(refusals=1)
    assert (loose.delivery.status, sure.refusals) == (Status.UNCERTAIN, 0)
