"""Strict mode, which is for tests: what fails is raised where it was caused, and leaves nothing behind."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import pytest

from reactive_ws.engine import ErrorReport, commit_queue
from reactive_ws.engine.batch import batch
from reactive_ws.engine.domain import Domain
from reactive_ws.errors import FeedbackLoop, UsageError
from reactive_ws.state.store import Store


def profile() -> str:
    return os.environ.get("REACTIVE_WS_PROFILE", "quick")


def bad(value: int) -> None:
    """Fails on every second value."""
    if value % 2:
        raise ValueError(value)


def test_strict_mode_raises_the_errors_of_a_delivery_from_the_write() -> None:
    domain = Domain("strict", strict=True, on_error=lambda report: None)
    store = Store(0, domain=domain)
    store.select().subscribe(bad)
    store.select(lambda value: 1 / (3 - value)).subscribe()
    log: list[int] = []
    store.select().subscribe(log.append)
    with pytest.raises(ExceptionGroup) as raised:
        store.set(3)
    assert [repr(error) for error in raised.value.exceptions] == [
        "ZeroDivisionError('division by zero')",
        "ValueError(3)",
    ]
    store.set(4)
    with pytest.raises(ExceptionGroup) as raised, batch(domain):
        store.set(5)
    assert [repr(error) for error in raised.value.exceptions] == ["ValueError(5)"]
    assert log == [0, 3, 4, 5]


def test_strict_mode_raises_after_nested_writes_were_delivered_too() -> None:
    domain = Domain("strict", strict=True, on_error=lambda report: None)
    store = Store(0, domain=domain)
    log: list[int] = []
    store.select().subscribe(lambda value: store.set(value + 2) if 0 < value < 5 else None)
    store.select().subscribe(bad)
    store.select().subscribe(log.append)
    with pytest.raises(ExceptionGroup) as raised:
        store.set(1)
    assert [str(error) for error in raised.value.exceptions] == ["1", "3", "5"]
    assert log == [0, 1, 3, 5]


def test_strict_mode_raises_the_error_of_a_replay_from_the_subscription() -> None:
    domain = Domain(strict=True)
    store, other = Store(0, domain=domain), Store(0, domain=domain)

    def fail(value: int) -> None:
        raise ValueError(value)

    with pytest.raises(ExceptionGroup):
        store.select().subscribe(fail)
    other.set(1)
    assert other.get() == 1
    assert store.observer_count == 0, "who gets no subscription cannot end it"


def test_strict_mode_leaves_no_observer_whose_subscription_raised() -> None:
    domain = Domain(strict=True, on_error=lambda report: None)
    store = Store(1, domain=domain)
    log: list[int] = []

    def observer(value: int) -> None:
        log.append(value)
        bad(value)

    with pytest.raises(ExceptionGroup):
        store.select(lambda value: value).subscribe(observer)
    store.set(2)
    assert log == [1]
    assert store.observer_count == 0


class Gate:
    """An observer that stops its thread at one value, until it is opened."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.is_reached, self.is_open = threading.Event(), threading.Event()

    def __call__(self, value: int) -> None:
        if value == self.at:
            self.is_reached.set()
            assert self.is_open.wait(30)


class Writer(threading.Thread):
    """A thread that writes one value, and keeps what that raised."""

    def __init__(self, write: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self.write = write
        self.raised: list[BaseException] = []
        self.start()

    def run(self) -> None:
        try:
            self.write()
        except BaseException as error:
            self.raised.append(error)


def errors_of_two_writers(
    domain: Domain, observer: Callable[[int], object]
) -> tuple[list[str], list[str]]:
    """Lets one thread deliver what two threads wrote; returns what each of the two writes raised."""
    store, gate = Store(0, domain=domain), Gate(at=2)
    store.select().subscribe(gate)
    store.select().subscribe(observer)
    first = Writer(lambda: store.set(2))
    assert gate.is_reached.wait(30)
    second = Writer(lambda: store.set(3))
    while store.get() != 3:
        pass
    gate.is_open.set()
    first.join(30)
    second.join(30)

    def texts(raised: list[BaseException]) -> list[str]:
        found: list[str] = []
        for error in raised:
            inner = error.exceptions if isinstance(error, BaseExceptionGroup) else (error,)
            found += [repr(it) for it in inner]
        return found

    return texts(first.raised), texts(second.raised)


def test_strict_mode_raises_from_the_write_that_another_thread_delivered() -> None:
    domain = Domain("strict", strict=True, on_error=lambda report: None)
    assert errors_of_two_writers(domain, bad) == ([], ["ValueError(3)"])


def test_a_base_exception_leaves_through_the_write_that_another_thread_delivered() -> None:
    class Stop(BaseException):
        """No Exception."""

    def stop(value: int) -> None:
        if value == 3:
            raise Stop

    domain = Domain("strict", strict=True)
    assert errors_of_two_writers(domain, stop) == ([], ["Stop()"])


def test_a_writer_that_holds_what_an_observer_needs_does_not_wait_forever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(commit_queue, "_STRICT_WAIT", 0.01)
    domain = Domain("strict", strict=True, on_error=lambda report: None)
    store, gate, lock = Store(0, domain=domain), Gate(at=2), threading.Lock()

    def needs_lock(value: int) -> None:
        with lock:
            bad(value)

    store.select().subscribe(gate)
    store.select().subscribe(needs_lock)
    first = Writer(lambda: store.set(2))
    assert gate.is_reached.wait(30)
    with lock:
        gate.is_open.set()
        # Gives up, and the thread that delivers raises.
        store.set(3)
    first.join(30)
    assert [repr(it) for error in first.raised for it in error.exceptions] == ["ValueError(3)"]  # type: ignore[attr-defined]


def test_a_loop_of_writes_raises_from_its_write_every_time() -> None:
    for _ in range(1_000 if profile() == "deep" else 50):
        domain = Domain("strict", strict=True, on_error=lambda report: None)
        store = Store(0, domain=domain)
        store.select().subscribe(lambda value: store.set(value + 1) if value else None)  # noqa: B023
        with pytest.raises(ExceptionGroup) as raised:
            store.set(1)
        assert [type(error) for error in raised.value.exceptions] == [FeedbackLoop]
        assert store.get() == 100


@pytest.mark.parametrize("most", [2, 7, 100])
def test_the_longest_chain_is_the_same_wherever_it_begins(most: int) -> None:
    reports: list[ErrorReport] = []
    domain = Domain(on_error=reports.append, max_depth=most)
    ends: list[int] = []
    for first in (0, 1):
        store = Store(first, domain=domain)
        store.select().subscribe(lambda value: store.set(value + 1) if value else None)  # noqa: B023
        if not first:
            store.set(1)
        ends.append(store.get())
    assert ends == [most, most]
    assert [type(report.error) for report in reports] == [FeedbackLoop] * 2


def test_a_limit_of_chains_that_is_no_number_is_refused() -> None:
    with pytest.raises(UsageError, match="max_depth= takes a whole number, 2 or more"):
        Domain(max_depth=1)


def test_an_exit_on_the_thread_that_delivers_the_rest_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Python ends a thread by `SystemExit` without a word, and the write that caused the commit has returned."""
    store = Store(0, domain=Domain("busy"))
    seen: list[int] = []

    def see(value: int) -> None:
        seen.append(value)
        if value == 1:
            thread = threading.Thread(target=lambda: [store.set(more) for more in range(2, 102)])
            thread.start()
            thread.join()
        if value == 100:
            raise SystemExit

    store.select().subscribe(see)
    store.set(1)
    assert store.domain.settled(10)
    # The thread logs when it ends, which may be after the last delivery.
    for thread in threading.enumerate():
        if thread.name == "reactive_ws-busy-delivery":
            thread.join(10)
    assert seen == [*range(102)]
    assert [record.getMessage()[:45] for record in caplog.records] == [
        "an observer of domain 'busy' raised SystemExi"
    ]
