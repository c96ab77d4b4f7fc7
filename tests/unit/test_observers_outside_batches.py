"""Observers, hooks and start and stop callbacks that run while a batch is open: what they write is a commit of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from queue_home import QueueHome

from reactive_ws.engine import Domain, Dump, batch
from reactive_ws.middleware import undo
from reactive_ws.state import KeyedStore, Store, derived


class World:
    """A domain with a store that observers write, and what the acts below need."""

    def __init__(self) -> None:
        self.home = QueueHome()
        self.domain = Domain(on_error=lambda _: self.note())
        self.source = Store(0, name="source", domain=self.domain)
        self.written = Store(0, domain=self.domain)
        # What an observer reads, beside what the batch has.
        self.read: list[int] = []

    def note(self, _value: object = None) -> None:
        """Reads and writes, as every observer of this test."""
        self.read.append(self.written.get())
        self.written.set(7)

    def observe(self) -> None:
        """Adds an observer that writes with the next commit of `source`."""
        self.source.select().subscribe(lambda value: self.note() if value else None)


Act = Callable[[], object]


def subscribes(world: World) -> Act:
    return lambda: world.source.select().subscribe(world.note)


def subscribes_to_a_part(world: World) -> Act:
    return lambda: world.source.select(str).subscribe(world.note)


def subscribes_to_a_key(world: World) -> Act:
    keyed = KeyedStore({"x": 0}, domain=world.domain)
    return lambda: keyed.select("x").subscribe(world.note)


def subscribes_to_a_derived_value(world: World) -> Act:
    return lambda: derived(world.source, str).select().subscribe(world.note)


def subscribes_to_a_closed_store(world: World) -> Act:
    world.source.close()
    return lambda: world.source.select().subscribe(None, None, world.note)


def starts(world: World) -> Act:
    store = Store(0, domain=world.domain, on_start=world.note)
    return lambda: store.select().subscribe()


def starts_a_derived_value(world: World) -> Act:
    value = derived(world.source, str, on_start=world.note)
    return lambda: value.select().subscribe()


def stops(world: World) -> Act:
    store = Store(0, domain=world.domain, on_stop=world.note)
    return store.select().subscribe().dispose


def closes(world: World) -> Act:
    world.source.select().subscribe(None, None, world.note)
    return world.source.close


def loads(world: World) -> Act:
    world.observe()
    return lambda: world.domain.load(Dump(0, {"source": 1}))


def commits(world: World) -> Act:
    world.observe()
    return lambda: world.domain.commit([(world.source, 0, 1)])


def hears_of_a_commit(world: World) -> Act:
    hook = world.domain.on_commit(lambda _: (hook.dispose(), world.note()))
    return lambda: world.domain.commit([(world.source, 0, 1)])


def leaves_its_home(world: World) -> Act:
    world.observe()
    world.domain.set_home(world.home)
    world.source.set(1)
    return lambda: world.domain.set_home(None)


def runs_its_home(world: World) -> Act:
    world.observe()
    world.domain.set_home(world.home)
    world.source.set(1)
    return world.home.run


def forgets_its_steps(world: World) -> Act:
    history = undo(world.source)
    world.source.set(1)
    history.can_undo.select().subscribe(lambda can: None if can else world.note())
    return history.clear


def reports_an_error(world: World) -> Act:
    return lambda: world.source.select(lambda value: 1 / value).subscribe()


ACTS = (
    subscribes,
    subscribes_to_a_part,
    subscribes_to_a_key,
    subscribes_to_a_derived_value,
    subscribes_to_a_closed_store,
    starts,
    starts_a_derived_value,
    stops,
    closes,
    loads,
    commits,
    hears_of_a_commit,
    leaves_its_home,
    runs_its_home,
    forgets_its_steps,
    reports_an_error,
)


@pytest.mark.parametrize("is_savepoint", [False, True], ids=["batch", "savepoint"])
@pytest.mark.parametrize("act", ACTS)
def test_a_batch_that_fails_takes_no_write_of_an_observer_back(
    act: Callable[[World], Act], *, is_savepoint: bool
) -> None:
    world = World()
    run = act(world)

    def fail() -> None:
        with batch(world.domain):
            world.written.set(50)
            run()
            assert (world.written.committed, world.written.get()) == (7, 50)
            raise LookupError

    with pytest.raises(LookupError):
        if is_savepoint:
            with batch(world.domain):
                world.written.set(40)
                fail()
        else:
            fail()
    assert (world.read, world.written.get()) == ([0], 7)


@pytest.mark.parametrize("act", ACTS)
def test_a_batch_that_ends_well_writes_over_what_an_observer_wrote(
    act: Callable[[World], Act],
) -> None:
    world = World()
    run = act(world)
    seen: list[Any] = []
    world.written.select().subscribe(seen.append)
    with batch(world.domain):
        world.written.set(50)
        run()
    world.home.run()
    assert seen == [0, 7, 50]
