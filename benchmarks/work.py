"""The work that every way of reading the blaster's frames does, and the check of its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks.blaster import session_of

__all__ = ["Work", "check"]


@dataclass(frozen=True)
class Work:
    """The frames that one process reads."""

    url: str
    count: int
    sessions: int

    def expected(self) -> dict[str, list[str]]:
        """Returns the ids of each session in order."""
        ids: dict[str, list[str]] = {}
        for number in range(self.count):
            ids.setdefault(session_of(number, self.sessions), []).append(f"m{number:08d}")
        return ids

    def connect(self) -> Any:
        """Dials as the loops by hand do, without anything that costs time later."""
        from websockets.asyncio.client import connect

        return connect(self.url, compression=None, ping_interval=None, proxy=None)


def check(found: dict[str, list[str]], work: Work) -> None:
    """Raises unless every message is there once, in its session and in order."""
    if found != work.expected():
        raise AssertionError("messages were lost, repeated or put in the wrong place")
