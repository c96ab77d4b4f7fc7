"""The judge of delivery histories."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reactive_ws.testing import History, Noted, Promise, Step, judge

STEPS = {"+": Step.ACCEPTED, ">": Step.RECEIVED, "!": Step.ACKNOWLEDGED, "x": Step.DROPPED}


def history(text: str) -> list[Noted]:
    return [Noted(0.0, STEPS[word[0]], word[1:]) for word in text.split()]


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("", {}),
        ("+a +b >a >b !a", {"delivered": ("a", "b")}),
        ("+a +b >b", {"delivered": ("b",), "lost": ("a",)}),
        ("+a >a >a >a", {"delivered": ("a",), "duplicated": ("a",)}),
        (">a", {"invented": ("a",)}),
        (">a +a", {"invented": ("a",), "delivered": ("a",)}),
        ("+a +b +c >c >a >b", {"delivered": ("a", "b", "c"), "reordered": ("a", "b")}),
        ("+a +b >a >b >a", {"delivered": ("a", "b"), "duplicated": ("a",)}),
        ("+a !a", {"lost": ("a",), "acknowledged_but_lost": ("a",)}),
        ("+a xa", {"dropped": ("a",)}),
        ("+a xa >a", {"delivered": ("a",)}),
        ("+a xa !a", {"dropped": ("a",), "acknowledged_but_lost": ("a",)}),
    ],
)
def test_every_message_is_classified(text: str, classes: dict[str, tuple[str, ...]]) -> None:
    verdict = attrs.asdict(judge(history(text), Promise.AT_MOST_ONCE), recurse=False)
    found = {name: ids for name, ids in verdict.items() if isinstance(ids, tuple) and ids}
    assert found == classes


@pytest.mark.parametrize(
    ("text", "broken_by"),
    [
        ("+a +b >a >b", "---"),
        ("+a +b >b", "-xx"),
        ("+a >a >a", "x-x"),
        (">a", "xxx"),
        ("+a +b >b >a", "xxx"),
        ("+a !a xa", "xxx"),
        ("+a xa", "---"),
    ],
)
def test_each_promise_forbids_what_it_says(text: str, broken_by: str) -> None:
    for promise, expected in zip(Promise, broken_by, strict=True):
        verdict = judge(history(text), promise)
        assert bool(verdict.broken) == (expected == "x"), promise
        if verdict.broken:
            with pytest.raises(AssertionError, match=promise.value):
                verdict.check()
        else:
            verdict.check()


def test_the_error_names_the_class_and_the_ids() -> None:
    with pytest.raises(AssertionError) as caught:
        judge(history("+a +b +c >c"), Promise.AT_LEAST_ONCE).check()
    assert str(caught.value) == "at least once was promised, but lost: a, b"


def test_messages_under_way_are_not_lost_yet() -> None:
    judge(history("+a +b >a"), Promise.EFFECTIVELY_ONCE, is_finished=False).check()


def test_a_history_is_written_step_by_step() -> None:
    time = iter(range(10))
    written = History(lambda: float(next(time)))
    written.accepted("a")
    written.received("a")
    written.acknowledged("a")
    written.accepted("b")
    written.dropped("b")
    assert written.entries == [
        Noted(0.0, Step.ACCEPTED, "a"),
        Noted(1.0, Step.RECEIVED, "a"),
        Noted(2.0, Step.ACKNOWLEDGED, "a"),
        Noted(3.0, Step.ACCEPTED, "b"),
        Noted(4.0, Step.DROPPED, "b"),
    ]
    written.judge(Promise.EFFECTIVELY_ONCE).check()


@settings(max_examples=100, database=None, derandomize=True)
@given(st.lists(st.tuples(st.sampled_from(list(Step)), st.sampled_from("abcd")), max_size=20))
def test_the_classes_of_accepted_messages_are_a_partition(
    steps: Sequence[tuple[Step, str]],
) -> None:
    entries = [Noted(0.0, step, name) for step, name in steps]
    verdict = judge(entries, Promise.AT_MOST_ONCE)
    accepted = {name for step, name in steps if step is Step.ACCEPTED}
    parts = [verdict.delivered, verdict.lost, verdict.dropped]
    assert sorted(name for part in parts for name in part) == sorted(accepted)
