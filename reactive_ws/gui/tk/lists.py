"""`TreeRows`: a stream of rows in a `ttk.Treeview`, changed by few operations per frame.

Selection, focus and scroll position stay with their rows. Nothing is imported here; you make the Treeview.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from reactivex import Observable

from ...state import ReadOnly
from ...views import Change, Insert, Move, Remove, apply_changes, list_changes
from .loop import TkLoop

if TYPE_CHECKING:
    from tkinter import ttk

__all__ = ["TreeRows"]

T = TypeVar("T")


class TreeRows(Generic[T]):
    """The top-level rows of a Treeview. UI thread.

    Args:
        ui: The loop.
        tree: Empty; rows are not to be added by anybody else.
        stream: The rows, as immutable sequences.
        key: What a row is known by.
        text: What the tree column shows.
        values: What the other columns show.
        tags: Tags of a row, for its colours.
        follow_end: Whether a tree that is scrolled to its end stays at the end, as a chat does.
    """

    def __init__(
        self,
        ui: TkLoop,
        tree: ttk.Treeview,
        stream: Observable[Sequence[T]] | ReadOnly[Sequence[T]],
        *,
        key: Callable[[T], Hashable],
        text: Callable[[T], str] = lambda _: "",
        values: Callable[[T], Sequence[object]] = lambda _: (),
        tags: Callable[[T], Sequence[str]] = lambda _: (),
        follow_end: bool = False,
    ) -> None:
        self._key = key
        self._text = text
        self._values = values
        self._tags = tags
        self._is_following = follow_end
        self._rows: list[T] = []
        self._ids: list[str] = []
        self._operations = 0
        ui.bind(stream, tree, self._show)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def operations(self) -> int:
        """How many row operations there were so far."""
        return self._operations

    def item_of(self, row_id: str) -> T:
        """Returns the item of a row of the Treeview, such as one of `tree.selection()`.

        Raises:
            ValueError: there is no such row.
        """
        return self._rows[self._ids.index(row_id)]

    def _show(self, tree: ttk.Treeview, rows: Sequence[T]) -> None:
        changes = list_changes(self._rows, rows, self._key)
        if not changes:
            return
        first, last = tree.yview()  # pyright: ignore[reportUnknownMemberType] - an overload of typeshed
        is_at_end = self._is_following and last >= 1.0
        top = round(first * len(self._ids))
        anchor = self._ids[top] if top < len(self._ids) else None
        for change in changes:
            self._do(tree, change)
        if is_at_end and self._ids:
            tree.yview_moveto(1.0)
        elif anchor in self._ids and self._ids.index(anchor) != top:
            tree.yview_moveto(self._ids.index(anchor) / len(self._ids))

    def _do(self, tree: ttk.Treeview, change: Change[T]) -> None:
        self._operations += 1
        apply_changes(self._rows, (change,))
        match change:
            case Insert(index, item):
                options: dict[str, Any] = self._options(item)
                self._ids.insert(index, tree.insert("", index, **options))
            case Remove(index):
                tree.delete(self._ids.pop(index))
            case Move(source, target):
                row_id = self._ids.pop(source)
                self._ids.insert(target, row_id)
                tree.move(row_id, "", target)
            case _:
                options = self._options(change.item)
                tree.item(self._ids[change.index], **options)

    def _options(self, item: T) -> dict[str, Any]:
        return {
            "text": self._text(item),
            "values": tuple(self._values(item)),
            "tags": tuple(self._tags(item)),
        }
