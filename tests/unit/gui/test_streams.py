"""Streams on a user interface: conflate, batched, mirrors, bindings and scopes, in time that the test moves."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from typing import Any, cast

import pytest
from reactivex import operators as ops
from reactivex.subject import Subject

from reactive_ws.engine.batch import batch
from reactive_ws.engine.domain import Domain
from reactive_ws.errors import UsageError
from reactive_ws.gui import Events, ManualLoop, batched, conflate
from reactive_ws.gui.binding import rows_of
from reactive_ws.state.derived import derived
from reactive_ws.state.keyed import KeyedStore
from reactive_ws.state.store import Store


class Label:
    """A widget: shows a text."""

    def __init__(self) -> None:
        self.shown: list[Any] = []

    def show(self, value: Any) -> None:
        self.shown.append(value)


@pytest.fixture
def errors() -> list[Exception]:
    return []


@pytest.fixture
def ui(errors: list[Exception]) -> ManualLoop:
    return ManualLoop(on_error=errors.append)


def in_thread(function: Any) -> None:
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


# --- conflate ---


def test_the_first_value_is_shown_at_once_and_then_the_newest_of_each_frame(
    ui: ManualLoop, domain: Domain
) -> None:
    store = Store(0, domain=domain)
    shown: list[tuple[int, int]] = []
    store.select().pipe(conflate(ui)).subscribe(lambda v: shown.append((ui.frame.number, v)))
    assert shown == [(0, 0)]
    for value in range(1, 100):
        store.set(value)
    ui.run(1.0)
    store.set(100)
    ui.run(1.0)
    assert shown == [(0, 0), (1, 99), (2, 100)]
    assert ui.timer_count == 0


def test_a_subscription_from_another_thread_gets_its_first_value_on_the_ui_thread(
    ui: ManualLoop, domain: Domain
) -> None:
    store = Store("first", domain=domain)
    shown: list[tuple[int, str]] = []

    def observe(value: str) -> None:
        shown.append((threading.get_ident(), value))

    in_thread(lambda: store.select().pipe(conflate(ui)).subscribe(observe))
    assert shown == []
    ui.run(1.0)
    assert shown == [(threading.get_ident(), "first")]


def test_a_write_made_while_a_value_is_shown_is_shown_in_the_next_frame(
    ui: ManualLoop, domain: Domain
) -> None:
    store = Store(0, domain=domain)
    shown: list[tuple[int, int]] = []

    def observe(value: int) -> None:
        shown.append((ui.frame.number, value))
        if value < 3:
            store.set(value + 1)

    store.select().pipe(conflate(ui)).subscribe(observe)
    ui.run(1.0)
    assert shown == [(0, 0), (1, 1), (2, 2), (3, 3)]


def test_two_streams_that_change_together_are_painted_in_one_frame(
    ui: ManualLoop, domain: Domain
) -> None:
    a, b = Store(0, domain=domain), Store(0, domain=domain)
    painted: list[tuple[int, str, int]] = []
    a.select().pipe(conflate(ui)).subscribe(lambda v: painted.append((ui.frame.number, "a", v)))
    b.select().pipe(conflate(ui)).subscribe(lambda v: painted.append((ui.frame.number, "b", v)))
    painted.clear()
    a.set(1)
    b.set(1)
    a.set(2)
    ui.run(1.0)
    assert painted == [(1, "a", 2), (1, "b", 1)]


def test_the_end_comes_after_the_last_value(ui: ManualLoop, domain: Domain) -> None:
    store = Store(0, domain=domain)
    seen: list[object] = []
    store.select().pipe(conflate(ui)).subscribe(seen.append, None, lambda: seen.append("end"))
    store.set(1)
    store.set(2)
    store.close()
    ui.run(1.0)
    assert seen == [0, 2, "end"]


def test_an_error_of_the_source_comes_after_the_last_value(ui: ManualLoop) -> None:
    source: Subject[int] = Subject()
    seen: list[object] = []
    error = ValueError("broken")
    source.pipe(conflate(ui)).subscribe(seen.append, seen.append)
    source.on_next(1)
    source.on_error(error)
    ui.run(1.0)
    assert seen == [1, error]


def test_an_observer_that_raises_is_reported_and_gets_the_next_value(
    ui: ManualLoop, errors: list[Exception], domain: Domain
) -> None:
    store = Store(0, domain=domain)
    seen: list[int] = []
    error = RuntimeError("deleted")

    def observe(value: int) -> None:
        seen.append(value)
        if value < 2:
            raise error

    store.select().pipe(conflate(ui)).subscribe(observe)
    for value in (1, 2):
        store.set(value)
        ui.run(1.0)
    assert seen == [0, 1, 2]
    assert errors == [error, error]


def test_nothing_comes_after_dispose_and_the_source_is_let_go(
    ui: ManualLoop, domain: Domain
) -> None:
    store = Store(0, domain=domain)
    selection = store.select()
    seen: list[int] = []
    subscription = selection.pipe(conflate(ui)).subscribe(seen.append)
    store.set(1)
    subscription.dispose()
    store.set(2)
    ui.run(1.0)
    assert seen == [0]
    assert selection.observer_count == 0
    assert ui._closers.keys() == {1}, "only the loop's own"


def test_closing_the_loop_lets_every_source_go(ui: ManualLoop, domain: Domain) -> None:
    store = Store(0, domain=domain)
    selection = store.select()
    seen: list[int] = []
    selection.pipe(conflate(ui)).subscribe(seen.append)
    selection.pipe(batched(ui)).subscribe(lambda events: seen.extend(events.items))
    store.set(1)
    ui.close()
    store.set(2)
    ui.run(1.0)
    selection.pipe(conflate(ui)).subscribe(seen.append)
    assert seen == [0]
    assert selection.observer_count == 0


def test_a_flood_from_four_threads_ends_on_the_last_value(ui: ManualLoop, domain: Domain) -> None:
    store = Store(0, domain=domain)
    shown: list[int] = []
    store.select().pipe(conflate(ui)).subscribe(shown.append)

    def add() -> None:
        for _ in range(2_000):
            store.update(lambda value: value + 1)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        ui.run(0.02)
    domain.settled(5.0)
    ui.run(1.0)
    assert shown == sorted(shown)
    assert shown[-1] == 8_000
    assert len(shown) <= ui.frame.number + 1


def test_a_write_while_a_frame_is_pending_calls_no_more_functions_than_with_an_observer_that_does_nothing() -> (
    None
):
    def calls_of_a_write(store: Store[int]) -> int:
        store.set(1)
        calls: list[str] = []
        sys.setprofile(lambda frame, event, _: calls.append(event))
        try:
            store.set(2)
        finally:
            sys.setprofile(None)
        return calls.count("call")

    ui = ManualLoop()
    plain, conflated = Store(0, domain=Domain("plain")), Store(0, domain=Domain("conflated"))
    plain.select().subscribe(lambda _: None)
    conflated.select().pipe(conflate(ui)).subscribe(lambda _: None)
    assert calls_of_a_write(conflated) == calls_of_a_write(plain)


# --- batched ---


def test_events_come_together_once_a_frame_none_lost(ui: ManualLoop) -> None:
    source: Subject[int] = Subject()
    seen: list[Events[int]] = []
    source.pipe(batched(ui)).subscribe(seen.append)
    for value in (1, 2, 3):
        source.on_next(value)
    assert seen == []
    ui.run(1.0)
    source.on_next(3)
    source.on_completed()
    ui.run(1.0)
    assert seen == [Events((1, 2, 3)), Events((3,))]
    assert ui.timer_count == 0


@pytest.mark.parametrize(("keep", "kept"), [("newest", (3, 4)), ("oldest", (0, 1))])
def test_events_beyond_the_bound_are_dropped_and_counted(
    ui: ManualLoop, keep: Any, kept: tuple[int, ...]
) -> None:
    source: Subject[int] = Subject()
    seen: list[Events[int]] = []
    source.pipe(batched(ui, max_events=2, keep=keep)).subscribe(seen.append)
    for value in range(5):
        source.on_next(value)
    ui.run(1.0)
    source.on_next(9)
    ui.run(1.0)
    assert seen == [Events(kept, 3), Events((9,), 0)]


def test_room_for_no_event_is_refused(ui: ManualLoop) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        batched(ui, max_events=0)


# --- mirrors ---


def test_a_mirror_changes_at_frames_only(ui: ManualLoop, domain: Domain) -> None:
    store = Store(0, domain=domain)
    mirror = ui.mirror(store)
    store.set(1)
    assert mirror.get() == 0
    ui.run(1.0)
    assert mirror.get() == 1


def test_two_mirrors_of_a_domain_never_disagree(ui: ManualLoop, domain: Domain) -> None:
    a, b = Store(0, domain=domain), Store(0, domain=domain)
    total = derived(ui.mirror(a), ui.mirror(b), lambda left, right: (left, right))
    seen: list[tuple[int, int]] = []
    total.select().subscribe(seen.append)
    # The first observer of `a` runs before any observer of `b`. A frame between the two must not show half of the batch.
    a.select().subscribe(lambda value: ui.run(0.05) if value else None)
    with batch(domain):
        a.set(1)
        b.set(1)
    ui.run(1.0)
    assert seen == [(0, 0), (1, 1)]


def test_what_is_bound_to_a_mirror_is_painted_in_the_frame_of_the_change(
    ui: ManualLoop, domain: Domain
) -> None:
    store = Store(0, domain=domain)
    mirror = ui.mirror(store)
    label = Label()
    ui.bind(
        mirror.select(lambda value: value * 10),
        label,
        lambda widget, value: widget.show((ui.frame.number, value)),
    )
    store.set(1)
    store.set(2)
    ui.run(1.0)
    assert label.shown == [(0, 0), (1, 20)]


def test_a_mirror_of_a_value_that_cannot_be_computed_keeps_what_it_shows(
    ui: ManualLoop, errors: list[Exception], domain: Domain
) -> None:
    store = Store(1, domain=domain)
    other = ui.mirror(store)
    mirror = ui.mirror(derived(store, lambda value: 10 // value))
    for value in (0, 5):
        store.set(value)
        ui.run(1.0)
    assert (mirror.get(), other.get()) == (2, 5)
    assert [type(error) for error in errors] == [ZeroDivisionError]


def test_a_mirror_ends_with_the_loop_or_by_dispose(ui: ManualLoop, domain: Domain) -> None:
    store = Store(0, domain=domain)
    first, second = ui.mirror(store), ui.mirror(store)
    seen: list[str] = []
    first.select().subscribe(None, None, lambda: seen.append("first"))
    second.select().subscribe(None, None, lambda: seen.append("second"))
    first.dispose()
    first.dispose()
    assert seen == ["first"]
    ui.close()
    assert seen == ["first", "second"]
    assert store.select().observer_count == 0
    assert ui.mirror(store).get() == 0


def test_a_mirror_of_a_keyed_store_is_its_mapping_and_agrees_with_other_mirrors(
    ui: ManualLoop, domain: Domain
) -> None:
    people = KeyedStore({1: "Ada"}, domain=domain)
    count = Store(1, domain=domain)
    mirrors = [ui.mirror(people), ui.mirror(people.read_only), ui.mirror(people.select_all())]
    name, shown_count = ui.mirror(people.select(1)), ui.mirror(count)
    seen: list[tuple[dict[int, str], int]] = []
    both = derived(mirrors[0], shown_count, lambda them, count: (dict(them), count))
    both.select().subscribe(seen.append)
    with batch(domain):
        people.upsert(2, "Grace")
        count.set(2)
    people.upsert(1, "Ada King")
    assert [dict(it.get()) for it in mirrors] == [{1: "Ada"}] * 3
    ui.run(1.0)
    assert [dict(it.get()) for it in mirrors] == [{1: "Ada King", 2: "Grace"}] * 3
    assert seen == [({1: "Ada"}, 1), ({1: "Ada King", 2: "Grace"}, 2)]
    assert name.get() == "Ada King"


def test_what_cannot_be_mirrored_or_bound_is_refused_with_a_way_out(
    ui: ManualLoop, domain: Domain
) -> None:
    store = Store(0, domain=domain)
    without_value: Any = store.select().pipe(ops.skip(1))
    for thing in (without_value, 7, None):
        with pytest.raises(
            UsageError, match=r"derived value, a keyed store or a selection.*conflate"
        ):
            ui.mirror(thing)
    for thing in (cast("Any", 7), None, "text"):
        with pytest.raises(UsageError, match="a keyed store, a selection or another Observable"):
            ui.bind(thing, Label(), lambda *_: None)
    with pytest.raises(UsageError, match=r"a list shows a stream of sequences.*select_part"):
        rows_of(KeyedStore({1: "Ada"}, domain=domain))


def test_a_keyed_store_can_be_bound_as_it_is(ui: ManualLoop, domain: Domain) -> None:
    people = KeyedStore({1: "Ada"}, domain=domain)
    label = Label()
    ui.bind(people, label, lambda it, them: it.show(list(them.values())))
    people.upsert(2, "Grace")
    ui.run(1.0)
    assert label.shown == [["Ada"], ["Ada", "Grace"]]


def test_an_observer_of_a_mirror_that_raises_is_reported_to_the_loop(
    ui: ManualLoop, errors: list[Exception], domain: Domain
) -> None:
    store = Store(0, domain=domain)
    seen: list[float] = []
    ui.mirror(store).select().subscribe(lambda value: seen.append(1 / (value - 1)))
    for value in (1, 2):
        store.set(value)
        ui.run(1.0)
    assert seen == [-1.0, 1.0]
    assert [type(error) for error in errors] == [ZeroDivisionError]


# --- bindings and scopes ---


def test_a_binding_shows_the_value_at_once_and_every_frame(ui: ManualLoop, domain: Domain) -> None:
    store = Store("a", domain=domain)
    label = Label()
    ui.bind(store, label, Label.show)
    store.set("b")
    store.set("c")
    ui.run(1.0)
    assert label.shown == ["a", "c"]


def test_a_binding_does_not_keep_its_widget_alive_and_ends_with_it(
    ui: ManualLoop, domain: Domain
) -> None:
    store = Store(0, domain=domain)
    selection = store.select()
    label = Label()
    gone = weakref.ref(label)
    ui.bind(selection, label, Label.show)
    store.set(1)
    del label
    gc.collect()
    assert gone() is None
    assert selection.observer_count == 0
    ui.run(1.0)
    assert ui.timer_count == 0


def test_a_disposed_binding_shows_nothing_more_and_is_forgotten(
    ui: ManualLoop, domain: Domain
) -> None:
    store = Store(0, domain=domain)
    label = Label()
    for _ in range(3):
        ui.bind(store, label, Label.show).dispose()
    store.set(1)
    ui.run(1.0)
    assert label.shown == [0, 0, 0]
    assert [len(waiting) for waiting in ui._watch._waiting.values()] == [0]


def test_a_widget_that_is_dead_is_not_written_to(domain: Domain) -> None:
    class Mortal(ManualLoop):
        def is_alive(self, widget: Any) -> bool:
            return widget is not dead

    ui = Mortal()
    dead, alive = Label(), Label()
    store = Store(0, domain=domain)
    selection = store.select()
    ui.bind(selection, dead, Label.show)
    ui.bind(selection, alive, Label.show)
    assert (dead.shown, alive.shown) == ([], [0])
    assert selection.observer_count == 1


def test_a_binding_that_its_stream_has_ended_leaves_nothing_at_its_widget(
    ui: ManualLoop, errors: list[Exception]
) -> None:
    label = Label()
    error = ValueError("on purpose")
    for number in range(3):
        ending: Subject[int] = Subject()
        failing: Subject[int] = Subject()
        for source in (ending, failing):
            ui.bind(source, label, Label.show)
            source.on_next(number)
        ending.on_completed()
        failing.on_error(error)
        ui.run(1.0)
    assert label.shown == [0, 0, 1, 1, 2, 2]
    assert errors == [error] * 3
    assert [len(waiting) for waiting in ui._watch._waiting.values()] == [0]


def test_a_binding_of_what_has_gone_before_has_ended_when_it_is_made(domain: Domain) -> None:
    class Mortal(ManualLoop):
        def is_alive(self, widget: Any) -> bool:
            return widget is not dead

    ui = Mortal()
    dead, label = Label(), Label()
    selection = Store(0, domain=domain).select()
    ui.bind(selection, label, Label.show, until=dead)
    assert (label.shown, selection.observer_count) == ([], 0)
    assert ui.scope(dead).is_disposed
    # So it is with everything after the end of the loop.
    ui.close()
    ui.bind(selection, label, Label.show)
    assert (label.shown, selection.observer_count) == ([], 0)
    assert ui.scope(label).is_disposed
    assert not any(ui._watch._waiting.values())


def test_a_stream_that_ends_shows_its_last_value_once(ui: ManualLoop) -> None:
    label = Label()
    for is_pending in (True, False):
        source: Subject[int] = Subject()
        ui.bind(source, label, Label.show)
        source.on_next(1)
        if not is_pending:
            ui.run(1.0)
        source.on_completed()
        ui.run(1.0)
    assert label.shown == [1, 1]


def test_a_setter_that_returns_a_coroutine_is_reported(
    ui: ManualLoop, errors: list[Exception]
) -> None:
    async def show(_: int) -> None:
        """Never runs."""

    label = Label()
    ui.bind(Store(0), label, lambda _, value: show(value))
    assert len(errors) == 1
    assert "show(), which would never run; start a task in the setter" in str(errors[0])


def test_a_binding_of_a_proxy_ends_when_python_has_collected_its_object(
    ui: ManualLoop, errors: list[Exception], domain: Domain
) -> None:
    store = Store(0, domain=domain)
    selection = store.select()
    label = Label()
    ui.bind(selection, weakref.proxy(label), Label.show)
    store.set(1)
    ui.run(1.0)
    assert label.shown == [0, 1]
    del label
    gc.collect()
    store.set(2)
    ui.run(1.0)
    assert (selection.observer_count, errors) == (0, [])


def test_only_the_ui_thread_binds(ui: ManualLoop, domain: Domain) -> None:
    store = Store(0, domain=domain)
    label = Label()
    refused: list[str] = []

    def try_all() -> None:
        for bind in (
            lambda: ui.bind(store, label, Label.show),
            lambda: ui.scope(label),
            lambda: ui.mirror(store),
        ):
            try:
                bind()
            except UsageError as error:
                refused.append(str(error))
        ui.post(lambda: ui.bind(store, label, Label.show))

    in_thread(try_all)
    assert refused == [
        f"{name}() is for the UI thread; on another thread, write ui.post(lambda: ui.{name}(...))"
        for name in ("bind", "watch", "mirror")
    ]
    assert label.shown == []
    ui.run()
    assert label.shown == [0]


def test_what_ends_with_an_object_ends_on_the_ui_thread_wherever_python_collects_it(
    ui: ManualLoop, errors: list[Exception]
) -> None:
    label: Any = Label()
    label.itself = label
    ran: list[str] = []

    def fail() -> None:
        raise ValueError("on purpose")

    def note() -> None:
        assert ui.is_ui_thread()
        ran.append("end")

    for function in (note, fail, note):
        ui.watch(label, function)
    gc.disable()
    try:
        del label
        in_thread(gc.collect)
    finally:
        gc.enable()
    assert ran == []
    ui.run()
    # One that raises is reported and stops no other.
    assert (ran, [str(error) for error in errors]) == (["end", "end"], ["on purpose"])


def test_a_scope_ends_with_its_widget(ui: ManualLoop, domain: Domain) -> None:
    store = Store(0, domain=domain)
    selection = store.select()
    label = Label()
    scope = ui.scope(label)
    scope.add(selection.subscribe(lambda _: None))
    scope.add(selection.pipe(ops.map(str)).subscribe(lambda _: None))
    assert selection.observer_count == 2
    del label
    gc.collect()
    assert selection.observer_count == 0


# --- the scheduler ---


def test_operators_with_time_live_in_the_time_of_the_loop(ui: ManualLoop) -> None:
    source: Subject[str] = Subject()
    seen: list[tuple[float, str]] = []
    source.pipe(ops.debounce(1.0, ui.scheduler)).subscribe(
        lambda text: seen.append((round(ui.now(), 3), text))
    )
    source.on_next("h")
    ui.run(0.5)
    source.on_next("hi")
    ui.run(3.0)
    assert seen == [(1.5, "hi")]
    assert ui.timer_count == 0


def test_periodic_work_keeps_in_step_and_leaves_out_what_it_missed() -> None:
    seconds = 0.0
    ui = ManualLoop(clock=lambda: seconds)
    ran: list[float] = []
    work = ui.scheduler.schedule_periodic(1.0, lambda _: ran.append(seconds))
    for now in (1.2, 2.1, 4.7, 5.0, 5.5):
        seconds = now
        ui.run_until_now()
    work.dispose()
    seconds = 20.0
    ui.run_until_now()
    assert ran == [1.2, 2.1, 4.7, 5.0]
    assert ui.timer_count == 0


def test_a_timer_that_was_disposed_leaves_nothing_behind(ui: ManualLoop) -> None:
    timers = [ui.scheduler.schedule_relative(60.0, lambda *_: None) for _ in range(100)]
    ui.run()
    assert ui.timer_count == 100
    in_thread(lambda: [timer.dispose() for timer in timers])
    ui.run()
    assert ui.timer_count == 0
