"""Start and stop with the first and the last observer, linger, and memory that is freed without observers."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from reactivex import operators as ops
from reactivex.testing import TestScheduler

from reactive_ws.engine.domain import Domain, ErrorReport
from reactive_ws.state.derived import derived, derived_all
from reactive_ws.state.keyed.keyed_store import KeyedStore
from reactive_ws.state.store import Store


def test_it_starts_with_the_first_observer_and_stops_with_the_last(domain: Domain) -> None:
    log: list[str] = []
    store = Store(
        0,
        domain=domain,
        on_start=lambda: log.append("start"),
        on_stop=lambda: log.append("stop"),
    )
    part = store.select(lambda value: value + 1)
    total = derived(store, lambda value: value)
    for streams in ([store.select()], [part, part], [total.select()], [store.select(), part]):
        subscriptions = [
            stream.subscribe(lambda value: log.append(f"value {value}")) for stream in streams
        ]
        for subscription in subscriptions:
            subscription.dispose()
            subscription.dispose()
        log.append("--")
    assert log == [
        *("start", "value 0", "stop", "--"),
        *("start", "value 1", "value 1", "stop", "--"),
        *("start", "value 0", "stop", "--"),
        *("start", "value 0", "value 1", "stop", "--"),
    ]


def test_a_read_does_not_start_it(domain: Domain) -> None:
    log: list[str] = []
    store = Store(0, domain=domain, on_start=lambda: log.append("start"))
    derived(store, str).get()
    store.select(str).get()
    assert log == []


def test_what_on_start_writes_is_the_first_value_seen(domain: Domain) -> None:
    store: Store[int] = Store(0, domain=domain, on_start=lambda: store.set(1))
    log: list[int] = []
    store.select().subscribe(log.append)
    store.set(2)
    assert log == [1, 2]


def test_a_keyed_store_starts_with_the_first_look_at_any_key(domain: Domain) -> None:
    log: list[str] = []
    keyed: KeyedStore[str, int] = KeyedStore(
        domain=domain,
        on_start=lambda: log.append("start"),
        on_stop=lambda: log.append("stop"),
    )
    one, two = keyed.select("a").subscribe(), keyed.select_count().subscribe()
    one.dispose()
    two.dispose()
    assert log == ["start", "stop"]


def test_callbacks_run_without_the_lock_and_their_errors_are_reported(
    domain: Domain, reports: list[ErrorReport]
) -> None:
    def start() -> None:
        other = threading.Thread(target=store.set, args=(1,))
        other.start()
        other.join(5)
        assert not other.is_alive()
        raise ValueError("start")

    store = Store(0, name="s", domain=domain, on_start=start, on_stop=lambda: 1 / 0)
    log: list[int] = []
    store.select().subscribe(log.append).dispose()
    assert log == [1]
    assert [(report.kind, report.store, str(report.error)) for report in reports] == [
        ("lifecycle", "s", "start"),
        ("lifecycle", "s", "division by zero"),
    ]


def test_a_base_exception_at_the_start_leaves_no_observer(domain: Domain) -> None:
    is_armed = [True]

    def start() -> None:
        if is_armed.pop():
            raise KeyboardInterrupt

    store = Store(0, domain=domain, on_start=start)
    with pytest.raises(KeyboardInterrupt):
        store.select().subscribe()
    assert store.observer_count == 0
    is_armed.append(False)
    log: list[int] = []
    store.select().subscribe(log.append)
    store.set(1)
    assert log == [0, 1]


def test_a_linger_holds_the_stop_back_until_nobody_came_again(domain: Domain) -> None:
    clock = TestScheduler()
    log: list[tuple[float, str]] = []
    store = Store(
        0,
        domain=domain,
        on_start=lambda: log.append((clock.clock, "start")),
        on_stop=lambda: log.append((clock.clock, "stop")),
        linger=10,
        scheduler=clock,
    )
    store.select().subscribe().dispose()
    clock.advance_by(9)
    second = store.select().subscribe()
    clock.advance_by(5)
    second.dispose()
    clock.advance_by(9)
    assert log == [(0, "start")]
    clock.advance_by(1)
    assert log == [(0, "start"), (24, "stop")]
    store.select().subscribe()
    assert log[2:] == [(24, "start")]


def test_observer_closure_selection_and_store_die_with_their_last_reference(
    domain: Domain,
) -> None:
    class Widget:
        def show(self, value: object) -> None:
            """Looks at a value."""

    gc.collect()
    gc.disable()
    try:
        store = Store(0, domain=domain, on_start=lambda: None)
        keyed = KeyedStore({"a": 1}, domain=domain)
        widget = Widget()

        def closure(value: object, mine: Widget = widget) -> None:
            mine.show(value)

        part = store.select(lambda value: value + 1)
        key = keyed.select("a")
        subscriptions = [
            store.select().subscribe(widget.show),
            store.select().subscribe(closure),
            part.subscribe(widget.show),
            part.pipe(ops.map(str), ops.pairwise()).subscribe(closure),
            derived(store, part, lambda a, b: a + b).select().subscribe(widget.show),
            key.subscribe(widget.show),
            keyed.select_where(lambda value: True).subscribe(closure),
            keyed.events.subscribe(widget.show),
        ]
        store.set(1)
        keyed.upsert("a", 2)
        dead = [weakref.ref(thing) for thing in (store, keyed, widget, closure, part, key)]
        for subscription in subscriptions:
            subscription.dispose()
        assert (store.observer_count, keyed.observer_count) == (0, 0)
        # A disposed subscription keeps nothing; those of a pipe belong to reactivex and do.
        del subscriptions[3], subscriptions[-1], subscription, widget, closure
        assert [reference() for reference in dead[2:4]] == [None, None]
        del store, keyed, part, key, subscriptions
        assert [reference() for reference in dead] == [None] * 6
    finally:
        gc.enable()


def test_memory_is_flat_after_100_000_rounds(domain: Domain) -> None:
    store = Store(0, domain=domain)
    part = store.select(lambda value: value + 1)
    keyed: KeyedStore[int, int] = KeyedStore(domain=domain)
    keeper = store.select().subscribe()

    def rounds(count: int) -> None:
        for number in range(count):
            store.select().subscribe().dispose()
            part.subscribe().dispose()
            if number % 10 == 0:
                keyed.select(number).subscribe().dispose()
                derived(store, part, lambda a, b: a + b).select().subscribe().dispose()
                store.set(number)

    rounds(1_000)
    gc.collect()
    gc.disable()
    try:
        blocks = sys.getallocatedblocks()
        rounds(49_000)
        # The interpreter keeps up to 2 000 freed tuples of each length.
        assert sys.getallocatedblocks() - blocks < 5_000
    finally:
        gc.enable()
    assert len(store._slots) < 10
    assert len(store._nodes) < 10
    keeper.dispose()
    assert store.observer_count == 0


def test_memory_is_flat_while_one_delivery_never_ends(domain: Domain) -> None:
    store, steps = Store(0, domain=domain), Store(0, domain=domain)
    sizes: list[int] = []

    def churn(value: int) -> None:
        for _ in range(10):
            store.select().subscribe().dispose()
        sizes.append(len(store._slots) + len(domain._joins))

    steps.select().pipe(ops.skip(1)).subscribe(churn)
    store.select().pipe(ops.skip(1)).subscribe(lambda _: [steps.set(n) for n in range(1, 60)])
    store.set(1)
    assert len(sizes) == 59
    assert max(sizes) < 40


def test_a_derived_value_starts_before_its_sources_and_before_it_shows_a_value(
    domain: Domain,
) -> None:
    log: list[object] = []
    store: Store[int] = Store(0, domain=domain, on_start=lambda: log.append("store starts"))

    def start() -> None:
        log.append("starts")
        store.set(5)

    double = derived(
        store, lambda now: now * 2, on_start=start, on_stop=lambda: log.append("stops")
    )
    assert double.get() == 0
    assert log == []
    with double.select().subscribe(log.append), double.select(str).subscribe(log.append):
        assert log == ["starts", "store starts", 10, "10"]
    assert log[4:] == ["stops"]
    log.clear()
    with derived_all([double, store], sum, on_start=start).select().subscribe(log.append):
        assert log == ["starts", "starts", "store starts", 15]


def test_a_derived_value_starts_before_the_one_below_it_in_any_order_of_sources(
    domain: Domain,
) -> None:
    log: list[str] = []

    def calls(name: str) -> Any:
        return {
            "on_start": lambda: log.append(name),
            "on_stop": lambda: log.append(f"{name} stops"),
        }

    store = Store(0, domain=domain, **calls("store"))
    low = derived(store, lambda value: value, **calls("low"))
    middle = derived(low, lambda value: value, **calls("middle"))
    top = derived(store, low, middle, lambda *values: values, **calls("top"))
    with top.select().subscribe():
        assert log == ["top", "middle", "low", "store"]
        del log[:]
    assert log == ["top stops", "middle stops", "low stops", "store stops"]


class Stop(BaseException):
    """The exception of a callback, as `SystemExit` is."""


def test_a_stop_callback_that_raises_keeps_no_observer_from_its_end(domain: Domain) -> None:
    def stop() -> None:
        raise Stop

    store = Store(0, domain=domain)
    ended: list[str] = []
    for name, on_stop in (("first", stop), ("second", None)):
        value = derived(store, str, on_stop=on_stop)
        value.select().subscribe(None, None, lambda name=name: ended.append(name))
    with pytest.raises(Stop):
        store.close()
    assert ended == ["first", "second"]


def test_a_derived_value_lingers_by_its_own_scheduler(domain: Domain) -> None:
    log: list[str] = []
    scheduler = TestScheduler()
    value = derived(
        Store(0, domain=domain),
        str,
        on_start=lambda: log.append("start"),
        on_stop=lambda: log.append("stop"),
        linger=5,
        scheduler=scheduler,
    )
    value.select().subscribe().dispose()
    scheduler.advance_by(4)
    value.select().subscribe().dispose()
    scheduler.advance_by(4)
    assert log == ["start"]
    scheduler.advance_by(2)
    assert log == ["start", "stop"]


def calls_of(name: str, log: list[str]) -> Any:
    """Returns start and stop callbacks that note themselves."""
    return {
        "on_start": lambda: log.append(name),
        "on_stop": lambda: log.append(f"{name} stops"),
    }


@pytest.mark.parametrize("below", ["store", "part", "key", "entities", "middle"])
@pytest.mark.parametrize("has_callbacks", [True, False])
def test_what_a_lingering_derived_value_stands_on_stops_after_it(
    domain: Domain, below: str, *, has_callbacks: bool
) -> None:
    log: list[str] = []
    clock = TestScheduler()
    store = Store(0, domain=domain, **calls_of("source", log))
    keyed = KeyedStore({"a": 0}, domain=domain, **calls_of("source", log))
    source: Any = {
        "store": store,
        "part": store.select(str),
        "key": keyed.select("a"),
        "entities": keyed.select_all(),
        "middle": derived(store, str),
    }[below]
    callbacks = calls_of("top", log) if has_callbacks else {}
    top = derived(source, str, **callbacks, linger=10, scheduler=clock)
    stops = ["top stops"] * has_callbacks + ["source stops"]
    for _ in range(2):
        del log[:]
        top.select().subscribe().dispose()
        assert log == ["top"] * has_callbacks + ["source"]
        clock.advance_by(9)
        second = top.select().subscribe()
        clock.advance_by(20)
        second.dispose()
        clock.advance_by(9)
        assert log[1 + has_callbacks :] == []
        clock.advance_by(1)
        assert log[1 + has_callbacks :] == stops


def test_a_chain_that_lingers_stops_from_the_top_to_the_bottom(domain: Domain) -> None:
    log: list[str] = []
    clock = TestScheduler()
    later: Any = {"linger": 5, "scheduler": clock}
    store = Store(0, domain=domain, **calls_of("store", log), **later)
    low = derived(store, str, **calls_of("low", log))
    middle = derived(low, str, **calls_of("middle", log), **later)
    top = derived(store, middle, lambda *values: values, **calls_of("top", log))
    top.select().subscribe().dispose()
    assert log == ["top", "middle", "low", "store", "top stops"]
    clock.advance_by(5)
    assert log[5:] == ["middle stops", "low stops"]
    with low.select().subscribe():
        assert log[7:] == ["low"]
        clock.advance_by(50)
    assert log[8:] == ["low stops"]
    clock.advance_by(5)
    assert log[9:] == ["store stops"]


def test_a_stop_below_a_linger_that_raises_leaves_through_nothing() -> None:
    """Not even in strict mode, because no act of the program is under way then."""
    reports: list[ErrorReport] = []
    domain = Domain(strict=True, on_error=reports.append)
    clock = TestScheduler()

    def stop() -> None:
        raise ValueError

    store = Store(0, domain=domain, on_stop=stop)
    derived(store, str, linger=5, scheduler=clock).select().subscribe().dispose()
    clock.advance_by(5)
    assert [report.kind for report in reports] == ["lifecycle"]
    store.set(1)


def test_what_is_below_a_stop_that_is_interrupted_stops_all_the_same(domain: Domain) -> None:
    log: list[str] = []
    clock = TestScheduler()

    def stop() -> None:
        log.append("top stops")
        raise Stop

    store = Store(0, domain=domain, **calls_of("store", log))
    top = derived(store, str, on_stop=stop, linger=5, scheduler=clock)
    top.select().subscribe().dispose()
    with pytest.raises(Stop):
        clock.advance_by(5)
    assert log == ["store", "top stops", "store stops"]
    log.clear()
    now = derived(store, str, on_stop=stop)
    with pytest.raises(Stop):
        now.select().subscribe().dispose()
    store.set(1)
    assert log == ["store", "top stops", "store stops"]


def test_a_closed_store_does_not_start(domain: Domain) -> None:
    log: list[str] = []

    def note(text: str) -> Callable[[], None]:
        return lambda: log.append(text)

    store = Store(0, domain=domain, on_start=note("start"), on_stop=note("stop"))
    keyed = KeyedStore({"a": 1}, domain=domain, on_start=note("keyed"))
    value = derived(store, str, on_start=note("derived"))
    with store.select().subscribe():
        store.close()
        assert log == ["start", "stop"]
    keyed.close()
    for stream in (store.select(), keyed.select("a"), keyed.select_all(), value.select()):
        ends: list[str] = []
        stream.subscribe(on_completed=partial(ends.append, "end")).dispose()
        assert ends == ["end"]
    assert log == ["start", "stop"]


@pytest.mark.parametrize("is_joining_a_delivery", [False, True])
@pytest.mark.parametrize("stream", ["part", "derived", "part of derived", "part of key"])
def test_an_observer_keeps_no_value_that_was_replaced(
    domain: Domain, stream: str, *, is_joining_a_delivery: bool
) -> None:
    class Value:
        pass

    store = Store(Value(), domain=domain)
    keyed = KeyedStore({"x": Value()}, domain=domain)
    value = derived(store, lambda now: now)
    streams = {
        "part": store.select(lambda now: now),
        "derived": value.select(),
        "part of derived": value.select(lambda now: now),
        "part of key": keyed.select("x", lambda now: now),
    }
    links = [streams[stream].subscribe()]
    if is_joining_a_delivery:
        # Comes while a commit is delivered, and takes its place after that.
        once = Store(0, domain=domain)
        once.select().subscribe(
            lambda now: links.append(streams[stream].subscribe()) if now else None
        )
        once.set(1)
    store.set(Value())
    keyed.upsert("x", Value())
    first = weakref.ref(store.get() if "key" not in stream else keyed.get("x"))
    links.append(streams[stream].subscribe())
    store.set(Value())
    keyed.upsert("x", Value())
    gc.collect()
    assert first() is None
    assert len(links) == 2 + is_joining_a_delivery
