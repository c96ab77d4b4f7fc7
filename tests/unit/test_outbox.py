from __future__ import annotations

import pytest

from reactive_ws.delivery import DeliveryStatus as Status
from reactive_ws.errors import OutboxFull
from reactive_ws.messages import Envelope, Guarantee
from reactive_ws.outbox import Outbox
from reactive_ws.outbox_entry import Entry, OutboxOptions, Overflow

SURE, LOOSE, VOLATILE = Guarantee.AT_LEAST_ONCE, Guarantee.AT_MOST_ONCE, Guarantee.VOLATILE


def put(box: Outbox, name: str, kind: Guarantee = SURE, now: float = 0.0, **more: float) -> Entry:
    return box.offer(Envelope("t", None, id=name), name, kind, now, **more)  # type: ignore[arg-type]


def take_all(box: Outbox, now: float = 0.0) -> list[str]:
    taken: list[str] = []
    while (entry := box.take(now)) is not None:
        taken.append(entry.delivery.id)
        box.written(entry)
    return taken


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
    box.lost(1006)
    put(box, "e")
    assert take_all(online(box)) == ["a", "c", "d", "e"]
    assert box.resent == 2


def test_the_loss_of_a_connection_never_counts() -> None:
    box = Outbox()
    entry = put(box, "a")
    for _ in range(20):
        assert take_all(online(box)) == ["a"]
        box.lost(1006)
    assert entry.delivery.status is Status.SENT
    assert entry.counted == 0


def test_a_missing_acknowledgement_resends_everything_and_the_second_one_ends_the_connection() -> (
    None
):
    box = online(Outbox())
    put(box, "a")
    take_all(box, now=0.0)
    put(box, "b")
    take_all(box, now=5.0)
    assert box.deadline == 10.0
    assert box.tick(10.0)
    assert take_all(box, now=10.0) == ["a", "b"]
    assert not box.tick(20.0)


def test_a_poisonous_message_fails_after_five_counted_transmissions_and_frees_the_others() -> None:
    box = online(Outbox())
    poison = put(box, "poison")
    now = 0.0
    for n in range(5):
        put(box, f"good{n}")
        take_all(box, now)
        box.acknowledge(f"good{n}")
        now += 10.0
        assert box.tick(now)
    assert poison.delivery.status is Status.FAILED
    assert len(box) == 0


def test_an_acknowledgement_timeout_does_not_run_offline() -> None:
    box = online(Outbox())
    put(box, "a")
    take_all(box)
    box.lost(1006)
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


def test_full_of_at_least_once_messages_refuses_the_next_and_drops_none() -> None:
    box = Outbox(OutboxOptions(limit=2))
    put(box, "a")
    put(box, "b")
    with pytest.raises(OutboxFull):
        put(box, "c")
    assert put(box, "d", LOOSE).delivery.status is Status.FAILED
    assert take_all(online(box)) == ["a", "b"]


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
    box.lost(1006)
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
    box.lost(1006)
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
    box.lost(1009)
    assert entry.delivery.status is Status.FAILED


def test_too_big_among_several_is_found_one_by_one() -> None:
    box = online(Outbox())
    for name in "abc":
        put(box, name)
    take_all(box)
    box.lost(1009)
    assert take_all(online(box)) == ["a"]
    box.acknowledge("a")
    assert take_all(box) == ["b"]
    box.lost(1009)
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
    box.lost(1008)
    assert (one.counted, two.counted) == (0, 0)
    box.acknowledge("b")
    take_all(online(box))
    box.lost(1008)
    assert one.counted == 1


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
    box.lost(1006)
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
    outbox.lost(None)
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
