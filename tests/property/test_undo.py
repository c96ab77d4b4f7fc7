"""Undo against the plainest model: a list of values and an index."""

from __future__ import annotations

import importlib
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from queue_home import QueueHome

from reactive_ws.engine.batch import batch
from reactive_ws.engine.domain import Domain
from reactive_ws.middleware import undo
from reactive_ws.state.keyed.keyed_store import KeyedStore
from reactive_ws.state.store import Store

LIMIT = 5

# The package has a function of the same name.
module: Any = importlib.import_module("reactive_ws.middleware.undo")


class Model:
    def __init__(self) -> None:
        self.values = [0]
        self.index = 0

    def write(self, value: int) -> None:
        if value != self.values[self.index]:
            self.values = [*self.values[: self.index + 1], value][-LIMIT - 1 :]
            self.index = len(self.values) - 1

    def move(self, steps: int) -> int:
        there = max(0, min(self.index + steps, len(self.values) - 1))
        went, self.index = abs(there - self.index), there
        return went


values = st.integers(0, 3)
operations = st.one_of(
    st.tuples(st.just("set"), values),
    st.tuples(st.just("batch"), st.lists(values, max_size=3)),
    st.tuples(st.just("failing batch"), values),
    st.tuples(st.just("other"), values),
    st.tuples(st.just("undo"), st.integers(1, 4)),
    st.tuples(st.just("redo"), st.integers(1, 4)),
    st.tuples(st.just("clear"), st.none()),
    st.tuples(st.just("deliver"), st.none()),
)


@given(st.lists(operations, max_size=30), st.booleans())
def test_undo_is_a_list_and_an_index_however_late_delivery_is(
    steps: list[tuple[str, object]], has_home: bool
) -> None:
    home = QueueHome()
    domain = Domain(home=home if has_home else None, strict=True)
    store, other = Store(0, domain=domain), Store(0, domain=domain)
    history, model = undo(store, limit=LIMIT), Model()
    written, seen = [0], list[int]()
    store.select().subscribe(seen.append)

    for operation, argument in steps:
        match operation, argument:
            case "set", int(value):
                store.set(value)
                model.write(value)
            case "batch", list(many):
                with batch(domain):
                    for value in many:
                        store.set(value)
                if many:
                    model.write(many[-1])
            case "failing batch", int(value):
                try:
                    with batch(domain):
                        store.set(value)
                        raise KeyError
                except KeyError:
                    pass
            case "other", int(value):
                other.set(value)
            case "undo", int(count):
                assert history.undo(count) == model.move(-count)
            case "redo", int(count):
                assert history.redo(count) == model.move(count)
            case "clear", _:
                history.clear()
                model.values, model.index = [model.values[model.index]], 0
            case _:
                home.run()
        assert store.get() == model.values[model.index]
        if written[-1] != store.get():
            written.append(store.get())

    home.run()
    assert seen == written
    assert history.can_undo.get() == (model.index > 0)
    assert history.can_redo.get() == (model.index < len(model.values) - 1)


# --- several stores, transactions, pauses, groups by time ----------------------------------------------------------------------

GROUP = 2.0
State = tuple[int, dict[int, int]]
Saved = tuple[list[State], list[float], int]


class Line:
    """The model: states and an index; a change makes a state, or replaces the one where it is."""

    def __init__(self, group_within: float | None) -> None:
        self.states: list[State] = [(0, {})]
        self.times = [0.0]
        self.index = 0
        self.group_within = group_within
        self.is_sealed = True
        self.transactions = 0
        self.pauses = 0

    def change(self, state: State, now: float) -> None:
        if state == self.states[self.index] and list(state[1]) == list(self.states[self.index][1]):
            return
        if self.pauses:
            self.states[self.index] = state
            return
        is_soon = (
            self.group_within is not None and now - self.times[self.index] <= self.group_within
        )
        is_last = 0 < self.index == len(self.states) - 1
        if is_last and not self.is_sealed and (self.transactions or is_soon):
            self.states[self.index], self.times[self.index] = state, now
            return
        self.states = [*self.states[: self.index + 1], state][-LIMIT - 1 :]
        self.times = [*self.times[: self.index + 1], now][-LIMIT - 1 :]
        self.index = len(self.states) - 1
        self.is_sealed = False

    def saved(self) -> Saved:
        return list(self.states), list(self.times), self.index

    def take_back(self, saved: Saved) -> None:
        states, times, self.index = saved
        self.states, self.times, self.is_sealed = list(states), list(times), True

    def go(self, there: int) -> int:
        there = max(0, min(there, len(self.states) - 1))
        went, self.index = abs(there - self.index), there
        self.is_sealed = self.is_sealed or went > 0
        return went


small = st.integers(0, 3)
wide_operations = st.one_of(
    st.tuples(st.just("set"), small),
    st.tuples(st.just("upsert"), st.tuples(small, small)),
    st.tuples(st.just("remove"), small),
    st.tuples(st.just("both"), st.tuples(small, small)),
    st.tuples(st.just("again"), small),
    st.tuples(st.just("undo"), st.integers(1, 3)),
    st.tuples(st.just("redo"), st.integers(1, 3)),
    st.tuples(st.just("jump"), st.integers(0, LIMIT)),
    st.tuples(
        st.sampled_from(["begin", "end", "fail", "pause", "resume", "clear", "deliver"]), small
    ),
    st.tuples(st.just("wait"), st.sampled_from([0.5, 3.0])),
)


LINES: Any = (st.lists(wide_operations, max_size=40), st.booleans(), st.booleans())
FAILURES: Any = (st.lists(st.tuples(small, small), max_size=8),) * 2


def check_line(steps: list[tuple[str, object]], has_home: bool, is_grouped: bool) -> None:
    home = QueueHome()
    domain = Domain(home=home if has_home and not is_grouped else None, strict=True)
    number: Store[int] = Store(0, domain=domain)
    keyed: KeyedStore[int, int] = KeyedStore(domain=domain)
    now = 0.0
    history = undo(
        number, keyed, limit=LIMIT, group_within=GROUP if is_grouped else None, clock=lambda: now
    )
    model = Line(GROUP if is_grouped else None)
    seen: dict[int, int | None] = {}
    for key in range(4):
        keyed.select(key).subscribe(lambda value, key=key: seen.__setitem__(key, value))
    transactions: list[ExitStack] = []
    begun: Saved = [], [], 0
    pauses: list[ExitStack] = []

    def state() -> State:
        return number.get(), dict(keyed.get_all())

    for operation, argument in steps:
        match operation, argument:
            case "set", int(value):
                number.set(value)
                model.change(state(), now)
            case "upsert", (int(key), int(value)):
                keyed.upsert(key, value)
                model.change(state(), now)
            case "remove", int(key):
                keyed.remove(key)
                model.change(state(), now)
            case "both", (int(key), int(value)):
                with batch(domain):
                    number.set(value)
                    keyed.upsert(key, value)
                model.change(state(), now)
            case "again", int(key):
                if key in keyed:
                    # Two commits, after which the key is in another place.
                    value = keyed.get(key)
                    keyed.remove(key)
                    model.change(state(), now)
                    keyed.upsert(key, value or 0)
                    model.change(state(), now)
            case "undo", int(count):
                assert history.undo(count) == model.go(model.index - count)
            case "redo", int(count):
                assert history.redo(count) == model.go(model.index + count)
            case "jump", int(index):
                if index < len(model.states):
                    assert history.jump(index) == model.go(index)
            case "begin", _:
                stack = ExitStack()
                stack.enter_context(history.transaction("named"))
                transactions.append(stack)
                if model.transactions == 0:
                    begun = model.saved()
                model.is_sealed = model.is_sealed or model.transactions == 0
                model.transactions += 1
            case "end", _ if transactions:
                transactions.pop().close()
                model.transactions -= 1
                model.is_sealed = model.is_sealed or model.transactions == 0
            case "fail", _ if transactions:
                error = KeyError()
                transactions.pop().__exit__(KeyError, error, None)
                model.transactions -= 1
                if model.transactions == 0:
                    model.take_back(begun)
            case "pause", _:
                pauses.append(ExitStack())
                pauses[-1].enter_context(history.paused())
                model.pauses += 1
            case "resume", _ if pauses:
                pauses.pop().close()
                model.pauses -= 1
            case "clear", _:
                history.clear()
                model.states, model.index = [model.states[model.index]], 0
                model.times, model.is_sealed = [model.times[model.index]], True
                if transactions:
                    begun = [begun[0][begun[2]]], [begun[1][begun[2]]], 0
            case "deliver", _:
                home.run()
            case "wait", float(seconds):
                # Late delivery records late, so that time passes only where all is recorded.
                now += seconds if is_grouped else 0
            case _:
                pass
        assert state() == model.states[model.index]
        assert list(keyed.get_all()) == list(model.states[model.index][1])
        entries = history.entries()
        assert [entry.is_current for entry in entries] == [
            index == model.index for index in range(len(model.states))
        ]

    while transactions:
        transactions.pop().close()
    while pauses:
        pauses.pop().close()
    home.run()
    assert seen == {key: keyed.get(key) for key in range(4)}
    assert history.can_undo.get() == (model.index > 0)
    assert history.can_redo.get() == (model.index < len(model.states) - 1)


def check_failure(before: list[tuple[int, int]], within: list[tuple[int, int]]) -> None:
    domain = Domain(strict=True)
    keyed: KeyedStore[int, int] = KeyedStore(domain=domain)
    history = undo(keyed, limit=20)
    seen: dict[int, int | None] = {}
    for key in range(4):
        keyed.select(key).subscribe(lambda value, key=key: seen.__setitem__(key, value))
    for key, value in before:
        keyed.upsert(key, value)
    state, entries = dict(keyed.get_all()), history.entries()
    try:
        with history.transaction():
            for key, value in within:
                keyed.remove(value) if key == value else keyed.upsert(key, value)
            raise KeyError
    except KeyError:
        pass
    assert (dict(keyed.get_all()), history.entries()) == (state, entries)
    assert seen == {key: state.get(key) for key in range(4)}


@given(*LINES)
def test_several_stores_are_one_line_of_states(
    steps: list[tuple[str, object]], has_home: bool, is_grouped: bool
) -> None:
    check_line(steps, has_home, is_grouped)


@given(*FAILURES)
def test_a_transaction_that_fails_leaves_the_stores_and_the_steps_as_they_were(
    before: list[tuple[int, int]], within: list[tuple[int, int]]
) -> None:
    check_failure(before, within)


def keys_of_joined_steps_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A step that several commits made notes the keys of the first one only."""
    patch.setattr(module, "_joined", lambda left, right: left)


def a_group_never_ends(patch: pytest.MonkeyPatch) -> None:
    """An undo does not end the step that it went to."""
    line = module._Line
    patch.setattr(
        module, "_Line", lambda steps, index=0, is_sealed=False: line(steps, index, False)
    )


def a_pause_makes_steps(patch: pytest.MonkeyPatch) -> None:
    """A change that is made during a pause becomes a step."""
    add = module.UndoHistory._add
    patch.setattr(
        module.UndoHistory,
        "_add",
        lambda self, *arguments, name, is_paused: add(self, *arguments, name=name, is_paused=False),
    )


def queued_commits_are_one_step(patch: pytest.MonkeyPatch) -> None:
    """Commits that wait for delivery are taken for one."""
    missing = module.UndoHistory._missing
    patch.setattr(module.UndoHistory, "_missing", lambda self: missing(self)[-1:])


@pytest.mark.parametrize(
    "plant",
    [
        keys_of_joined_steps_are_forgotten,
        a_group_never_ends,
        a_pause_makes_steps,
        queued_commits_are_one_step,
    ],
)
def test_the_models_find(monkeypatch: pytest.MonkeyPatch, plant: Any) -> None:
    plant(monkeypatch)
    search = settings(max_examples=2000, derandomize=True, database=None, phases=[Phase.generate])
    with pytest.raises((AssertionError, ExceptionGroup)):
        search(given(*LINES)(check_line))()
        search(given(*FAILURES)(check_failure))()
