"""Live views: what each shows, that observers share one computation, errors, reads ahead of delivery, memory."""

from __future__ import annotations

import gc
import math
import random
import weakref
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import attrs
import pytest

from reactive_ws import Domain, ErrorReport, KeyedStore, Store, batch, derived
from reactive_ws.errors import DomainMismatch, UsageError
from reactive_ws.state import Delta, incremental
from reactive_ws.views import Insert, Move, Remove, Rows, Update, apply_changes, list_changes, view
from reactive_ws.views.pipeline import Pipeline
from reactive_ws.views.tree import children_of, is_inner, tree_of


@attrs.frozen
class Todo:
    title: str
    due: int = 0
    is_done: bool = False
    owner: str = ""


def due_of(todo: Todo) -> int:
    return todo.due


def is_open(todo: Todo) -> bool:
    return not todo.is_done


def todos_of(*todos: Todo, domain: Domain | None = None) -> KeyedStore[str, Todo]:
    return KeyedStore(
        {todo.title: todo for todo in todos}, domain=domain or Domain(strict=True), name="todos"
    )


A, B, C = Todo("a", 3, owner="x"), Todo("b", 1, owner="y"), Todo("c", 2, owner="x")


def titles(rows: Any) -> str:
    return "".join(todo.title for todo in rows)


def test_a_view_is_filtered_and_sorted_and_reads_like_a_sequence() -> None:
    store = todos_of(A, B, C, Todo("d", 0, is_done=True))
    rows = view(store).where(is_open).sorted_by(due_of).get()
    assert (titles(rows), len(rows), rows[0], rows[-1], rows[1:]) == ("bca", 3, B, A, (C, A))
    assert (rows.keys(), next(iter(rows.items())), rows.key_at(2)) == (
        ("b", "c", "a"),
        ("b", B),
        "a",
    )
    assert (rows[::-1], rows[5:], B in rows, rows.index(C)) == ((A, C, B), (), True, 1)
    falling = view(store).where(is_open).sorted_by(due_of, reverse=True).get()
    assert (titles(falling), falling[0], falling[1:3], falling.key_at(0)) == ("acb", A, (C, B), "a")
    for index in (3, -4):
        with pytest.raises(IndexError, match="there are 3 rows"):
            rows[index]
    with pytest.raises(IndexError, match="got index -1"):
        rows.key_at(-1)


def test_equal_sort_keys_are_in_the_order_in_which_their_keys_came() -> None:
    store = todos_of(Todo("a", 1), Todo("b", 2), Todo("c", 1), Todo("d", 2))
    rising, falling = view(store).sorted_by(due_of), view(store).sorted_by(due_of, reverse=True)
    for it in (rising, falling):
        it.select().subscribe(lambda _: None)
    assert (titles(rising.get()), titles(falling.get())) == ("acbd", "bdac")
    store.upsert("e", Todo("e", 1))
    store.rename("b", "f")
    store.upsert("f", Todo("f", 1))
    assert (titles(rising.get()), titles(falling.get())) == ("afced", "dafce")


def test_each_commit_gives_one_value_and_an_unchanged_view_gives_none() -> None:
    store = todos_of(A, B)
    seen: list[str] = []
    view(store).where(is_open).sorted_by(due_of).select().subscribe(
        lambda rows: seen.append(titles(rows))
    )
    store.upsert("c", C)
    store.upsert("z", Todo("z", is_done=True))
    with batch(store.domain):
        store.remove("a")
        store.upsert("b", attrs.evolve(B, due=9))
    assert seen == ["ba", "bca", "cb"]


def test_all_observers_of_a_view_share_its_rows() -> None:
    store = todos_of(A, B, C)
    asked: list[str] = []

    def due(todo: Todo) -> int:
        asked.append(todo.title)
        return todo.due

    by_due = view(store).sorted_by(due)
    for _ in range(10):
        by_due.select().subscribe(lambda _: None)
    total = derived(by_due, len)
    total.select().subscribe(lambda _: None)
    asked.clear()
    store.upsert("d", Todo("d", 5))
    assert asked == ["d"]
    store.upsert("d", Todo("d", 6))
    # Once for the entity that it takes out, once for the one that it puts in.
    assert asked == ["d", "d", "d"]


def test_a_change_of_one_entity_looks_at_no_other_entity() -> None:
    store = KeyedStore({str(n): Todo(str(n), n) for n in range(5000)}, domain=Domain(strict=True))
    asked: list[str] = []

    def is_wanted(todo: Todo) -> bool:
        asked.append(todo.title)
        return todo.due % 2 == 0

    it = view(store).where(is_wanted)
    views = [it, it.sorted_by(due_of), it.sorted_by(due_of, reverse=True)]
    values = [it.count(), it.sum_by(due_of), it.index(due_of), it.group_by(due_of)]
    for one in (*views, *values):
        one.select().subscribe(lambda _: None)
    asked.clear()
    store.upsert("7", Todo("7", 8))
    store.remove("11")
    store.upsert("new", Todo("new", 2))
    assert len(asked) <= len((*views, *values)) * 4
    assert set(asked) == {"7", "11", "new"}
    assert titles(views[1].get()[:3]) == "02new"


def test_counts_sums_groups_and_indexes_follow() -> None:
    store = todos_of(A, B, C)
    everything = view(store)
    count, total = everything.where(is_open).count(), everything.sum_by(due_of)
    groups = everything.sorted_by(due_of).group_by(lambda todo: todo.owner)
    index = everything.index(lambda todo: todo.owner)
    mine: list[str] = []
    groups.select(lambda now: now.get("x")).subscribe(lambda rows: mine.append(titles(rows or ())))
    for one in (count, total, index):
        one.select().subscribe(lambda _: None)
    assert (count.get(), total.get(), set(groups.get()), set(index.get())) == (
        3, 6, {"x", "y"}, {"x", "y"},
    )  # fmt: skip
    store.upsert("b", attrs.evolve(B, is_done=True, due=7, owner="x"))
    assert (count.get(), total.get(), set(groups.get()), set(index.get())) == (2, 12, {"x"}, {"x"})
    store.upsert("d", Todo("d", owner="z"))
    assert set(index.get()["x"]) == {"a", "b", "c"}
    assert mine == ["ca", "cab"]


def test_a_sum_of_floats_is_the_float_nearest_to_the_true_sum() -> None:
    store = KeyedStore(dict.fromkeys(range(10), 0.1), domain=Domain(strict=True))
    total = view(store).sum_by(lambda number: number)
    total.select().subscribe(lambda _: None)
    for key in range(1000):
        store.upsert(key % 10, 1e16 * (key % 3) + 0.1)
    for key in range(10):
        store.upsert(key, 0.1)
    assert total.get() == math.fsum([0.1] * 10) == 1.0
    store.upsert(0, math.inf)
    assert total.get() == math.inf
    store.upsert(1, -math.inf)
    assert math.isnan(total.get())
    store.upsert(0, math.nan)
    assert math.isnan(total.get())
    store.upsert(0, 5e-324)
    store.upsert(1, 1.5)
    assert total.get() == math.fsum([5e-324, 1.5, *[0.1] * 8])


def test_other_numbers_add_from_their_start_and_decimals_are_refused() -> None:
    store = KeyedStore({1: 1, 2: 2}, domain=Domain())
    numbers = view(store)
    assert numbers.sum_by(lambda n: timedelta(n), start=timedelta()).get() == timedelta(3)
    assert numbers.sum_by(lambda n: Fraction(n, 3), start=Fraction()).get() == 1
    assert numbers.sum_by(lambda n: n * 0.5).get() == 1.5
    with pytest.raises(TypeError, match="return a fractions"):
        numbers.sum_by(lambda n: Decimal(n)).get()  # type: ignore[call-overload]


def test_a_window_moves_with_its_offset_and_hears_of_its_own_rows_only() -> None:
    domain = Domain(strict=True)
    store = KeyedStore({n: n for n in range(100)}, domain=domain)
    offset = Store(10, domain=domain)
    window = view(store).sorted_by(lambda n: n).window(offset, 3)
    seen: list[tuple[int, ...]] = []
    window.select().subscribe(seen.append)
    store.upsert(200, 99)
    offset.set(50)
    store.remove(51)
    store.remove(1)
    assert seen == [(10, 11, 12), (50, 51, 52), (50, 52, 53), (52, 53, 54)]
    assert view(store).top(2, lambda n: n).get() == (99, 99)
    assert view(store).top(2, lambda n: n, smallest=True).get() == (0, 2)
    with pytest.raises(UsageError, match="takes a whole number, 0 or more"):
        view(store).window(-1, 3)


def test_a_join_follows_both_stores() -> None:
    domain = Domain(strict=True)
    todos, owners = todos_of(A, B, C, domain=domain), KeyedStore({"x": "Xia"}, domain=domain)
    joined = view(todos).join(owners, lambda todo: todo.owner)
    seen: list[list[tuple[str, str | None]]] = []
    joined.select().subscribe(lambda rows: seen.append([(a.title, b) for a, b in rows]))
    owners.upsert("y", "Yan")
    with batch(domain):
        owners.remove("x")
        todos.remove("b")
    assert seen == [
        [("a", "Xia"), ("b", None), ("c", "Xia")],
        [("a", "Xia"), ("b", "Yan"), ("c", "Xia")],
        [("a", None), ("c", None)],
    ]
    assert (joined.count().get(), joined.sum_by(lambda pair: pair[0].due).get()) == (2, 5)
    missing = joined.where(lambda pair: pair[1] is None).sorted_by(lambda pair: pair[0].due)
    assert [pair[0].title for pair in missing.get()] == ["c", "a"]


def test_the_doors_refuse_what_cannot_work() -> None:
    store, other = todos_of(A), KeyedStore({"x": 1}, domain=Domain("other"))
    with pytest.raises(UsageError, match="takes a KeyedStore; got Store"):
        view(Store(1))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="is a function, such as"):
        view(store).sorted_by("due")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="join\\(\\) comes first"):
        view(store).where(is_open).join(other, lambda todo: todo.owner)
    with pytest.raises(DomainMismatch):
        view(store).join(other, lambda todo: todo.owner)
    with pytest.raises(UsageError, match="takes a KeyedStore"):
        view(store).join({}, lambda todo: todo.owner)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="incremental\\(\\) takes keyed stores"):
        incremental(Store(1), build=len, step=len)  # type: ignore[arg-type]


def test_an_error_in_a_function_of_a_view_is_reported_and_the_view_lives_on() -> None:
    reports: list[ErrorReport] = []
    store = todos_of(A, B, domain=Domain(on_error=reports.append))
    it = view(store).sorted_by(lambda todo: 1 / todo.due)
    seen: list[str] = []
    it.select().subscribe(lambda rows: seen.append(titles(rows)))
    store.upsert("z", Todo("z", 0))
    with pytest.raises(ZeroDivisionError):
        it.get()
    store.upsert("y", Todo("y", 4))
    store.remove("z")
    assert (seen, [report.kind for report in reports]) == (["ab", "yab"], ["derive", "derive"])


def test_a_function_that_is_not_pure_costs_a_new_start_and_no_wrong_row() -> None:
    store = todos_of(A, B, C)
    sign = 1
    it = view(store).sorted_by(lambda todo: sign * todo.due)
    it.select().subscribe(lambda _: None)
    sign = -1
    store.upsert("a", attrs.evolve(A, due=9))
    assert titles(it.get()) == "acb"


class Asleep:
    """A home that delivers when the test says so."""

    def __init__(self) -> None:
        self.posted: deque[Callable[[], None]] = deque()

    def post(self, function: Callable[[], None], /) -> None:
        self.posted.append(function)

    def is_current(self) -> bool:
        return False


def test_a_read_ahead_of_delivery_goes_on_from_what_was_delivered() -> None:
    home = Asleep()
    domain = Domain(strict=True, home=home)
    store = KeyedStore({n: Todo(str(n), n) for n in range(2000)}, domain=domain)
    asked: list[str] = []

    def due(todo: Todo) -> int:
        asked.append(todo.title)
        return todo.due

    it = view(store).sorted_by(due)
    seen: list[Rows[int, Todo]] = []
    it.select().subscribe(seen.append)
    asked.clear()
    for n in range(5):
        store.upsert(n, Todo(f"new {n}", 5000 - n))
    assert [todo.title for todo in it.get()[-5:]] == [f"new {n}" for n in (4, 3, 2, 1, 0)]
    assert len(asked) <= 10
    while home.posted:
        home.posted.popleft()()
    assert [rows[-1].title for rows in seen] == ["1999", *["new 0"] * 5]
    assert seen[-1].keys() == it.get().keys()


def test_the_changes_between_any_two_values_are_few_and_say_moves() -> None:
    store = KeyedStore({n: n for n in range(1000)}, domain=Domain(strict=True))
    it = view(store).sorted_by(lambda n: n)
    it.select().subscribe(lambda _: None)
    first = it.get()
    store.upsert(10, 990.5)  # type: ignore[arg-type]
    assert it.get().changes_since(first) == (Move(10, 990), Update(990, 990.5))
    store.remove(500)
    store.upsert("new", 0.5)  # type: ignore[arg-type]
    assert set(it.get().changes_since(first)) == {
        Move(10, 990), Insert(1, 0.5), Remove(500), Update(990, 990.5),
    }  # fmt: skip
    assert first.changes_since(first) == ()
    assert list_changes(list(first), list(it.get()), lambda n: n) != ()


def test_an_incremental_value_steps_and_builds_when_places_changed() -> None:
    store = KeyedStore({"a": 1, "b": 2}, domain=Domain(strict=True))
    runs: list[str] = []

    def build(now: Any) -> int:
        runs.append("build")
        return sum(now.values())

    def step(total: int, delta: Delta[str, int]) -> int:
        runs.append("step")
        for _, was, now, _, _ in delta.changes():
            total += (0 if now is Delta.MISSING else now) - (0 if was is Delta.MISSING else was)
        return total

    total = incremental(store, build=build, step=step, name="total")
    total.select().subscribe(lambda _: None)
    store.upsert("a", 5)
    store.remove("b")
    assert (total.get(), runs, repr(total)) == (
        5,
        ["build", "step", "step"],
        "<Derived 'total' of 1 sources>",
    )
    store.replace_all({"z": 1, "a": 5})
    assert (total.get(), runs[-1]) == (6, "build")


def test_a_view_that_is_dropped_is_gone_and_keeps_no_rows() -> None:
    store = todos_of(A, B)
    it = view(store).sorted_by(due_of)
    subscription = it.select().subscribe(lambda _: None)
    rows, held = weakref.ref(it.get()), weakref.ref(it)
    subscription.dispose()
    store.upsert("c", C)
    del it
    gc.collect()
    assert (rows(), held(), store.observer_count) == (None, None, 0)


def test_the_pairs_of_a_join_are_grouped_and_indexed_by_what_changed() -> None:
    rng = random.Random(5)
    domain = Domain(strict=True)
    orders: KeyedStore[int, tuple[str, int]] = KeyedStore(domain=domain)
    users: KeyedStore[str, str] = KeyedStore(domain=domain)
    built: list[int] = []

    def city(pair: tuple[tuple[str, int], str | None]) -> str | None:
        built.append(1)
        return pair[1]

    joined = view(orders).join(users, lambda order: order[0])
    big = joined.where(lambda pair: pair[0][1] > 2).sorted_by(lambda pair: pair[0][1], reverse=True)
    groups, index = big.group_by(city), big.index(city)
    streams = [groups.select().subscribe(), index.select().subscribe()]
    all_again = 0
    for step in range(300):
        match rng.randrange(5):
            case 0 | 1:
                orders.upsert(rng.randrange(60), (rng.choice("abc"), rng.randrange(9)))
            case 2:
                users.upsert(rng.choice("abc"), rng.choice(["Oslo", "Rome"]))
            case 3:
                users.remove(rng.choice("abc"))
            case _:
                orders.remove(rng.randrange(60))
        pairs = [
            (key, (order, users.get(order[0])))
            for key, order in orders.get_all().items()
            if order[1] > 2
        ]
        expected: dict[str | None, list[tuple[int, object]]] = {}
        for key, pair in sorted(pairs, key=lambda it: -it[1][0][1]):
            expected.setdefault(pair[1], []).append((key, pair))
        assert {name: list(rows.items()) for name, rows in groups.get().items()} == expected
        assert {name: dict(items) for name, items in index.get().items()} == {
            name: dict(items) for name, items in expected.items()
        }
        if step > 200:
            all_again += 2 * len(pairs)
        else:
            built.clear()
    # What did not change is not grouped again.
    assert len(built) * 2 < all_again
    for stream in streams:
        stream.dispose()
    assert (orders.observer_count, users.observer_count) == (0, 0)


@pytest.mark.parametrize("is_reversed", [False, True])
def test_a_sort_key_that_is_not_a_number_is_last_however_it_came(is_reversed: bool) -> None:
    store: KeyedStore[str, float] = KeyedStore(
        {"a": 2.0, "n": math.nan, "b": 1.0}, domain=Domain(strict=True)
    )
    it = view(store).sorted_by(lambda number: number, reverse=is_reversed)
    shown: list[str] = []
    it.select().subscribe(lambda rows: shown.append("".join(rows.keys())))
    store.upsert("a", math.nan)
    store.upsert("n", 5.0)
    store.upsert("m", math.nan)
    store.upsert("m", float("nan") + 1)
    store.remove("a")
    store.upsert("m", 0.0)
    expected = ["ban", "bna", "bna", "bnam", "bnm", "mbn"]
    falling = ["abn", "ban", "nba", "nbam", "nbm", "nbm"]
    assert shown[:1] == [falling[0] if is_reversed else "ban"]
    assert (
        "".join(view(store).sorted_by(lambda n: n, reverse=is_reversed).get().keys()) == shown[-1]
    )
    assert list(dict.fromkeys(shown)) == list(dict.fromkeys(falling if is_reversed else expected))


def test_an_entity_that_changed_inside_is_one_row_after_a_trigger() -> None:
    boxes: dict[str, list[int]] = {"a": [1], "b": [2], "c": [3]}
    store = KeyedStore(boxes, domain=Domain(strict=True))
    it = view(store).sorted_by(lambda box: box[0])
    shown: list[str] = []
    it.select().subscribe(lambda rows: shown.append("".join(rows.keys())))
    boxes["a"][0] = 9
    store.trigger("a")
    boxes["b"][0] = 10
    with batch(store.domain):
        store.trigger("b")
    assert shown == ["abc", "bca", "cab"]


@pytest.mark.parametrize("count", [3, 40, 700])
def test_many_changes_at_once_give_the_rows_of_a_new_start(count: int) -> None:
    rng = random.Random(count)
    store = KeyedStore({n: rng.randrange(2000) for n in range(3000)}, domain=Domain(strict=True))
    it = view(store).where(lambda n: n % 3 > 0).sorted_by(lambda n: n)
    seen: list[Rows[int, int]] = []
    it.select().subscribe(seen.append)
    for _ in range(20):
        writes = {rng.randrange(3200): rng.randrange(2000) for _ in range(count)}
        gone = rng.sample(sorted(store.get_all()), count // 3)
        with batch(store.domain):
            store.set_many(writes)
            store.remove(*gone)
        expected = [pair for pair in store.get_all().items() if pair[1] % 3]
        assert list(seen[-1].items()) == sorted(expected, key=lambda pair: pair[1])
        assert list(seen[-1][10:20]) == list(seen[-1])[10:20]
    screen = list(seen[0])
    apply_changes(screen, seen[-1].changes_since(seen[0]))
    assert screen == list(seen[-1])


def test_the_short_way_of_a_replaced_entity_gives_what_a_step_gives() -> None:
    rng = random.Random(5)
    store = KeyedStore({n: rng.randrange(20) for n in range(200)}, domain=Domain(strict=True))
    pipelines = [
        Pipeline(keeps=lambda n: n % 2, sort_key=lambda n: n // 3),
        Pipeline(sort_key=lambda n: n, is_reversed=True),
        Pipeline(keeps=lambda n: n > 4, is_reversed=True),
        Pipeline(),
    ]
    steps: list[int] = []
    seen: list[list[list[tuple[int, int]]]] = [[] for _ in range(2 * len(pipelines))]
    for place, pipeline in enumerate(pipelines):

        def step(rows: Any, delta: Any, pipeline: Pipeline = pipeline) -> Any:
            steps.append(0)
            return pipeline.step(rows, delta)

        for number, replace in enumerate((pipeline.replace, None)):
            rows = incremental(store, build=pipeline.build, step=step, replace=replace)
            log = seen[2 * place + number]
            rows.select().subscribe(lambda now, log=log: log.append(list(now.items())))
    for _ in range(500):
        store.upsert(rng.randrange(200), rng.randrange(20))
    assert seen[0::2] == seen[1::2]
    assert len(seen[-1]) == len(seen[-2]) > 400
    # The short way called no step.
    assert len(steps) <= 500 * len(pipelines)


def test_the_only_view_of_a_store_shows_what_one_of_several_shows() -> None:
    """The only dependent of a store is updated without a walk; others come and go, and read, meanwhile.

    The domain is not strict, because a strict one queues its commits.
    """
    rng = random.Random(7)
    alone, many = (
        KeyedStore({n: rng.randrange(30) for n in range(60)}, domain=Domain()) for _ in range(2)
    )
    many.replace_all(alone.get_all())
    shown: list[list[list[tuple[int, int]]]] = [[], []]
    views = [
        view(store).where(lambda n: n % 3).sorted_by(lambda n: n // 2) for store in (alone, many)
    ]
    for it, log in zip(views, shown, strict=True):
        it.select().subscribe(lambda rows, log=log: log.append(list(rows.items())))
    view(many).count().select().subscribe()
    others: list[Any] = []
    total = view(alone).sum_by(lambda n: n)
    for _ in range(1_000):
        key, size, act = rng.randrange(70), rng.randrange(30), rng.randrange(12)
        if act == 0:
            for store in (alone, many):
                store.remove(key)
        elif act == 1:
            for store in (alone, many):
                with batch(store.domain):
                    store.upsert(key, size)
                    store.upsert(key // 2, size)
        elif act == 2 and len(others) < 3:
            stream = rng.choice([total.select, views[0].select, alone.select_all])
            others.append(stream().subscribe())
        elif act == 3 and others:
            others.pop(rng.randrange(len(others))).dispose()
        elif act == 4:
            # The value has no observer now and then, so that a reader of it is a dependent.
            assert total.get() == sum(alone.get_all().values())
        elif act == 5:
            alone.select(key, lambda n: n + 1).subscribe().dispose()
        for store in (alone, many):
            store.upsert(key, size)
    assert shown[0] == shown[1]
    assert len(shown[0]) > 500


def test_a_box_that_changed_inside_and_is_written_again_is_looked_at_as_a_new_one() -> None:
    boxes: dict[str, list[int]] = {"a": [1], "b": [2], "c": [3]}
    store = KeyedStore(boxes, domain=Domain(strict=True), equals=lambda _, __: False)
    large = view(store).where(lambda box: box[0] > 1).sorted_by(lambda box: box[0])
    total = view(store).sum_by(lambda box: box[0])
    shown: list[str] = []
    large.select().subscribe(lambda rows: shown.append("".join(rows.keys())))
    totals: list[int] = []
    total.select().subscribe(totals.append)
    for size in (1, 5, 0, 4):
        boxes["b"][0] = size
        store.upsert("b", boxes["b"])
    assert (shown, totals) == (["bc", "c", "cb", "c", "cb"], [6, 5, 9, 4, 8])


def test_a_replace_function_is_for_one_store_and_a_step_follows_its_failure() -> None:
    store = KeyedStore({"a": 1, "b": 2}, domain=Domain(strict=True))
    with pytest.raises(UsageError, match="replace= is for one store"):
        incremental(store, store, build=lambda a, b: 0, step=lambda n, a, b: n, replace=len)
    runs: list[object] = []

    def replace(total: int, key: str, was: int, now: int, place: object) -> int:
        if now == 9:
            raise ValueError
        runs.append((key, was, now, place))
        return total - was + now

    def step(total: int, delta: Delta[str, int]) -> int:
        runs.append("step")
        return sum(delta.new.values())

    total = incremental(store, build=lambda now: sum(now.values()), step=step, replace=replace)
    totals: list[int] = []
    total.select().subscribe(totals.append)
    store.upsert("b", 4)
    store.upsert("b", 5)
    store.upsert("a", 9)
    store.remove("b")
    assert totals == [3, 5, 6, 14, 9]
    # The first change goes on from what the subscription read.
    assert runs == ["step", ("b", 4, 5, 1), "step", "step"]


def test_a_window_counts_no_rows_again_after_a_row_is_replaced_in_its_place() -> None:
    store = KeyedStore({key: (key, 0) for key in range(2_000)}, domain=Domain(strict=True))
    it = view(store).sorted_by(lambda entity: entity[0])
    it.select().subscribe(lambda _: None)
    before = it.get()
    assert before[1_000] == (1_000, 0)
    counted = before._root[3]
    assert counted is not None
    store.upsert(1_000, (1_000, 1))
    assert (it.get()[1_000], before[1_000]) == ((1_000, 1), (1_000, 0))
    assert it.get()._root[3] is counted
    store.remove(0)
    assert it.get()[999] == (1_000, 1)


@pytest.mark.parametrize(
    ("rows", "levels"), [(0, 0), (24, 1), (96 * 18, 1), (96 * 18 + 1, 2), (100_000, 2)]
)
def test_a_new_tree_has_no_level_that_its_nodes_have_room_for(rows: int, levels: int) -> None:
    node: Any = tree_of([(place, place, place, place) for place in range(rows)])
    found = 0
    while is_inner(node):
        node = children_of(node)[0]
        found += 1
    assert found == levels
