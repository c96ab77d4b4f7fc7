"""Commit hooks: in order, before the observers, each registration by itself."""

from __future__ import annotations

from queue_home import QueueHome

from reactive_ws import Commit, Domain, ErrorReport, Store, batch


def test_a_hook_sees_each_commit_with_old_and_new_values_before_the_observers() -> None:
    domain = Domain()
    a, b = Store(1, name="a", domain=domain), Store(1, name="b", domain=domain)
    log: list[object] = []
    domain.on_commit(
        lambda commit: log.append([(s.name, old, new) for s, old, new in commit.changes])
    )
    a.select().subscribe(log.append)
    with batch(domain):
        a.set(2)
        b.set(3)
    b.set(4)
    assert log == [1, [("a", 1, 2), ("b", 1, 3)], 2, [("b", 3, 4)]]


def test_a_function_that_was_added_twice_is_called_twice_and_removed_once() -> None:
    domain = Domain()
    store = Store(0, domain=domain)
    numbers: list[int] = []

    def note(commit: Commit) -> None:
        numbers.append(commit.number)

    first = domain.on_commit(note)
    domain.on_commit(note)
    store.set(1)
    first.dispose()
    store.set(2)
    assert numbers == [1, 1, 2]


def test_a_hook_that_another_hook_disposed_is_not_called_for_the_same_commit() -> None:
    domain = Domain()
    store = Store(0, domain=domain)
    log: list[str] = []
    domain.on_commit(lambda _: (log.append("first"), second.dispose())[0])
    second = domain.on_commit(lambda _: log.append("second"))
    store.set(1)
    assert log == ["first"]


def test_a_hook_sees_no_commit_from_before_it_was_added() -> None:
    home = QueueHome()
    domain = Domain(home=home)
    store = Store(0, domain=domain)
    numbers: list[int] = []
    store.set(1)
    domain.on_commit(lambda commit: numbers.append(commit.number))
    store.set(2)
    home.run()
    assert numbers == [2]


def test_a_failing_hook_is_reported_and_called_again() -> None:
    reports: list[ErrorReport] = []
    domain = Domain("shop", on_error=reports.append)
    store = Store(0, domain=domain)
    seen: list[int] = []
    store.select().subscribe(seen.append)

    def fail(commit: Commit) -> None:
        raise ValueError(commit.number)

    domain.on_commit(fail)
    store.set(1)
    store.set(2)
    assert seen == [0, 1, 2]
    assert [(report.kind, report.store, str(report.error)) for report in reports] == [
        ("hook", "shop", "1"),
        ("hook", "shop", "2"),
    ]


def test_writes_go_straight_again_when_the_last_hook_is_gone() -> None:
    domain = Domain()
    store = Store(0, domain=domain)
    hook = domain.on_commit(lambda _: None)
    store.set(1)
    assert domain._is_busy
    hook.dispose()
    store.set(2)
    assert not domain._is_busy
