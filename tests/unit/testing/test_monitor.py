"""Monitor: each rule, broken by a stream that breaks only that one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import reactivex as rx
from reactivex import Observable, abc
from reactivex.disposable import Disposable
from reactivex.subject import BehaviorSubject, Subject

from reactive_ws.testing import BrokenRules, Monitor, Rule


class Raw(Observable[int]):
    """A stream without the library's guards, which would hide what comes after an end."""

    def __init__(self) -> None:
        super().__init__()
        self.observer: Any = None

    def subscribe(
        self,
        on_next: Any = None,
        on_error: Any = None,
        on_completed: Any = None,
        *,
        scheduler: abc.SchedulerBase | None = None,
    ) -> abc.DisposableBase:
        self.observer = on_next
        return Disposable()


def on_another_thread(function: Callable[[], None]) -> None:
    thread = threading.Thread(target=function, name="a stranger")
    thread.start()
    thread.join()


def broken(monitor: Monitor[Any]) -> list[Rule]:
    try:
        monitor.check()
    except BrokenRules as error:
        return [violation.rule for violation in error.violations]
    return []


def test_a_good_stream_breaks_nothing() -> None:
    subject = BehaviorSubject(0)
    with Monitor(
        subject, current=lambda: subject.value, number=lambda n: n, is_distinct=True
    ) as monitor:
        for number in range(1, 10):
            subject.on_next(number)
        subject.on_completed()
    assert monitor.violations == ()


@pytest.mark.parametrize("after", ["value", "completed", "error"])
@pytest.mark.parametrize("end", ["completed", "error"])
def test_anything_after_an_end_breaks_the_grammar(end: str, after: str) -> None:
    raw = Raw()
    monitor = Monitor(raw)

    def do(what: str) -> None:
        match what:
            case "value":
                raw.observer.on_next(1)
            case "completed":
                raw.observer.on_completed()
            case _:
                raw.observer.on_error(ValueError("x"))

    do(end)
    assert broken(monitor) == []
    do(after)
    assert broken(monitor) == [Rule.GRAMMAR]


def test_a_value_on_another_thread_breaks_one_thread_unless_that_is_allowed() -> None:
    subject: Subject[int] = Subject()
    strict, loose = Monitor(subject), Monitor(subject, is_one_thread=False)
    subject.on_next(1)
    on_another_thread(lambda: subject.on_next(2))
    assert broken(strict) == [Rule.ONE_THREAD]
    assert broken(loose) == []
    assert "'a stranger'" in str(strict.violations[0])


def test_the_value_at_subscription_may_come_on_the_subscribing_thread() -> None:
    subject = BehaviorSubject(0)
    monitor = Monitor(subject)

    def write() -> None:
        subject.on_next(1)
        subject.on_next(2)

    on_another_thread(write)
    assert broken(monitor) == []


def test_a_call_inside_a_call_breaks_no_overlap() -> None:
    raw = Raw()

    class Reentrant(int):
        def __repr__(self) -> str:
            raw.observer.on_next(1)
            return "reentrant"

    monitor = Monitor(raw)
    raw.observer.on_next(1)
    assert broken(monitor) == []
    monitor = Monitor(raw, number=lambda n: raw.observer.on_next(n + 1) or n if n < 2 else n)
    raw.observer.on_next(1)
    assert Rule.NO_OVERLAP in broken(monitor)
    assert "inside of" in str(monitor.violations[0])


def test_a_call_beside_a_call_breaks_no_overlap() -> None:
    raw = Raw()
    inside, go_on = threading.Event(), threading.Event()

    def slow(number: int) -> int:
        if number == 1:
            inside.set()
            assert go_on.wait(10)
        return number

    monitor = Monitor(raw, number=slow, is_one_thread=False)
    thread = threading.Thread(target=lambda: raw.observer.on_next(1))
    thread.start()
    assert inside.wait(10)
    raw.observer.on_next(0)
    go_on.set()
    thread.join()
    assert Rule.NO_OVERLAP in broken(monitor)
    assert "beside" in str(monitor.violations[0])


def test_numbers_that_stand_still_or_go_back_break_rising_numbers() -> None:
    for numbers in ([1, 1], [2, 1]):
        subject: Subject[int] = Subject()
        monitor = Monitor(subject, number=lambda n: n)
        for number in numbers:
            subject.on_next(number)
        assert broken(monitor) == [Rule.RISING_NUMBERS]


def test_the_same_value_twice_breaks_distinct() -> None:
    subject: Subject[list[int]] = Subject()
    monitor = Monitor(subject, is_distinct=True)
    subject.on_next([1])
    subject.on_next([2])
    assert broken(monitor) == []
    subject.on_next([2])
    assert broken(monitor) == [Rule.DISTINCT]


def test_a_value_after_dispose_breaks_silence() -> None:
    raw = Raw()
    monitor = Monitor(raw)
    raw.observer.on_next(1)
    monitor.dispose()
    assert broken(monitor) == []
    raw.observer.on_next(2)
    assert broken(monitor) == [Rule.NOTHING_AFTER_DISPOSE]


def test_a_stale_last_value_is_found_when_an_observer_writes_into_a_behavior_subject() -> None:
    subject = BehaviorSubject(0)
    subject.subscribe(lambda value: subject.on_next(99) if value == 1 else None)
    monitor = Monitor(subject, current=lambda: subject.value)
    subject.on_next(1)
    assert broken(monitor) == [Rule.LAST_VALUE]
    assert str(monitor.violations[0]).startswith("LAST_VALUE: 1 was seen last, the store holds 99")


def test_a_stream_that_shows_nothing_of_its_store_is_found() -> None:
    monitor = Monitor(Subject[int](), name="the clicks", current=lambda: 5)
    with pytest.raises(BrokenRules, match="the clicks broke rules") as caught:
        monitor.check()
    assert caught.value.stream == "the clicks"


def test_leaving_the_context_checks_unless_the_test_failed_already() -> None:
    with pytest.raises(BrokenRules), Monitor(Subject[int](), current=lambda: 5):
        pass
    with pytest.raises(KeyError), Monitor(Subject[int](), current=lambda: 5):
        raise KeyError("first")


def test_leaving_the_context_disposes_also_when_a_rule_was_broken() -> None:
    subject: Subject[int] = Subject()
    with pytest.raises(BrokenRules), Monitor(subject, is_distinct=True):
        subject.on_next(1)
        subject.on_next(1)
    assert subject.observers == []


def test_an_empty_and_a_failed_stream_keep_the_grammar() -> None:
    for stream in (rx.empty(), rx.never(), rx.throw(ValueError("bad"))):
        with Monitor(stream):
            pass
