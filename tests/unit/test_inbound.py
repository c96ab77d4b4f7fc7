from __future__ import annotations

from typing import Any

from reactive_ws.inbound.order import Gap, Inbound
from reactive_ws.wire.control import Position
from reactive_ws.wire.envelope import Envelope


def at(seq: int, epoch: str = "e", stream: str = "s") -> Envelope[Any]:
    return Envelope("t", None, stream=stream, epoch=epoch, seq=seq)


def seqs(messages: tuple[Envelope[Any], ...]) -> list[int | None]:
    return [message.seq for message in messages]


def test_messages_in_order_pass_and_seen_ones_do_not() -> None:
    inbound = Inbound()
    got = [seqs(inbound.accept(at(n), 0.0)) for n in (5, 6, 6, 5, 7)]
    assert got == [[5], [6], [], [], [7]]
    assert inbound.duplicates == 2
    assert inbound.take_moved() == {"s": Position("e", 7)}
    assert not inbound.is_moved


def test_streams_with_the_same_numbers_do_not_eat_each_other() -> None:
    inbound = Inbound()
    got = [seqs(inbound.accept(at(1, stream=name), 0.0)) for name in ("a", "b", "a")]
    assert got == [[1], [1], []]


def test_a_gap_that_closes_in_time_is_no_gap() -> None:
    inbound = Inbound()
    got = [seqs(inbound.accept(at(n), 0.0)) for n in (1, 3, 4, 2)]
    assert got == [[1], [], [], [2, 3, 4]]
    assert inbound.deadline is None
    assert inbound.take_gaps() == []


def test_a_gap_is_given_up_after_two_seconds() -> None:
    inbound = Inbound()
    for n in (1, 3, 5):
        inbound.accept(at(n), 10.0)
    assert inbound.deadline == 12.0
    assert seqs(inbound.tick(11.9)) == []
    assert seqs(inbound.tick(12.0)) == [3, 5]
    assert inbound.take_gaps() == [Gap("s", 2, 3, "e"), Gap("s", 4, 5, "e")]
    assert seqs(inbound.accept(at(2), 12.0)) == []
    assert seqs(inbound.accept(at(6), 12.0)) == [6]


def test_a_gap_is_given_up_after_64_messages() -> None:
    inbound = Inbound()
    inbound.accept(at(1), 0.0)
    got: list[int | None] = []
    for n in range(3, 67):
        got += seqs(inbound.accept(at(n), 0.0))
    assert got == list(range(3, 67))
    assert inbound.gaps == 1


def test_a_new_epoch_starts_over_and_asks_for_a_snapshot() -> None:
    inbound = Inbound()
    inbound.accept(at(9), 0.0)
    assert seqs(inbound.accept(at(1, epoch="f"), 0.0)) == [1]
    assert inbound.take_gaps() == [Gap("s", 10, 1, "e", is_new_epoch=True)]
    assert inbound.take_moved() == {"s": Position("f", 1)}


def test_a_snapshot_replaces_the_position_and_releases_what_follows_it() -> None:
    inbound = Inbound()
    for n in (1, 3, 5, 6):
        inbound.accept(at(n), 0.0)
    is_new, following = inbound.snapshot("s", Position("e", 4))
    assert (is_new, seqs(following)) == (True, [5, 6])
    assert inbound.deadline is None
    assert inbound.snapshot("s", Position("e", 5)) == (False, ())
    assert inbound.snapshot("s", Position("f", 2)) == (True, ())


def test_a_resume_that_was_not_recovered_moves_the_position() -> None:
    inbound = Inbound()
    inbound.adopt({"a": Position("e", 3), "b": Position("e", 3)})
    inbound.restarted("b", Position("f", 7))
    assert seqs(inbound.accept(at(4, stream="a"), 0.0)) == [4]
    assert seqs(inbound.accept(at(8, epoch="f", stream="b"), 0.0)) == [8]


def test_a_rejected_message_advances_its_stream() -> None:
    inbound = Inbound()
    inbound.accept(at(1), 0.0)
    assert inbound.skip("s", "e", 2, 0.0) == ()
    assert seqs(inbound.accept(at(3), 0.0)) == [3]


def test_what_was_held_is_forgotten_with_the_connection() -> None:
    inbound = Inbound()
    for n in (1, 3):
        inbound.accept(at(n), 0.0)
    inbound.lost()
    assert inbound.deadline is None
    assert [seqs(inbound.accept(at(n), 0.0)) for n in (2, 3)] == [[2], [3]]


def test_without_numbers_the_last_1024_ids_are_remembered() -> None:
    inbound = Inbound()
    message = Envelope("t", None, id="0")
    assert inbound.accept(message, 0.0) == (message,)
    assert inbound.accept(message, 0.0) == ()
    for n in range(1, 1025):
        inbound.accept(Envelope("t", None, id=str(n)), 0.0)
    assert inbound.accept(message, 0.0) == (message,)
    anonymous = Envelope("t", None)
    assert inbound.accept(anonymous, 0.0) == inbound.accept(anonymous, 0.0) == (anonymous,)


def test_an_undefined_sequence_is_no_number() -> None:
    inbound = Inbound()
    message = Envelope("t", None, stream="s")
    assert inbound.accept(message, 0.0) == (message,)
    assert inbound.take_moved() == {}


def test_every_hole_that_is_given_up_is_reported() -> None:
    inbound = Inbound()
    for n in (1, 4, 5, 7, 10):
        inbound.accept(at(n), 0.0)
    assert seqs(inbound.tick(2.0)) == [4, 5, 7, 10]
    assert inbound.take_gaps() == [Gap("s", 2, 4, "e"), Gap("s", 6, 7, "e"), Gap("s", 8, 10, "e")]
    assert inbound.gaps == 3
    assert inbound.deadline is None


def test_nobody_gives_up_on_a_gap_before_the_connection_has_caught_up() -> None:
    inbound = Inbound()
    inbound.accept(at(1), 0.0)
    inbound.lost()
    assert seqs(inbound.accept(at(3), 10.0)) == []
    assert inbound.deadline is None
    assert seqs(inbound.tick(19.0)) == []
    inbound.ready(19.0)
    assert inbound.deadline == 21.0
    assert seqs(inbound.accept(at(2), 19.1)) == [2, 3]
    assert inbound.take_gaps() == []


def test_what_does_not_fit_before_the_connection_has_caught_up_comes_again() -> None:
    inbound = Inbound()
    inbound.adopt({"s": Position("e", 1)})
    for n in range(3, 203):
        assert seqs(inbound.accept(at(n), 0.0)) == []
    inbound.ready(1.0)
    got = [seq for n in range(2, 203) for seq in seqs(inbound.accept(at(n), 1.0))]
    assert got == list(range(2, 203))
    assert inbound.take_gaps() == []


def test_a_snapshot_of_an_unknown_stream_or_epoch_says_where_it_is() -> None:
    inbound = Inbound()
    assert inbound.snapshot("s", Position("e", 4)) == (True, ())
    assert inbound.take_moved() == {"s": Position("e", 4)}
    assert seqs(inbound.accept(at(4), 0.0)) == []
    assert inbound.snapshot("s", Position("f", 2)) == (True, ())
    assert inbound.take_moved() == {"s": Position("f", 2)}
    assert seqs(inbound.accept(at(3, epoch="f"), 0.0)) == [3]
    assert inbound.gaps == 0


def test_a_subscription_starts_where_the_server_says_and_moves_no_known_stream() -> None:
    inbound = Inbound()
    inbound.subscribed("s", Position("e", 7))
    assert inbound.take_moved() == {"s": Position("e", 7)}
    assert seqs(inbound.accept(at(7), 0.0)) == []
    assert seqs(inbound.accept(at(8), 0.0)) == [8]
    inbound.subscribed("s", Position("f", 90))
    assert inbound.take_moved() == {"s": Position("e", 8)}
    assert seqs(inbound.accept(at(9), 0.0)) == [9]


def test_the_wait_for_what_was_held_before_a_connection_ended_does_not_begin_again() -> None:
    inbound = Inbound()
    for n in (1, 3):
        inbound.accept(at(n), 0.0)
    inbound.lost()
    inbound.ready(10.0)
    assert inbound.deadline is None
    assert inbound.tick(20.0) == ()
    assert inbound.gaps == 0


def test_a_rejected_message_is_where_an_unknown_stream_or_epoch_starts() -> None:
    inbound = Inbound()
    assert inbound.skip("s", None, 5, 0.0) == ()
    assert inbound.take_moved() == {"s": Position("", 5)}
    assert inbound.take_gaps() == []
    assert inbound.skip("s", "f", 2, 0.0) == ()
    assert inbound.take_moved() == {"s": Position("f", 2)}
    assert inbound.take_gaps() == [Gap("s", 6, 2, "", is_new_epoch=True)]
    assert seqs(inbound.accept(at(3, epoch="f"), 0.0)) == [3]


def test_a_rejected_message_without_a_position_moves_nothing() -> None:
    inbound = Inbound()
    inbound.accept(at(1), 0.0)
    inbound.take_moved()
    assert inbound.skip(None, "e", 2, 0.0) == inbound.skip("s", "e", None, 0.0) == ()
    assert not inbound.is_moved
    assert seqs(inbound.accept(at(2), 0.0)) == [2]


def test_of_more_than_ten_thousand_streams_the_quietest_is_forgotten() -> None:
    inbound = Inbound()
    for number in range(10_000):
        inbound.accept(Envelope("t", None, stream=f"s{number}", epoch="e", seq=1), 0.0)
    inbound.take_moved()
    inbound.accept(Envelope("t", None, stream="s0", epoch="e", seq=2), 0.0)
    inbound.take_moved()
    inbound.accept(Envelope("t", None, stream="new", epoch="e", seq=1), 0.0)
    inbound.take_moved()
    assert inbound.take_forgotten() == ["s1"]
    assert inbound.take_forgotten() == []


def numbered(stream: str, seq: int = 1) -> Envelope[Any]:
    return Envelope("t", None, stream=stream, epoch="e", seq=seq)


def hear(inbound: Inbound, *streams: str) -> list[str]:
    """Takes the first entry of each stream; returns the streams that were dropped."""
    for stream in streams:
        inbound.accept(numbered(stream), 0.0)
    inbound.take_moved()
    return inbound.take_forgotten()


def test_a_stream_that_was_seen_since_the_last_two_marks_is_kept() -> None:
    inbound = Inbound(max_streams=3)
    inbound.marked("m1")
    hear(inbound, "a", "b")
    inbound.marked("m2")
    # The same mark again says nothing new.
    inbound.marked("m2")
    assert hear(inbound, "c") == []
    inbound.marked("m3")
    # `a` and `b` were seen before the last two marks, and `c` was not. `b` was used least.
    inbound.accept(numbered("a", 2), 0.0)
    inbound.take_moved()
    assert hear(inbound, "d") == ["b"]
    assert hear(inbound, "e") == ["a"]
    assert inbound.dropped == []


def test_more_new_streams_than_positions_are_reported() -> None:
    inbound = Inbound(max_streams=2)
    inbound.marked("m1")
    assert hear(inbound, "a", "b", "c", "d") == ["a", "b"]
    assert inbound.dropped == ["a", "b"]
    assert inbound.adopt({"c": Position("e", 1), "d": Position("e", 1)})


def test_positions_of_a_file_are_older_than_any_mark() -> None:
    inbound = Inbound(max_streams=2)
    inbound.adopt({"a": Position("e", 1), "b": Position("e", 1)})
    inbound.marked("m1")
    assert hear(inbound, "c", "d") == ["a", "b"]
    assert inbound.dropped == []


def test_a_stream_is_new_again_when_its_numbers_begin_again() -> None:
    inbound = Inbound(max_streams=2)
    hear(inbound, "a", "b")
    for mark in ("m1", "m2"):
        inbound.marked(mark)
    inbound.restarted("a", Position("f", 1))
    inbound.accept(numbered("b", 2), 0.0)
    assert hear(inbound, "c") == ["b"]
    assert inbound.dropped == []


def test_without_marks_the_longest_unused_position_goes() -> None:
    inbound = Inbound(max_streams=2)
    assert hear(inbound, "a", "b", "c") == ["a"]
    assert inbound.dropped == []


def test_a_stream_with_an_endless_name_has_no_position() -> None:
    inbound = Inbound()
    for name in ("x" * 201, "\u00e9" * 101):
        endless = Envelope("t", None, stream=name, epoch="e", seq=1)
        assert inbound.accept(endless, 0.0) == (endless,)
        assert inbound.skip(name, "e", 2, 0.0) == ()
    assert inbound.take_moved() == {}
    allowed = Envelope("t", None, stream="\u00e9" * 100, epoch="e", seq=1)
    inbound.accept(allowed, 0.0)
    assert set(inbound.take_moved()) == {"\u00e9" * 100}


def test_a_stream_with_an_endless_epoch_has_no_position() -> None:
    inbound = Inbound()
    inbound.accept(at(1), 0.0)
    long = "e" * 201
    endless = Envelope("t", None, stream="s", epoch=long, seq=7)
    assert inbound.accept(endless, 0.0) == (endless,)
    assert inbound.skip("s", long, 8, 0.0) == ()
    inbound.subscribed("t", Position(long, 1))
    inbound.know("u", Position(long, 1))
    # The stream itself goes on where it was.
    assert seqs(inbound.accept(at(2), 0.0)) == [2]
    assert inbound.take_moved() == {"s": Position("e", 2)}
    assert inbound.take_gaps() == []
    # The server says that it goes on elsewhere, at a place that no resume can name.
    inbound.restarted("s", Position(long, 9))
    assert inbound.take_forgotten() == ["s"]
    assert inbound.snapshot("s", Position(long, 10)) == (True, ())
    assert inbound.take_moved() == {}


def test_positions_that_no_resume_can_name_are_left_out_of_it() -> None:
    inbound = Inbound()
    good = {"s": Position("e", 1)}
    stored = {**good, "t": Position("e" * 201, 1), "u" * 201: Position("e", 1)}
    assert inbound.adopt(stored) == good
    assert inbound.adopt(good) is good


def test_a_number_that_not_every_reader_of_json_takes_is_not_a_position() -> None:
    inbound = Inbound()
    inbound.accept(at(1), 0.0)
    for seq in (2**53, -(2**53), 10**30):
        far = at(seq)
        assert inbound.accept(far, 0.0) == (far,)
        assert inbound.accept(at(seq, stream="new"), 0.0) == (at(seq, stream="new"),)
        assert inbound.skip("s", "e", seq, 0.0) == ()
        inbound.subscribed("new", Position("e", seq))
        inbound.know("new", Position("e", seq))
    assert inbound.take_moved() == {"s": Position("e", 1)}
    assert seqs(inbound.accept(at(2), 0.0)) == [2]
    assert inbound.snapshot("s", Position("e", 10**30)) == (True, ())
    assert inbound.take_forgotten() == ["s"]
    assert inbound.adopt({"s": Position("e", 10**30)}) == {}


def test_a_resume_names_the_ten_thousand_streams_that_moved_last() -> None:
    stored = {f"s{number}": Position("e", 1) for number in range(10_001)}
    taken = Inbound().adopt(stored)
    assert list(taken) == list(stored)[1:]


def test_what_all_streams_hold_for_gaps_has_a_bound_in_characters() -> None:
    inbound = Inbound()
    mib = 2**20
    for name in "ab":
        inbound.accept(at(1, stream=name), 0.0)
    for seq in range(3, 11):
        for name in "ab":
            assert inbound.accept(at(seq, stream=name), 0.0, mib) == ()
    # The next one is too much: its stream gives up, the other one goes on to wait.
    assert seqs(inbound.accept(at(11, stream="a"), 0.0, mib)) == [*range(3, 12)]
    assert inbound.take_gaps() == [Gap("a", 2, 3, "e")]
    # What was given up makes room.
    assert inbound.accept(at(13, stream="a"), 0.0, 8 * mib) == ()
    assert seqs(inbound.accept(at(2, stream="b"), 0.0, mib)) == [*range(2, 11)]
    assert inbound.accept(at(12, stream="b"), 0.0, 8 * mib) == ()
    assert inbound.take_gaps() == []
    inbound.lost()
    inbound.ready(0.0)
    assert inbound.accept(at(14, stream="b"), 0.0, 16 * mib) == ()
    assert inbound.take_gaps() == []


def test_a_message_over_the_bound_comes_again_before_the_connection_has_caught_up() -> None:
    inbound = Inbound()
    inbound.adopt({"s": Position("e", 1)})
    assert inbound.accept(at(3), 0.0, 17 * 2**20) == ()
    inbound.ready(0.0)
    assert seqs(inbound.accept(at(2), 0.0)) == [2]
    assert seqs(inbound.accept(at(3), 0.0, 17 * 2**20)) == [3]
    assert inbound.take_gaps() == []


def test_a_stream_that_comes_back_goes_on_after_what_was_delivered() -> None:
    inbound = Inbound()
    # A state that is older came late, and began the stream.
    inbound.snapshot("s", Position("e", 5))
    inbound.know("s", Position("e", 8))
    inbound.know("s", Position("e", 7))
    inbound.know("s", Position("old", 9))
    inbound.know("t", Position("e", 1))
    assert inbound.take_moved() == {"s": Position("e", 8), "t": Position("e", 1)}


def test_what_is_on_its_way_after_a_stream_was_let_go_is_not_delivered_again() -> None:
    inbound = Inbound()
    for seq in (1, 2, 3):
        assert seqs(inbound.accept(at(seq), 0.0)) == [seq]
    inbound.rest("s")
    assert inbound.snapshot("s", Position("e", 9)) == (True, ())
    for seq in (2, 3):
        assert inbound.accept(at(seq), 0.0) == ()
    assert inbound.duplicates == 2
    assert seqs(inbound.accept(at(4), 0.0)) == [4]
    assert inbound.take_moved() == {"s": Position("e", 4)}
    inbound.rest("s")
    assert seqs(inbound.accept(at(1, epoch="f"), 0.0)) == [1]
    inbound.rest("s")
    # A new connection carries nothing old.
    inbound.lost()
    assert seqs(inbound.accept(at(1, epoch="f"), 0.0)) == [1]


def test_streams_that_were_let_go_are_remembered_up_to_a_bound() -> None:
    inbound = Inbound()
    for number in range(1_001):
        inbound.accept(at(1, stream=f"s{number}"), 0.0)
        inbound.rest(f"s{number}")
    assert seqs(inbound.accept(at(1, stream="s0"), 0.0)) == [1]
    assert inbound.accept(at(1, stream="s1"), 0.0) == ()


def test_a_run_ends_before_a_message_that_is_not_the_next_one_of_its_stream() -> None:
    def run(*found: Envelope[Any]) -> tuple[int, dict[str, Position]]:
        inbound = Inbound()
        inbound.accept(at(1), 0.0)
        inbound.accept(at(1, stream="o"), 0.0)
        inbound.take_moved()
        return inbound.follow(found, "t"), inbound.take_moved()

    def on(seq: int, stream: str = "s", **more: Any) -> Envelope[Any]:
        return Envelope(
            "t", None, **{"channel": "t", "stream": stream, "epoch": "e", "seq": seq} | more
        )

    second = {"s": Position("e", 2)}
    assert run(on(2), on(3), on(2, "o")) == (3, {"s": Position("e", 3), "o": Position("e", 2)})
    for odd in (
        on(4),
        on(2),
        on(1),
        on(3, epoch="f"),
        on(3, channel="u"),
        on(3, more=True),
        on(2, "p"),
    ):
        assert run(on(2), odd, on(3)) == (1, second)
    assert run(on(3)) == run() == (0, {})


def test_a_run_does_not_go_on_with_a_stream_that_waits_for_a_message() -> None:
    inbound = Inbound()
    for seq in (1, 3):
        inbound.accept(at(seq), 0.0)
    following = Envelope("t", None, "t", None, "s", "e", 2)
    assert inbound.follow([following], "t") == 0
    assert seqs(inbound.accept(following, 0.0)) == [2, 3]


def test_an_entry_without_room_is_a_gap_of_its_stream() -> None:
    inbound = Inbound()
    inbound.accept(at(1), 0.0)
    first = Envelope("t", None, stream="s", epoch="e", seq=2, more=True)
    assert inbound.gather(first, 0.0, 64 * 2**20) == []
    assert inbound.take_gaps() == []
    # The second one is over the bound, so the entry is given up and the stream goes on after it.
    assert inbound.gather(first, 0.0, 1) == []
    assert inbound.take_gaps() == [Gap("s", 2, 3, "e")]
    assert not inbound.entries.waiting
    assert seqs(inbound.accept(at(3), 0.0)) == [3]


def test_a_copy_of_an_entry_takes_its_parts_along_and_the_entry_itself_delivers_them() -> None:
    inbound = Inbound()
    inbound.accept(at(1), 0.0)
    for copies in range(2):
        part = Envelope("t", "part", stream="s", epoch="e", seq=2, more=True)
        assert inbound.gather(part) == []
        got = inbound.whole(at(2), 0.0)
        assert [one.payload for one in got] == [["part", None], []][copies]
        assert not inbound.entries.waiting
