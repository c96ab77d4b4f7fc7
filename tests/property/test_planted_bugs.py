"""A test of the tests: the bugs that other libraries have, planted into the engine one by one, must be found.

Each is a few lines that replace a part of the engine. Those that need no second thread must make the state machine fail,
the others a scenario that a unit test shares.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from threading import get_ident
from typing import Any

import pytest
from engine_machine import EngineMachine, HomedMachine, HookedMachine
from engine_scenarios import (
    a_task_started_in_a_batch,
    two_tasks_that_batch,
    writes_that_meet_a_delivery,
)
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from reactive_ws.engine.audience import Audience, Subscription
from reactive_ws.engine.cell import Cell
from reactive_ws.engine.commit import Commit
from reactive_ws.engine.domain import Domain

Patch = Callable[[pytest.MonkeyPatch], None]

# Hypothesis takes constants from the source, so another search is made when the source changes. Most end within 50 examples.
SEARCH = settings(
    max_examples=1_500,
    report_multiple_bugs=False,
    stateful_step_count=12,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
)

_deliver = Domain._deliver
_see_to_delivery = Domain._see_to_delivery


def depth_first(patch: pytest.MonkeyPatch) -> None:
    """A write inside an observer is delivered before the commit that caused it has reached the others."""

    def see_to_delivery(domain: Domain) -> None:
        if domain._deliverer == get_ident() and domain._queue:
            _deliver(domain, domain._queue.pop())
        else:
            _see_to_delivery(domain)

    patch.setattr(Domain, "_see_to_delivery", see_to_delivery)


def value_read_at_delivery(patch: pytest.MonkeyPatch) -> None:
    """The queue holds which stores changed, and their value is looked up when it is their turn."""

    def deliver(domain: Domain, commit: Commit) -> None:
        commit.changes = tuple(
            (store, old, store._value)  # type: ignore[attr-defined]
            for store, old, _ in commit.changes
        )
        _deliver(domain, commit)

    patch.setattr(Domain, "_deliver", deliver)


def no_finally(patch: pytest.MonkeyPatch) -> None:
    """An exception leaves the delivery where it was, with its mark set."""

    def tell_rest(
        audience: Audience, calls: Any, value: Any, failed: Any, error: BaseException
    ) -> None:
        raise error

    patch.setattr(Audience, "_tell_rest", tell_rest)
    patch.setattr(Domain, "_hand_over", lambda domain: None)


def starving_the_rest(patch: pytest.MonkeyPatch) -> None:
    """Delivery reports an exception and skips the observers after the one that raised."""

    def tell_rest(
        audience: Audience, calls: Any, value: Any, failed: Any, error: BaseException
    ) -> None:
        audience._domain._failed("observer", error, audience._label(), failed)

    patch.setattr(Audience, "_tell_rest", tell_rest)


def lock_held_while_notifying(patch: pytest.MonkeyPatch) -> None:
    """Delivery is one critical section."""

    def deliver(domain: Domain, commit: Commit) -> None:
        with domain._lock:
            _deliver(domain, commit)

    patch.setattr(Domain, "_deliver", deliver)


def replay_outside_the_private_queue(patch: pytest.MonkeyPatch) -> None:
    """A commit that meets the replay of a new observer is given to it at once."""
    patch.setattr(Subscription, "_hold", lambda link, value: link._on_next(value))


def missing_recheck(patch: pytest.MonkeyPatch) -> None:
    """The queue is found empty, and the mark of the delivering thread is cleared a moment later, after another commit."""
    met = threading.Event()
    enqueue = Domain._enqueue

    def note(domain: Domain, commit: Commit, since: int, **options: Any) -> bool:
        if domain._deliverer not in (0, get_ident()):
            met.set()
        return enqueue(domain, commit, since, **options)

    def drain(domain: Domain, budget: int | None, **_: Any) -> None:
        while True:
            with domain._lock:
                commit = domain._queue.popleft() if domain._queue else None
            if commit is None:
                break
            _deliver(domain, commit)
        # In the scenario a commit of the other thread meets every delivery, before or after the look at the queue.
        met.wait(30)
        met.clear()
        with domain._lock:
            # What `_rest` does when it does not look.
            domain._admit(domain._number + 1)
            domain._deliverer = domain._current = domain._depth = 0

    patch.setattr(Domain, "_enqueue", note)
    patch.setattr(Domain, "_drain", drain)


def batch_of_the_context(patch: pytest.MonkeyPatch) -> None:
    """A task that inherits the context of an open batch writes into that batch."""
    ask_no_owner(patch)


def ask_no_owner(patch: pytest.MonkeyPatch) -> None:
    """Every thread and task counts as the one that opened a batch."""
    rooms = sys.modules["reactive_ws.engine.batch"]
    patch.setattr(rooms, "get_ident", lambda: 0)
    patch.setattr(rooms, "_get_running_loop", lambda: None)


def _direct(patch: pytest.MonkeyPatch, is_direct: Callable[[Domain], bool]) -> None:
    """Has a domain make every write directly for which `is_direct` holds, whatever else it looks at."""
    publish, commit = Cell._publish, Domain.commit

    def with_open_way(domain: Domain, act: Callable[[], bool]) -> bool:
        before = domain._deliverer, domain._is_busy, domain._home
        if not is_direct(domain):
            return act()
        domain._deliverer, domain._is_busy, domain._home = 0, False, None
        try:
            return act()
        finally:
            domain._deliverer, domain._is_busy, domain._home = before

    patch.setattr(
        Cell,
        "_publish",
        lambda cell, old, value: with_open_way(cell._domain, lambda: publish(cell, old, value)),
    )
    patch.setattr(
        Domain,
        "commit",
        lambda domain, changes, **options: with_open_way(
            domain, lambda: commit(domain, changes, **options)
        ),
    )


def direct_past_the_queue(patch: pytest.MonkeyPatch) -> None:
    """A write at home is delivered at once, while commits of other threads wait."""
    _direct(patch, lambda it: not it._deliverer and it._home is not None and it._home.is_current())


def direct_in_a_delivery(patch: pytest.MonkeyPatch) -> None:
    """A write of an observer at home is delivered before the commit under delivery reached the other observers."""
    _direct(patch, lambda it: it._home is not None and it._home.is_current() and not it._queue)


def direct_away_from_home(patch: pytest.MonkeyPatch) -> None:
    """A write is delivered where it is made, when nothing waits."""
    _direct(patch, lambda it: not it._deliverer and not it._queue)


class _Global:
    """Looks like a ContextVar and has one value for all contexts."""

    def __init__(self) -> None:
        self.value: Any = None

    def get(self) -> Any:
        return self.value

    def set(self, value: Any) -> Any:
        # Not the value itself: a token is never None.
        before, self.value = (self.value,), value
        return before

    def reset(self, before: Any) -> None:
        (self.value,) = before


def batch_of_the_process(patch: pytest.MonkeyPatch) -> None:
    """The open batch is a global variable."""
    variable = _Global()
    for room in ("batch", "commit_queue"):
        patch.setattr(sys.modules[f"reactive_ws.engine.{room}"], "current_batch", variable)
    ask_no_owner(patch)
    begin = EngineMachine.__init__

    def begin_anew(machine: EngineMachine) -> None:
        # What one search left open is not to be found by the next one, or the searches would not be repeatable.
        variable.value = None
        begin(machine)

    patch.setattr(EngineMachine, "__init__", begin_anew)


@pytest.mark.parametrize(
    ("plant", "machine"),
    [
        (depth_first, EngineMachine),
        (depth_first, HookedMachine),
        (value_read_at_delivery, EngineMachine),
        (value_read_at_delivery, HookedMachine),
        (no_finally, EngineMachine),
        (starving_the_rest, EngineMachine),
        (starving_the_rest, HookedMachine),
        (lock_held_while_notifying, HookedMachine),
        (replay_outside_the_private_queue, EngineMachine),
        (batch_of_the_context, EngineMachine),
        (batch_of_the_process, EngineMachine),
        (batch_of_the_process, HookedMachine),
        (direct_past_the_queue, HomedMachine),
        (direct_in_a_delivery, HomedMachine),
        (direct_away_from_home, HomedMachine),
        (no_finally, HomedMachine),
    ],
)
def test_the_machine_finds(
    monkeypatch: pytest.MonkeyPatch, plant: Patch, machine: type[EngineMachine]
) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=SEARCH)


@pytest.mark.deep
@pytest.mark.parametrize("machine", [EngineMachine, HookedMachine, HomedMachine])
def test_without_a_planted_bug_the_same_search_finds_nothing(machine: type[EngineMachine]) -> None:
    run_state_machine_as_test(machine, settings=SEARCH)


def test_a_missing_recheck_strands_a_commit(
    monkeypatch: pytest.MonkeyPatch, domain: Domain
) -> None:
    domain.on_commit(lambda commit: None)
    missing_recheck(monkeypatch)
    (wrong,) = writes_that_meet_a_delivery(domain, 10_000, 0.2)
    assert wrong.endswith("a commit was stranded")


@pytest.mark.parametrize("plant", [batch_of_the_context, batch_of_the_process])
@pytest.mark.parametrize("scenario", [two_tasks_that_batch, a_task_started_in_a_batch])
def test_a_leaking_batch_mixes_tasks(
    monkeypatch: pytest.MonkeyPatch,
    domain: Domain,
    plant: Patch,
    scenario: Callable[[Domain], None],
) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        scenario(domain)
