"""Types of live views. Read by mypy and pyright strict, never run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import assert_type

from reactive_ws import Derived, KeyedStore, Selection, Store, derived
from reactive_ws.views import Change, Rows, View, view

names: KeyedStore[int, str] = KeyedStore()
lengths: KeyedStore[str, float] = KeyedStore()


def view_cases() -> None:
    everything = view(names)
    assert_type(everything, View[int, str])
    assert_type(everything.where(str.isupper), View[int, str])
    assert_type(everything.sorted_by(len, reverse=True), View[int, str])
    assert_type(everything.get(), Rows[int, str])
    assert_type(everything.get()[0], str)
    assert_type(everything.get()[1:], tuple[str, ...])
    assert_type(everything.get().keys(), tuple[int, ...])
    assert_type(everything.get().changes_since(everything.get()), tuple[Change[str], ...])
    assert_type(everything.select(len), Selection[int])
    assert_type(everything.window(Store(1), 5), Derived[tuple[str, ...]])
    assert_type(everything.top(3, len), Derived[tuple[str, ...]])
    assert_type(everything.count(), Derived[int])
    assert_type(everything.sum_by(len), Derived[int])
    assert_type(everything.sum_by(float), Derived[float])
    assert_type(
        everything.sum_by(lambda name: timedelta(len(name)), start=timedelta()), Derived[timedelta]
    )
    assert_type(everything.group_by(len), Derived[Mapping[int, Rows[int, str]]])
    assert_type(everything.index(len), Derived[Mapping[int, Mapping[int, str]]])
    joined = everything.join(lengths, lambda name: name)
    assert_type(joined, View[int, tuple[str, float | None]])
    assert_type(derived(everything, len), Derived[int])

    view(Store(1))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    everything.where(abs)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    everything.join(lengths, len)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
