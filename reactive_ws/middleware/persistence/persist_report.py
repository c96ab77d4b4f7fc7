"""Reports about a persisted file: bad content, failed writes, values that JSON cannot hold.

The record, the log that gets it by default, and the rule that a lasting fault is reported once. `persist_file` and
`state_file` call this.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias

import attrs

__all__ = ["AsideKind", "PersistReport", "Reporter"]

_log = logging.getLogger("reactive_ws.stores")


AsideKind: TypeAlias = Literal["corrupt", "newer", "changed"]
"""Why content was set aside."""

_LastingKind: TypeAlias = Literal["unwritable", "unencodable", "big"]


@attrs.frozen
class PersistReport:
    """One fault of a persisted file.

    Attributes:
        kind: "corrupt" and "newer": the file, or the row of one store in it, was set aside when it was loaded. "changed":
            another program changed the file; its content was set aside before this program wrote. "unwritable": the file
            cannot be read or written now; the next change tries again. "unencodable": the value of a store cannot be
            written as JSON, or not so that it can be loaded; its last good one stays in the file. "big": the file is above 1 MB. Each of the last three
            is reported once, and again after a time without the fault.
        path: The file.
        text: What happened and what it means, without content of the file.
        aside: Where the old content is now, or None.
        error: The exception behind it, or None.
    """

    kind: Literal["corrupt", "newer", "changed", "unwritable", "unencodable", "big"]
    path: Path
    text: str
    aside: Path | None = None
    error: BaseException | None = None


def _log_report(report: PersistReport) -> None:
    level = logging.WARNING if report.kind == "big" else logging.ERROR
    _log.log(level, "persisted stores in %s: %s", report.path, report.text)


class Reporter:
    """Passes reports on, and a lasting fault only once.

    Args:
        path: The file that all reports are about.
        on_report: Gets each report; the log does when None.
    """

    def __init__(self, path: Path, on_report: Callable[[PersistReport], None] | None) -> None:
        self._path = path
        self._on_report = _log_report if on_report is None else on_report
        self._lasting: set[str] = set()

    def aside(
        self,
        kind: AsideKind,
        reason: str,
        name: str,
        consequence: str = "the state starts from its initial value",
    ) -> None:
        """Reports content that was set aside under a name in the same folder."""
        text = f"{reason}; it is kept as {name}, and {consequence}"
        self._report(PersistReport(kind, self._path, text, self._path.with_name(name)))

    def begins(
        self, kind: _LastingKind, text: str, error: BaseException | None = None, *, key: str = ""
    ) -> None:
        """Reports a lasting fault, unless it was reported since it last ended."""
        if (name := f"{kind} {key}") not in self._lasting:
            self._lasting.add(name)
            self._report(PersistReport(kind, self._path, text, error=error))

    def ends(self, kind: _LastingKind, *, key: str = "") -> None:
        """Notes that a lasting fault is over."""
        self._lasting.discard(f"{kind} {key}")

    def _report(self, report: PersistReport) -> None:
        try:
            self._on_report(report)
        except Exception:  # noqa: BLE001 - a failing report must not end the saving
            _log.exception("the on_report of %s failed", self._path)
            _log_report(report)
