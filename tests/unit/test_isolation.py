"""One failing function does not affect the others, and its error is reported in one place."""

from __future__ import annotations

import logging
from contextlib import nullcontext

import pytest

from reactive_ws.engine.batch import batch
from reactive_ws.engine.domain import Domain, ErrorReport
from reactive_ws.state.derived import derived
from reactive_ws.state.keyed.keyed_store import KeyedStore
from reactive_ws.state.store import Store


def bad(value: int) -> None:
    """Fails on every second value."""
    if value % 2:
        raise ValueError(value)


def facts(reports: list[ErrorReport]) -> list[tuple[str, str, int, str]]:
    return [
        (report.kind, report.store, report.commit, report.function.rsplit(".", 1)[-1])
        for report in reports
    ]


def test_an_observer_that_raises_starves_nobody_and_is_reported_once_a_commit(
    domain: Domain, reports: list[ErrorReport]
) -> None:
    store = Store(0, name="s", domain=domain)
    log: list[str] = []
    store.select().subscribe(lambda value: log.append(f"A{value}"))
    store.select().subscribe(bad)
    store.select().subscribe(lambda value: log.append(f"B{value}"))
    store.select().subscribe(bad)
    for value in (1, 2, 3):
        store.set(value)
    assert log == ["A0", "B0", "A1", "B1", "A2", "B2", "A3", "B3"]
    assert facts(reports) == [("observer", "s", commit, "bad") for commit in (1, 1, 3, 3)]
    assert [str(report.error) for report in reports] == ["1", "1", "3", "3"]


def test_observers_of_parts_derived_values_and_batches_are_isolated_too(
    domain: Domain, reports: list[ErrorReport]
) -> None:
    a, b = Store(0, name="a", domain=domain), Store(0, name="b", domain=domain)
    total = derived(a, b, lambda left, right: left + right, name="total")
    log: list[str] = []
    part = a.select(lambda value: value)
    for stream, name in ((part, "part"), (total.select(), "total"), (b.select(), "b")):
        stream.subscribe(bad)
        stream.subscribe(lambda value, name=name: log.append(f"{name}{value}"))
    log.clear()
    with batch(domain):
        a.set(1)
        b.set(2)
    a.set(3)
    assert log == ["part1", "b2", "total3", "part3", "total5"]
    assert facts(reports) == [
        ("observer", "a", 1, "bad"),
        ("observer", "total", 1, "bad"),
        ("observer", "a", 2, "bad"),
        ("observer", "total", 2, "bad"),
    ]


def test_a_selector_that_raises_is_reported_and_its_stream_goes_on(
    domain: Domain, reports: list[ErrorReport]
) -> None:
    store = Store(0, name="s", domain=domain)
    log: list[object] = []

    def pick(value: int) -> int:
        bad(value)
        return value // 4

    selection = store.select(pick)
    selection.subscribe(log.append)
    store.select(lambda value: -value).subscribe(log.append)
    for value in (1, 2, 3, 4):
        store.set(value)
    assert log == [0, 0, -1, -2, -3, 1, -4]
    assert facts(reports) == [("selector", "s", 1, "pick"), ("selector", "s", 3, "pick")]
    store.set(5)
    with pytest.raises(ValueError, match="5"):
        selection.get()


def test_a_selector_that_raises_at_the_replay_lets_the_next_good_value_arrive(
    domain: Domain, reports: list[ErrorReport]
) -> None:
    store = Store(1, name="s", domain=domain)
    log: list[int] = []

    def pick(value: int) -> int:
        bad(value)
        return value

    store.select(pick).subscribe(log.append)
    store.set(3)
    store.set(4)
    assert log == [4]
    assert facts(reports) == [("selector", "s", 0, "pick"), ("selector", "s", 1, "pick")]


def test_a_comparer_that_raises_or_gives_no_bool_found_a_change(
    domain: Domain, reports: list[ErrorReport]
) -> None:
    def raises(old: object, new: object) -> bool:
        raise ValueError

    log: list[object] = []
    store = Store((0,), domain=domain, equals=raises)
    store.select(list, equals=raises).subscribe(log.append)
    store.select(list, equals=lambda old, new: [True]).subscribe(log.append)
    store.select(list, equals=lambda old, new: True).subscribe(log.append)
    store.set((0,))
    assert log == [[0], [0], [0], [0], [0]]
    assert domain.number == 1


def test_a_hook_that_raises_is_reported_and_called_again(
    domain: Domain, reports: list[ErrorReport]
) -> None:
    store = Store(0, domain=domain)
    log: list[int] = []

    def hook(commit: object) -> None:
        log.append(-1)
        raise ValueError

    domain.on_commit(hook)
    store.select().subscribe(log.append)
    store.set(1)
    store.set(2)
    assert log == [0, -1, 1, -1, 2]
    assert [fact[0] for fact in facts(reports)] == ["hook", "hook"]


def test_an_on_completed_that_raises_keeps_nobody_from_the_end(
    domain: Domain, reports: list[ErrorReport]
) -> None:
    store = Store(0, domain=domain)
    log: list[str] = []

    def fail() -> None:
        raise ValueError

    store.select().subscribe(None, on_completed=fail)
    store.select().subscribe(None, on_completed=lambda: log.append("end"))
    store.close()
    assert log == ["end"]
    assert [fact[0] for fact in facts(reports)] == ["observer"]


def test_without_a_hook_errors_are_logged_with_store_commit_and_who(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Store(0, name="prices", domain=Domain())
    store.select().subscribe(bad)
    with caplog.at_level(logging.ERROR, "reactive_ws.stores"):
        store.set(1)
    (record,) = caplog.records
    assert record.getMessage() == (
        f"observer {__name__}.bad of store 'prices' failed at commit 1; its stream goes on"
    )
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "1"


def test_an_error_hook_that_fails_is_logged_with_what_it_was_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def hook(report: ErrorReport) -> None:
        raise RuntimeError("hook")

    store = Store(0, domain=Domain("broken", on_error=hook))
    log: list[int] = []
    store.select().subscribe(bad)
    store.select().subscribe(log.append)
    store.set(1)
    assert log == [0, 1]
    assert [str(record.exc_info and record.exc_info[1]) for record in caplog.records] == [
        "hook",
        "1",
    ]


@pytest.mark.parametrize("is_queued", [False, True])
def test_a_base_exception_leaves_after_the_others_were_served_and_no_flag_stays(
    domain: Domain, is_queued: bool
) -> None:
    if is_queued:
        domain.on_commit(lambda commit: None)
    store = Store(0, domain=domain)
    log: list[str] = []

    def interrupt(value: int) -> None:
        if value == 1:
            store.set(2)
            raise KeyboardInterrupt

    store.select().subscribe(interrupt)
    store.select().subscribe(lambda value: log.append(f"A{value}"))
    store.select(lambda value: value).subscribe(lambda value: log.append(f"P{value}"))
    derived(store, lambda value: value).select().subscribe(lambda value: log.append(f"D{value}"))
    log.clear()
    with pytest.raises(KeyboardInterrupt):
        store.set(1)
    assert log[:3] == ["A1", "P1", "D1"]
    assert domain.settled(5)
    store.set(3)
    assert log[3:] == ["A2", "P2", "D2", "A3", "P3", "D3"]
    assert domain.number == 3


def test_a_base_exception_of_a_lone_observer_leaves_no_flag(domain: Domain) -> None:
    store = Store(0, domain=domain)
    log: list[int] = []

    def interrupt(value: int) -> None:
        log.append(value)
        if value == 1:
            raise SystemExit

    store.select().subscribe(interrupt)
    with pytest.raises(SystemExit):
        store.set(1)
    assert domain.settled(0)
    store.set(2)
    assert log == [0, 1, 2]


@pytest.mark.parametrize("place", ["selector", "hook", "completed"])
def test_a_base_exception_anywhere_leaves_after_the_others(domain: Domain, place: str) -> None:
    store = Store(0, domain=domain)
    log: list[object] = []

    def interrupt(*_: object) -> None:
        if store.get() or place == "completed":
            raise KeyboardInterrupt

    if place == "selector":
        store.select(interrupt).subscribe()
    elif place == "hook":
        domain.on_commit(interrupt)
    else:
        store.select().subscribe(None, on_completed=interrupt)
    store.select().subscribe(log.append, on_completed=lambda: log.append("end"))
    with pytest.raises(KeyboardInterrupt):
        if place == "completed":
            store.close()
        else:
            store.set(1)
    assert log == ([0, "end"] if place == "completed" else [0, 1])
    assert domain.settled(0)


def test_who_joins_others_while_a_selector_fails_gets_the_next_good_value_even_if_they_need_not(
    domain: Domain,
) -> None:
    store = Store(2, domain=domain)
    part = store.select(lambda value: 6 // value)
    logs: list[list[int]] = [[], [], []]
    part.subscribe(logs[0].append)
    store.set(0)
    part.subscribe(logs[1].append)
    part.subscribe(logs[2].append).dispose()
    store.set(2)
    store.set(2)
    store.set(3)
    assert logs == [[3, 2], [3, 2], []]
    store.set(0)
    part.subscribe(logs[2].append)
    store.set(6)
    assert logs == [[3, 2, 1], [3, 2, 1], [1]]


def test_who_comes_and_leaves_while_a_selector_fails_changes_nothing_for_the_others(
    domain: Domain,
) -> None:
    store = Store(2, domain=domain)
    part = store.select(lambda value: 6 // value)
    log: list[int] = []
    first = part.subscribe(log.append)
    store.set(0)
    part.subscribe(log.append).dispose()
    store.set(2)
    store.set(0)
    part.subscribe(log.append).dispose()
    first.dispose()
    store.set(2)
    part.subscribe(log.append)
    store.set(3)
    assert log == [3, 3, 2]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_update_isolates_like_a_set(
    domain: Domain, reports: list[ErrorReport], error: type[BaseException]
) -> None:
    store = Store(0, domain=domain)
    log: list[int] = []

    def fail(value: int) -> None:
        if value == 1:
            raise error

    store.select().subscribe(fail)
    store.select().subscribe(log.append)
    with pytest.raises(KeyboardInterrupt) if error is KeyboardInterrupt else nullcontext():
        store.update(lambda value: value + 1)
    assert domain.settled(0)
    store.update(lambda value: value + 1)
    assert log == [0, 1, 2]
    assert [type(report.error) for report in reports] == [ValueError] * (error is ValueError)


def test_what_a_comparer_raises_is_reported_with_its_store(
    domain: Domain, reports: list[ErrorReport]
) -> None:
    def fail(old: int, new: int) -> bool:
        raise ValueError(f"{old} and {new}")

    own = Store(0, domain=domain, name="own", equals=fail)
    store = Store(0, domain=domain, name="plain")
    keyed = KeyedStore({"a": 0}, domain=domain, name="keyed", equals=fail)
    store.select(lambda value: value + 1, equals=fail).subscribe()
    derived(store, lambda value: value + 2, equals=fail, name="derived").select().subscribe()
    own.set(1)
    store.set(1)
    keyed.upsert("a", 1)
    assert [(report.kind, report.store, str(report.error)) for report in reports] == [
        ("comparer", "own", "0 and 1"),
        ("comparer", "plain", "1 and 2"),
        ("comparer", "derived", "2 and 3"),
        ("comparer", "keyed", "0 and 1"),
    ]


@pytest.mark.parametrize("is_queued", [False, True])
def test_a_base_exception_of_a_comparer_leaves_after_everybody_was_served(
    domain: Domain, is_queued: bool
) -> None:
    if is_queued:
        domain.on_commit(lambda commit: None)
    store = Store(0, domain=domain)
    log: list[tuple[str, int]] = []

    def interrupt(old: int, new: int) -> bool:
        raise KeyboardInterrupt

    store.select(lambda value: value, equals=interrupt).subscribe()
    first = derived(store, lambda value: value, equals=interrupt)
    first.select().subscribe()
    second = derived(store, lambda value: value * 2)
    second.select().subscribe(lambda value: log.append(("second", value)))
    store.select().subscribe(lambda value: log.append(("store", value)))
    log.clear()
    with pytest.raises(KeyboardInterrupt):
        store.set(1)
    assert log == [("store", 1), ("second", 2)]
    assert (first.get(), second.get()) == (1, 2)


def test_a_base_exception_of_the_error_hook_leaves_after_everybody_was_served() -> None:
    def exit_now(report: ErrorReport) -> None:
        raise SystemExit

    domain = Domain(on_error=exit_now)
    store = Store(0, domain=domain)
    log: list[int] = []

    def fail(value: int) -> None:
        if value:
            raise ValueError(value)

    store.select().subscribe(fail)
    store.select().subscribe(log.append)
    with pytest.raises(SystemExit):
        store.set(1)
    assert log == [0, 1]
    assert domain.settled(0)
