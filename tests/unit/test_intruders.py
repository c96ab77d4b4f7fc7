"""Every act of the stores survives whatever may come between two of its instructions.

A signal handler, a finalizer or a weakref callback comes in the middle of an act, on the same thread. It reads, writes,
subscribes, disposes, opens a batch or raises. Another thread writes there, too. The quick profile takes a sample of places by a
seed; the deep one takes all.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from instructions import LOOKS_FOR_SIGNALS, MAY_COLLECT, is_reached, places_of
from reactivex.abc import DisposableBase
from reactivex.scheduler import VirtualTimeScheduler

from reactive_ws.engine import UNSET, Audience, Cell, Domain, Source, batch, ignore
from reactive_ws.engine.commit_queue import CommitQueue
from reactive_ws.engine.source import _NO_PAIR
from reactive_ws.middleware import inspect, persist, undo
from reactive_ws.state import EventSource, KeyedStore, Store, derived, family, snapshot

EVERY_PLACE = 1 if os.environ.get("REACTIVE_WS_PROFILE") == "deep" else 3


class Stop(BaseException):
    """Returns what a handler raises, as Ctrl-C does."""


class WatchedLock:
    """A lock for a domain that says when a thread has to wait for it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.is_owned: Callable[[], bool] = self._lock._is_owned  # type: ignore[attr-defined]
        self.blocked: Callable[[], object] = lambda: None

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            self.blocked()
            self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class ThisThread:
    """A home that is the thread which made it. It runs what was posted when the test says so."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._posted: list[Callable[[], None]] = []

    def post(self, function: Callable[[], None], /) -> None:
        self._posted.append(function)

    def is_current(self) -> bool:
        return threading.get_ident() == self._thread

    def run(self) -> None:
        while self._posted:
            self._posted.pop(0)()


class Kept:
    """A storage in memory."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}

    def read(self, name: str) -> bytes | None:
        return self.content.get(name)

    def write(self, name: str, content: bytes) -> None:
        ignore()
        self.content[name] = content
        ignore()

    def delete(self, name: str) -> None:
        self.content.pop(name, None)

    def close(self) -> None:
        pass


def looked_into(function: Any) -> Any:
    """Makes the steps of a function of this file places, as those of the package are."""
    function.__code__ = function.__code__.replace(co_filename="reactive_ws/planted.py")
    return function


# A handler may come in the middle of a write.
looked_into(Kept.write)
looked_into(ThisThread.is_current)


class World:
    """Stores with observers of each kind, and observers to be disposed."""

    def __init__(self, act: str = "", intruder: str = "", *, is_homed: bool = False) -> None:
        # The home is the thread of the test.
        self.home = ThisThread() if is_homed else None
        self.domain = domain = Domain("world", on_error=self.report, home=self.home)
        self.lock: Any = WatchedLock()
        if intruder == "write elsewhere":
            domain._lock, domain._is_inside = self.lock, self.lock.is_owned
        self.is_inside = domain._is_inside
        self.others: list[threading.Thread] = []
        self.errors: list[object] = []
        self.a, self.b = Store(0, name="a", domain=domain), Store(0, name="b", domain=domain)
        self.keyed: KeyedStore[str, int] = KeyedStore({"x": 0, "y": 0}, name="k", domain=domain)
        self.pair = derived(self.a, self.b, lambda a, b: (a, b))
        self.sum = derived(self.pair, self.keyed.select("x"), lambda pair, x: (*pair, x))
        self.other = derived(self.a, lambda a: a + 1)
        self.part = self.a.select(lambda value: value + 1)
        # Not for the other acts, because with a hook no write is direct.
        self.history = undo(self.b) if act == "undo" else None
        self.kept = Kept()
        self.file = (
            # A virtual time that stands still, so that only the act saves.
            persist(self.b, "b", as_type=int, storage=self.kept, scheduler=VirtualTimeScheduler())
            if act == "persist flush"
            else None
        )
        self.selections: dict[str, Any] = {
            "whole": self.a.select(),
            "part": self.part,
            "derived": self.sum.select(),
            "key": self.keyed.select("x"),
            "count": self.keyed.select_count(),
        }
        self.watched: list[tuple[str, list[Any]]] = []
        self.spare: dict[str, list[DisposableBase]] = {
            name: [self.watch(name) for _ in range(3)] for name in self.selections
        }
        for name in self.selections:
            self.watch(name)
        # A part without an observer.
        self.selections["alone"] = self.a.select(lambda value: value + 3)
        # The only observer of its value.
        self.lonely = self.other.select().subscribe()

    def report(self, report: Any) -> None:
        self.errors.append(report.error)

    def watch(self, name: str) -> DisposableBase:
        log: list[Any] = []
        is_ready = False

        def see(value: Any) -> None:
            log.append(value)
            if is_ready and self.is_inside():
                self.errors.append("an observer was called under the lock")

        link: DisposableBase = self.selections[name].subscribe(see)
        is_ready = True
        self.watched.append((name, log))
        self.links = [*getattr(self, "links", []), (link, log)]
        return link

    def drop(self, name: str) -> None:
        """Disposes one observer."""
        if self.spare[name]:
            self.end(self.spare[name].pop())

    def end(self, link: Any) -> None:
        """Disposes an observer, which then is called no more."""
        try:
            link.dispose()
        finally:
            for other, log in self.links:
                if other is link and link._audience is None:
                    self.watched = [it for it in self.watched if it[1] is not log]
                    log.append("disposed")

    def write_elsewhere(self) -> None:
        """Writes on another thread, until that is done or waits for the lock."""
        is_over = threading.Event()

        def write() -> None:
            self.a.set(9)
            is_over.set()

        self.lock.blocked = is_over.set
        self.others.append(threading.Thread(target=write, daemon=True))
        self.others[-1].start()
        assert is_over.wait(30)

    def check(self, *, is_interrupted: bool = False) -> None:
        domain = self.domain
        for other in self.others:
            other.join(30)
        if self.home is not None:
            self.home.run()
        if not is_interrupted:
            # An interrupted act may leave work to the next one; every other act leaves none.
            assert domain.settled(5), "a commit was stranded"
            current = {name: selection.get() for name, selection in self.selections.items()}
            assert [(name, log[-1]) for name, log in self.watched if log[-1] != current[name]] == []
        self.b.set(-1)
        self.a.set(-2)
        self.keyed.upsert("x", -3)
        self.keyed.upsert("z", -4)
        assert domain.settled(5), "a commit was stranded"
        # A derived value says so when its function was interrupted.
        assert is_interrupted or self.errors == []
        assert (domain._deliverer, domain._current, domain._depth) == (0, 0, 0)
        assert [*domain._queue, *domain._joins] == []
        assert not domain._is_inside()
        now: dict[str, Any] = {
            "whole": -2,
            "part": -1,
            "derived": (-2, -1, -3),
            "key": -3,
            "count": len(self.keyed),
            "alone": 1,
        }
        assert self.sum.get() == now["derived"]
        assert snapshot(self.a, self.sum) == (-2, now["derived"])
        for name, log in self.watched:
            assert log[-1] == now[name], (name, log)
            # An interrupt may cut the delivery of one commit short, so that a value comes back unseen.
            is_new = all(one != two for one, two in itertools.pairwise(log))
            assert is_new or is_interrupted, (name, log)
        for _, log in self.links:
            if "disposed" in log:
                assert log[-1] == "disposed", "an observer was called after dispose()"
        for source in (self.a, self.b, self.keyed, self.pair, self.sum):
            check_places(source)
        if is_interrupted:
            # The caller may have got no handle to dispose.
            if self.file is not None:
                self.file.close()
            return
        for link, _ in self.links:
            link.dispose()
        self.lonely.dispose()
        if self.history is not None:
            self.history.dispose()
        if self.file is not None:
            self.file.close()
            (row,) = json.loads(self.kept.content["b"])["stores"].values()
            assert row["state"] == self.b.get(), "what was committed is not saved"
        self.b.set(-5)
        for source in (self.a, self.b, self.keyed, self.pair, self.sum, self.other):
            assert (source._live, source._others, source._is_awake) == (0, 0, False), source
            assert source._dependents == {}, source
        assert (self.a._reached, self.b._reached, self.keyed._reached) == (0, 0, 0)
        assert [*domain._interest, *domain._dirty, *domain._trash] == []


def check_places(source: Source) -> None:
    assert len(source._slots) == len(source._links) == source._size
    assert source._links.count(None) == source._dead
    for index, link in enumerate(source._links):
        assert link is None or (link._index, source._slots[index]) == (index, link._on_next)
        assert link is not None or source._slots[index] is ignore
    assert len(source._nodes) == len(source._pairs) == source._node_count
    assert source._nodes.count(None) == source._dead_nodes
    for index, (node, pair) in enumerate(zip(source._nodes, source._pairs, strict=True)):
        assert pair is (_NO_PAIR if node is None else node._pair)
        assert node is None or (node._index == index and node._live > 0)
    assert _NO_PAIR[1] is UNSET


def batched(world: World) -> None:
    with batch(world.domain):
        world.a.set(5)
        with suppress(KeyError), batch(world.domain):
            world.b.set(6)
            raise KeyError
        world.keyed.upsert("x", 7)


def hook(world: World) -> None:
    world.domain.on_commit(lambda _: None).dispose()


def derive(world: World) -> None:
    derived(world.pair, world.a, lambda pair, a: (pair, a)).select().subscribe().dispose()


def come_and_go(world: World) -> None:
    link = world.watch("alone")
    world.a.set(3)
    world.end(link)


def close(world: World) -> None:
    extra = Store(0, domain=world.domain)
    link = derived(extra, world.a, lambda *values: values).select().subscribe()
    extra.select(lambda value: value).subscribe()
    extra.close()
    link.dispose()


def step_back(world: World) -> None:
    world.b.set(4)
    assert world.history is not None
    world.history.undo()


def save(world: World) -> None:
    world.b.set(4)
    assert world.file is not None
    world.file.flush()


ACTS: dict[str, Callable[[World], object]] = {
    **{f"subscribe {name}": lambda world, name=name: world.watch(name) for name in (
        "whole", "part", "derived", "key", "alone"
    )},
    **{f"dispose {name}": lambda world, name=name: (world.drop(name), world.drop(name)) for name in (
        "whole", "part", "derived", "key"
    )},
    "set": lambda world: world.a.set(1),
    "update": lambda world: world.a.update(lambda value: value + 1),
    "batch": batched,
    "upsert": lambda world: world.keyed.upsert("x", 1),
    "remove": lambda world: world.keyed.remove("y"),
    "close": close,
    "derive": derive,
    "home": lambda world: world.domain.set_home(None),
    "hook": hook,
    "undo": step_back,
    "persist flush": save,
    "read": lambda world: (world.sum.get(), world.part.get(), snapshot(world.a, world.sum)),
    "dispose the last": lambda world: world.lonely.dispose(),
    "a part comes and goes": come_and_go,
}  # fmt: skip
INTRUDERS: dict[str, Callable[[World], object]] = {
    "nothing": lambda _: None,
    "write": lambda world: world.a.set(9),
    "write twice": lambda world: (world.b.set(8), world.b.set(9)),
    "write elsewhere": World.write_elsewhere,
    "upsert": lambda world: world.keyed.upsert("x", 9),
    "insert": lambda world: world.keyed.upsert("new", 9),
    "batch": batched,
    "read": lambda world: (world.sum.get(), world.keyed.get("x"), snapshot(world.pair, world.a)),
    **{f"subscribe {name}": lambda world, name=name: world.watch(name) for name in (
        "whole", "part", "derived", "key", "alone"
    )},
    **{f"dispose {name}": lambda world, name=name: world.drop(name) for name in (
        "whole", "part", "derived", "key"
    )},
    "dispose the last": lambda world: world.lonely.dispose(),
    "a part comes and goes": come_and_go,
    "derive": derive,
}  # fmt: skip


def run(act: str, intruder: str, place: int, *, is_homed: bool = False) -> bool:
    """Lets an intruder in at one place of an act; False beyond the last place."""
    world = World(act, intruder, is_homed=is_homed)
    is_there = is_reached(
        lambda: ACTS[act](world), place, lambda: INTRUDERS[intruder](world), after=MAY_COLLECT
    )
    try:
        if is_there and (act, intruder) == ("update", "write elsewhere"):
            world.others[0].join(30)
            assert world.a.get() in (9, 10), "the write of another thread was lost"
        world.check()
    except AssertionError as error:
        raise AssertionError(f"{intruder!r} at place {place} of {act!r}: {error}") from error
    return is_there


def count_places(act: str, after: tuple[str, ...], *, is_homed: bool = False) -> int:
    world = World(act, is_homed=is_homed)
    try:
        return places_of(lambda: ACTS[act](world), after=after)
    finally:
        if world.file is not None:
            world.file.close()


def sample(seed: int, size: int) -> None:
    rng = random.Random(seed)
    acts = list(ACTS)
    places = {
        (act, is_homed): count_places(act, MAY_COLLECT, is_homed=is_homed)
        for act in acts
        for is_homed in (False, True)
    }
    for _ in range(size):
        act, is_homed = rng.choice(acts), rng.random() < 0.3
        place = rng.randint(1, places[act, is_homed])
        run(act, rng.choice(list(INTRUDERS)), place, is_homed=is_homed)


def test_a_sample_of_acts_and_intruders() -> None:
    sample(1, 1_000)


@pytest.mark.deep
@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("intruder", INTRUDERS)
def test_every_act_with_every_intruder_at_every_place(act: str, intruder: str) -> None:
    place = 1
    while run(act, intruder, place):
        place += 1


@pytest.mark.deep
@pytest.mark.parametrize("act", ["set", "update", "batch", "upsert", "home", "dispose the last"])
@pytest.mark.parametrize("intruder", INTRUDERS)
def test_every_write_at_home_with_every_intruder_at_every_place(act: str, intruder: str) -> None:
    place = 1
    while run(act, intruder, place, is_homed=True):
        place += 1


def test_a_batch_that_comes_to_nothing_strands_no_commit_of_a_handler() -> None:
    for place in itertools.count(1):
        world = World("batch")
        is_there = is_reached(
            lambda world=world: batched(world),  # type: ignore[misc]
            place,
            lambda world=world: batched(world),  # type: ignore[misc]
            after=MAY_COLLECT,
            within={"commit", "_write", "_enqueue"}.__contains__,
        )
        assert [*world.domain._queue] == [], place
        world.check()
        if not is_there:
            break


class Beside:
    """Parts that stand beside the stores, each with a lock or a list of its own."""

    def __init__(self) -> None:
        self.domain = domain = Domain("beside")
        self.store = Store(0, domain=domain)
        self.inspector = inspect(domain)
        self.family = family(lambda key: derived(self.store, lambda value: (key, value)))
        self.events: EventSource[int] = EventSource("events")
        self.heard: list[int] = []
        self.timers = VirtualTimeScheduler()
        self.kept = Kept()
        self.file = persist(self.store, "s", as_type=int, storage=self.kept, scheduler=self.timers)

    def listen(self) -> None:
        self.events.stream.subscribe(self.heard.append)

    def come_and_go(self) -> None:
        self.events.stream.subscribe(self.heard.append).dispose()


BESIDE: dict[str, Callable[[Beside], object]] = {
    "write": lambda parts: parts.store.set(parts.store.get() + 1),
    "inspect": lambda parts: (parts.inspector.records(), parts.inspector.clear()),
    "family": lambda parts: parts.family("x").get(),
    "listen": Beside.listen,
    "come and go": Beside.come_and_go,
    "save": lambda parts: (parts.store.set(parts.store.get() + 1), parts.file.flush()),
    "timer": lambda parts: parts.timers.advance_by(1000),
}


@pytest.mark.parametrize("act", BESIDE)
def test_what_stands_beside_the_stores_lets_a_handler_in(act: str) -> None:
    def step() -> None:
        for intruder in BESIDE:
            place = 1
            while True:
                parts = Beside()
                parts.store.set(5)
                is_there = is_reached(
                    lambda parts=parts: BESIDE[act](parts),  # type: ignore[misc]
                    place,
                    lambda parts=parts, intruder=intruder: BESIDE[intruder](parts),  # type: ignore[misc]
                )
                parts.events.emit(1)
                listeners = (act == "listen") + (is_there and intruder == "listen")
                assert len(parts.heard) == listeners, (intruder, place)
                parts.file.close()
                (row,) = json.loads(parts.kept.content["s"])["stores"].values()
                assert row["state"] == parts.store.get(), (intruder, place)
                if not is_there:
                    break
                place += EVERY_PLACE
        is_done.set()

    # On a thread, because a handler that waits for the thread that it interrupted waits without an end.
    is_done = threading.Event()
    thread = threading.Thread(target=step, daemon=True)
    thread.start()
    thread.join(60)
    assert is_done.is_set()


class Chain:
    """A store, a derived value of it, and one above that lingers; all have start and stop callbacks."""

    def __init__(self) -> None:
        self.domain = domain = Domain("chain")
        self.timers = VirtualTimeScheduler()
        self.log: list[str] = []
        self.store = Store(0, domain=domain, **self.calls("store"))
        self.middle = derived(self.store, lambda value: value + 1, **self.calls("middle"))
        self.top = derived(
            self.middle,
            lambda value: value + 1,
            **self.calls("top"),
            linger=5,
            scheduler=self.timers,
        )

    def calls(self, name: str) -> Any:
        return {
            "on_start": lambda: self.log.append(name),
            "on_stop": lambda: self.log.append(f"{name} stops"),
        }

    def come_and_go(self) -> None:
        self.top.select().subscribe().dispose()
        self.timers.advance_by(10)

    def check(self) -> None:
        self.domain._after_section()
        self.timers.advance_by(10)
        is_started = dict.fromkeys(("top", "middle", "store"), False)
        for entry, after in itertools.pairwise([*self.log, ""]):
            name, _, is_stop = entry.partition(" ")
            assert is_started[name] is bool(is_stop), self.log
            is_started[name] = not is_stop
            if is_stop and after != name:
                # What was about to stop when the values above it started again starts again at once.
                above = list(is_started)[: list(is_started).index(name)]
                assert not any(is_started[it] for it in above), self.log
        assert not any(is_started.values()), self.log
        assert self.log, "nothing started"


CHAIN: dict[str, Callable[[Chain], object]] = {
    "come and go": lambda chain: chain.top.select().subscribe().dispose(),
    "come and go below": lambda chain: chain.middle.select().subscribe().dispose(),
    "time": lambda chain: chain.timers.advance_by(10),
    "write": lambda chain: chain.store.set(9),
}


@pytest.mark.parametrize("intruder", CHAIN)
def test_starts_and_stops_keep_their_order_whatever_comes_between(intruder: str) -> None:
    place = 1
    while True:
        chain = Chain()
        is_there = is_reached(
            chain.come_and_go,
            place,
            lambda chain=chain: CHAIN[intruder](chain),  # type: ignore[misc]
        )
        chain.check()
        if not is_there:
            break
        place += 1 if EVERY_PLACE == 1 else 17


def test_an_interrupt_anywhere_in_a_lingering_chain_leaves_nothing_behind() -> None:
    place = 1
    while True:
        chain = Chain()

        def interrupt() -> None:
            raise Stop

        is_there = True
        with suppress(Stop):
            is_there = is_reached(chain.come_and_go, place, interrupt)
        # The time of the test stands still after an exception.
        chain.timers.stop()
        for link in chain.top._links:
            if link is not None:
                # Its caller got no handle, or dispose() came to nothing.
                link.dispose()
        chain.come_and_go()
        chain.store.set(1)
        chain.timers.advance_by(10)
        chain.log.clear()
        chain.come_and_go()
        chain.check()
        if not is_there:
            break
        place += 1 if EVERY_PLACE == 1 else 17


# --- the test itself finds planted bugs -------------------------------------------------------------------------------


def counted_twice(patch: pytest.MonkeyPatch) -> None:
    """Whether an observer left already is looked at once, with a call before it is counted out."""

    def leave_once(audience: Audience, link: Any) -> None:
        index = link._index
        ignore()
        if index >= 0:
            audience._slots[index] = ignore
            audience._links[index] = None
            audience._dead += 1
        ignore()
        link._audience = None
        audience._live -= 1
        audience._domain._interest.append(audience)

    patch.setattr(Audience, "_leave", looked_into(leave_once))


def no_second_look(patch: pytest.MonkeyPatch) -> None:
    """The value is captured, and the number is read after that."""

    def register(audience: Audience, link: Any) -> Any:
        domain = audience._domain
        with domain._lock:
            captured = audience._capture()
            ignore()
            link._held = type(domain._joins)()
            domain._note_join(domain._number, link)
            domain._leave_section(is_inside=False)
        return captured

    patch.setattr(Audience, "_register", looked_into(register))


def intruders_do_the_work(patch: pytest.MonkeyPatch) -> None:
    """Shows what a finalizer inside the lock notes is done at once, in the middle of the interrupted act."""

    def leave(domain: CommitQueue, *, is_inside: bool) -> None:
        domain._settle_interest()
        domain._keep_busy()

    patch.setattr(CommitQueue, "_leave_section", looked_into(leave))


def delivery_under_the_lock(patch: pytest.MonkeyPatch) -> None:
    """A write inside the lock is delivered at once."""
    see_to = CommitQueue._see_to_delivery

    def deliver(domain: CommitQueue) -> None:
        is_inside, domain._is_inside = domain._is_inside, lambda: False
        try:
            see_to(domain)
        finally:
            domain._is_inside = is_inside

    patch.setattr(CommitQueue, "_see_to_delivery", looked_into(deliver))


def a_call_before_the_mark(patch: pytest.MonkeyPatch) -> None:
    """A direct write looks whether a thread delivers, calls, and takes the mark after that."""

    def publish(cell: Cell[Any], old: Any, value: Any) -> bool:
        domain = cell._domain
        if domain._deliverer or domain._is_busy or cell._is_shut or cell._value is not old:
            return domain.commit(((cell, old, value),))
        ignore()
        domain._deliverer = threading.get_ident()
        cell._value = cell._delivered = value
        domain._number += 1
        cell._serve(domain._number, value)
        domain._end_direct()
        return True

    patch.setattr(Cell, "_publish", looked_into(publish))


def writes_are_left_alone(patch: pytest.MonkeyPatch) -> None:
    """A write inside the lock waits for the next act instead of the end of this one."""
    patch.setattr(CommitQueue, "_after_section", lambda domain: domain._run_chores())


@pytest.mark.parametrize(
    ("plant", "acts", "intruders"),
    [
        (counted_twice, ["dispose the last"], ["dispose the last"]),
        (no_second_look, ["subscribe whole", "subscribe derived"], ["write"]),
        (intruders_do_the_work, ["dispose the last", "derive", "subscribe derived"], ["derive", "dispose derived"]),
        (delivery_under_the_lock, ["derive", "dispose the last"], ["write"]),
        (a_call_before_the_mark, ["update"], ["write elsewhere"]),
        (writes_are_left_alone, ["subscribe whole"], ["dispose the last"]),
    ],
)  # fmt: skip
def test_a_planted_bug_is_found(
    monkeypatch: pytest.MonkeyPatch,
    plant: Callable[[pytest.MonkeyPatch], None],
    acts: list[str],
    intruders: list[str],
) -> None:
    plant(monkeypatch)
    with pytest.raises((AssertionError, IndexError, AttributeError)):
        for act in acts:
            for intruder in intruders:
                place = 1
                while run(act, intruder, place):
                    place += 1


def test_an_interrupt_anywhere_leaves_nothing_behind() -> None:
    rng = random.Random(2)
    at_home = ["set", "update", "batch", "upsert"]
    for act, is_homed in [*((it, False) for it in ACTS), *((it, True) for it in at_home)]:
        places = count_places(act, LOOKS_FOR_SIGNALS, is_homed=is_homed)
        for place in rng.sample(range(1, places + 1), min(places, 25)):
            world = World(act, is_homed=is_homed)

            def interrupt() -> None:
                raise Stop

            with suppress(Stop):
                is_reached(lambda world=world, act=act: ACTS[act](world), place, interrupt)  # type: ignore[misc]
            try:
                world.check(is_interrupted=True)
            except AssertionError as error:
                raise AssertionError(f"interrupt at place {place} of {act!r}: {error}") from error


def test_an_interrupt_anywhere_in_a_close_ends_every_stream_once() -> None:
    names = ["whole", "whole 2", "part", "derived", "part of derived", "other part"]
    for place in itertools.count(1):
        domain = Domain("world")
        store, other = Store(0, domain=domain), Store(0, domain=domain)
        value = derived(store, lambda now: now + 1)
        streams: list[Any] = [
            store.select(),
            store.select(),
            store.select(str),
            value.select(),
            value.select(str),
            store.select(repr),
        ]
        ended: list[str] = []
        for name, stream in zip(names, streams, strict=True):
            stream.subscribe(None, None, lambda name=name, ended=ended: ended.append(name))

        def interrupt() -> None:
            raise Stop

        is_there = True
        with suppress(Stop):
            is_there = is_reached(store.close, place, interrupt)
        # The next act does what is left; a close that came to nothing can be repeated.
        other.set(1)
        store.close()
        assert sorted(ended) == sorted(names), place
        assert (store.observer_count, [*domain._chores]) == (0, [])
        if not is_there:
            break


# --- the real thing ---------------------------------------------------------------------------------------------------


def test_real_signals_and_a_collector_at_every_allocation() -> None:
    world = World()
    acts = [ACTS[name] for name in ("subscribe whole", "subscribe derived", "set", "upsert", "read", "derive")]  # fmt: skip
    count = 0

    class Cycle:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            world.keyed.upsert("x", count)

    def handle(_: int, __: object) -> None:
        nonlocal count
        count += 1
        world.a.set(count)
        world.drop("whole")

    thresholds = gc.get_threshold()
    before = signal.signal(signal.SIGALRM, handle)
    try:
        gc.set_threshold(1)
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            for act in acts:
                act(world)
                Cycle()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        gc.set_threshold(*thresholds)
    assert count > 10
    world.check()
