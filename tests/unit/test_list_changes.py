"""Keyed list differences: right, and few."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactive_ws.views import Insert, Move, Remove, Update, apply_changes, list_changes

Row = tuple[int, str]


def key(row: Row) -> int:
    return row[0]


def rows(text: str) -> list[Row]:
    """ "1a 2b" as rows."""
    return [(int(part[0]), part[1:]) for part in text.split()]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("1a 2b 3c", "1a 2b 3c", ()),
        ("", "1a 2b", (Insert(0, (1, "a")), Insert(1, (2, "b")))),
        ("1a 2b", "", (Remove(1), Remove(0))),
        ("1a 2b 3c", "1a 2x 3c", (Update(1, (2, "x")),)),
        ("1a 2b 3c", "1a 3c", (Remove(1),)),
        ("1a 3c", "1a 2b 3c", (Insert(1, (2, "b")),)),
        ("1a 2b 3c 4d", "4d 1a 2b 3c", (Move(3, 0),)),
        ("1a 2b 3c 4d", "1a 4d 3x 2b", (Move(3, 1), Move(3, 2), Update(2, (3, "x")))),
    ],
)
def test_a_change_of_rows_is_these_operations(old: str, new: str, expected: tuple[object]) -> None:
    assert list_changes(rows(old), rows(new), key) == expected


def test_two_rows_of_one_key_are_refused() -> None:
    with pytest.raises(ValueError, match="a key must name one row"):
        list_changes([], rows("1a 1b"), key)


row_lists = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from("abc")), unique_by=key, max_size=12
)


@given(row_lists, row_lists)
def test_the_operations_make_the_new_list_from_the_old(old: list[Row], new: list[Row]) -> None:
    shown = list(old)
    apply_changes(shown, list_changes(old, new, key))
    assert shown == new


@given(row_lists, st.data())
def test_k_changed_rows_cost_at_most_k_operations(old: list[Row], data: st.DataObject) -> None:
    new = list(old)
    changed: set[int] = set()
    for fresh in range(100, 100 + data.draw(st.integers(0, 4))):
        what = data.draw(st.sampled_from(["insert", "remove", "update", "move"]))
        index = data.draw(st.integers(0, max(0, len(new) - 1)))
        if what == "insert":
            new.insert(index, (fresh, "n"))
            changed.add(fresh)
        elif new:
            row = new.pop(index)
            changed.add(row[0])
            if what == "update" and row[0] < 100:
                new.insert(index, (row[0], "u"))
            elif what == "move":
                new.insert(data.draw(st.integers(0, len(new))), row)
    # A row that moved and changed is two operations on one row.
    updates = sum(isinstance(change, Update) for change in list_changes(old, new, key))
    others = len(list_changes(old, new, key)) - updates
    assert others <= len(changed)
    assert updates <= len(changed)


def test_a_change_at_the_end_of_ten_thousand_rows_does_not_look_at_their_keys() -> None:
    old = [(number, "a") for number in range(10_000)]
    looked: list[int] = []

    def counting(row: Row) -> int:
        looked.append(row[0])
        return row[0]

    changes = list_changes(old, [*old, (10_000, "a")], counting)
    assert changes == (Insert(10_000, (10_000, "a")),)
    assert set(looked) == {10_000}
