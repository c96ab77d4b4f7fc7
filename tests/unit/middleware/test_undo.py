"""Undo and redo: steps, batches, branches, parts, homes."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Mapping

import attrs
import pytest
from queue_home import QueueHome

from reactive_ws.engine.batch import batch
from reactive_ws.engine.domain import Domain, ErrorReport
from reactive_ws.engine.equality import shallow
from reactive_ws.errors import DomainMismatch, FeedbackLoop, StoreClosed, UsageError
from reactive_ws.middleware import undo
from reactive_ws.state.keyed.keyed_store import KeyedStore
from reactive_ws.state.store import Store


@attrs.frozen
class Drawing:
    text: str = ""
    cursor: int = 0


def make(initial: int = 0, **options: int) -> tuple[Store[int], list[int]]:
    store = Store(initial, domain=Domain(strict=True))
    seen: list[int] = []
    store.select().subscribe(seen.append)
    return store, seen


def test_undo_and_redo_walk_through_the_values_and_say_how_far_they_went() -> None:
    store, seen = make()
    history = undo(store)
    store.set(1)
    store.set(2)
    went = [history.undo(), history.undo(), history.undo(), history.redo(5), history.redo()]
    assert went == [1, 1, 0, 2, 0]
    assert seen == [0, 1, 2, 1, 0, 2]


def test_several_steps_are_one_commit() -> None:
    store, seen = make()
    history = undo(store)
    for value in (1, 2, 3):
        store.set(value)
    number = store.domain.number
    assert history.undo(2) == 2
    assert (seen, store.domain.number) == ([0, 1, 2, 3, 1], number + 1)


def test_a_new_write_forgets_what_was_undone() -> None:
    store, seen = make()
    history = undo(store)
    store.set(1)
    store.set(2)
    history.undo()
    store.set(7)
    assert history.redo() == 0
    history.undo(2)
    assert seen == [0, 1, 2, 1, 7, 0]


def test_a_batch_is_one_step() -> None:
    store, seen = make()
    other = Store("a", domain=store.domain)
    history = undo(store)
    with batch(store.domain):
        store.set(1)
        store.set(2)
        other.set("b")
    assert history.undo() == 1
    assert (seen, other.get(), history.undo()) == ([0, 2, 0], "b", 0)


def test_only_the_newest_steps_are_kept() -> None:
    store, _ = make()
    history = undo(store, limit=2)
    for value in (1, 2, 3, 4):
        store.set(value)
    assert (history.undo(10), store.get()) == (2, 2)


def test_can_undo_and_can_redo_change_in_the_commit_of_the_undo() -> None:
    store, _ = make()
    history = undo(store)
    commits: list[list[str]] = []
    flags: list[tuple[bool, bool]] = []
    store.domain.on_commit(
        lambda commit: commits.append([source.name for source, _, _ in commit.changes])
    )
    history.can_undo.select().subscribe(
        lambda _: flags.append((history.can_undo.get(), history.can_redo.get()))
    )
    store.set(1)
    store.set(2)
    history.undo(2)
    name = store.name
    assert commits == [
        [name],
        [f"{name} can undo"],
        [name],
        [name, f"{name} can undo", f"{name} can redo"],
    ]
    assert flags == [(False, False), (True, False), (False, True)]


def test_clear_forgets_the_steps_and_keeps_the_value() -> None:
    store, _ = make()
    history = undo(store)
    store.set(1)
    store.set(2)
    history.undo()
    history.clear()
    assert (history.undo(), history.redo(), store.get()) == (0, 0, 1)
    assert (history.can_undo.get(), history.can_redo.get()) == (False, False)


def test_dispose_stops_recording_and_ends_the_flags() -> None:
    store, _ = make()
    ended: list[str] = []
    with undo(store) as history:
        history.can_undo.select().subscribe(None, None, lambda: ended.append("can undo"))
        store.set(1)
    history.dispose()
    store.set(2)
    assert (history.undo(), store.get(), ended) == (0, 2, ["can undo"])
    assert history.can_undo.get() is False


def test_a_part_is_put_back_into_the_value_as_it_is_now() -> None:
    store = Store(Drawing(), domain=Domain(strict=True))
    history = undo(
        store,
        partialize=lambda drawing: drawing.text,
        merge=lambda drawing, text: attrs.evolve(drawing, text=text),
    )
    store.set(Drawing("a", 1))
    store.set(Drawing("a", 2))
    store.set(Drawing("ab", 3))
    store.set(Drawing("ab", 9))
    assert (history.undo(), store.get()) == (1, Drawing("a", 9))
    store.update(lambda drawing: attrs.evolve(drawing, cursor=5))
    assert (history.redo(), store.get()) == (1, Drawing("ab", 5))
    assert (history.undo(9), store.get()) == (2, Drawing("", 5))


def test_equals_decides_what_is_a_step() -> None:
    store = Store((1, "x"), domain=Domain(strict=True))
    history = undo(store, equals=lambda old, new: old[0] == new[0])
    store.set((1, "y"))
    store.set((2, "z"))
    assert (history.undo(), store.get(), history.undo()) == (1, (1, "y"), 0)


def test_shallow_parts_that_are_built_anew_are_no_step() -> None:
    store = Store(Drawing(), domain=Domain(strict=True))
    history = undo(
        store,
        partialize=lambda drawing: {"text": drawing.text},
        merge=lambda drawing, part: attrs.evolve(drawing, **part),
        equals=shallow,
    )
    store.set(Drawing("", 3))
    assert history.undo() == 0


def test_with_a_home_undo_takes_back_writes_that_no_observer_has_seen_yet() -> None:
    home = QueueHome()
    store = Store(0, domain=Domain(home=home, strict=True))
    seen: list[int] = []
    store.select().subscribe(seen.append)
    history = undo(store)
    store.set(1)
    store.set(2)
    assert (history.undo(), store.get(), seen) == (1, 1, [0])
    store.set(3)
    home.run()
    assert seen == [0, 1, 2, 1, 3]
    assert (history.can_undo.get(), history.can_redo.get()) == (True, False)
    assert (history.undo(5), store.get()) == (2, 0)
    home.run()
    assert (seen, history.can_redo.get()) == ([0, 1, 2, 1, 3, 0], True)


def test_undo_inside_an_observer_counts_the_commit_being_delivered() -> None:
    home = QueueHome()
    store = Store(0, domain=Domain(home=home, strict=True))
    seen: list[int] = []

    def refuse(value: int) -> None:
        seen.append(value)
        if value == 13:
            history.undo()

    history = undo(store)
    store.select().subscribe(refuse)
    store.set(5)
    home.run()
    store.set(13)
    home.run()
    assert (seen, store.get()) == ([0, 5, 13, 5], 5)


def test_a_hook_that_runs_first_and_undoes_finds_the_commit_that_was_just_taken() -> None:
    home = QueueHome()
    domain = Domain(home=home, strict=True)
    store = Store(0, domain=domain)
    steps: list[int] = []

    def hook(commit: object) -> None:
        if store.get() == 2:
            steps.append(history.undo(2))

    domain.on_commit(hook)
    history = undo(store)
    store.set(1)
    store.set(2)
    home.run()
    assert (steps, store.get(), history.redo(9), store.get()) == ([2], 0, 2, 2)


def test_an_undone_keyed_store_tells_only_the_observers_of_the_keys_that_differ() -> None:
    store: KeyedStore[str, int] = KeyedStore({"a": 1, "b": 2, "c": 3}, domain=Domain(strict=True))
    history = undo(store)
    seen: list[tuple[str, int | None]] = []
    for key in "abc":
        store.select(key).subscribe(lambda value, key=key: seen.append((key, value)))
    seen.clear()
    store.remove("a")
    store.upsert("c", 4)
    history.undo(2)
    assert seen == [("a", None), ("c", 4), ("a", 1), ("c", 3)]
    assert list(store.get_all().items()) == [("a", 1), ("b", 2), ("c", 3)]
    seen.clear()
    history.redo()
    assert (seen, dict(store.get_all())) == ([("a", None)], {"b": 2, "c": 3})


def test_a_key_that_ends_as_it_is_now_is_not_told_of_an_undo() -> None:
    store: KeyedStore[str, int] = KeyedStore({"a": 1, "b": 2}, domain=Domain(strict=True))
    history = undo(store)
    for entity in (5, 1):
        store.upsert("a", entity)
    store.upsert("b", 3)
    seen: list[int | None] = []
    for key in "ab":
        store.select(key).subscribe(seen.append)
    seen.clear()
    assert (history.undo(3), seen) == (3, [2])


def test_a_failing_partialize_is_reported_and_makes_no_step() -> None:
    reports: list[ErrorReport] = []
    store = Store(1, domain=Domain(on_error=reports.append))

    def part(value: int) -> float:
        return 6 / value

    history = undo(store, partialize=part, merge=lambda _now, part: int(6 / part))
    store.set(0)
    store.set(3)
    assert (history.undo(), store.get()) == (1, 1)
    assert [(report.kind, type(report.error)) for report in reports] == [
        ("hook", ZeroDivisionError)
    ]


def test_undo_of_a_closed_store_raises_and_stays_where_it_was() -> None:
    store, _ = make()
    history = undo(store)
    store.set(1)
    store.close()
    with pytest.raises(StoreClosed):
        history.undo()
    assert repr(history) == f"<UndoHistory of {store.name!r}: 1 back, 0 forth>"


def test_undo_says_what_it_cannot_do() -> None:
    store, _ = make()
    history = undo(store)
    store.set(1)
    with batch(), pytest.raises(UsageError, match="outside of batch"):
        history.undo()
    with pytest.raises(UsageError, match="steps= takes a whole number, 1 or more"):
        history.redo(0)
    with pytest.raises(UsageError, match="limit= takes a whole number, 1 or more"):
        undo(store, limit=0)
    whatever: Callable[[int], int] = int
    with pytest.raises(UsageError, match="go together"):
        undo(store, partialize=whatever)  # type: ignore[call-overload]
    keyed: KeyedStore[str, int] = KeyedStore()
    parts: Callable[[Mapping[str, int]], int] = len
    with pytest.raises(UsageError, match="keyed"):
        undo(keyed, partialize=parts, merge=lambda now, _: now)  # type: ignore[call-overload]


def test_a_write_while_the_value_is_being_put_together_is_the_one_that_is_undone() -> None:
    store = Store(Drawing(), domain=Domain(strict=True))
    writes = [Drawing("abc")]

    def merge(drawing: Drawing, text: str) -> Drawing:
        if writes:
            store.set(writes.pop())
        return attrs.evolve(drawing, text=text)

    history = undo(store, partialize=lambda drawing: drawing.text, merge=merge)
    store.set(Drawing("a"))
    store.set(Drawing("ab"))
    assert (history.undo(), store.get().text) == (1, "ab")
    assert (history.redo(), store.get().text) == (1, "abc")


def test_a_change_back_and_forth_while_the_value_is_being_put_together_is_not_missed() -> None:
    store = Store(Drawing("a"), domain=Domain(strict=True))
    after = Drawing("ab")
    writes = [after, Drawing("x")]

    def merge(drawing: Drawing, text: str) -> Drawing:
        while writes:
            store.set(writes.pop())
        return attrs.evolve(drawing, text=text)

    history = undo(store, partialize=lambda drawing: drawing.text, merge=merge)
    store.set(after)
    assert (history.undo(), store.get().text) == (1, "x")
    assert (history.undo(2), store.get().text) == (2, "a")


def test_two_undos_in_a_row_do_not_take_the_first_one_for_a_write() -> None:
    home = QueueHome()
    store = Store(0, domain=Domain(home=home, strict=True))
    history = undo(store)
    store.set(1)
    store.set(2)
    assert [history.undo(), history.undo(), history.undo(), store.get()] == [1, 1, 0, 0]
    home.run()
    assert (history.redo(9), store.get()) == (2, 2)


def test_a_disposed_history_leaves_no_hook_behind() -> None:
    store, _ = make()
    undo(store).dispose()
    assert store.domain._hooks == ()


def test_threads_that_write_and_undo_leave_each_write_at_most_once_and_in_order() -> None:
    store = Store((0, 0), domain=Domain(strict=True))
    history = undo(store, limit=10_000)
    start = threading.Barrier(4)

    def write(thread: int) -> None:
        start.wait(10)
        for number in range(200):
            store.set((thread, number))

    def walk() -> None:
        start.wait(10)
        for _ in range(100):
            history.undo()
            history.redo()

    threads = [threading.Thread(target=write, args=(number,)) for number in (1, 2, 3)]
    threads.append(threading.Thread(target=walk))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert store.domain.settled(10)
    history.redo(10_000)
    states = [store.get()]
    while history.undo():
        states.append(store.get())
    assert states.pop() == (0, 0)
    for number in (1, 2, 3):
        own = [write for thread, write in reversed(states) if thread == number]
        assert own == sorted(set(own))


# --- larger steps -------------------------------------------------------------------------------------------------------


def test_a_transaction_is_one_step_whose_commits_observers_see_while_it_runs() -> None:
    store, other = Store(0, domain=(domain := Domain(strict=True))), Store("", domain=domain)
    history, seen = undo(store, other), list[tuple[int, str]]()
    store.select().subscribe(lambda value: seen.append((value, other.get())))
    with history.transaction("move"):
        store.set(1)
        other.set("x")
        with history.transaction("inner"):
            store.set(2)
    store.set(3)
    assert seen == [(0, ""), (1, ""), (2, "x"), (3, "x")]
    assert [(it.index, it.name, it.is_current) for it in history.entries()] == [
        (0, None, False), (1, "move", False), (2, None, True),
    ]  # fmt: skip
    assert history.undo(2) == 2
    assert (store.get(), other.get(), history.redo(), store.get(), other.get()) == (
        0,
        "",
        1,
        2,
        "x",
    )


def test_a_transaction_that_raises_is_taken_back_and_leaves_no_step() -> None:
    store = Store(0, domain=Domain(strict=True))
    history = undo(store)
    store.set(1)
    with pytest.raises(KeyError), history.transaction():
        store.set(2)
        store.set(3)
        raise KeyError
    assert (store.get(), len(history.entries()), history.can_redo.get()) == (1, 2, False)
    with (
        batch(store.domain),
        pytest.raises(UsageError, match="outside of batch"),
        history.transaction(),
    ):
        pass


def test_a_failed_transaction_takes_back_what_was_no_step_by_equals() -> None:
    store = Store("A", domain=Domain(strict=True))
    history = undo(store, equals=lambda old, new: old.lower() == new.lower())
    with pytest.raises(KeyError), history.transaction():
        store.set("a")
        store.set("z")
        raise KeyError
    assert (store.get(), len(history.entries()), history.can_undo.get()) == ("A", 1, False)
    with pytest.raises(KeyError), history.transaction():
        store.set("a")
        raise KeyError
    assert (store.get(), len(history.entries())) == ("A", 1)


def test_a_failed_transaction_takes_back_the_part_and_keeps_the_rest() -> None:
    store = Store(Drawing(), domain=Domain(strict=True))
    history = undo(
        store,
        partialize=lambda value: value.text,
        merge=lambda value, text: attrs.evolve(value, text=text),
    )
    with pytest.raises(KeyError), history.transaction():
        store.update(lambda value: attrs.evolve(value, cursor=3))
        store.update(lambda value: attrs.evolve(value, text="x"))
        raise KeyError
    assert (store.get(), len(history.entries())) == (Drawing("", 3), 1)


def test_a_failed_transaction_takes_back_what_changed_in_a_pause() -> None:
    keyed: KeyedStore[str, int] = KeyedStore({"a": 0}, domain=Domain(strict=True))
    history, seen = undo(keyed), list[int | None]()
    keyed.select("b").subscribe(seen.append)
    keyed.upsert("a", 1)
    before = history.entries()
    with history.paused(), pytest.raises(KeyError), history.transaction():
        keyed.upsert("b", 9)
        raise KeyError
    with pytest.raises(KeyError), history.transaction():
        with history.paused():
            keyed.upsert("b", 8)
        keyed.upsert("a", 2)
        raise KeyError
    assert (dict(keyed.get_all()), history.entries()) == ({"a": 1}, before)
    assert seen == [None, 9, None, 8, None]
    assert (history.undo(), dict(keyed.get_all())) == (1, {"a": 0})


def test_a_failed_transaction_takes_back_an_undo_and_a_cut_but_no_clear() -> None:
    store = Store(0, domain=Domain(strict=True))
    history = undo(store, limit=2)
    for value in (1, 2, 3):
        store.set(value)
    history.undo()
    before = history.entries()
    with pytest.raises(KeyError), history.transaction():
        history.undo()
        store.set(7)
        history.undo()
        store.set(8)
        raise KeyError
    assert (store.get(), history.entries()) == (2, before)
    assert (history.redo(), store.get(), history.undo(2), store.get()) == (1, 3, 2, 1)
    with pytest.raises(KeyError), history.transaction():
        store.set(9)
        history.clear()
        raise KeyError
    assert (store.get(), len(history.entries()), history.can_redo.get()) == (1, 1, False)


def test_a_failed_transaction_that_changed_nothing_commits_nothing() -> None:
    keyed: KeyedStore[str, int] = KeyedStore({"a": 0}, domain=(domain := Domain(strict=True)))
    history = undo(keyed)
    keyed.upsert("a", 1)
    history.undo()
    number = domain.number
    with pytest.raises(KeyError), history.transaction():
        raise KeyError
    assert (domain.number, history.can_redo.get()) == (number, True)


def test_a_trigger_of_a_keyed_store_is_no_step_and_keeps_what_was_undone() -> None:
    keyed: KeyedStore[str, list[int]] = KeyedStore({"a": [1]}, domain=Domain(strict=True))
    history = undo(keyed)
    keyed.upsert("a", [2])
    history.undo()
    keyed.trigger("a")
    keyed.trigger()
    assert (history.can_redo.get(), len(history.entries())) == (True, 2)
    assert (history.redo(), dict(keyed.get_all())) == (1, {"a": [2]})
    with batch(keyed.domain):
        keyed.upsert("b", [3])
        keyed.trigger("a")
    assert (len(history.entries()), history.undo(), dict(keyed.get_all())) == (3, 1, {"a": [2]})


def test_an_undo_inside_a_transaction_ends_its_step() -> None:
    store = Store(0, domain=Domain(strict=True))
    history = undo(store)
    with history.transaction():
        store.set(1)
        history.undo()
        store.set(2)
        store.set(3)
    assert (history.undo(5), store.get()) == (1, 0)


def test_changes_that_come_soon_after_each_other_are_one_step() -> None:
    now = 0.0
    store = Store("", domain=Domain(strict=True))
    history = undo(store, group_within=1.0, clock=lambda: now)
    for seconds, text in ((0.0, "a"), (0.75, "ab"), (1.0, "abc"), (1.25, "abcd"), (0.5, "abcde")):
        now += seconds
        store.set(text)
    assert [it.made_at for it in history.entries()] == [0.0, 1.75, 3.5]
    history.undo()
    assert store.get() == "abc"
    store.set("abcx")
    assert (history.undo(), store.get()) == (1, "abc")


def test_what_changes_in_a_pause_belongs_to_the_step_before() -> None:
    keyed: KeyedStore[str, int] = KeyedStore({"a": 0, "b": 0}, domain=Domain(strict=True))
    history, seen = undo(keyed), list[int | None]()
    keyed.select("b").subscribe(seen.append)
    keyed.upsert("a", 1)
    with history.paused():
        keyed.upsert("b", 7)
    keyed.upsert("a", 2)
    history.undo()
    assert dict(keyed.get_all()) == {"a": 1, "b": 7}
    history.undo()
    assert (dict(keyed.get_all()), seen) == ({"a": 0, "b": 0}, [0, 7, 0])


def test_a_jump_goes_over_several_steps_in_one_commit() -> None:
    store = Store(0, domain=(domain := Domain(strict=True)))
    history = undo(store)
    for value in range(1, 6):
        store.set(value)
    number, seen = domain.number, list[int]()
    store.select().subscribe(seen.append)
    assert (history.jump(2), store.get(), domain.number - number) == (3, 2, 1)
    assert (history.jump(2), history.jump(5), seen) == (0, 3, [5, 2, 5])
    with pytest.raises(UsageError, match="there are 6 entries; got index 6"):
        history.jump(6)


def test_several_stores_must_be_of_one_domain_and_take_no_part() -> None:
    store = Store(0, domain=Domain())
    with pytest.raises(DomainMismatch):
        undo(store, Store(0, domain=Domain()))
    with pytest.raises(UsageError, match="each once"):
        undo(store, store)
    with pytest.raises(UsageError, match="each once"):
        undo()
    with pytest.raises(UsageError, match="one plain store"):
        undo(store, Store(0, domain=store.domain), equals=lambda a, b: a == b)  # type: ignore[call-overload]


def test_a_disposed_history_keeps_no_value() -> None:
    class Value:
        pass

    store: Store[Value | None] = Store(Value(), domain=Domain(strict=True))
    history = undo(store)
    store.set(Value())
    values = [weakref.ref(store.get()), weakref.ref(history._line.steps[0].parts[0])]
    store.set(None)
    store._initial = None
    history.dispose()
    gc.collect()
    assert [value() for value in values] == [None, None]
    assert (history.entries(), history.undo(), history.redo(), history.jump(0)) == ((), 0, 0, 0)
    with history.transaction(), history.paused():
        store.set(None)
    history.clear()
    assert repr(history) == f"<UndoHistory of {store.name!r}: 0 back, 0 forth>"


def test_a_disposed_history_lets_its_stores_go() -> None:
    store = Store(0, domain=Domain(strict=True))
    history = undo(store)
    store.set(1)
    alive = weakref.ref(store)
    history.dispose()
    del store
    gc.collect()
    assert alive() is None
    assert (history.undo(), history.entries()) == (0, ())


def test_a_history_that_is_disposed_while_it_records_or_undoes_does_nothing_more() -> None:
    reports: list[ErrorReport] = []
    store = Store((0, 0), domain=Domain(on_error=reports.append))

    def part(value: tuple[int, int]) -> int:
        if value[0] == 1:
            history.dispose()
        return value[0]

    def merge(value: tuple[int, int], part: int) -> tuple[int, int]:
        history.dispose()
        return part, value[1]

    history = undo(store, partialize=part, merge=merge)
    store.set((1, 0))
    assert (history.entries(), store.get(), reports) == ((), (1, 0), [])
    store.set((2, 0))
    history = undo(store, partialize=part, merge=merge)
    store.set((3, 0))
    assert (history.undo(), history.entries(), store.get(), reports) == (0, (), (3, 0), [])


def test_the_flags_follow_also_the_last_write_of_a_long_chain() -> None:
    reports: list[ErrorReport] = []
    domain = Domain(on_error=reports.append, max_depth=2)
    cause, store = Store(0, domain=domain), Store(0, domain=domain)
    history = undo(store)
    cause.select().subscribe(lambda value: store.set(value))
    cause.set(1)
    assert (store.get(), history.can_undo.get(), reports) == (1, True, [])
    # What an observer of the flag writes is a link of the chain.
    history.can_redo.select().subscribe(lambda is_there: cause.set(5) if is_there else None)
    cause.select().subscribe(lambda value: history.undo() if value == 3 else None)
    cause.set(3)
    assert [type(report.error) for report in reports] == [FeedbackLoop]
