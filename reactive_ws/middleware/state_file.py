"""The file behind persisted stores: read once, replaced whole, set aside when it cannot be used.

Decides what happens to a bad file and remembers what is in the good one. Does not know when to write, or what a store
is: that is `persist_file`, which calls this under its lock.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from ..engine import UNSET
from .atomic_file import set_aside, write_aside, write_atomically
from .persist_report import Reporter
from .state_format import BadState, Entry, read_entries, write_entries

__all__ = ["StateFile"]

_BIG_SIZE = 1_000_000
"""Bytes above which replacing the whole file after each change is the wrong tool."""


class StateFile:
    """The entries of one file.

    Args:
        path: The file, which need not exist.
        reporter: Is told of everything that goes wrong.
    """

    def __init__(self, path: Path, reporter: Reporter) -> None:
        self._path = path
        self._reporter = reporter
        self._bad: BadState | None = None
        self._aside: Path | None = None
        self.is_outdated = False
        """Whether the file has an entry that was set aside and must go."""
        self.entries: dict[str, Entry] = {}
        """What the file has, by key."""
        try:
            self.entries = read_entries(path.read_bytes())
        except FileNotFoundError:
            pass
        except OSError as error:
            self._put_away(BadState("corrupt", f"it cannot be read ({error.strerror})"))
        except BadState as bad:
            self._put_away(bad)

    def load(self, key: str, decode: Callable[[Entry], Any]) -> Any:
        """Returns what `decode` makes of an entry; UNSET when there is none, or when it was bad and set aside."""
        entry = self.entries.get(key)
        if entry is None:
            return UNSET
        try:
            return decode(entry)
        except BadState as bad:
            del self.entries[key]
            self._put_away(BadState(bad.kind, f"store {key!r}: {bad.reason}"))
            return UNSET

    def write(self, entries: dict[str, Entry]) -> bool:
        """Makes these the entries, unless they are already; False when that failed and was reported."""
        if self._bad is not None and not self._put_away(self._bad):
            return False
        if entries == self.entries and not self.is_outdated:
            return True
        content = write_entries(entries)
        try:
            write_atomically(self._path, content)
        except OSError as error:
            text = f"it cannot be written ({error.strerror}); the next change tries again"
            self._reporter.begins("unwritable", text, error)
            return False
        self._reporter.ends("unwritable")
        self.entries = entries
        self.is_outdated = False
        if len(content) > _BIG_SIZE:
            text = f"it has {len(content)} bytes and is written whole after each change; save less with partialize="
            self._reporter.begins("big", text)
        else:
            self._reporter.ends("big")
        return True

    def _put_away(self, bad: BadState) -> bool:
        """Sets the file aside; when that fails, nothing is written before it succeeds."""
        kind: Literal["corrupt", "newer"] = "newer" if bad.kind == "newer" else "corrupt"
        try:
            if self._aside is None and not self.entries:
                self._aside = set_aside(self._path, kind)
            elif self._aside is None:
                # What other stores have in the file stays there until it is replaced.
                self._aside = write_aside(self._path, kind, self._path.read_bytes())
                self.is_outdated = True
            else:
                self.is_outdated = True
        except OSError as error:
            self._bad = bad
            text = (
                f"{bad.reason}; it could not be set aside ({error.strerror}), so nothing is saved"
            )
            self._reporter.begins("unwritable", text, error)
            return False
        self._bad = None
        self._reporter.aside(kind, bad.reason, self._aside)
        return True
