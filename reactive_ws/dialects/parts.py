"""Cuts long lists into frames that the server takes, and joins states that the server cut into parts.

The dialect of protocol v1 uses it. It knows no session.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs

from ..errors import MessageRejected
from ..wire import Position, SnapshotPart
from .values import decoded

__all__ = ["LARGEST_FRAME", "StateParts", "in_chunks", "in_frames", "size_of"]

LARGEST_FRAME = 512 * 1024
"""Bytes of the largest part of a resume or a sync."""
_ENVELOPE = 512
"""Bytes that its envelope takes."""
_MAX_STATE = 64 * 2**20
"""Characters of all states that are not complete, together."""
_PART = 64
"""Characters that a part counts besides its own, so that empty parts have a bound, too."""


@attrs.define
class _State:
    position: Position
    pieces: list[str] = attrs.Factory(list[str])
    size: int = 0


class StateParts:
    """The parts of states that are not complete: one state of each stream."""

    def __init__(self) -> None:
        self._states: dict[str, _State] = {}
        self._size = 0

    def take(self, it: SnapshotPart) -> tuple[Any, int] | None:
        """Takes a part.

        Returns:
            The whole state, and the bytes of the text that was joined, 0 for a state in one part; None while parts are missing.

        Raises:
            MessageRejected: parts before it are missing, the states are too large, or the joined text is not JSON.
        """
        if it.parts <= 1:
            self._drop(it.stream)
            return it.state, 0
        position = Position(it.epoch, it.seq)
        state = self._states.get(it.stream)
        if state is None or it.part == 1 or state.position != position:
            self._drop(it.stream)
            state = self._states[it.stream] = _State(position)
        if len(state.pieces) != it.part - 1 or not isinstance(it.state, str):
            self._drop(it.stream)
            raise MessageRejected("a part of a state without the parts before it")
        state.pieces.append(it.state)
        size = len(it.state) + _PART
        state.size += size
        self._size += size
        if self._size > _MAX_STATE:
            self._drop(it.stream)
            raise MessageRejected(f"states in parts of more than {_MAX_STATE} characters")
        if it.part < it.parts:
            return None
        self._drop(it.stream)
        text = "".join(state.pieces)
        return decoded(text), len(text.encode("utf-8", "surrogatepass"))

    def _drop(self, stream: str) -> None:
        state = self._states.pop(stream, None)
        if state is not None:
            self._size -= state.size


def in_chunks(names: tuple[str, ...], limit: int | None, taken: int = 0) -> list[tuple[str, ...]]:
    """Returns names in parts, each of which fits into a frame; the arguments are those of `in_frames`."""
    parts = in_frames(dict.fromkeys(names, Position("", 0)), limit, taken) if names else []
    return [tuple(part) for part in parts]


def in_frames(
    streams: Mapping[str, Position], limit: int | None, taken: int = 0
) -> list[dict[str, Position]]:
    """Returns the streams in parts, each of which fits into a frame.

    Args:
        streams: Names and positions.
        limit: Bytes of a frame that the server takes; None for half a MiB.
        taken: Bytes of each frame that something else takes.
    """
    most = LARGEST_FRAME if limit is None or limit <= 0 else min(limit, LARGEST_FRAME)
    first = _ENVELOPE + taken
    parts: list[dict[str, Position]] = [{}]
    size = first
    for name, position in streams.items():
        more = size_of(name, position)
        if parts[-1] and size + more > most:
            parts.append({})
            size = first
        parts[-1][name] = position
        size += more
    return parts


def size_of(name: str, position: Position) -> int:
    """Returns the bytes of a stream in a resume, or a little more: `"name":{"epoch":"...","seq":...},`."""
    return len(json.dumps(name)) + len(json.dumps(position.epoch)) + 48
