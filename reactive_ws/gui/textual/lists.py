"""`ListRows`: a Textual widget that shows a stream of rows and draws only the lines that are seen.

A row is not a widget, so a thousand rows cost as much to draw as the lines on the screen. The highlighted row stays highlighted
and the top row stays in place when others come and go. Text can be selected with the mouse and copied.
The module is long because one widget draws, scrolls, highlights and copies the same rows.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Hashable, Sequence
from itertools import accumulate
from typing import Any, ClassVar, Generic, TypeVar

import attrs
from reactivex import Observable
from reactivex.abc import DisposableBase
from rich.cells import cell_len
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.selection import Selection as TextSelection
from textual.strip import Strip
from textual.style import Style
from textual.visual import Visual

from ...state import ReadOnly
from ...views import Change, Insert, Move, Remove, apply_changes, list_changes
from ..binding import rows_of
from ..loop import check_loop
from ..loops import TextualLoop
from ..rows import End, check_row_functions, count_new_at_end

__all__ = ["Box", "ListRows"]

T = TypeVar("T")


_LEAST = 24
"""Cells that a box keeps for its text in a narrow list; its margins give way first."""


@attrs.frozen
class Box:
    """The place and colours of a row that does not take the whole width, such as a bubble of a chat.

    Attributes:
        left, right: Cells that stay empty beside it.
        style: Of the box, in Textual's words, such as "on $primary 25%".
    """

    left: int = 0
    right: int = 0
    style: str = ""


class _Row:
    """One row: its content, its box, its height and its drawn lines.

    `strips` is None until the row is drawn; `height` is then an exact number too.
    """

    __slots__ = ("box", "content", "height", "strips")

    def __init__(self, content: Content, box: Box | None) -> None:
        self.content = content
        self.box = box
        self.height = 0
        self.strips: list[Strip] | None = None


class ListRows(ScrollView, Generic[T], can_focus=True):
    """A list. Keys: up, down, page up, page down, home, end; enter selects the highlighted row. UI thread.

    Style it by its name, `ListRows`, and the highlighted row by the component class `list-rows--highlight`.

    Args:
        ui: The loop.
        stream: The rows, as immutable sequences.
        key: Returns the key of a row.
        render: Returns what a row shows: a `str`, which is shown as it is, a `Content` or a rich `Text`.
        box: Returns the box of a row; a row takes the whole width when None.
        follow_end: Whether a list at its end stays at the end, also when it is resized.
        gap: Empty lines after each row.
        name, id, classes: Of the widget.
    """

    ALLOW_SELECT = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", show=False),
        Binding("down", "move(1)", "Down", show=False),
        Binding("pageup", "move_page(-1)", "Page up", show=False),
        Binding("pagedown", "move_page(1)", "Page down", show=False),
        Binding("home", "move_to_start", "Start", show=False),
        Binding("end", "move_to_end", "End", show=False),
        Binding("enter", "select", "Select", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"list-rows--highlight"}
    DEFAULT_CSS = """
    ListRows {
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-gutter: stable;
        background: $surface;
        color: $foreground;
        & > .list-rows--highlight { background: $block-cursor-blurred-background; }
        &:focus > .list-rows--highlight { background: $block-cursor-background; color: $block-cursor-foreground; }
    }
    """

    class Selected(events.Event):
        """The user pressed enter on a row, or clicked it.

        Attributes:
            list_rows: The list.
            index: The place of the row.
            item: The row.
        """

        def __init__(self, list_rows: ListRows[Any], index: int, item: Any) -> None:
            super().__init__()
            self.list_rows = list_rows
            self.index = index
            self.item = item

        @property
        def control(self) -> ListRows[Any]:
            """The list."""
            return self.list_rows

    def __init__(
        self,
        ui: TextualLoop,
        stream: Observable[Sequence[T]] | ReadOnly[Sequence[T]],
        *,
        key: Callable[[T], Hashable],
        render: Callable[[T], str | Content | Text],
        box: Callable[[T], Box] | None = None,
        follow_end: bool = False,
        gap: int = 0,
        name: str | None = None,
        id: str | None = None,  # noqa: A002 - Textual's word
        classes: str | None = None,
    ) -> None:
        check_loop(ui, TextualLoop, "ListRows(ui, stream, key=..., render=...)")
        check_row_functions(key=key, render=render, box=box or repr)
        self._shown: list[_Row] = []
        super().__init__(name=name, id=id, classes=classes)
        self._ui = ui
        self._stream = rows_of(stream)
        self._key = key
        self._render_row = render
        self._box_of = box
        self._is_following = follow_end
        self._gap = gap
        self._items: list[T] = []
        self._starts: list[int] = [0]
        self._width = 0
        self._highlighted: Hashable | None = None
        self._has_highlight = False
        self._operations = 0
        self._is_scrolling = False
        self._end = End(ui.domain, self.go_to_end)
        self._binding: DisposableBase | None = None

    # --- what a program asks ------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> T:
        """Returns the item of a row."""
        return self._items[index]

    def __bool__(self) -> bool:
        # A widget is true, also one without rows.
        return True

    @property
    def end(self) -> End:
        """The end of the list, with its streams `at_end` and `unseen`."""
        return self._end

    @property
    def operations(self) -> int:
        """Number of row operations so far."""
        return self._operations

    @property
    def index(self) -> int | None:
        """The place of the highlighted row; None without one. Set it to highlight and show a row."""
        if not self._has_highlight:
            return None
        for place, item in enumerate(self._items):
            if self._key(item) == self._highlighted:
                return place
        return None

    @index.setter
    def index(self, place: int | None) -> None:
        self._highlight(place)
        if place is not None and self._items:
            self._show_row(self._clamped(place))

    @property
    def texts(self) -> list[str]:
        """The plain text of each row."""
        return [row.content.plain for row in self._shown]

    def go_to_end(self) -> None:
        """Scrolls to the last row."""
        self._end.moved(is_at_end=True)
        self._scroll(self.max_scroll_y)

    # --- the stream ---------------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Shows the stream from now until the widget is removed."""
        self._binding = self._ui.bind(self._stream, self, lambda it, rows: it._show(rows))

    def _show(self, rows: Sequence[T]) -> None:
        old = list(self._items)
        changes = list_changes(old, rows, self._key)
        if not changes:
            return
        held, place = self._top_rows(), self.index
        self._operations += len(changes)
        if self._update(changes):
            return
        if place is not None and self.index is None:
            self._highlight(place if self._items else None)
        self._lay_out(held)
        self._end.came(count_new_at_end(old, rows, self._key))

    def _update(self, changes: Sequence[Change[T]]) -> bool:
        """Changes the rows; returns whether nothing has moved, and only the changed lines are to be drawn."""
        has_moved = False
        for change in changes:
            apply_changes(self._items, (change,))
            match change:
                case Insert(index, item):
                    self._shown.insert(index, self._make_row(item))
                case Remove(index):
                    del self._shown[index]
                case Move(source, target):
                    self._shown.insert(target, self._shown.pop(source))
                case _:
                    height = self._shown[change.index].height
                    row = self._shown[change.index] = self._make_row(change.item)
                    if row.height == height:
                        if not has_moved:
                            self.refresh_lines(self._starts[change.index], height)
                        continue
            has_moved = True
        return not has_moved

    def _make_row(self, item: T) -> _Row:
        shown = self._render_row(item)
        if isinstance(shown, Text):
            content = Content.from_rich_text(shown)
        elif isinstance(shown, str):
            content = Content(shown)
        else:
            content = shown
        row = _Row(content, None if self._box_of is None else self._box_of(item))
        if self._width:
            row.height = self._measure(row)
        return row

    # --- places -------------------------------------------------------------------------------------------------------

    def _measure(self, row: _Row) -> int:
        """Returns the height of a row without drawing it."""
        height, (_, width) = self._gap, self._text_room(row)
        for line in row.content.plain.split("\n"):
            if (len(line) if line.isascii() else cell_len(line)) <= width:
                height += 1
            else:
                height += max(1, len(Content(line).wrap(width)))
        return height

    def _text_room(self, row: _Row) -> tuple[int, int]:
        """Returns in which column the text of a row begins, and how many cells it has."""
        width, box = self._width or self.size.width, row.box
        if box is None:
            return 0, width
        left = max(0, min(box.left, width - _LEAST))
        right = max(0, min(box.right, width - _LEAST - left))
        # A cell on each side belongs to the box.
        return left + 1, max(1, width - left - right - 2)

    def _lay_out(self, held: tuple[list[Hashable], int] | None) -> None:
        """Computes where each row begins, and puts the view where it belongs."""
        self._starts = list(accumulate((row.height for row in self._shown), initial=0))
        is_following = self._is_following and self._end.is_there
        self._is_scrolling = True
        self.virtual_size = Size(self._width, self._starts[-1])
        self._is_scrolling = False
        if is_following:
            self._scroll(self.max_scroll_y)
        elif held is not None:
            names, offset = held
            places = {self._key(item): at for at, item in enumerate(self._items)}
            name = next((name for name in names if name in places), None)
            if name is not None:
                # A row that takes the place of a removed one begins at the top.
                self._scroll(self._starts[places[name]] + (offset if name == names[0] else 0))
        self._note_end()
        self.refresh()

    def _top_rows(self) -> tuple[list[Hashable], int] | None:
        """Returns the keys of the rows from the top on, and how many lines of the first are above the view."""
        if not self._items or not self._width or (self._is_following and self._end.is_there):
            return None
        top = round(self.scroll_y)
        place = min(bisect_right(self._starts, top) - 1, len(self._items) - 1)
        return [self._key(item) for item in self._items[place:]], top - self._starts[place]

    def _scroll(self, y: float) -> None:
        self._is_scrolling = True
        self.scroll_to(y=y, animate=False, immediate=True, force=True)
        self._is_scrolling = False

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Notes whether the user has scrolled away from the end, or back."""
        super().watch_scroll_y(old_value, new_value)
        if not self._is_scrolling:
            self._note_end()

    def _note_end(self) -> None:
        self._end.moved(is_at_end=self.scroll_y >= self.max_scroll_y)

    def on_resize(self, event: events.Resize) -> None:
        """Wraps the rows to the new width."""
        del event
        is_first = not self._width
        held = None if is_first else self._top_rows()
        is_following = self._is_following and self._end.is_there
        width = max(1, self.size.width - self.scrollbar_size_vertical)
        if width != self._width:
            self._width = width
            for row in self._shown:
                row.strips = None
                row.height = self._measure(row)
        self._lay_out(held)
        if is_following:
            self.go_to_end()
        place = self.index if is_first else None
        if place is not None:
            self._show_row(place)

    # --- the highlight ------------------------------------------------------------------------------------------------

    def _clamped(self, place: int) -> int:
        return max(0, min(place, len(self._items) - 1))

    def _highlight(self, place: int | None) -> None:
        self._has_highlight = place is not None and bool(self._items)
        if place is not None and self._items:
            self._highlighted = self._key(self._items[self._clamped(place)])
        self.refresh()

    def _show_row(self, place: int) -> None:
        top, bottom = self._starts[place], self._starts[place + 1]
        height = self.size.height
        if top < self.scroll_y:
            self._scroll(top)
        elif bottom > self.scroll_y + height:
            self._scroll(min(top, bottom - height))
        self._note_end()

    def action_move(self, rows: int) -> None:
        """Moves the highlight by a number of rows."""
        place = self.index
        if place is None:
            place = len(self._items) - 1 if self._is_following else 0
            self.index = place
        else:
            self.index = self._clamped(place + rows)

    def action_move_page(self, pages: int) -> None:
        """Moves the highlight by a number of pages."""
        if not self._items:
            return
        height = max(1, self.size.height)
        place = self.index or 0
        wanted = self._starts[place] + pages * height
        self.index = self._clamped(bisect_right(self._starts, max(0, wanted)) - 1)

    def action_move_to_start(self) -> None:
        """Highlights the first row."""
        self.index = 0

    def action_move_to_end(self) -> None:
        """Highlights the last row."""
        self.index = len(self._items) - 1
        self.go_to_end()

    def action_select(self) -> None:
        """Selects the highlighted row."""
        place = self.index
        if place is not None:
            self.post_message(self.Selected(self, place, self._items[place]))

    def on_click(self, event: events.Click) -> None:
        """Highlights and selects the row below the pointer."""
        y = round(self.scroll_y) + event.y - self.gutter.top
        if not 0 <= y < self._starts[-1]:
            return
        self._highlight(bisect_right(self._starts, y) - 1)
        self.action_select()

    # --- drawing ------------------------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """Returns one line of the screen."""
        line = round(self.scroll_y) + y
        width = self._width or self.size.width
        if not 0 <= line < self._starts[-1]:
            return Strip.blank(width, self.rich_style)
        place = bisect_right(self._starts, line) - 1
        within = line - self._starts[place]
        strips = self._draw(self._shown[place])
        is_lit = self._has_highlight and self._key(self._items[place]) == self._highlighted
        is_gap = within >= self._shown[place].height - self._gap
        strip = strips[within] if within < len(strips) else Strip.blank(width, self.rich_style)
        if is_lit and not is_gap:
            # Only the background: the colours of the text say something.
            style = self.get_component_rich_style("list-rows--highlight", partial=True)
            strip = strip.apply_style(style)
        return self._selected(strip, line).apply_offsets(0, line)

    def _draw(self, row: _Row) -> list[Strip]:
        if row.strips is None:
            start, width = self._text_room(row)
            style = self.visual_style
            if row.box is not None:
                style += Style.parse(row.box.style)
            strips = Visual.to_strips(
                self, row.content, width, None, style, apply_selection=False, pad=True
            )
            row.strips = strips if row.box is None else self._boxed(strips, start, style)
        return row.strips

    def _boxed(self, strips: list[Strip], start: int, style: Style) -> list[Strip]:
        """Puts lines of text into a box that begins a cell before `start`."""
        edge = Strip.blank(1, style.rich_style)
        left = Strip.blank(start - 1, self.rich_style)
        spare = (self._width or self.size.width) - start - strips[0].cell_length - 1
        right = Strip.blank(max(0, spare), self.rich_style)
        return [Strip.join([left, edge, strip, edge, right]) for strip in strips]

    def notify_style_update(self) -> None:
        """Draws all rows again when colours change."""
        super().notify_style_update()
        for row in self._shown:
            row.strips = None

    # --- text that can be selected ------------------------------------------------------------------------------------

    def _selected(self, strip: Strip, line: int) -> Strip:
        selection = self.text_selection
        span = None if selection is None else selection.get_span(line)
        if span is None:
            return strip
        start, end = span
        width = strip.cell_length
        end = width if end == -1 else min(end, width)
        style = self.screen.get_component_rich_style("screen--selection")
        middle = strip.crop(start, end).apply_style(style)
        return Strip.join([strip.crop(0, start), middle, strip.crop(end, width)])

    def get_selection(self, selection: TextSelection) -> tuple[str, str] | None:
        """Returns the selected text; a row that is selected as a whole has its own line breaks."""
        first = 0 if selection.start is None else selection.start.y
        last = self._starts[-1] - 1 if selection.end is None else selection.end.y
        found: list[str] = []
        for place, row in enumerate(self._shown):
            top, bottom = self._starts[place], self._starts[place + 1] - self._gap
            if bottom <= first or top > last:
                continue
            is_whole = first < top and bottom - 1 < last
            if is_whole:
                found.append(row.content.plain)
                continue
            strips = self._draw(row)
            for line in range(max(first, top), min(last + 1, bottom)):
                span = selection.get_span(line)
                if span is not None and line - top < len(strips):
                    text = strips[line - top].text
                    end = None if span[1] == -1 else span[1]
                    # The margin of a box is not text.
                    start = max(span[0], self._text_room(row)[0])
                    found.append(text[start:end].rstrip())
        return "\n".join(found), "\n"

    def selection_updated(self, selection: TextSelection | None) -> None:
        """Draws the lines again."""
        del selection
        self.refresh()
