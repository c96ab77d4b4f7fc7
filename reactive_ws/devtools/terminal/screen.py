"""The application of `reactive-ws inspect`: the tree of stores, the log, the details of one line.

It draws what `Viewer` knows. All texts of the program are plain text, never markup.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, ClassVar, cast

from rich.text import Text
from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import DataTable, Footer, Input, Static, Tree
from textual.widgets.tree import TreeNode

from ..values import Shown
from ..viewer import Tree as Folders
from ..viewer import Viewer, details_of
from .link import FeedLink

__all__ = ["InspectScreen"]

_FRAME = 0.2
"""Seconds between two drawings of what changed."""
_ROWS = 300
_STYLES = {
    "commit": "bold blue",
    "in": "green",
    "out": "yellow",
    "delivery": "dark_orange",
    "connection": "magenta",
    "error": "bold red",
}


class InspectScreen(App[None]):
    """Shows a running program, or an exported record.

    Args:
        url: What `DevServer.url` says; None for a record.
        document: An exported record, read already; None for a program.
        folder: Where export writes.
    """

    CSS = """
    #status { height: 1; padding: 0 1; background: $panel; }
    #filter { display: none; height: 3; }
    #filter.shown { display: block; }
    #stores { width: 1fr; border-right: solid $panel; }
    #right { width: 2fr; }
    #log { height: 2fr; }
    #frame { height: 1fr; border-top: solid $panel; overflow-y: auto; padding: 0 1; }
    #details { height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter"),
        Binding("p", "pause", "Pause"),
        Binding("s", "own", "Services' stores"),
        Binding("j", "jump", "Jump to commit"),
        Binding("b", "present", "Back to present"),
        Binding("e", "export", "Export"),
        Binding("q", "quit", "Quit"),
    ]

    def __init__(
        self, url: str | None = None, *, document: Shown | None = None, folder: Path | None = None
    ) -> None:
        super().__init__()
        self.viewer = Viewer()
        self._folder = folder or Path.cwd()
        self._link = None if url is None else FeedLink(url, self._take, self._say)
        self._said = "a saved record" if url is None else "connecting"
        self._is_stale = True
        self._rows: list[Shown] = []
        self._drawn_stores: dict[int, Shown] = {}
        if document is not None:
            self.viewer.load(document)

    def compose(self) -> ComposeResult:
        """Makes the widgets."""
        yield Static(id="status", markup=False)
        yield Input(placeholder="words that a line must have", id="filter")
        with Horizontal():
            yield Tree[None]("stores", id="stores")
            with Vertical(id="right"):
                yield DataTable[Text](id="log", cursor_type="row", zebra_stripes=False)
                with Vertical(id="frame"):
                    yield Static("Choose a line of the log.", id="details", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Starts to read and to draw."""
        table = cast("DataTable[Text]", self.query_one("#log", DataTable))
        table.add_columns("time", "what", "which", "why")
        tree = cast("Tree[None]", self.query_one("#stores", Tree))
        tree.root.expand()
        table.focus()
        self.set_interval(_FRAME, self._draw)
        if self._link is not None:
            self.run_worker(self._link.run(), exclusive=True)
        self._draw()

    # --- what comes in ------------------------------------------------------------------------------------------------

    def _take(self, message: dict[str, Any]) -> None:
        kind = message.get("type")
        if kind == "hello":
            self.title = f"{message['domain']}"
            self.viewer = _same_settings(self.viewer)
            self._drawn_stores = {}
        elif kind == "news":
            self.viewer.take(message)
        elif kind == "done":
            self.viewer.left_at = message["leftAt"]
        elif kind == "failed":
            self.notify(message["reason"], severity="error", markup=False)
        elif kind == "document":
            self._save(message["document"])
        self._is_stale = True

    def _say(self, text: str) -> None:
        self._said = text
        self._is_stale = True

    def _save(self, document: Shown) -> None:
        path = self._folder / f"record-{time.strftime('%Y%m%d-%H%M%S')}.json"
        try:
            path.write_text(json.dumps(document))
        except OSError as error:
            self.notify(f"{path}: {error.strerror}", severity="error", markup=False)
            return
        self.notify(f"wrote {path}", markup=False)

    # --- what the user does -------------------------------------------------------------------------------------------

    def action_filter(self) -> None:
        """Opens the field for the filter, or closes it and shows all."""
        field = self.query_one("#filter", Input)
        field.toggle_class("shown")
        if field.has_class("shown"):
            field.focus()
        else:
            field.value = ""
            self.query_one("#log", DataTable).focus()

    @on(Input.Changed, "#filter")
    def _filtered(self, event: Input.Changed) -> None:
        self.viewer.filter = event.value
        self._is_stale = True

    @on(Input.Submitted, "#filter")
    def _filter_done(self) -> None:
        self.query_one("#log", DataTable).focus()

    def action_pause(self) -> None:
        """Keeps new lines back, or shows them."""
        self.viewer.pause(is_paused=not self.viewer.is_paused)
        self._is_stale = True

    def action_own(self) -> None:
        """Shows or hides commits of the stores of services."""
        self.viewer.shows_service = not self.viewer.shows_service
        self._is_stale = True

    async def action_jump(self) -> None:
        """Moves the stores of the program to the chosen commit."""
        chosen = self._chosen()
        if chosen is None or chosen["kind"] != "commit":
            self.notify("choose a commit in the log first", severity="warning")
        else:
            await self._ask(type="jump", commit=chosen["commit"])

    async def action_present(self) -> None:
        """Moves the stores back to the present."""
        await self._ask(type="present")

    async def action_export(self) -> None:
        """Asks for the record, which is then written to a file."""
        await self._ask(type="export")

    async def _ask(self, **wish: Any) -> None:
        if self._link is None or not await self._link.ask(**wish):
            self.notify("there is no running program", severity="warning")

    def _chosen(self) -> Shown | None:
        at = self.query_one("#log", DataTable).cursor_row
        return self._rows[at] if 0 <= at < len(self._rows) else None

    @on(DataTable.RowHighlighted, "#log")
    def _row_chosen(self) -> None:
        chosen = self._chosen()
        text = "Choose a line of the log." if chosen is None else "\n".join(details_of(chosen))
        self.query_one("#details", Static).update(text)

    # --- drawing ------------------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        if not self._is_stale:
            return
        self._is_stale = False
        self._draw_status()
        self._draw_log()
        self._draw_stores()

    def _draw_status(self) -> None:
        viewer = self.viewer
        parts = [self._said]
        if viewer.commit:
            parts.append(f"commit {viewer.commit}")
        parts += [f"{it['url']} {it['state']}, {it['waiting']} waiting" for it in viewer.services]
        if viewer.left_at is not None:
            parts.append(f"moved in time; b goes back to commit {viewer.left_at}")
        if viewer.is_paused:
            parts.append(f"paused, {viewer.held} line{'' if viewer.held == 1 else 's'} kept back")
        if viewer.missed:
            parts.append(f"{viewer.missed} lines not shown")
        self.query_one("#status", Static).update("  |  ".join(parts))

    def _draw_log(self) -> None:
        rows = self.viewer.rows()[-_ROWS:]
        table = cast("DataTable[Text]", self.query_one("#log", DataTable))
        if [row["number"] for row in rows] == [row["number"] for row in self._rows]:
            return
        chosen = self._chosen()
        is_at_end = table.cursor_row >= len(self._rows) - 1
        self._rows = rows
        table.clear()
        for row in rows:
            kind = row["kind"]
            table.add_row(
                Text(time.strftime("%H:%M:%S", time.localtime(row["at"]))),
                Text(f"commit {row['commit']}" if kind == "commit" else kind, _STYLES[kind]),
                Text(row["title"][:44]),
                Text(_action_of(row)[-50:], "dim"),
            )
        numbers = [row["number"] for row in rows]
        if chosen is not None and not is_at_end and chosen["number"] in numbers:
            table.move_cursor(row=numbers.index(chosen["number"]))
        elif rows:
            table.move_cursor(row=len(rows) - 1)

    def _draw_stores(self) -> None:
        if self._drawn_stores == self.viewer.stores:
            return
        self._drawn_stores = dict(self.viewer.stores)
        tree = cast("Tree[None]", self.query_one("#stores", Tree))
        _fill(tree.root, self.viewer.tree())


def _same_settings(before: Viewer) -> Viewer:
    """Returns an empty viewer with the same filter, for a program that was started again."""
    after = Viewer()
    after.filter, after.shows_service = before.filter, before.shows_service
    after.is_paused = before.is_paused
    return after


def _action_of(row: Shown) -> str:
    cause: Shown = row.get("cause") or {}
    return str(cause.get("action", ""))


def _fill(node: TreeNode[None], folders: Folders) -> None:
    """Makes the children of a node what the folder has; keeps the open ones open."""
    known = {str(child.label).partition(": ")[0]: child for child in node.children}
    for name, child in known.items():
        if name not in folders:
            child.remove()
    for name, inner in folders.items():
        if isinstance(inner, dict):
            child = known.get(name) or node.add(Text(name), expand=name != "service")
            _fill(child, inner)
        else:
            _fill_value(node, known.get(name), name, inner[1])


def _fill_value(
    node: TreeNode[None], child: TreeNode[None] | None, label: str, value: Shown
) -> None:
    parts: list[tuple[str, Shown]] = value.get("parts", [])
    text = Text.assemble(label, ": ", (value["text"], "dim"))
    if child is None:
        child = node.add(text, allow_expand=bool(parts))
    else:
        child.set_label(text)
        child.allow_expand = bool(parts)
    known = {str(it.label).partition(": ")[0]: it for it in child.children}
    names = {name for name, _ in parts}
    for name, old in known.items():
        if name not in names:
            old.remove()
    for name, part in parts:
        _fill_value(child, known.get(name), name, part)
