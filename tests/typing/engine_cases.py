"""The types of the store engine. mypy and pyright read this file; nothing runs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_type

from reactivex import Observable
from reactivex.abc import DisposableBase

from reactive_ws.engine.batch import batch
from reactive_ws.engine.domain import Commit, Domain, ErrorReport, default_domain
from reactive_ws.engine.equality import shallow
from reactive_ws.state.derived import Derived, derived, derived_all
from reactive_ws.state.keyed.key_changes import KeyChanges
from reactive_ws.state.keyed.keyed_store import KeyedStore
from reactive_ws.state.selection import Selection
from reactive_ws.state.snapshot import snapshot
from reactive_ws.state.store import ReadOnly, Store

domain = Domain("typed")
count = Store(1, domain=domain)
text = Store("a", domain=domain)
maybe: Store[int | None] = Store(None, domain=domain)


def a_store() -> None:
    assert_type(count, Store[int])
    assert_type(count.get(), int)
    assert_type(maybe.get(), int | None)
    assert_type(count.read_only, ReadOnly[int])
    assert_type(count.read_only.get(), int)
    assert_type(count.domain, Domain)
    assert_type(count.name, str)
    assert_type(count.observer_count, int)
    count.set(2)
    count.update(lambda value: value + 1)
    maybe.set(3)
    Store([1], equals=shallow)
    Store([1], equals=lambda old, new: len(old) == len(new))


def a_selection() -> None:
    assert_type(count.select(), Selection[int])
    assert_type(count.select(str), Selection[str])
    assert_type(count.select(lambda value: value > 1), Selection[bool])
    assert_type(count.select(lambda value: (value, str(value))), Selection[tuple[int, str]])
    assert_type(count.select(equals=lambda old, new: old == new), Selection[int])
    assert_type(count.read_only.select(), Selection[int])
    assert_type(count.read_only.select(str), Selection[str])
    assert_type(count.select(str).get(), str)
    assert_type(count.select().subscribe(print), DisposableBase)
    observable: Observable[int] = count.select()
    wider: Selection[object] = count.select()
    view: ReadOnly[object] = count
    del observable, wider, view


async def waiting() -> None:
    assert_type(await count.select().wait_for(), int)
    assert_type(await count.select(str).wait_for(lambda value: value == "1", timeout=1.0), str)
    async for value in count.select(str):
        assert_type(value, str)
    async for value in count.select(str).every(max_waiting=5):
        assert_type(value, str)


def a_derived_value() -> None:
    assert_type(derived(count, str), Derived[str])
    assert_type(derived(count, text, lambda a, b: (a, b)), Derived[tuple[int, str]])
    assert_type(derived(count, text, maybe, lambda a, b, c: c), Derived[int | None])
    assert_type(derived(count, text, count, text, lambda a, b, c, d: a + c), Derived[int])
    assert_type(derived(count, text, count, text, count, lambda a, b, c, d, e: b + d), Derived[str])
    assert_type(
        derived(count, text, count, text, count, text, lambda a, b, c, d, e, f: (a, f)),
        Derived[tuple[int, str]],
    )
    assert_type(derived_all([count, count], sum), Derived[int])
    double = derived(count, lambda value: value * 2, name="double")
    assert_type(double, Derived[int])
    assert_type(double.get(), int)
    assert_type(double.select(), Selection[int])
    assert_type(double.select(str), Selection[str])
    assert_type(derived(double, text.select(len), count.read_only, max), Derived[int])
    view: ReadOnly[int] = double
    del view


def a_keyed_store() -> None:
    keyed: KeyedStore[str, int] = KeyedStore({"a": 1}, domain=domain)
    of_a_mapping = KeyedStore({"a": 1})
    pairs: list[tuple[str, int]] = [("a", 1)]
    of_pairs = KeyedStore(pairs)
    assert_type(of_a_mapping, KeyedStore[str, int])
    assert_type(of_pairs, KeyedStore[str, int])
    assert_type(keyed.get("a"), int | None)
    assert_type(keyed.get_all(), Mapping[str, int])
    assert_type(keyed.select("a"), Selection[int | None])
    assert_type(keyed.select_all(), Selection[Mapping[str, int]])
    assert_type(keyed.select_many(["a"]), Selection[tuple[int | None, ...]])
    assert_type(keyed.select_where(lambda value: value > 1), Selection[tuple[int, ...]])
    assert_type(keyed.select_sorted(lambda value: -value), Selection[tuple[int, ...]])
    assert_type(keyed.select_keys(), Selection[tuple[str, ...]])
    assert_type(keyed.select_count(), Selection[int])
    assert_type(keyed.select_part(lambda now: max(now.values())), Selection[int])
    assert_type(keyed.events, Observable[KeyChanges[str]])
    assert_type(derived(keyed.select("a"), lambda value: value), Derived[int | None])
    keyed.insert("b", 2)
    keyed.upsert("b", 3)
    keyed.update("b", lambda value: value + 1)
    keyed.update("c", lambda value: value + 1, default=0)
    keyed.set_many({"c": 4})
    keyed.replace_all([("d", 5)])
    keyed.rename("d", "e")
    keyed.remove("a", "b")


def several_at_once() -> None:
    with batch(domain) as nothing:
        assert_type(nothing, None)
    with batch():
        count.set(1)
    assert_type(snapshot(count, text), tuple[int, str])
    assert_type(snapshot(count, text, maybe), tuple[int, str, int | None])
    assert_type(snapshot(count, text, count, text), tuple[int, str, int, str])
    assert_type(snapshot(count, derived(count, str), text), tuple[int, str, str])


def a_domain() -> None:
    assert_type(default_domain(), Domain)
    assert_type(domain.number, int)
    assert_type(domain.settled(1.0), bool)

    def hook(commit: Commit) -> None:
        assert_type(commit.number, int)
        assert_type(commit.depth, int)

    def report(error: ErrorReport) -> None:
        assert_type(error.kind, str)

    assert_type(domain.on_commit(hook), DisposableBase)
    Domain(on_error=report, strict=True)
