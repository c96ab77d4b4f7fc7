"""The client's write-ahead record: what was accepted is on the disk before it is sent.

One JSON object a line, so that a judge can read what happened without asking the client. Nothing is ever rewritten.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

import msgspec
from msgspec import Struct

__all__ = ["Accepted", "Acknowledged", "Killed", "Line", "Record", "read"]


class Accepted(Struct, frozen=True, tag="accepted"):
    """A message was accepted: from here on it must not get lost."""

    id: str
    session_id: str
    text: str


class Acknowledged(Struct, frozen=True, tag="acknowledged"):
    """The hub says that it has a message."""

    id: str


class Killed(Struct, frozen=True, tag="killed"):
    """The hub is about to be killed.

    Attributes:
        evidence: Copy of the hub's data file from right after the kill.
        answer_id: The answer that is half streamed.
        seen: Its characters on the client's screen.
    """

    evidence: str
    answer_id: str
    seen: int


Line = Accepted | Acknowledged | Killed


class Record:
    """The record, open for writing.

    Args:
        path: A new file.

    Raises:
        OSError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb", buffering=0)

    def write(self, *lines: Line) -> None:
        """Appends lines and returns when they are on the disk.

        Raises:
            OSError: the disk is full or failed.
        """
        self.note(*lines)
        os.fsync(self._file.fileno())

    def note(self, *lines: Line) -> None:
        """Appends lines that need not survive a crash by themselves."""
        self._file.write(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read(path: Path) -> list[Line]:
    """Returns the lines of a record; a last line that was cut off by a crash is left out.

    Raises:
        OSError: the file cannot be read.
        msgspec.DecodeError: the file is not a record.
    """
    lines = path.read_bytes().split(b"\n")[:-1]
    return [msgspec.json.decode(line, type=Line) for line in lines]
