"""Every option of stores, views, editing and resources is checked when it is given, and the text says what to write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reactive_ws.editing import OptimisticStore, at, part, produce
from reactive_ws.engine import batch
from reactive_ws.engine.domain import Domain
from reactive_ws.errors import UsageError
from reactive_ws.resources import derived_async, effect, resource, when
from reactive_ws.state import (
    EventSource,
    KeyedStore,
    Store,
    derived,
    derived_all,
    family,
    incremental,
    reset_all,
    snapshot,
)
from reactive_ws.views import view


async def later(*_: object) -> None:
    raise AssertionError("never runs")


WRONG: list[tuple[str, Callable[[Any, Any], object]]] = [
    ("such as {1: entity}", lambda s, k: KeyedStore(5)),  # type: ignore[arg-type]
    ("such as {1: entity}", lambda s, k: KeyedStore([1, 2])),  # type: ignore[list-item]
    ("such as {1: entity}", lambda s, k: k.set_many("abc")),
    ("such as {1: entity}", lambda s, k: k.replace_all(None)),
    (r"select_many\(\) takes several", lambda s, k: k.select_many("abc")),
    (r"select_many\(\) takes several", lambda s, k: k.select_many(5)),
    ("a predicate is a function", lambda s, k: k.select_where("x")),
    ("a predicate is a plain function", lambda s, k: k.select_where(later)),
    ("a sort key is a function", lambda s, k: k.select_sorted("name")),
    ("a selector is a plain function", lambda s, k: k.select("a", later)),
    (r"reset_all\(\) takes a Domain", lambda s, k: reset_all(s)),
    ("name= takes a str", lambda s, k: Store(1, name=5)),  # type: ignore[arg-type]
    ("equals= is a function", lambda s, k: Store(1, equals=5)),  # type: ignore[arg-type]
    ("equals= is a function", lambda s, k: KeyedStore(equals=5)),  # type: ignore[arg-type]
    ("equals= is a function", lambda s, k: k.select_part(len, equals=5)),
    (r"function of update\(\)", lambda s, k: k.update("a", 5)),
    (r"function of derived_all\(\)", lambda s, k: derived_all([s], 5)),  # type: ignore[arg-type]
    ("ignore_missing= takes a bool", lambda s, k: s.domain.load(s.domain.dump(), ignore_missing=1)),
    ("name= takes a str", lambda s, k: EventSource(5)),  # type: ignore[arg-type]
    ("name= takes a str", lambda s, k: Domain(None)),  # type: ignore[arg-type]
    ("takes stores and derived values", lambda s, k: snapshot(Store)),  # type: ignore[call-overload]
    ("on_start= is a plain function", lambda s, k: EventSource("e", on_start=later)),  # type: ignore[arg-type]
    ("takes stores and derived values", lambda s, k: snapshot(s, 5)),  # type: ignore[call-overload]
    (r"derived_all\(\) takes several", lambda s, k: derived_all(s, len)),
    ("on_start= is a plain function", lambda s, k: derived(s, len, on_start=later)),
    ("linger= takes seconds", lambda s, k: derived(s, len, linger=-1)),
    (
        "scheduler= takes a Scheduler",
        lambda s, k: derived_all([s], len, on_stop=print, scheduler=5),
    ),  # type: ignore[arg-type]
    ("a plain function", lambda s, k: family(later)),  # type: ignore[arg-type]
    ("build= is a function", lambda s, k: incremental(k, build=5, step=len)),  # type: ignore[arg-type]
    ("step= is a plain function", lambda s, k: incremental(k, build=len, step=later)),  # type: ignore[arg-type]
    ("takes keyed stores", lambda s, k: incremental(s, build=len, step=len)),
    ("timeout= takes seconds", lambda s, k: s.domain.settled("soon")),
    ("timeout= takes seconds", lambda s, k: s.domain.settled(-1)),
    (r"batch\(\) takes a domain, or nothing; got Store\.", lambda s, k: batch(s)),
    (r"view\(\) takes a KeyedStore", lambda s, k: view(s)),
    (r"where\(\) is a function", lambda s, k: view(k).where(5)),  # type: ignore[arg-type]
    (r"sorted_by\(\) is a plain function", lambda s, k: view(k).sorted_by(later)),
    ("takes a whole number, 0 or more", lambda s, k: view(k).window(-1, 5)),
    ("takes a whole number, 0 or more", lambda s, k: view(k).window(0, "5")),  # type: ignore[arg-type]
    (r"count of top\(\)", lambda s, k: view(k).top(-1, len)),
    ("reverse= takes a bool", lambda s, k: view(k).sorted_by(len, reverse="desc")),  # type: ignore[arg-type]
    ("smallest= takes a bool", lambda s, k: view(k).top(1, len, smallest=3)),  # type: ignore[arg-type]
    (r"join\(\) takes a KeyedStore", lambda s, k: view(k).join(s, len)),
    ("change of apply", lambda s, k: OptimisticStore(0).apply(later)),  # type: ignore[arg-type]
    ("change of apply", lambda s, k: OptimisticStore(0).apply(5)),  # type: ignore[arg-type]
    ("name= takes a str", lambda s, k: OptimisticStore(0, name=5)),  # type: ignore[arg-type]
    ("equals= is a function", lambda s, k: OptimisticStore(0, equals=5)),  # type: ignore[arg-type]
    (r"part\(\) takes a store or a part", lambda s, k: part(5, len, max)),  # type: ignore[type-var]
    ("which can be written", lambda s, k: at(s.read_only, "x")),
    (r"get of part\(\) is a plain", lambda s, k: part(s, later, max)),
    (r"put of part\(\) is a function", lambda s, k: part(s, len, None)),  # type: ignore[arg-type]
    (r"recipe of produce\(\)", lambda s, k: produce([], later)),
    (r"recipe of produce\(\)", lambda s, k: produce([], 5)),  # type: ignore[arg-type]
    ("params is a store", lambda s, k: resource(5, len)),  # type: ignore[call-overload]
    ("fetch takes a function", lambda s, k: resource(None, 5)),  # type: ignore[call-overload]
    ("refetch_on= is a store", lambda s, k: resource(None, later, refetch_on=5)),  # type: ignore[call-overload]
    ("max_retries= takes a whole number", lambda s, k: resource(None, later, max_retries=-1)),
    ("max_retries= takes a whole number", lambda s, k: resource(None, later, max_retries=1.5)),  # type: ignore[call-overload]
    ("stale_after= is more than 0", lambda s, k: resource(None, later, stale_after=0)),
    ("stale_after= takes seconds", lambda s, k: resource(None, later, stale_after=float("inf"))),
    ("linger= takes seconds", lambda s, k: resource(None, later, linger="1")),  # type: ignore[call-overload]
    ("keys= takes several", lambda s, k: resource(None, later, keys="todos")),  # type: ignore[call-overload]
    ("retry= takes a Backoff", lambda s, k: resource(None, later, retry=3)),  # type: ignore[call-overload]
    ("loop= takes a", lambda s, k: resource(None, later, loop=5)),  # type: ignore[call-overload]
    ("name= takes a str", lambda s, k: resource(None, later, name=5)),  # type: ignore[call-overload]
    ("domain= takes a Domain", lambda s, k: resource(None, later, domain="x")),  # type: ignore[call-overload]
    ("rng= takes a Random", lambda s, k: resource(None, later, rng=5)),  # type: ignore[call-overload]
    ("one or more sources", lambda s, k: derived_async(later)),  # type: ignore[call-overload]
    ("stream of effect", lambda s, k: effect(5, print)),  # type: ignore[call-overload]
    ("policy= takes a Policy", lambda s, k: effect(s, later, policy="latest")),
    ("max_queued= takes a whole number, 1 or more", lambda s, k: effect(s, later, max_queued=0)),
    ("loop= takes a", lambda s, k: effect(s, later, loop=5)),
    (r"function of when\(\) is a plain", lambda s, k: when(s, later)),
]


@pytest.mark.parametrize(("text", "use"), WRONG, ids=[str(at) for at in range(len(WRONG))])
def test_a_wrong_option_is_refused_with_advice(
    domain: Domain, text: str, use: Callable[[Any, Any], object]
) -> None:
    store, keyed = Store("a", domain=domain), KeyedStore({"a": 1}, domain=domain)
    with pytest.raises(UsageError, match=text):
        use(store, keyed)
    assert (store.observer_count, keyed.observer_count, domain.number) == (0, 0, 0)


def test_an_update_that_gives_a_coroutine_is_refused(domain: Domain) -> None:
    keyed = KeyedStore[str, Any]({"a": 1}, domain=domain)
    with pytest.raises(UsageError, match="coroutine"):
        keyed.update("a", lambda _: later())
    assert keyed.get("a") == 1
