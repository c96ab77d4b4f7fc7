"""A vector does what a list does, whatever is done to it and at whatever length."""

from __future__ import annotations

from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from reactive_ws.stores.collections import vector
from reactive_ws.stores.collections.vector import Vector


class VectorMachine(RuleBasedStateMachine):
    """Many small changes; the chunks are made small so that few items already are a deep tree."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(vector, "_LEAF", 8)
        self.patch.setattr(vector, "_FAN", 4)
        self.vector: Vector[int] = Vector()
        self.model: list[int] = []
        self.old: list[tuple[Vector[int], list[int]]] = []

    def teardown(self) -> None:
        self.patch.undo()

    @initialize(size=st.integers(0, 300))
    def begin(self, size: int) -> None:
        self.model = list(range(size))
        self.vector = Vector(self.model)

    def remember(self) -> None:
        self.old = [*self.old[-3:], (self.vector, list(self.model))]

    @rule(items=st.lists(st.integers(), max_size=30))
    def append(self, items: list[int]) -> None:
        self.remember()
        for item in items:
            self.vector = self.vector.append(item)
        self.model += items

    @rule(items=st.lists(st.integers(), max_size=60))
    def extend(self, items: list[int]) -> None:
        self.remember()
        self.vector = self.vector.extended(items)
        self.model += items

    @rule(data=st.data(), item=st.integers(), count=st.integers(1, 20))
    def insert(self, data: st.DataObject, item: int, count: int) -> None:
        self.remember()
        place = data.draw(st.integers(0, len(self.model)))
        for _ in range(count):
            self.vector = self.vector.insert(place, item)
            self.model.insert(place, item)

    @rule(data=st.data(), item=st.integers())
    def replace(self, data: st.DataObject, item: int) -> None:
        if self.model:
            self.remember()
            place = data.draw(st.integers(0, len(self.model) - 1))
            self.vector = self.vector.replace(place, item)
            self.model[place] = item

    @rule(data=st.data(), count=st.integers(1, 40))
    def remove(self, data: st.DataObject, count: int) -> None:
        self.remember()
        place = data.draw(st.integers(0, len(self.model)))
        for _ in range(count):
            if place < len(self.model):
                self.vector = self.vector.remove(place)
                del self.model[place]

    @rule(count=st.integers(-2, 400))
    def cut(self, count: int) -> None:
        self.remember()
        self.vector = self.vector.cut(count)
        self.model = self.model[max(0, count) :]

    @rule(start=st.integers(-10, 400), count=st.integers(0, 50))
    def window(self, start: int, count: int) -> None:
        wanted = tuple(self.model[max(0, start) : max(0, start + count)])
        assert self.vector.window(start, count) == wanted

    @invariant()
    def is_the_list(self) -> None:
        assert list(self.vector) == self.model
        assert len(self.vector) == len(self.model)
        assert self.vector.last == (self.model[-1] if self.model else None)
        assert self.vector.first == (self.model[0] if self.model else None)
        assert [self.vector[place] for place in range(len(self.model))] == self.model

    @invariant()
    def old_ones_stay_as_they_were(self) -> None:
        assert all(list(old) == model for old, model in self.old)


TestVector = VectorMachine.TestCase


@given(st.lists(st.integers(-50, 50), max_size=600), st.integers(-60, 60))
def test_find_is_a_bisect(items: list[int], key: int) -> None:
    ordered = sorted(items)
    assert Vector(ordered).find(key, lambda item: item) == bisect_left(ordered, key)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 256 * 64, 256 * 64 + 1, 50_000])
def test_every_way_to_build_gives_the_same_items(size: int) -> None:
    appended: Vector[int] = Vector()
    for item in range(size):
        appended = appended.append(item)
    assert list(appended) == list(Vector(range(size))) == list(range(size))
    assert appended.window(size - 3, 10) == tuple(range(max(0, size - 3), size))


def test_places_outside_are_refused() -> None:
    items = Vector([1, 2, 3])
    for change in (
        lambda: items[3],
        lambda: items[-4],
        lambda: items.insert(4, 0),
        lambda: items.insert(-1, 0),
        lambda: items.replace(3, 0),
        lambda: items.remove(-1),
    ):
        with pytest.raises(IndexError):
            change()
