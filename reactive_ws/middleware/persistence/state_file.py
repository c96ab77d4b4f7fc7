"""The content behind persisted stores: read once, replaced whole, set aside when it cannot be used.

Decides what happens to bad content and to content that another program wrote, and remembers what is in the good one.
Does not know when to write, or what a store is: that is `persist_file`, which calls this under its lock.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from itertools import count
from typing import Any

from ...engine import UNSET
from ...errors import FileUnusable
from .persist_report import AsideKind, Reporter
from .state_format import BadState, Saved, read_rows, write_rows
from .storage import StateStorage

__all__ = ["StateFile"]

_BIG_SIZE = 1_000_000
"""Bytes above which replacing the whole file after each change is the wrong tool."""

_MOST_KNOWN = 64
"""So many contents of interrupted writes are remembered: signal handlers that save may interrupt each other."""


class StateFile:
    """The rows of one file.

    Args:
        name: What the storage calls the file.
        storage: Where the content is.
        reporter: Gets everything that goes wrong.
    """

    def __init__(self, name: str, storage: StateStorage, reporter: Reporter) -> None:
        self._name = name
        self._storage = storage
        self._reporter = reporter
        # Digests of what the file may have since this object last read or wrote it; () without a file. Two when a signal
        # handler wrote in the middle of a write.
        self._known: tuple[bytes, ...] = ()
        # Digests of the writes that are under way: several when a signal handler writes in the middle of one.
        self._under_way: tuple[bytes, ...] = ()
        # How many writes have begun.
        self._turn = 0
        # Rows that are bad, and not set aside yet.
        self._bad: dict[str, BadState] = {}
        self._bad_file: BadState | None = None
        # The name of the copy of the content that was read last.
        self._aside: str | None = None
        self.is_outdated = False
        """Whether the file may have something else than the rows: one that was set aside, or what an interrupted write left."""
        self.rows: dict[str, Saved] = {}
        """The rows of the file, by key."""
        self.read()

    def read(self) -> bool:
        """Reads the file again; False when it cannot be read or used, which was reported."""
        self.rows, self._bad, self._bad_file, self._aside = {}, {}, None, None
        self.is_outdated = False
        try:
            content = self._storage.read(self._name)
        except Exception as error:  # noqa: BLE001 - of the program's storage; reported
            self._known = ()
            self._cannot_write(error, f"it cannot be read ({_why(error)}), so nothing is saved")
            return False
        self._reporter.ends("unwritable")
        self._known = _digests(content)
        if content is not None:
            try:
                self.rows, self._bad = read_rows(content)
            except BadState as bad:
                self._bad_file = bad
                self._put_file_away(content)
                return False
        return not self._bad or self._put_rows_away(*self._bad)

    def load(self, key: str, decode: Callable[[Saved], Any]) -> Any:
        """Returns what `decode` makes of a row; UNSET when there is none, or when it was bad and set aside."""
        row = self.rows.get(key)
        if row is None:
            return UNSET
        try:
            return decode(row)
        except BadState as bad:
            del self.rows[key]
            self._bad[key] = bad
            self._put_rows_away(key)
            return UNSET

    def write(self, rows: dict[str, Saved]) -> bool:
        """Makes these the rows, unless they are already; False when that failed and was reported."""
        if not self._is_put_away():
            return False
        if rows == self.rows and not self.is_outdated:
            return True
        content = write_rows(rows)
        if not self._replace(content, rows):
            return False
        if len(content) > _BIG_SIZE:
            text = f"it has {len(content)} bytes and is written whole after each change; save less with partialize="
            self._reporter.begins("big", text)
        else:
            self._reporter.ends("big")
        return True

    def clear(self, keys: set[str]) -> bool:
        """Removes the rows of these keys, and the file when no other row is in it; False when that failed."""
        if not self._is_put_away():
            return False
        rows = {key: row for key, row in self.rows.items() if key not in keys}
        return self._replace(write_rows(rows) if rows else None, rows)

    def _replace(self, content: bytes | None, rows: dict[str, Saved]) -> bool:
        """Writes new content, or deletes the file for None. Keeps what another program wrote meanwhile.

        Returns:
            False when that failed and was reported. Also when a signal handler wrote in the middle, on this thread: then the
            caller writes again.
        """
        self._turn += 1
        turn = self._turn
        digests = _digests(content)
        try:
            found = self._storage.read(self._name)
            seen = _digests(found)
            # Without a call between the two looks, so that no handler comes between.
            is_ours = not seen or seen[0] in self._known or seen[0] in self._under_way
            if turn == self._turn and not is_ours:
                assert found is not None
                aside = self._keep("changed", found)
                self._known = seen
                self._reporter.aside(
                    "changed",
                    "another program changed it",
                    aside,
                    "this program's state replaces it",
                )
            # Before the write, because an exception of a signal handler may end it.
            self._known = (*self._known[-_MOST_KNOWN:], *digests)
            around, self._under_way = self._under_way, (*self._under_way, *digests)
            try:
                if content is None:
                    self._storage.delete(self._name)
                else:
                    self._storage.write(self._name, content)
            finally:
                self._under_way = around
                if turn != self._turn:
                    # A handler wrote in the middle, and knows only its own content.
                    self._known = (*self._known[-_MOST_KNOWN:], *digests)
        except Exception as error:  # noqa: BLE001 - of the program's storage; reported
            if turn == self._turn:
                self._cannot_write(
                    error, f"it cannot be written ({_why(error)}); the next change tries again"
                )
            return False
        if turn != self._turn:
            # Which of the two is in the file now is not known.
            self.is_outdated = True
            return False
        # Without a call since the look.
        self._known, self.rows, self.is_outdated = digests, rows, False
        self._reporter.ends("unwritable")
        return True

    # --- setting aside ------------------------------------------------------------------------------------------------

    def _is_put_away(self) -> bool:
        """Whether all bad content that concerns this program is set aside; tries it again."""
        if self._bad_file is not None:
            try:
                content = self._storage.read(self._name)
            except Exception as error:  # noqa: BLE001 - of the program's storage; reported
                self._cannot_put_away(self._bad_file, error)
                return False
            if content is None:
                self._bad_file = None
            elif not self._put_file_away(content):
                return False
        return not self._bad or self._put_rows_away(*self._bad)

    def _put_file_away(self, content: bytes) -> bool:
        """Moves the whole file aside; when that fails, nothing is written before it succeeds."""
        bad = self._bad_file
        assert bad is not None
        try:
            aside = self._keep(bad.kind, content)
            self._storage.delete(self._name)
        except Exception as error:  # noqa: BLE001 - of the program's storage; reported
            self._cannot_put_away(bad, error)
            return False
        self._bad_file, self._known = None, ()
        self._reporter.ends("unwritable")
        self._reporter.aside(_kind_of(bad), bad.reason, aside)
        return True

    def _put_rows_away(self, *keys: str) -> bool:
        """Keeps a copy of the file for the sake of bad rows. What other stores have in it stays until it is replaced."""
        try:
            if self._aside is None:
                content = self._storage.read(self._name)
                self._aside = self._keep(self._bad[keys[0]].kind, content or b"")
            if not self.rows and set(self._bad) == set(keys):
                self._storage.delete(self._name)
                self._known = ()
        except Exception as error:  # noqa: BLE001 - of the program's storage; reported
            self._cannot_put_away(self._bad[keys[0]], error)
            return False
        self._reporter.ends("unwritable")
        self.is_outdated = self._known != ()
        for key in keys:
            bad = self._bad.pop(key)
            self._reporter.aside(_kind_of(bad), f"store {key!r}: {bad.reason}", self._aside)
        return True

    def _keep(self, kind: str, content: bytes) -> str:
        """Writes a copy as `NAME.KIND-1`, or under the first number that is free; returns its name."""
        for number in count(1):
            aside = f"{self._name}.{kind}-{number}"
            if self._storage.read(aside) is None:
                self._storage.write(aside, content)
                return aside
        raise AssertionError("count() does not end")  # pragma: no cover

    def _cannot_put_away(self, bad: BadState, error: Exception) -> None:
        self._cannot_write(
            error, f"{bad.reason}; it could not be set aside ({_why(error)}), so nothing is saved"
        )

    def _cannot_write(self, error: Exception, text: str) -> None:
        self._reporter.begins("unwritable", text, error)


def _digests(content: bytes | None) -> tuple[bytes, ...]:
    """Returns the digest of the content of a file; () without a file."""
    return () if content is None else (blake2b(content, digest_size=16).digest(),)


def _kind_of(bad: BadState) -> AsideKind:
    return "newer" if bad.kind == "newer" else "corrupt"


def _why(error: Exception) -> str:
    if isinstance(error, FileUnusable):
        return error.reason
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
