"""Groups of row operations, and what a list knows of its end."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactive_ws.gui import ManualLoop
from reactive_ws.gui.rows import Differ, End, count_new_at_end, runs
from reactive_ws.views import Change, Update, apply_changes, list_changes

Row = tuple[int, str]


def key(row: Row) -> int:
    return row[0]


def rows(text: str) -> list[Row]:
    """ "1a 2b" as rows."""
    return [(int(part[0]), part[1:]) for part in text.split()]


row_lists = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from("abc")), unique_by=key, max_size=12
)


@given(row_lists, row_lists)
def test_runs_keep_the_operations_and_their_order(old: list[Row], new: list[Row]) -> None:
    changes = list_changes(old, new, key)
    groups = list(runs(changes))
    assert [change for group in groups for change in group] == list(changes)
    assert all(len({type(change) for change in group}) == 1 for group in groups)


same_keys = st.integers(0, 12).flatmap(
    lambda count: st.tuples(
        *[
            st.lists(st.sampled_from("abc"), min_size=count, max_size=count).map(
                lambda texts: list(enumerate(texts))
            )
        ]
        * 2
    )
)


@given(st.one_of(same_keys, st.tuples(row_lists, row_lists)))
def test_rows_that_change_in_place_are_found_without_operations(
    pair: tuple[list[Row], list[Row]],
) -> None:
    old, new = pair
    changes = list_changes(old, new, key)
    places = Differ(key).changed_places(old, new)
    if places is None:
        # At least one row came, went or moved.
        assert [key(row) for row in old] != [key(row) for row in new]
    else:
        found = [place for run in places for place in run]
        assert [Update(place, new[place]) for place in found] == list(changes)
        # Each run is as long as it can be.
        assert all(a.stop < b.start for a, b in itertools.pairwise(places))


def test_neighbours_are_one_run() -> None:
    def groups(old: str, new: str) -> list[int]:
        return [len(group) for group in runs(list_changes(rows(old), rows(new), key))]

    assert groups("1a 2b 3c", "1x 2x 3x") == [3]
    assert groups("1a 2b 3c", "1x 2b 3x") == [1, 1]
    assert groups("", "1a 2b 3c") == [3]
    assert groups("1a 2b 3c 4d", "1a") == [3]


def test_every_kind_of_run_can_be_done_to_a_list() -> None:
    shown: list[Row] = rows("1a 2b 3c 4d")
    changes: tuple[Change[Row], ...] = list_changes(shown, rows("4d 1x 9z 8y"), key)
    for group in runs(changes):
        apply_changes(shown, group)
    assert shown == rows("4d 1x 9z 8y")


@pytest.mark.parametrize(
    ("old", "new", "count"),
    [
        ("", "1a 2b", 2),
        ("1a 2b", "1a 2b", 0),
        ("1a 2b", "2x 3c 4d", 2),
        ("1a 2b", "3c 1a 2b", 0),
        ("1a 2b", "2b 1a", 0),
        ("1a", "", 0),
    ],
)
def test_new_rows_at_the_end_are_counted(old: str, new: str, count: int) -> None:
    assert count_new_at_end(rows(old), rows(new), key) == count


def test_an_end_counts_what_comes_while_the_view_is_elsewhere() -> None:
    ui, seen = ManualLoop(), list[tuple[bool, int]]()
    end = End(ui.domain, lambda: end.moved(is_at_end=True))
    end.unseen.select().subscribe(lambda count: seen.append((end.at_end.get(), count)))
    end.came(3)
    end.moved(is_at_end=False)
    end.came(2)
    end.came(0)
    end.came(1)
    end.go()
    assert seen == [(True, 0), (False, 2), (False, 3), (True, 0)]
