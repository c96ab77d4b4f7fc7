"""Nothing is lost and nothing stays set when something else writes between any two instructions of a write.

What else writes: another thread, at every instruction; and a signal handler or a finalizer on the same thread, which no
lock keeps out, wherever the interpreter runs those.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from instructions import MAY_COLLECT, is_reached
from reactivex.abc import DisposableBase

from reactive_ws.engine.audience import UNSET
from reactive_ws.engine.batch import batch
from reactive_ws.engine.domain import Domain
from reactive_ws.engine.source import Source, _nothing
from reactive_ws.state.derived import derived
from reactive_ws.state.keyed.keyed_store import KeyedStore
from reactive_ws.state.store import Store

EVERY = ("",)


class World:
    """Two values with observers, and everything that may be concerned by a write of them."""

    def __init__(self, shape: str) -> None:
        self.domain = Domain("world")
        self.logs: dict[str, list[Any]] = {"a": [], "b": []}
        self.numbers: list[int] = []
        self.is_batched = shape == "batch"
        if shape == "keyed":
            keyed = KeyedStore({"a": 0, "b": 0}, domain=self.domain)
            self.read: Callable[[str], Any] = keyed.get
            self.write: Callable[[str, int], None] = keyed.upsert
            for name, log in self.logs.items():
                keyed.select(name).subscribe(log.append)
            return
        stores = {name: Store(0, name=name, domain=self.domain) for name in "ab"}
        self.read = lambda name: stores[name].get()
        self.write = lambda name, value: stores[name].set(value)
        for name, log in self.logs.items():
            stores[name].select().subscribe(log.append)
        if shape == "part":
            stores["a"].select(lambda value: value + 1).subscribe()
        if shape == "hook":
            self.domain.on_commit(lambda commit: self.numbers.append(commit.number))
        if shape == "derived":
            self.pair = derived(stores["a"], stores["b"], lambda a, b: (a, b))
            self.logs["pair"] = []
            self.pair.select().subscribe(self.logs["pair"].append)

    def act(self) -> None:
        if not self.is_batched:
            self.write("a", 1)
            return
        with batch(self.domain):
            self.write("a", 1)
            self.write("b", 1)

    def check(self) -> None:
        domain = self.domain
        assert domain.settled(30), "a commit was stranded"
        assert (domain._deliverer, domain._current, domain._depth) == (0, 0, 0)
        assert [*domain._queue, *domain._joins, *domain._dirty] == []
        assert not domain._lock._is_owned()  # type: ignore[attr-defined]
        now = {name: self.read(name) for name in "ab"}
        assert {name: self.logs[name][-1] for name in "ab"} == now, "who looks sees something else"
        assert self.numbers == sorted(self.numbers)
        if "pair" in self.logs:
            assert self.pair.get() == self.logs["pair"][-1] == tuple(now.values())
        assert {name: len(log) for name, log in self.logs.items()} == {
            name: len(dict.fromkeys(log)) for name, log in self.logs.items()
        }, "something was told twice"


@pytest.mark.parametrize("shape", ["plain", "part", "derived", "keyed", "hook", "batch"])
@pytest.mark.parametrize("name", ["a", "b"])
def test_a_signal_handler_that_writes_in_the_middle_of_a_write(shape: str, name: str) -> None:
    for place in count(1):
        world = World(shape)
        is_there = is_reached(world.act, place, lambda world=world: world.write(name, 9))  # type: ignore[misc]
        world.check()
        if not is_there:
            break


@pytest.mark.parametrize("shape", ["plain", "part", "keyed"])
def test_another_thread_that_writes_at_the_end_of_a_direct_write(shape: str) -> None:
    for place in count(1):
        world = World(shape)
        others: list[threading.Thread] = []

        def meanwhile(world: World = world, others: list[threading.Thread] = others) -> None:
            if world.logs["a"][-1] != 1:
                # No thread comes between the look and the mark, where there is no call; see `test_intruders`.
                return
            others.append(threading.Thread(target=world.write, args=("b", 9), daemon=True))
            others[0].start()
            # It ends, unless this thread holds the lock.
            if world.domain._deliverer and not world.domain._lock._is_owned():  # type: ignore[attr-defined]
                others[0].join(30)

        is_there = is_reached(
            world.act,
            place,
            meanwhile,
            after=EVERY,
            within={"set", "upsert", "_publish", "_publish_one"}.__contains__,
        )
        for other in others:
            other.join(30)
        world.check()
        if not is_there:
            break


def check_places(source: Source) -> None:
    for index, link in enumerate(source._links):
        assert link is None or link._index == index
    for index, (node, pair) in enumerate(zip(source._nodes, source._pairs, strict=True)):
        if node is None:
            assert pair == [_nothing, UNSET]
        else:
            assert (node._index, node._pair) == (index, pair)
            assert pair[0] is not _nothing
    assert len(source._slots) == len(source._links)


@pytest.mark.parametrize("act", ["subscribe", "subscribe to a part", "dispose", "write"])
def test_a_finalizer_that_disposes_wherever_garbage_may_be_collected(act: str) -> None:
    for place in count(1):
        domain = Domain("collected")
        store = Store(0, domain=domain)
        logs: list[list[int]] = [[] for _ in range(6)]
        links = [store.select().subscribe(log.append) for log in logs]
        parts = [store.select(lambda value: value + 1).subscribe() for _ in range(6)]

        def dispose(
            links: list[DisposableBase] = links, parts: list[DisposableBase] = parts
        ) -> None:
            for link in (*links[:4], *parts[:4]):
                link.dispose()

        def do(
            store: Store[int] = store,
            links: list[DisposableBase] = links,
            parts: list[DisposableBase] = parts,
            logs: list[list[int]] = logs,
        ) -> None:
            if act == "subscribe":
                logs.append([])
                links.append(store.select().subscribe(logs[-1].append))
            elif act == "subscribe to a part":
                parts.append(store.select(lambda value: value + 2).subscribe())
            elif act == "dispose":
                for link in (links[5], parts[5], links[1], parts[1], links[4], parts[4]):
                    link.dispose()
            else:
                store.set(1)

        is_there = is_reached(do, place, dispose, after=MAY_COLLECT)
        if not is_there:
            dispose()
        told = [len(log) for log in logs[:4]]
        check_places(store)
        store.set(2)
        store.set(3)
        check_places(store)
        assert [len(log) for log in logs[:4]] == told, "who was disposed was called"
        if act != "dispose":
            assert [log[-1] for log in logs[4:]] == [3] * len(logs[4:])
        for link in (*links, *parts):
            link.dispose()
        store.set(4)
        assert (len(store._slots), len(store._nodes), store.observer_count) == (0, 0, 0)
        assert domain._dirty == []
        if not is_there:
            break


@pytest.mark.parametrize("what", ["observe", "read", "observe and leave"])
@pytest.mark.parametrize("is_joined", [False, True])
def test_another_thread_at_a_second_value_in_the_middle_of_a_delivery(
    what: str, is_joined: bool
) -> None:
    """Each value follows, and the other thread's observer has the newest value; nothing is a mix of two commits."""
    for place in count(1):
        domain = Domain("world")
        store = Store(0, domain=domain)
        left, right = derived(store, lambda it: it + 1), derived(store, lambda it: it * 2)
        pair = derived(left, right, lambda a, b: (a, b)) if is_joined else left
        second = derived(left, right, lambda a, b: a - b)
        log: list[Any] = []
        others: list[int] = []
        pair.select().subscribe(log.append)
        errors: list[Exception] = []

        def act(second: Any = second, others: Any = others, errors: Any = errors) -> None:
            try:
                if what == "read":
                    second.get()
                    return
                handle = second.select().subscribe(others.append)
                if what == "observe and leave":
                    handle.dispose()
            except Exception as error:
                errors.append(error)

        def meanwhile(act: Any = act) -> None:
            other = threading.Thread(target=act)
            other.start()
            other.join(30)

        is_there = is_reached(
            lambda store=store: store.set(1),  # type: ignore[misc]
            place,
            meanwhile,
            within={"_update", "propagate"}.__contains__,
        )
        assert log == ([(1, 0), (2, 2)] if is_joined else [1, 2])
        store.set(2)
        assert log[-1] == ((3, 4) if is_joined else 3)
        assert (domain.settled(30), errors) == (True, [])
        if not is_there:
            break
        if what == "observe":
            assert others in ([1, 0, -1], [0, -1])
    assert place > 5
