"""Pings, confirmed bytes, and how long an answer may take: rule by rule, and on a model of slow links."""

from __future__ import annotations

import itertools
import math

import pytest

from reactive_ws.connection.heartbeat import Heartbeat, HeartbeatMonitor, Reading
from reactive_ws.errors import HeartbeatTimeout
from tests.progress_model import LOADS, MIB, Path, run

KIB = 1024


def monitor(options: Heartbeat | None = Heartbeat()) -> HeartbeatMonitor:  # noqa: B008 - immutable
    ids = itertools.count()
    it = HeartbeatMonitor(options, lambda: f"p{next(ids)}")
    it.start(0.0)
    return it


def until_verdict(it: HeartbeatMonitor, reading: Reading = Reading()) -> float:  # noqa: B008 - immutable
    """Returns when the connection is given up while nothing but this is seen."""
    for _ in range(1000):
        due = it.deadline
        assert due is not None
        if isinstance(it.tick(due, reading), HeartbeatTimeout):
            return due
    raise AssertionError("never")


# --- rule by rule -----------------------------------------------------------------------------------------------------


def test_an_idle_dead_peer_is_noticed_after_interval_and_timeout() -> None:
    assert until_verdict(monitor()) == pytest.approx(40.0, abs=0.1)


@pytest.mark.parametrize("interval", [2.0, 5.0, 9.9])
def test_an_interval_below_the_timeout_is_kept(interval: float) -> None:
    it, asked = monitor(Heartbeat(interval=interval)), []
    while len(asked) < 5:
        due = it.deadline
        assert due is not None
        if isinstance(it.tick(due, Reading()), str):
            asked.append(due)
            it.pong(None, due + 0.1)
    assert asked == pytest.approx([interval * n for n in range(1, 6)])


def test_a_server_that_asks_for_a_shorter_interval_gets_it_and_a_longer_one_not() -> None:
    it = monitor()
    it.suggest(5.0)
    it.start(0.0)
    assert it.deadline == 5.0
    it.suggest(60.0)
    it.start(0.0)
    assert it.deadline == 30.0


@pytest.mark.parametrize("interval", [0.0, -1.0, 1e-6, float("nan")])
def test_a_server_cannot_make_the_client_ping_without_end(interval: float) -> None:
    it = monitor()
    it.suggest(interval)
    it.start(0.0)
    assert it.deadline is not None
    assert it.deadline >= 0.1


def test_pings_without_a_pong_are_remembered_up_to_a_bound_and_one_pong_answers_all_before_it() -> (
    None
):
    it, options = monitor(), Heartbeat()
    for number in range(5_000):
        it._ask(float(number), Reading(), options)
    assert len(it._asked) == 4_096
    it.pong("p0", 5_000.0)  # forgotten
    it.pong("never", 5_000.0)
    assert it.round_trip is None
    it.pong(None, 5_000.0)
    assert it.round_trip == 5_000.0 - 904
    it.pong("p4990", 5_000.0)
    assert [one.id for one in it._asked] == [f"p{number}" for number in range(4_991, 5_000)]
    assert it.round_trip == 10.0


def test_a_question_goes_out_after_128_kib() -> None:
    it = monitor()
    it.wrote(128 * KIB - 1, 1.0)
    assert it.deadline == 30.0
    it.wrote(128 * KIB, 2.0)
    assert it.deadline == 2.0


def test_at_most_256_kib_or_one_larger_message_are_unconfirmed() -> None:
    it = monitor()
    assert it.room() == math.inf
    it.wrote(200 * KIB, 0.0)
    assert it.room() == 56 * KIB
    it.wrote(MIB, 0.0)
    assert it.room() == 0
    it.confirm(MIB - 500, 1.0)
    assert it.room() == math.inf


def test_a_server_may_allow_less_unconfirmed_bytes_and_not_more() -> None:
    it = monitor()
    it.suggest(None, 10 * KIB)
    it.start(0.0)
    it.wrote(4 * KIB, 0.0)
    assert it.room() == 6 * KIB
    it.wrote(12 * KIB, 0.0)
    assert it.room() == 0
    for window in (MIB, None, 0, -1):
        it.suggest(None, window)
        assert it.room() == 244 * KIB


def test_without_a_heartbeat_nothing_is_held_back_and_nothing_is_noticed() -> None:
    it = monitor(None)
    it.wrote(MIB, 0.0)
    assert (it.room(), it.deadline) == (math.inf, None)
    assert it.tick(1000.0, Reading()) is None


def test_a_message_that_waits_for_room_asks_at_once_unless_a_question_is_out() -> None:
    it = monitor()
    it.wrote(100 * KIB, 1.0)
    it.hold(1.0)
    assert it.deadline == 1.0
    assert it.tick(1.0, Reading(written=100 * KIB)) == "p0"
    it.hold(2.0)
    assert it.deadline == 11.0


def test_a_pong_confirms_what_was_written_before_its_ping() -> None:
    it = monitor()
    it.wrote(1000, 0.0)
    assert it.tick(30.0, Reading(written=1000)) == "p0"
    it.wrote(5000, 30.0)
    it.pong("unknown", 30.5)
    assert (it.confirmed, it.round_trip) == (0, None)
    it.pong("p0", 31.0)
    assert (it.confirmed, it.round_trip) == (1000, 1.0)


def test_an_acknowledgement_answers_only_the_questions_before_its_message() -> None:
    it = monitor()
    it.wrote(1000, 0.0)
    it.tick(30.0, Reading(written=1000))
    # What was written before the ping says nothing about the ping.
    it.confirm(1000, 31.0)
    assert it.deadline == 41.0
    it.wrote(2000, 32.0)
    it.confirm(2000, 33.0)
    assert it.deadline == 60.0


def test_pongs_without_an_id_answer_in_order_also_after_acknowledgements() -> None:
    it = monitor()
    it.wrote(1000, 0.0)
    it.tick(30.0, Reading(written=1000))
    it.wrote(2000, 30.0)
    it.confirm(2000, 31.0)
    it.tick(60.0, Reading(written=2000))
    it.pong(None, 60.1)
    assert it.round_trip == pytest.approx(30.1)
    # The newer question is still open.
    assert until_verdict(it, Reading(written=2000)) == pytest.approx(70.1, abs=0.1)


def test_unconfirmed_bytes_have_the_time_that_they_take() -> None:
    it = monitor()
    it.wrote(160 * KIB, 0.0)
    assert it.tick(0.0, Reading(written=160 * KIB)) == "p0"
    assert until_verdict(it, Reading(written=160 * KIB)) == pytest.approx(50.0, abs=0.2)


def test_the_rate_is_half_of_what_was_measured_and_outlives_the_connection() -> None:
    it = monitor()
    assert it.rate == 4 * KIB
    it.wrote(100 * KIB, 0.0)
    it.confirm(100 * KIB, 10.0)
    assert it.rate == 5 * KIB
    it.start(20.0)
    assert it.rate == 5 * KIB
    it.wrote(100 * KIB, 20.0)
    it.confirm(100 * KIB, 20.1)
    assert it.rate == 64 * KIB
    it.wrote(200 * KIB, 21.0)
    it.confirm(200 * KIB, 2000.0)
    assert it.rate == KIB / 4
    it.wrote(201 * KIB, 2000.0)
    it.confirm(201 * KIB, 2000.1)
    assert it.rate == KIB / 4


def test_a_missed_deadline_quarters_the_rate() -> None:
    it = monitor()
    rates = []
    for _ in range(3):
        it.start(0.0)
        until_verdict(it)
        rates.append(it.rate)
    assert rates == [KIB, KIB / 4, KIB / 4]


def test_a_buffer_that_drains_gives_time_and_says_how_fast() -> None:
    it = monitor()
    it.wrote(300 * KIB, 0.0)
    it.tick(0.0, Reading(written=300 * KIB, waiting=300 * KIB))
    for second in range(1, 100):
        due = it.deadline
        assert due is not None
        left = max(0, 300 * KIB - int(due * 2 * KIB))
        assert not isinstance(
            it.tick(due, Reading(written=300 * KIB, waiting=left)), HeartbeatTimeout
        ), second
        if not left:
            break
    assert it.rate == KIB


def test_bytes_that_arrive_give_time_up_to_ten_minutes() -> None:
    it, now, noticed = monitor(), 30.0, None
    it.tick(30.0, Reading())
    while noticed is None:
        due = it.deadline
        assert due is not None
        now = due
        # A server whose reader hangs goes on to push 30 KiB a second.
        if isinstance(it.tick(now, Reading(received=int(30 * KIB * (now - 30)))), HeartbeatTimeout):
            noticed = now
    assert noticed - 30 == pytest.approx(610.0, abs=1)


def test_a_tick_a_second_of_the_server_is_no_answer() -> None:
    it, noticed = monitor(), None
    while noticed is None:
        due = it.deadline
        assert due is not None
        if isinstance(it.tick(due, Reading(received=int(100 * due))), HeartbeatTimeout):
            noticed = due
    assert 40.0 < noticed < 45.0


def test_while_our_side_does_not_read_the_clock_stands() -> None:
    it = monitor()
    it.tick(30.0, Reading())
    for _ in range(20):
        due = it.deadline
        assert due is not None
        assert not isinstance(it.tick(due, Reading(is_reading=False)), HeartbeatTimeout)
    assert due > 100.0


def test_a_loop_that_was_blocked_looks_at_the_socket_once_more() -> None:
    it = monitor()
    it.tick(30.0, Reading())
    assert it.tick(55.0, Reading()) is None
    assert it.deadline == pytest.approx(56.0)
    # The pong was in the kernel all the time, and is read now.
    it.pong("p0", 55.01)
    assert it.deadline == 60.0


# --- on the model of slow links ---------------------------------------------------------------------------------------

SPEEDS = (2e3, 8e3, 2e4, 5e4, 2e5, 1e7)


@pytest.mark.parametrize("delay", [0.0, 0.2, 0.8])
@pytest.mark.parametrize("sizes", [*LOADS.values(), [100] * 50], ids=[*LOADS, "50 x 100 B"])
@pytest.mark.parametrize("up", SPEEDS)
def test_a_living_link_of_any_speed_is_never_given_up(
    up: float, sizes: list[int], delay: float
) -> None:
    done = run(Path(up=up, delay=delay), sizes, limit=20_000)
    assert (done.aborts, done.done_at is not None) == (0, True)


@pytest.mark.parametrize("sizes", LOADS.values(), ids=LOADS)
@pytest.mark.parametrize("up", SPEEDS)
def test_behind_a_proxy_that_swallows_4_mib_a_link_is_given_up_once_at_most(
    up: float, sizes: list[int]
) -> None:
    """Nothing that a client can see tells a slow link behind such a proxy from a dead one."""
    done = run(Path(up=up, swallow=4 * MIB), sizes, limit=20_000)
    assert done.done_at is not None
    assert done.aborts <= (1 if max(sizes) == MIB and up < 8e3 else 0)


@pytest.mark.parametrize("down", SPEEDS)
def test_what_the_server_pushes_over_a_slow_link_is_no_silence(down: float) -> None:
    size = min(MIB, int(down * 300))
    done = run(Path(down=down, push=(size, 400.0)), [1000] * 3, limit=5_000)
    assert (done.aborts, done.done_at is not None) == (0, True)


@pytest.mark.parametrize("rate", [250.0, 500.0, 1000.0])
def test_a_link_below_1_kib_a_second_costs_two_connections_at_most(rate: float) -> None:
    """The client learns from a miss that the link is slow. Otherwise it would lose each connection to its own ping."""
    for state in (5_000, 100_000):
        done = run(Path(up=rate, down=rate, push=(state, 1e9)), [100] * 5)
        assert done.done_at is not None
        assert done.aborts <= 1
    for sizes in ([1_000] * 60, [20_000] * 3, [100_000]):
        done = run(Path(up=rate, down=rate), sizes, limit=8_000)
        assert done.done_at is not None
        assert done.aborts <= 2


def test_bytes_that_arrive_slowly_give_more_time_after_a_miss_and_until_an_answer() -> None:
    it, bytes_then = monitor(), Reading(received=5 * KIB)
    took = []
    for begin in (0.0, 100.0, 200.0):
        it.start(begin)
        asked = it.tick(begin + 30, Reading())
        if begin == 200.0:
            it.pong(str(asked), begin + 31)
            asked = it.tick(begin + 60, Reading())
        assert isinstance(asked, str)
        took.append(until_verdict(it, bytes_then) - begin)
    # 10 s, and a second for each KiB, then for each 256 bytes, then for each KiB again.
    assert took == pytest.approx([45.0, 60.0, 75.0], abs=1)


@pytest.mark.parametrize("up", [2e4, 2e5, 1e7])
@pytest.mark.parametrize(
    ("sizes", "most"),
    [
        ([100], 41.0),
        (LOADS["200 x 1 kB"], 42.0),
        (LOADS["60 x 20 kB"], 60.0),
        (LOADS["4 x 1 MiB"], 45.0),
    ],
    ids=["idle", *list(LOADS)[::-1]],
)
def test_a_dead_link_is_noticed(up: float, sizes: list[int], most: float) -> None:
    seen = run(Path(up=up, dies_at=31.0), sizes)
    assert seen.noticed is not None
    assert seen.noticed <= most


def test_a_server_whose_reader_hangs_is_noticed_though_it_ticks_every_second() -> None:
    seen = run(Path(hangs_at=5.0, push=(100, 1.0)), [1000] * 50)
    assert seen.noticed is not None
    assert seen.noticed < 45.0


def test_a_server_that_never_acknowledges_is_no_dead_link() -> None:
    done = run(Path(acknowledges=False, push=(100, 1.0)), [1000] * 20, limit=600)
    assert done.aborts == 0


@pytest.mark.parametrize("at", [20.0, 29.9, 30.0, 30.05, 30.3, 35.0])
def test_a_loop_that_is_blocked_for_15_seconds_gives_no_link_up(at: float) -> None:
    # A hundred messages of 20 kB take 200 s on this link.
    done = run(Path(up=1e4, blocked=(at, 15.0)), [20_000] * 100, limit=1_000)
    assert (done.aborts, done.done_at is not None) == (0, True)
    idle = run(Path(blocked=(at, 15.0), acknowledges=False, push=(100, 1.0)), [10], limit=200)
    assert idle.aborts == 0
