"""The state of a viewer: the record so far, a filter, a pause. Pure; the terminal screen draws it.

The page in the browser has the same rules in JavaScript.
"""

from __future__ import annotations

from collections import deque
from typing import TypeAlias

from .values import Shown

__all__ = ["Tree", "Viewer", "details_of"]

Tree: TypeAlias = "dict[str, Tree | tuple[int, Shown]]"
"""A folder: its folders and stores by name; a store is its number and its shown value."""

_MOST = 5000
_OWN = "service."


class Viewer:
    """The state of one screen. One thread.

    Attributes:
        stores: The newest value of each store, by number.
        filter: Words that a line must have; in its kind, its title, its cause or its id.
        shows_service: Whether commits that changed only the stores of services are shown.
        is_paused: Whether new lines are kept back.
        commit, left_at: Of the program; see `ProgramRecorder`.
        services: The connections and outboxes.
        missed: Events that no viewer got, because there were too many.
    """

    def __init__(self) -> None:
        self._events: deque[Shown] = deque(maxlen=_MOST)
        self._held: deque[Shown] = deque(maxlen=_MOST)
        self.stores: dict[int, Shown] = {}
        self.filter = ""
        self.shows_service = False
        self.is_paused = False
        self.commit = 0
        self.left_at: int | None = None
        self.services: list[Shown] = []
        self.missed = 0

    def take(self, news: Shown) -> None:
        """Takes what `Feed.news` made."""
        self.missed += news.get("missed", 0)
        (self._held if self.is_paused else self._events).extend(news["events"])
        for store in news["stores"]:
            self.stores[store["store"]] = store
        for number in news.get("gone", ()):
            self.stores.pop(number, None)
        self.commit = news.get("commit", self.commit)
        self.left_at = news.get("leftAt")
        self.services = news.get("services", self.services)

    def load(self, document: Shown) -> None:
        """Shows an exported record instead."""
        self.__init__()  # type: ignore[misc]
        self.take({"events": document["events"], "stores": document["stores"]})

    def pause(self, *, is_paused: bool) -> None:
        """Keeps new lines back, or shows what was kept back."""
        self.is_paused = is_paused
        if not is_paused:
            self._events.extend(self._held)
            self._held.clear()

    @property
    def held(self) -> int:
        """How many lines the pause keeps back."""
        return len(self._held)

    def rows(self) -> list[Shown]:
        """Returns the lines that pass the filter, oldest first."""
        words = self.filter.lower().split()
        return [event for event in self._events if self._is_shown(event, words)]

    def _is_shown(self, event: Shown, words: list[str]) -> bool:
        if not self.shows_service and event["kind"] == "commit":
            names = [change["name"] for change in event.get("changes", ())]
            if names and all(name.startswith(_OWN) for name in names):
                return False
        if not words:
            return True
        cause: Shown = event.get("cause") or {}
        text = " ".join(
            str(it) for it in (event["kind"], event["title"], event.get("id"), *cause.values())
        ).lower()
        return all(word in text for word in words)

    def tree(self) -> Tree:
        """Returns the stores as a tree by the dots of their names.

        A store whose name is also a folder, or another store's, gets its number behind its name.
        """
        root: Tree = {}
        for store in sorted(self.stores.values(), key=lambda it: (it["name"], it["store"])):
            *folders, name = store["name"].split(".")
            place = root
            for folder in folders:
                inner = place.setdefault(folder, {})
                if not isinstance(inner, dict):
                    inner = place.setdefault(f"{folder}.", {})
                if isinstance(inner, dict):
                    place = inner
            place[name if name not in place else f"{name} #{store['store']}"] = (
                store["store"],
                store["value"],
            )
        return root


def details_of(event: Shown) -> list[str]:
    """Returns the lines that explain an event: cause, differences, the parts of a message."""
    lines = [f"{event['kind']} {event.get('commit', '')} {event['title']}".replace("  ", " ")]
    cause = event.get("cause")
    if cause:
        lines.append(f"cause: {cause['action']}")
        if cause["messages"]:
            lines.append(f"messages: {', '.join(cause['messages'])}")
        if cause["parent"]:
            lines.append(f"written by an observer of commit {cause['parent']}")
        if cause["call_site"]:
            lines.append(f"line: {cause['call_site']}")
        lines.append(f"thread: {cause['thread']}")
    names = ("id", "channel", "guarantee", "of", "source")
    lines += [f"{name}: {event[name]}" for name in names if event.get(name)]
    for change in event.get("changes", ()):
        is_alike = " other objects, equal parts" if not change["difference"] else ""
        lines.append(f"{change['name']}:{is_alike}")
        for path, before, after in change["difference"]:
            where = f"{path}: " if path else ""
            if after is None and before is None:
                lines.append(f"  {where}")
            elif before is None:
                lines.append(f"  + {where}{after}")
            elif after is None:
                lines.append(f"  - {where}{before}")
            else:
                lines.append(f"  {where}{before} -> {after}")
    lines += [f"closed: {name}" for name in event.get("closed", ())]
    if "value" in event:
        lines += _lines_of("", event["value"], 0)
    return lines


def _lines_of(label: str, value: Shown, depth: int) -> list[str]:
    lines = [f"{'  ' * depth}{label}{': ' if label else ''}{value['text']}"]
    for name, part in value.get("parts", ()):
        lines += _lines_of(name, part, depth + 1)
    return lines
