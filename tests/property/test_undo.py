"""Undo against the plainest model: a list of values and an index."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from reactive_ws.engine.batch import batch
from reactive_ws.engine.domain import Domain
from reactive_ws.middleware import undo
from reactive_ws.state.store import Store

LIMIT = 5


class ManualHome:
    """Delivers when the test says so."""

    def __init__(self) -> None:
        self.posted: deque[Callable[[], None]] = deque()

    def post(self, function: Callable[[], None], /) -> None:
        self.posted.append(function)

    def is_current(self) -> bool:
        return False


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
    home = ManualHome()
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
                while home.posted:
                    home.posted.popleft()()
        assert store.get() == model.values[model.index]
        if written[-1] != store.get():
            written.append(store.get())

    while home.posted:
        home.posted.popleft()()
    assert seen == written
    assert history.can_undo.get() == (model.index > 0)
    assert history.can_redo.get() == (model.index < len(model.values) - 1)
