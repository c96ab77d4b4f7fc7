"""Live views against recomputation: whatever is written, in whatever batches, however late delivery is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from queue_home import QueueHome

from reactive_ws import Domain, KeyedStore, batch
from reactive_ws.middleware import UndoHistory, undo
from reactive_ws.state import Entities, incremental
from reactive_ws.views import Rows, View, apply_changes, pipeline, rows, tree, view


@attrs.frozen
class Item:
    size: int
    name: str
    friend: int


def is_large(item: Item) -> bool:
    return item.size > 2


def size_of(item: Item) -> int:
    return item.size


def name_of(item: Item) -> str:
    return item.name


def friend_of(item: Item) -> int:
    return item.friend


Snapshot = Mapping[int, Item]
Expected = Callable[[Snapshot, Snapshot], Any]


def ordered(entities: Snapshot) -> list[tuple[int, Item]]:
    return list(entities.items())


def grouped(entities: Snapshot) -> dict[str, list[tuple[int, Item]]]:
    found: dict[str, list[tuple[int, Item]]] = {}
    for key, item in sorted(ordered(entities), key=lambda pair: pair[1].size):
        found.setdefault(item.name, []).append((key, item))
    return found


def plain(value: Any) -> Any:
    """Makes plain data of what a view gives."""
    if isinstance(value, Rows):
        return list(value.items())
    if isinstance(value, Mapping):
        return {name: plain(part) for name, part in value.items()}
    return value


ROWS: dict[str, Expected] = {
    "all": lambda a, _: ordered(a),
    "large": lambda a, _: [pair for pair in ordered(a) if is_large(pair[1])],
    "by size": lambda a, _: sorted(ordered(a), key=lambda pair: pair[1].size),
    "large by name": lambda a, _: sorted(
        [pair for pair in ordered(a) if is_large(pair[1])], key=lambda pair: pair[1].name
    ),
    "falling": lambda a, _: sorted(ordered(a), key=lambda pair: pair[1].size, reverse=True),
    "joined": lambda a, b: [(key, (item, b.get(item.friend))) for key, item in ordered(a)],
    "joined by friend": lambda a, b: sorted(
        [(k, (item, b[item.friend])) for k, item in ordered(a) if item.friend in b],
        key=lambda pair: pair[1][1].size,
    ),
}
VALUES: dict[str, Expected] = {
    "count": lambda a, _: len(a),
    "count of large": lambda a, _: sum(map(is_large, a.values())),
    "sum": lambda a, _: sum(item.size for item in a.values()),
    "groups": lambda a, _: grouped(a),
    "index": lambda a, _: {name: dict(found) for name, found in grouped(a).items()},
    "top": lambda a, _: tuple(sorted(a.values(), key=size_of, reverse=True)[:2]),
    "window": lambda a, _: tuple(sorted(a.values(), key=size_of)[1:4]),
}

keys = st.integers(0, 7)
items = st.builds(
    Item, size=st.integers(0, 5), name=st.sampled_from("abc"), friend=st.integers(0, 4)
)
pairs = st.dictionaries(keys, items, max_size=8)


def small_nodes(patch: pytest.MonkeyPatch) -> None:
    for name in ("_MOST_ROWS", "_MOST_NODES"):
        patch.setattr(tree, name, 4)
    for name in ("_FEW_ROWS", "_FEW_NODES"):
        patch.setattr(tree, name, 2)


class ViewMachine(RuleBasedStateMachine):
    """Writes two keyed stores; every view must be what its entities make it, in each commit and at each read."""

    def __init__(self) -> None:
        super().__init__()
        # Small nodes, so that few rows split and join them.
        self.patch = pytest.MonkeyPatch()
        small_nodes(self.patch)
        self.patch.setattr(rows, "_A_FEW", 2)
        self.patch.setattr(pipeline, "_SOME", 1)
        self.home = QueueHome()

    def teardown(self) -> None:
        self.patch.undo()

    @initialize(first=pairs, second=pairs, has_home=st.booleans(), is_watched=st.booleans())
    def start(
        self,
        first: dict[int, Item],
        second: dict[int, Item],
        has_home: bool,
        is_watched: bool,
    ) -> None:
        self.domain = Domain(strict=True, home=self.home if has_home else None)
        self.a = KeyedStore(first, domain=self.domain, name="a")
        self.b = KeyedStore(second, domain=self.domain, name="b")
        self.history: UndoHistory = undo(self.a, limit=20)
        everything = view(self.a)
        joined = everything.join(self.b, friend_of)
        self.views: dict[str, View[Any, Any]] = {
            "all": everything,
            "large": everything.where(is_large),
            "by size": everything.sorted_by(size_of),
            "large by name": everything.where(is_large).sorted_by(name_of),
            "falling": everything.sorted_by(size_of, reverse=True),
            "joined": joined,
            "joined by friend": joined.where(lambda pair: pair[1] is not None).sorted_by(
                lambda pair: pair[1].size  # type: ignore[union-attr]
            ),
        }
        self.values: dict[str, Any] = {
            "count": everything.count(),
            "count of large": everything.where(is_large).count(),
            "sum": everything.sum_by(size_of),
            "groups": everything.sorted_by(size_of).group_by(name_of),
            "index": everything.index(name_of),
            "top": everything.top(2, size_of),
            "window": everything.sorted_by(size_of).window(1, 3),
        }
        # Per view: a list as a widget has it, changed by the operations alone.
        self.screens: dict[str, list[Any]] = {}
        self.shown: dict[str, Any] = {}
        self.commits: list[tuple[Snapshot, Snapshot]] = [(self.a.get_all(), self.b.get_all())]
        self.snapshots: list[Any] = []
        self.domain.on_commit(self.note)
        if is_watched:
            self.watch()

    def note(self, commit: Any) -> None:
        a, b = self.commits[-1]
        for store, _, new in commit.changes:
            a, b = (new if store is self.a else a), (new if store is self.b else b)
        self.commits.append((a, b))

    @rule()
    def watch(self) -> None:
        for name, it in self.views.items():
            if name not in self.screens:
                self.screens[name] = []
                it.select().subscribe(lambda value, name=name: self.see(name, value))
        for name, it in self.values.items():
            if name not in self.shown:
                self.shown[name] = None
                it.select().subscribe(
                    lambda value, name=name: self.shown.__setitem__(name, plain(value))
                )

    def see(self, name: str, value: Rows[Any, Any]) -> None:
        before = self.shown.get(name)
        screen = self.screens[name]
        if before is None:
            screen[:] = value
        else:
            changes = value.changes_since(before)
            apply_changes(screen, changes)
            # A change of one entity is not drawn as a new list.
            assert len(changes) <= 2 * (len(before) + len(value))
        assert screen == list(value)
        self.shown[name] = value

    @rule(key=keys, item=items)
    def upsert(self, key: int, item: Item) -> None:
        self.a.upsert(key, item)

    @rule(key=keys, item=items)
    def upsert_other(self, key: int, item: Item) -> None:
        self.b.upsert(key, item)

    @rule(key=keys)
    def remove(self, key: int) -> None:
        self.a.remove(key)

    @rule(key=keys)
    def remove_other(self, key: int) -> None:
        self.b.remove(key)

    @rule(many=pairs)
    def set_many(self, many: dict[int, Item]) -> None:
        self.a.set_many(many)

    @rule(many=pairs)
    def replace_all(self, many: dict[int, Item]) -> None:
        self.a.replace_all(many)

    @rule()
    def turn_around(self) -> None:
        self.a.replace_all(list(self.a.get_all().items())[::-1])

    @rule(old=keys, new=keys)
    def rename(self, old: int, new: int) -> None:
        if old in self.a:
            self.a.rename(old, new)

    @rule()
    def reset(self) -> None:
        self.a.reset()

    @rule(steps=st.integers(1, 3), is_back=st.booleans())
    def move_through_history(self, steps: int, is_back: bool) -> None:
        self.history.undo(steps) if is_back else self.history.redo(steps)

    @rule(key=keys, item=items, other=keys, is_kept=st.booleans())
    def write_in_a_batch(self, key: int, item: Item, other: int, is_kept: bool) -> None:
        try:
            with batch(self.domain):
                self.a.upsert(key, item)
                again = self.a.get(other)
                self.a.remove(other)
                if again is not None:
                    # The same entity in another place.
                    self.a.upsert(other, again)
                self.b.upsert(other, item)
                self.look()
                if not is_kept:
                    raise KeyError
        except KeyError:
            pass

    @rule()
    def deliver(self) -> None:
        self.home.run()

    def look(self) -> None:
        a, b = self.a.get_all(), self.b.get_all()
        for name, it in self.views.items():
            assert plain(it.get()) == ROWS[name](a, b), name
        for name, it in self.values.items():
            assert plain(it.get()) == VALUES[name](a, b), name

    @invariant()
    def every_view_is_what_its_entities_make_it(self) -> None:
        if hasattr(self, "views"):
            self.look()
            if not self.home.posted:
                a, b = self.commits[-1]
                for name, value in self.shown.items():
                    expected = ROWS[name](a, b) if name in ROWS else VALUES[name](a, b)
                    assert plain(value) == expected, name


TestViews = ViewMachine.TestCase


class DirectMachine(RuleBasedStateMachine):
    """Writes a store of few views in a domain without hooks, where each write goes straight to the only view or to all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        small_nodes(self.patch)

    def teardown(self) -> None:
        self.patch.undo()

    @initialize(first=pairs)
    def start(self, first: dict[int, Item]) -> None:
        self.errors: list[object] = []
        self.store = KeyedStore(first, domain=Domain(on_error=self.errors.append))
        everything = view(self.store)
        self.views: list[tuple[str, View[Any, Any]]] = [
            ("by size", everything.sorted_by(size_of)),
            ("large by name", everything.where(is_large).sorted_by(name_of)),
            ("falling", everything.sorted_by(size_of, reverse=True)),
            ("large", everything.where(is_large)),
        ]
        self.total = everything.sum_by(size_of)
        self.shown: dict[str, Any] = {}
        self.watched: dict[str, Any] = {}

    @rule(number=st.integers(0, 3))
    def watch_or_leave(self, number: int) -> None:
        name, it = self.views[number]
        if name in self.watched:
            self.watched.pop(name).dispose()
        else:
            self.watched[name] = it.select().subscribe(
                lambda rows: self.shown.__setitem__(name, rows)
            )

    @rule(key=keys, item=items)
    def upsert(self, key: int, item: Item) -> None:
        self.store.upsert(key, item)

    @rule(key=keys)
    def remove(self, key: int) -> None:
        self.store.remove(key)

    @rule(key=keys, item=items, other=keys)
    def write_in_a_batch(self, key: int, item: Item, other: int) -> None:
        with batch(self.store.domain):
            self.store.upsert(key, item)
            self.store.upsert(other, item)

    @rule()
    def read_a_value_that_nothing_observes(self) -> None:
        assert self.total.get() == sum(item.size for item in self.store.get_all().values())

    @rule(key=keys)
    def observe_a_key(self, key: int) -> None:
        self.store.select(key, size_of).subscribe(lambda _: None)

    @invariant()
    def what_is_watched_is_what_the_entities_make_it(self) -> None:
        if hasattr(self, "watched"):
            for name in self.watched:
                assert plain(self.shown[name]) == ROWS[name](self.store.get_all(), {}), name
            assert self.errors == []


TestDirectWrites = DirectMachine.TestCase


# --- planted bugs -----------------------------------------------------------------------------------------------------------


def places_are_never_checked(patch: pytest.MonkeyPatch) -> None:
    """Takes every snapshot for one that keeps the order of its keys."""
    patch.setattr(Entities, "keeps_places_of", lambda self, older: True)


def only_the_left_side_of_a_join_counts(patch: pytest.MonkeyPatch) -> None:
    """A change of the right store is not seen by a join."""
    step = pipeline.Pipeline.step_joined

    def planted(self: Any, joined: Any, left: Any, right: Any) -> Any:
        right.keys = ()
        return step(self, joined, left, right)

    patch.setattr(pipeline.Pipeline, "step_joined", planted)


def leaves_are_changed_in_place(patch: pytest.MonkeyPatch) -> None:
    """Saves the copy of a leaf, and so changes what an older value shares."""
    changed = tree.changed

    def planted(root: Any, *change: Any) -> Any:
        before = list(tree.leaves_of(root))
        made = changed(root, *change)
        after = list(tree.leaves_of(made))
        kept = {id(leaf) for leaf in before} & {id(leaf) for leaf in after}
        old, new = ([leaf for leaf in side if id(leaf) not in kept] for side in (before, after))
        if len(old) == len(new) == 1:
            old[0][:] = new[0]
        return made

    patch.setattr(rows, "changed", planted)
    patch.setattr(pipeline, "changed", planted)


def moves_between_nodes_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A row that moves from one node to another is only inserted."""
    changes = rows._changes

    def planted(older: Any, newer: Any, **options: Any) -> Any:
        found = list(changes(older, newer, **options))
        return [it for it in found if not isinstance(it, rows.Move)]

    patch.setattr(rows, "_changes", planted)


def skips_what_is_queued(patch: pytest.MonkeyPatch) -> None:
    """A read ahead of delivery goes from the delivered value to the newest by the newest commit alone."""
    module = incremental.__globals__
    delta = module["_delta"]
    patch.setitem(module, "_delta", lambda chain: delta([chain[0], chain[-1]]))


def the_first_view_stays_the_only_one(patch: pytest.MonkeyPatch) -> None:
    """A store goes on with the view that was its only dependent when others came."""
    add = KeyedStore._add_dependent

    def planted(self: Any, dependent: Any) -> None:
        first = self._follower
        add(self, dependent)
        self._follower = self._follower if first is None else first

    patch.setattr(KeyedStore, "_add_dependent", planted)


def equal_sort_keys_in_any_order(patch: pytest.MonkeyPatch) -> None:
    """A falling view has equal rows in falling order, too."""
    patch.setattr(pipeline.Pipeline, "sign", property(lambda self: 1))


@pytest.mark.parametrize(
    ("machine", "plant"),
    [
        (ViewMachine, places_are_never_checked),
        (ViewMachine, only_the_left_side_of_a_join_counts),
        (ViewMachine, leaves_are_changed_in_place),
        (ViewMachine, moves_between_nodes_are_forgotten),
        (ViewMachine, skips_what_is_queued),
        (ViewMachine, equal_sort_keys_in_any_order),
        (DirectMachine, the_first_view_stays_the_only_one),
    ],
)
def test_the_machine_finds(monkeypatch: pytest.MonkeyPatch, machine: Any, plant: Any) -> None:
    plant(monkeypatch)
    search = settings(
        max_examples=300,
        stateful_step_count=10,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
    )
    with pytest.raises((AssertionError, ExceptionGroup, IndexError, ValueError)):
        run_state_machine_as_test(machine, settings=search)
