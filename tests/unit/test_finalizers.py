"""Finalizers of the program's objects never run under the lock of the domain, whichever act drops the last reference."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest

from reactive_ws.engine import Domain, batch
from reactive_ws.middleware import undo
from reactive_ws.state import KeyedStore, Store, derived


class World:
    """A domain, and what its finalizers noted."""

    def __init__(self) -> None:
        self.domain = Domain("finalizers")
        self.store: Store[Any] = Store(Kept(self), domain=self.domain)
        self.keyed: KeyedStore[str, Any] = KeyedStore({"x": Kept(self)}, domain=self.domain)
        self.other = Store(0, domain=self.domain)
        # Whether the thread of a finalizer was in the lock.
        self.under_lock: list[bool] = []


class Kept:
    """A value, an observer, a selector or a comparer whose finalizer writes a store."""

    def __init__(self, world: World, result: Any = None) -> None:
        self.world = world
        self.result = result

    def __call__(self, *_: Any) -> Any:
        return self.result

    def __del__(self) -> None:
        self.world.under_lock.append(self.world.domain._is_inside())
        self.world.other.update(lambda value: value + 1)


def dispose_whole(world: World) -> None:
    world.store.select().subscribe(Kept(world), None, Kept(world)).dispose()


def dispose_one_of_two(world: World) -> None:
    stream = world.store.select()
    with stream.subscribe():
        stream.subscribe(Kept(world), None, Kept(world)).dispose()


def dispose_part(world: World) -> None:
    selector, comparer = Kept(world, 1), Kept(world, result=False)
    world.store.select(selector, equals=comparer).subscribe(Kept(world)).dispose()


def dispose_part_with_a_value(world: World) -> None:
    world.store.select(lambda _: Kept(world)).subscribe().dispose()


def dispose_derived(world: World) -> None:
    derived(world.store, Kept(world, 1)).select().subscribe(Kept(world)).dispose()


def dispose_derived_with_a_value(world: World) -> None:
    derived(world.store, lambda _: Kept(world)).select().subscribe().dispose()


def dispose_key(world: World) -> None:
    world.keyed.select("x", Kept(world, 1)).subscribe(Kept(world)).dispose()


def set_a_value(world: World) -> None:
    world.store.set(0)


def set_an_observed_value(world: World) -> None:
    with world.store.select().subscribe(), world.store.select(lambda now: now).subscribe():
        world.store.set(Kept(world))
        world.store.set(0)


def set_a_value_of_a_derived_one(world: World) -> None:
    same = derived(world.store, lambda now: now)
    with derived(same, lambda now: now).select().subscribe():
        world.store.set(Kept(world))
        world.store.set(0)


def set_a_value_that_was_read(world: World) -> None:
    same = derived(world.store, lambda now: now)
    same.get()
    world.store.set(0)


def set_in_a_batch(world: World) -> None:
    with batch(world.domain):
        world.store.set(Kept(world))
        world.store.set(0)
        world.keyed.upsert("x", 0)


def drop_a_savepoint(world: World) -> None:
    with batch(world.domain):
        try:
            with batch(world.domain):
                world.store.set(Kept(world))
                raise KeyError
        except KeyError:
            pass


def write_while_delivering(world: World) -> None:
    link = world.other.select().subscribe(lambda now: world.store.set(now) if now == -1 else None)
    world.other.set(-1)
    link.dispose()


def remove_an_entity(world: World) -> None:
    with world.keyed.select("x").subscribe():
        world.keyed.remove("x")


def subscribe_while_delivering(world: World) -> None:
    links: list[Any] = []

    def join(now: int) -> None:
        if now == -1:
            links.append(world.store.select(lambda _: Kept(world)).subscribe(Kept(world)))

    with world.other.select().subscribe(join):
        world.other.set(-1)
    world.store.set(0)
    links.pop().dispose()


def close_a_store(world: World) -> None:
    world.store.select().subscribe(Kept(world), None, Kept(world))
    world.store.close()


def remove_a_hook(world: World) -> None:
    world.domain.on_commit(Kept(world)).dispose()


def forget_an_undo(world: World) -> None:
    history = undo(world.store)
    world.store.set(Kept(world))
    world.store.set(0)
    history.undo()
    history.dispose()
    world.store.set(0)


def stop_a_store(world: World) -> None:
    started = Store(0, domain=world.domain, on_start=Kept(world), on_stop=Kept(world))
    started.select().subscribe().dispose()


ACTS: list[Callable[[World], None]] = [
    dispose_whole,
    dispose_one_of_two,
    dispose_part,
    dispose_part_with_a_value,
    dispose_derived,
    dispose_derived_with_a_value,
    dispose_key,
    set_a_value,
    set_an_observed_value,
    set_a_value_of_a_derived_one,
    set_a_value_that_was_read,
    set_in_a_batch,
    drop_a_savepoint,
    write_while_delivering,
    remove_an_entity,
    subscribe_while_delivering,
    close_a_store,
    remove_a_hook,
    forget_an_undo,
    stop_a_store,
]


@pytest.mark.parametrize("is_hooked", [False, True])
@pytest.mark.parametrize("act", ACTS)
def test_a_finalizer_runs_outside_of_the_lock_and_may_write(
    act: Callable[[World], None], *, is_hooked: bool
) -> None:
    world = World()
    # The first values of stores live as long as the stores.
    world.store._initial = world.keyed._initial = None  # type: ignore[assignment]
    if is_hooked:
        # With a hook each write goes through the queue.
        world.domain.on_commit(lambda _: None)
    act(world)
    gc.collect()
    assert world.under_lock, "nothing was dropped"
    assert not any(world.under_lock)
    assert world.domain.settled(5)
    assert len(world.under_lock) <= world.domain.number
    assert [*world.domain._trash, *world.domain._queue] == []
