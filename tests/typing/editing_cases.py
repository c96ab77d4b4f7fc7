"""Types of the editing package. Read by mypy and pyright strict, never run."""

from __future__ import annotations

from typing import assert_type

from reactive_ws import Derived, ReadOnly, Selection, Store, derived
from reactive_ws.editing import OptimisticStore, Part, Patch, part, produce


def optimistic_cases() -> None:
    numbers = OptimisticStore(1)
    assert_type(numbers, OptimisticStore[int])
    patch = numbers.apply(lambda now: now + 1)
    assert_type(patch, Patch[int])
    assert_type(patch.confirm(), bool)
    assert_type(numbers.get(), int)
    assert_type(numbers.confirmed, ReadOnly[int])
    assert_type(numbers.pending.get(), tuple[Patch[int], ...])
    assert_type(numbers.select(str), Selection[str])
    assert_type(derived(numbers, str), Derived[str])
    numbers.apply(str)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    numbers.set("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def draft_and_part_cases() -> None:
    assert_type(produce({"a": 1}, lambda draft: draft.clear()), dict[str, int])
    store = Store({"a": 1})
    size = part(store, len, lambda now, _: now)
    assert_type(size, Part[int])
    assert_type(size.get(), int)
    assert_type(part(size, str, lambda now, _: now), Part[str])
    size.set("x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
