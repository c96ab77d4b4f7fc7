"""Types of the editing package. Read by mypy and pyright strict, never run."""

from __future__ import annotations

from typing import assert_type

from reactive_ws import Derived, ReadOnly, Selection, derived
from reactive_ws.editing import OptimisticStore, Patch


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
