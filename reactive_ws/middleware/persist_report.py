"""What the user of a persisted store should know: bad files, failed writes, values that are no JSON.

Records, where they go when nobody asks for them, and the rule that what lasts is said once. Called by `persist_file` and `state_file`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import attrs

__all__ = ["PersistReport", "Reporter"]

_log = logging.getLogger("reactive_ws.stores")


@attrs.frozen
class PersistReport:
    """Something that the user of a persisted store should know.

    Attributes:
        kind: "corrupt" and "newer": the file, or one store's part of it, was set aside at the start. "unwritable": it
            cannot be written now; the next change tries again. "unencodable": a store's value cannot be written as
            JSON; its last good one stays in the file. "big": the file is above 1 MB. Each of the last three comes once,
            and again after it was better in between.
        path: The file.
        text: What happened and what it means, without content of the file.
        aside: Where the old file is now, or None.
        error: The exception behind it, or None.
    """

    kind: Literal["corrupt", "newer", "unwritable", "unencodable", "big"]
    path: Path
    text: str
    aside: Path | None = None
    error: Exception | None = None


def _log_report(report: PersistReport) -> None:
    level = logging.WARNING if report.kind == "big" else logging.ERROR
    _log.log(level, "persisted stores in %s: %s", report.path, report.text)


class Reporter:
    """Tells the program, and of what lasts only once.

    Args:
        path: The file that all reports are about.
        on_report: Who is told; the log when None.
    """

    def __init__(self, path: Path, on_report: Callable[[PersistReport], None] | None) -> None:
        self._path = path
        self._on_report = _log_report if on_report is None else on_report
        self._lasting: set[str] = set()

    def aside(self, kind: Literal["corrupt", "newer"], reason: str, aside: Path) -> None:
        """Reports a file that was set aside."""
        text = f"{reason}; it is kept as {aside.name}, and the state starts afresh"
        self._report(PersistReport(kind, self._path, text, aside))

    def begins(
        self,
        kind: Literal["unwritable", "unencodable", "big"],
        text: str,
        error: Exception | None = None,
        *,
        key: str = "",
    ) -> None:
        """Reports what lasts, unless it was reported since it last ended."""
        if (name := f"{kind} {key}") not in self._lasting:
            self._lasting.add(name)
            self._report(PersistReport(kind, self._path, text, error=error))

    def ends(self, kind: Literal["unwritable", "unencodable", "big"], *, key: str = "") -> None:
        """Notes that it is better now."""
        self._lasting.discard(f"{kind} {key}")

    def _report(self, report: PersistReport) -> None:
        try:
            self._on_report(report)
        except Exception:  # noqa: BLE001 - a failing report must not end the saving
            _log.exception("the on_report of %s failed", self._path)
            _log_report(report)
