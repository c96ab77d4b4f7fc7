"""Memory is flat after each piece was made, used and dropped again and again: 100 000 times in the deep profile."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Callable

import pytest

from reactive_ws.editing import OptimisticStore, at, part, produce
from reactive_ws.engine.domain import Domain
from reactive_ws.gui import ManualLoop, bind_both
from reactive_ws.resources import Policy, Ready, derived_async, effect, resource, when
from reactive_ws.state import Active, KeyedStore, Store, derived, derived_all, family
from reactive_ws.views import view

TIMES = 100_000 if os.environ.get("REACTIVE_WS_PROFILE") in {"deep", "nightly"} else 200

domain = Domain("kept", strict=True)
store = Store({"a": 1, "b": [1, 2]}, name="store", domain=domain)
keyed = KeyedStore({number: number for number in range(20)}, name="keyed", domain=domain)
others = KeyedStore({number: str(number) for number in range(20)}, domain=domain)
optimistic = OptimisticStore(0, domain=domain)
values = family(lambda key: derived(keyed.select(key), lambda now: now))
loop = asyncio.new_event_loop()
ui = ManualLoop()


class Edit:
    def show(self, value: object) -> None:
        self.value = value


def bound() -> None:
    edit = Edit()
    bind_both(ui, at(store, "a"), edit, Edit.show, lambda _, changed: None).dispose()


def observed_view() -> None:
    it = view(keyed).where(lambda n: n > 3).sorted_by(lambda n: -n)
    with it.select().subscribe():
        keyed.upsert(5, keyed.get(5) or 0)


async def fetch() -> int:
    return 1


async def follow(_: object) -> None:
    await asyncio.sleep(0)


async def observe_resources() -> None:
    it = resource(store, fetch_part, stale_after=60, keys=("kept",), domain=domain)
    with it.select().subscribe():
        await it.select().wait_for(lambda state: isinstance(state, Ready))
    await derived_async(store, keyed.select(3), compute).select().wait_for(is_ready)


async def fetch_part(now: dict[str, object]) -> int:
    return len(now)


async def compute(now: dict[str, object], other: int | None) -> int:
    return len(now)


def is_ready(state: object) -> bool:
    return isinstance(state, Ready)


async def follow_asynchronously() -> None:
    for policy in Policy:
        with effect(store, follow, policy=policy):
            await asyncio.sleep(0)
    await asyncio.sleep(0)


def observe_values() -> None:
    rows = view(keyed).where(lambda n: n > 3).sorted_by(lambda n: n)
    values = (rows.count(), rows.sum_by(lambda n: n), rows.window(0, 3), rows.index(str))
    subscriptions = [it.select().subscribe() for it in values]
    keyed.upsert(5, 6 - (keyed.get(5) or 0))
    for it in subscriptions:
        it.dispose()


PIECES: dict[str, Callable[[], object]] = {
    "selection read": lambda: store.select(len).get(),
    "selection observed": lambda: store.select(len).subscribe().dispose(),
    "derived read": lambda: derived(store, keyed.select(3), lambda a, b: (a, b)).get(),
    "derived observed": lambda: derived(store.select(len), str).select().subscribe().dispose(),
    "derived of derived read": lambda: derived_all([derived(store, len)], sum).get(),
    "part of a key": lambda: keyed.select(3, str).subscribe().dispose(),
    "read-only": lambda: keyed.read_only.select(3).get(),
    "family": lambda: values(3).get(),
    "active": lambda: Active(keyed, 3).get(),
    "store": lambda: Store(0, domain=domain, validate=lambda _: None).trigger(),
    "view read": lambda: view(keyed).top(3, lambda n: n).get(),
    "view observed": observed_view,
    "join grouped": lambda: view(keyed).join(others, lambda n: n).group_by(len).get(),
    "patch": lambda: optimistic.apply(lambda n: n + 1).discard(),
    "writable part": lambda: at(store, "b", 0).set(1),
    "part by functions": lambda: part(store, lambda it: it["a"], lambda it, _: it).get(),
    "draft": lambda: produce(store.get(), lambda draft: draft["b"].append(3)),
    "effect": lambda: effect(store, lambda _: None).dispose(),
    "when": lambda: when(store.select(lambda _: False), print).dispose(),
    "resource": lambda: resource(None, fetch, loop=loop, domain=domain).get(),
    "resource observed": lambda: loop.run_until_complete(observe_resources()),
    "async effect": lambda: loop.run_until_complete(follow_asynchronously()),
    "values of a view": observe_values,
    "dump": domain.dump,
    "load": lambda: domain.load(domain.dump()),
    "bind_both": bound,
}


SLOW = {
    *("view read", "view observed", "values of a view", "join grouped", "bind_both"),
    *("resource observed", "async effect"),
}
"""These cost so much that a tenth of the times has to do."""


@pytest.mark.parametrize("name", PIECES)
def test_memory_is_flat(name: str) -> None:
    make = PIECES[name]
    times = max(TIMES // 10, 200) if name in SLOW else TIMES
    for _ in range(100):
        make()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(times):
        make()
    gc.collect()
    # A leak of one object each time would be `times` blocks or more.
    assert sys.getallocatedblocks() - before < times // 4
    assert (store.observer_count, keyed.observer_count) == (0, 0)
