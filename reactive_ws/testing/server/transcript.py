"""Every frame that went over the scripted servers of a run: kept in memory, written as JSON lines, and read again.

A transcript of the same seed is the same, byte for byte. `ScriptedServer.replay` plays the server's side of one again.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Literal

import attrs
import msgspec

__all__ = ["Frame", "Transcript"]


@attrs.frozen
class Frame:
    """One line of a transcript.

    Attributes:
        time: Seconds of the loop, rounded to microseconds.
        connection: 1 for the first connection of the server.
        what: "up" and "down" are messages to and from the server; the others are the ends of a connection.
        text: The text of the message, base64 for a binary one; code and reason of a close.
        is_binary: Whether it was a binary frame.
    """

    time: float
    connection: int
    what: Literal["open", "up", "down", "closed"]
    text: str = ""
    is_binary: bool = False

    @property
    def data(self) -> str | bytes:
        """The message as it was sent."""
        return base64.b64decode(self.text) if self.is_binary else self.text


class Transcript:
    """The frames so far."""

    def __init__(self, frames: tuple[Frame, ...] = ()) -> None:
        self.frames: list[Frame] = list(frames)

    def __repr__(self) -> str:
        return f"<Transcript of {len(self.frames)} frames>"

    def __bytes__(self) -> bytes:
        """Returns the JSON lines."""
        encode = msgspec.json.Encoder().encode
        return b"".join(encode(frame) + b"\n" for frame in self.frames)

    def write(self, path: Path | str) -> Path:
        """Writes the JSON lines to a file, and returns its path."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(bytes(self))
        return target

    @classmethod
    def read(cls, path: Path | str) -> Transcript:
        """Reads what `write` wrote.

        Raises:
            msgspec.DecodeError: it is something else.
        """
        decode = msgspec.json.Decoder(Frame).decode
        return cls(tuple(decode(line) for line in Path(path).read_bytes().splitlines()))
