"""`ListRows`: a stream of rows in a Textual `ListView`, changed by few operations per frame.

The highlighted row stays highlighted and the top row stays where it is. You hand in the classes; nothing is imported here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from typing import Any, Generic, TypeVar

from reactivex import Observable

from ...state import ReadOnly
from ...views import Change, Insert, Move, Remove, apply_changes, list_changes
from ..asyncio_loop import TextualLoop

__all__ = ["ListRows"]

T = TypeVar("T")

_LAYOUT_WAIT = 1 / 60
_LAYOUT_TRIES = 300
"""Seconds between two looks whether new rows have their places, and how often it looks: five seconds."""


class ListRows(Generic[T]):
    """The rows of a ListView. UI thread.

    Textual removes widgets in the background; what comes meanwhile is shown afterwards, the newest only.

    Args:
        ui: The loop.
        view: An empty `textual.widgets.ListView`; rows are not to be added by anybody else.
        list_item: The class `textual.widgets.ListItem`.
        static: The class `textual.widgets.Static`.
        stream: The rows, as immutable sequences.
        key: What a row is known by.
        render: What a row shows: a text, or anything that `Static` takes.
        follow_end: Whether a view that is scrolled to its end stays at the end, as a chat does.
    """

    def __init__(
        self,
        ui: TextualLoop,
        view: Any,
        list_item: Callable[..., Any],
        static: Callable[..., Any],
        stream: Observable[Sequence[T]] | ReadOnly[Sequence[T]],
        *,
        key: Callable[[T], Hashable],
        render: Callable[[T], object],
        follow_end: bool = False,
    ) -> None:
        self._list_item = list_item
        self._static = static
        self._key = key
        self._render = render
        self._is_following = follow_end
        self._on_error = ui.on_error
        self._rows: list[T] = []
        self._items: list[Any] = []
        self._texts: list[Any] = []
        self._wanted: Sequence[T] | None = None
        self._task: asyncio.Task[None] | None = None
        self._operations = 0
        self._held: tuple[Any, int] | None = None
        self._scrolled_to = 0
        self._is_told_of_layouts = False
        if follow_end:
            view.anchor()
        ui.bind(stream, view, self._show)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> T:
        """Returns the item of a row, such as that of `view.index`."""
        return self._rows[index]

    @property
    def operations(self) -> int:
        """How many row operations there were so far."""
        return self._operations

    @property
    def is_settled(self) -> bool:
        """Whether the view shows the newest rows."""
        return self._task is None

    def _show(self, view: Any, rows: Sequence[T]) -> None:
        self._wanted = rows
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(
                self._work(view), name="reactive_ws list rows"
            )

    async def _work(self, view: Any) -> None:
        try:
            while self._wanted is not None:
                rows, self._wanted = self._wanted, None
                changes = list_changes(self._rows, rows, self._key)
                if changes and view.is_attached:
                    await self._change(view, changes)
        except Exception as error:  # noqa: BLE001 - reported like that of any other setter; the next rows are shown again
            self._on_error(error)
        finally:
            self._task = None

    async def _change(self, view: Any, changes: Sequence[Change[T]]) -> None:
        if not self._is_told_of_layouts:
            self._is_told_of_layouts = True

            def after_layout(_: object) -> None:
                self._put_back(view)

            layouts = view.screen.screen_layout_refresh_signal
            layouts.subscribe(view, after_layout, immediate=True)
        if view.scroll_y:
            await self._laid_out(view, self._items[-1:])
        highlighted = view.highlighted_child
        index = view.index
        held = self._top_row(view)
        before = list(self._items)
        mounted: dict[Any, Awaitable[object]] = {}
        with view.app.batch_update():
            removed: list[Any] = []
            for change in changes:
                if not isinstance(change, Remove) and removed:
                    # All removals come first; the places of what follows count without them.
                    await view.remove_children(removed)
                    removed = []
                self._do(view, change, removed, mounted)
            if removed:
                await view.remove_children(removed)
        self._highlight(view, highlighted, index)
        self._held, self._scrolled_to = self._remaining(held, before), view.scroll_y

        # A row is in the view before its text is in the row.
        for text in mounted.values():
            await text

    def _put_back(self, view: Any) -> None:
        """Is called after each layout, since nothing says which one has the newest rows in it."""
        if self._held is None:
            return
        row, offset = self._held
        is_where_we_left_it = view.scroll_y == min(self._scrolled_to, view.max_scroll_y)
        if not (is_where_we_left_it and row.is_attached) or self._is_kept_at_end(view):
            # The user has scrolled, and what is at the top then is what stays there.
            self._held = None
            return
        if not row.virtual_region:
            return
        wanted = row.virtual_region.y + offset
        view.scroll_to(y=wanted, animate=False, immediate=True)
        self._scrolled_to = view.scroll_y
        if self._scrolled_to != wanted:
            # So near to the end it cannot be at the top.
            self._held = None

    def _is_kept_at_end(self, view: Any) -> bool:
        """Whether Textual keeps the view at its end, which it does until the user scrolls away."""
        return self._is_following and not view._anchor_released

    def _top_row(self, view: Any) -> tuple[Any, int] | None:
        """Returns the row at the top, and how much of it is above; None where nothing is to be put back."""
        if self._is_kept_at_end(view):
            return None
        if self._held is not None and view.scroll_y == self._scrolled_to:
            # Perhaps it is not put back yet, and what is at the top now is there by chance.
            return self._held
        top = view.scroll_y
        row = next((it for it in self._items if it.virtual_region.bottom > top), None)
        return None if row is None else (row, top - row.virtual_region.y)

    def _remaining(self, held: tuple[Any, int] | None, before: list[Any]) -> tuple[Any, int] | None:
        """Returns the row that is to be at the top: the next one that is still there when it was removed."""
        if held is None:
            return None
        row, offset = held
        there = set(self._items)
        if row in there:
            return row, offset
        after = before[before.index(row) + 1 :] if row in before else []
        return next(((it, 0) for it in after if it in there), None)

    async def _laid_out(self, view: Any, rows: Iterable[Any]) -> None:
        """Waits until rows have their places, which on a busy machine may be long after they were mounted."""
        for _ in range(_LAYOUT_TRIES):
            is_shown = view.is_attached and view.region
            if not is_shown or all(it.virtual_region for it in rows if it.is_attached):
                return
            await asyncio.sleep(_LAYOUT_WAIT)

    def _highlight(self, view: Any, child: Any, index: int | None) -> None:
        """Keeps the highlight on its row, without scrolling there; on the next one when the row is gone."""
        # Without its watcher, which would scroll to the row.
        kind: Any = view.__class__
        reactive = kind.index
        if child in self._items:
            view.set_reactive(reactive, self._items.index(child))
        elif index is not None:
            view.set_reactive(reactive, None)
            view.index = index if self._items else None

    def _do(
        self,
        view: Any,
        change: Change[T],
        removed: list[Any],
        mounted: dict[Any, Awaitable[object]],
    ) -> None:
        self._operations += 1
        apply_changes(self._rows, (change,))
        match change:
            case Insert(index, item):
                text = self._static(self._render(item), markup=False)
                row = self._list_item(text)
                before = index if index < len(self._items) else None
                mounted[row] = view.mount(row, before=before)
                self._items.insert(index, row)
                self._texts.insert(index, text)
            case Remove(index):
                removed.append(self._items.pop(index))
                del self._texts[index]
            case Move(source, target):
                row = self._items.pop(source)
                if target < len(self._items):
                    view.move_child(row, before=self._items[target])
                else:
                    view.move_child(row, after=self._items[-1])
                self._items.insert(target, row)
                self._texts.insert(target, self._texts.pop(source))
            case _:
                self._texts[change.index].update(self._render(change.item))
