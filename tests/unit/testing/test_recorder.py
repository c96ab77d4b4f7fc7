"""Recorder and marble drawings."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import reactivex as rx
from reactivex import operators as ops
from reactivex.subject import Subject

from reactive_ws.errors import UsageError
from reactive_ws.testing import Recorder, assert_marbles, simulate


@simulate
async def test_a_recorder_writes_down_values_ends_and_virtual_times() -> None:
    subject: Subject[str] = Subject()
    with Recorder(subject) as recorder, Recorder(subject.pipe(ops.delay(0.5))) as delayed:
        subject.on_next("a")
        await asyncio.sleep(2)
        subject.on_next("b")
        subject.on_completed()
        await asyncio.sleep(1)
    assert recorder.values == ["a", "b"]
    assert recorder.is_completed
    assert [str(event) for event in delayed.events] == [
        "0.5 s: 'a'",
        "2.5 s: 'b'",
        "2.5 s: completed",
    ]


def test_a_recorder_needs_no_simulation() -> None:
    with Recorder(rx.of(1, 2)) as recorder:
        assert recorder.values == [1, 2]
        assert 0 <= recorder.events[0].time < 5
        recorder.clear()
        assert recorder.events == []


def test_nothing_is_recorded_after_dispose() -> None:
    subject: Subject[int] = Subject()
    recorder = Recorder(subject)
    subject.on_next(1)
    recorder.dispose()
    subject.on_next(2)
    assert recorder.values == [1]


async def play() -> Recorder[object]:
    subject: Subject[object] = Subject()
    recorder = Recorder(subject)
    subject.on_next("a")
    await asyncio.sleep(3)
    subject.on_next(7)
    subject.on_next("b")
    await asyncio.sleep(2)
    subject.on_error(ValueError("bad"))
    return recorder


@pytest.mark.parametrize("drawing", ["a--(7b)-#", " a - - (7 b) - # ", "x--(yb)-#"])
@simulate
async def test_a_drawing_that_fits(drawing: str) -> None:
    recorder = await play()
    assert_marbles(recorder, drawing, {"x": "a", "y": 7})
    assert_marbles(recorder, drawing, {"x": "a", "y": 7}, error=ValueError)
    assert_marbles(recorder, drawing, {"x": "a", "y": 7}, error=ValueError("bad"))


@simulate
async def test_units_and_starts_are_in_seconds() -> None:
    recorder = await play()
    assert_marbles(recorder, "a-----(7b)---#", unit=0.5)
    recorder.events.pop(0)
    assert_marbles(recorder, "(7b)-#", start=3.0)


@pytest.mark.parametrize(
    "drawing",
    ["a--(7b)-", "a--(7b)-|", "a--(b7)-#", "a---(7b)-#", "-a-(7b)-#", "a--7b-#", ""],
)
@simulate
async def test_a_drawing_that_does_not_fit(drawing: str) -> None:
    recorder = await play()
    with pytest.raises(AssertionError):
        assert_marbles(recorder, drawing)


@simulate
async def test_an_error_of_another_class_or_text_does_not_fit() -> None:
    recorder = await play()
    for error in (KeyError, ValueError("other"), KeyError("bad")):
        with pytest.raises(AssertionError):
            assert_marbles(recorder, "a--(7b)-#", error=error)


@simulate
async def test_the_difference_is_printed_as_drawings_and_as_lists() -> None:
    recorder = await play()
    with pytest.raises(AssertionError) as caught:
        assert_marbles(recorder, "a--b|", {"b": "b"})
    assert str(caught.value).splitlines() == [
        "the stream did something else than was drawn",
        "  want: a--b|",
        "  got:  a--(7b)-#",
        "  want: [0 s: 'a', 3 s: 'b', 4 s: completed]",
        "  got:  [0 s: 'a', 3 s: 7, 3 s: 'b', 5 s: error ValueError('bad')]",
    ]


@pytest.mark.parametrize(
    "drawing", ["a)", "(a", "((a))", "(a-b)", "^a", "a|b", "#|", "a-#-b", "(a|b)", "()"]
)
@simulate
async def test_what_is_no_drawing_is_refused(drawing: str) -> None:
    recorder = await play()
    with pytest.raises(ValueError, match="drawing"):
        assert_marbles(recorder, drawing)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"values": {"ab": 1}}, "'ab' cannot stand for a value"),
        ({"values": {"-": 1}}, "'-' cannot stand for a value"),
        ({"unit": 0.0}, "more than 0 seconds"),
        ({"error": ValueError}, "there is no # in the drawing"),
    ],
)
@simulate
async def test_what_no_drawing_can_mean_is_refused(options: dict[str, Any], said: str) -> None:
    recorder = await play()
    with pytest.raises(ValueError, match=said):
        assert_marbles(recorder, "a", **options)


@simulate
async def test_what_happened_long_after_is_not_drawn() -> None:
    recorder = await play()
    with pytest.raises(AssertionError, match=r"got:  \(too long to draw: 5000001 units\)"):
        assert_marbles(recorder, "a", unit=1e-6)


@simulate
async def test_a_value_that_looks_like_a_sign_is_drawn_as_unknown() -> None:
    recorder = Recorder(rx.of("-", "|"))
    await asyncio.sleep(0)
    with pytest.raises(AssertionError, match=r"got:  \(\?\?\|\)"):
        assert_marbles(recorder, "-")


def test_a_drawing_of_real_time_is_refused_with_advice() -> None:
    with Recorder(rx.of(1)) as recorder, pytest.raises(UsageError, match="put @simulate above"):
        assert_marbles(recorder, "(1|)")
    with Recorder(rx.of(1), clock=lambda: 0.0) as recorder:
        assert_marbles(recorder, "(1|)")


def test_no_events_are_drawn_as_nothing() -> None:
    with Recorder(rx.never()) as recorder:
        assert_marbles(recorder, "---")
        with pytest.raises(AssertionError, match=r"got:  \(nothing\)"):
            assert_marbles(recorder, "a")
