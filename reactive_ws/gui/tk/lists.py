"""`TreeRows`: a stream of rows in a `ttk.Treeview`, with few operations a frame.

Selection, focus and scroll position stay with their rows. The program makes the Treeview; this module imports no toolkit.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakSet

from reactivex import Observable

from ...errors import UsageError
from ...state import ReadOnly
from ...views import Change, Insert, Move, Remove, apply_changes, list_changes
from ..binding import rows_of
from ..loop import check_loop
from ..rows import End, check_row_functions, count_new_at_end
from .loop import TkLoop
from .scrolling import FollowEnd

if TYPE_CHECKING:
    from tkinter import ttk

__all__ = ["TreeRows"]

T = TypeVar("T")

_TAKEN: WeakSet[Any] = WeakSet()
"""The Treeviews that show rows already. UI thread."""


class TreeRows(Generic[T]):
    """The top-level rows of a Treeview. UI thread.

    Args:
        ui: The loop.
        tree: An empty Treeview. The program adds no top-level rows itself.
        stream: The rows, as immutable sequences.
        key: Returns the key of a row.
        text: Returns what the tree column shows.
        values: Returns what the other columns show. Strings show as they are.
        tags: Returns the tags of a row, for its colours.
        follow_end: Whether a tree at its end stays at the end, also when it shrinks.

    Raises:
        UsageError: the tree has rows, or another `TreeRows` shows its rows there; or an argument is of another kind.
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
        check_loop(ui, TkLoop, "TreeRows(ui, tree, stream, key=..., text=...)")
        check_row_functions(key=key, text=text, values=values, tags=tags)
        if tree in _TAKEN or tree.get_children():
            raise UsageError(
                "this Treeview has rows already; make one ttk.Treeview for each TreeRows, and leave it empty"
            )
        _TAKEN.add(tree)
        self._key = key
        self._text = text
        self._values = values
        self._tags = tags
        self._rows: list[T] = []
        self._ids: list[str] = []
        self._operations = 0
        self._following = FollowEnd(ui, tree, is_on=follow_end)
        self._is_on = follow_end
        ui.bind(rows_of(stream), tree, self._show)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def operations(self) -> int:
        """Number of row operations so far."""
        return self._operations

    @property
    def end(self) -> End:
        """The end of the tree, with its streams `at_end` and `unseen`."""
        return self._following.end

    def item_of(self, row_id: str) -> T:
        """Returns the item of a row of the Treeview, such as one of `tree.selection()`.

        Raises:
            ValueError: the tree has no such row.
        """
        return self._rows[self._ids.index(row_id)]

    def _show(self, tree: ttk.Treeview, rows: Sequence[T]) -> None:
        changes = list_changes(self._rows, rows, self._key)
        if not changes:
            return
        first, _ = tree.yview()  # pyright: ignore[reportUnknownMemberType] - an overload of typeshed
        is_following = self._is_on and self.end.is_there
        top = round(first * len(self._ids))
        anchor = self._ids[top] if top < len(self._ids) else None
        new = count_new_at_end(self._rows, rows, self._key)
        for change in changes:
            self._do(tree, change)
        if is_following:
            self._following.changed()
        elif anchor in self._ids and self._ids.index(anchor) != top:
            tree.yview_moveto(self._ids.index(anchor) / len(self._ids))
        self.end.came(new)

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
