"""The frames of a session besides its control messages: entries with their position, the cause for one client, states in parts.

Pure functions. They write JSON text without a second look at the payloads. `CodecFraming` writes the same with any codec.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from ...wire import Codec, Envelope, Position, Registry, Snapshot
from ..logs import Entry
from .records import EncodedEntry

__all__ = [
    "CodecFraming",
    "Framing",
    "JsonFraming",
    "encode_entry",
    "snapshot_frames",
    "with_cause",
]

_text = msgspec.json.Encoder().encode
_MORE = ',"more":true'
_OVERHEAD = 512
"""Bytes of a snapshot frame around its piece of the state, besides the stream's name."""


class Framing(Protocol):
    """Writes the frames that hold something of the application, in one wire format."""

    def with_cause(self, frame: str | bytes, command_id: str) -> str | bytes:
        """Returns the frame of an entry with the id of the command that led to it."""
        ...

    def snapshot(
        self, stream: str, at: Position, state: bytes, max_size: int, *, is_flat: bool
    ) -> Iterator[str | bytes]:
        """Iterates over the frames of a snapshot; see `snapshot_frames`."""
        ...


class JsonFraming:
    """The framing of `JsonCodec`: text is put together, and no payload is decoded."""

    def with_cause(self, frame: str | bytes, command_id: str) -> str | bytes:
        """Returns the frame of an entry with the id of the command that led to it."""
        return with_cause(str(frame), command_id)

    def snapshot(
        self, stream: str, at: Position, state: bytes, max_size: int, *, is_flat: bool
    ) -> Iterator[str | bytes]:
        """Iterates over the frames of a snapshot."""
        return snapshot_frames(stream, at, state, max_size, is_flat=is_flat)


class CodecFraming:
    """The framing of any codec: each frame is one message of the codec.

    Args:
        codec: The wire format.
        registry: The types; it has the class of a snapshot.
    """

    def __init__(self, codec: Codec, registry: Registry) -> None:
        self._codec = codec
        self._registry = registry

    def with_cause(self, frame: str | bytes, command_id: str) -> str | bytes:
        """Returns the frame of an entry with the id of the command that led to it."""
        return self._codec.encode(replace(self._codec.decode(frame), cause=command_id))

    def snapshot(
        self, stream: str, at: Position, state: bytes, max_size: int, *, is_flat: bool
    ) -> Iterator[str | bytes]:
        """Iterates over the one frame of a snapshot: its fields beside the position, however the client greeted."""
        del max_size, is_flat
        fields: dict[str, Any] = msgspec.json.decode(state)
        payload = msgspec.convert(
            {**fields, "stream": stream, "epoch": at.epoch, "seq": at.seq},
            self._snapshot_class(),
        )
        yield self._codec.encode(Envelope("snapshot", payload))

    def _snapshot_class(self) -> type[Any]:
        row = self._registry.get("snapshot")
        return Snapshot if row is None else row.payload


def encode_entry(entry: Entry) -> EncodedEntry:
    """Returns the frames of an entry, made once for all clients."""
    at, messages = entry.position, entry.messages
    start, length = _place(entry.stream, at.epoch)
    place = f"{start}{at.seq}"
    if len(messages) == 1:
        frames: tuple[str, ...] = (f"{messages[0].decode()[:-1]}{place}}}",)
        longest = len(messages[0])
    else:
        last = len(messages) - 1
        frames = tuple(
            f"{message.decode()[:-1]}{place}{_MORE if index < last else ''}}}"
            for index, message in enumerate(messages)
        )
        longest = max(map(len, messages))
    # A position in UTF-8 is at most a few bytes longer than in text; the longest message decides.
    size = longest + length + len(place) - len(start) + 64
    return EncodedEntry(at, frames, messages, size, entry.cause)


@lru_cache(maxsize=256)
def _place(stream: str, epoch: str) -> tuple[str, int]:
    """Returns the fields of a position up to its number, and their length in UTF-8."""
    text = f',"stream":{_json(stream)},"epoch":{_json(epoch)},"seq":'
    return text, len(text.encode())


def with_cause(frame: str, command_id: str) -> str:
    """Returns the frame with the id of the command that led to it."""
    return f'{frame[:-1]},"cause":{_json(command_id)}}}'


def snapshot_frames(
    stream: str, at: Position, state: bytes, max_size: int, *, is_flat: bool
) -> Iterator[str]:
    """Iterates over the frames of a snapshot.

    Args:
        stream, at: What the state is of, and its last entry.
        state: The JSON text of the state.
        max_size: Bytes of the largest frame that the client takes.
        is_flat: Write the fields of the state beside the position, in one frame, for a client that sent no `hello`.
    """
    text = state.decode()
    place = f'"stream":{_json(stream)},"epoch":{_json(at.epoch)},"seq":{at.seq}'
    if is_flat:
        fields = text[1:-1].strip() if text[:1] == "{" else ""
        yield f'{{"type":"snapshot","payload":{{{place}{"," if fields else ""}{fields}}}}}'
        return
    # A piece is a JSON string inside the frame: a character may become six bytes there.
    room = max(max_size - _OVERHEAD - 2 * len(place), 1)
    if len(state) <= room:
        yield f'{{"type":"snapshot","payload":{{{place},"part":1,"parts":1,"state":{text}}}}}'
        return
    pieces = list(_pieces(text, room))
    for number, piece in enumerate(pieces, 1):
        yield (
            f'{{"type":"snapshot","payload":{{{place},"part":{number},"parts":{len(pieces)},"state":{piece}}}}}'
        )


def _pieces(text: str, room: int) -> Iterator[str]:
    """Cuts a text between code points into JSON strings of at most `room` bytes."""
    start, step = 0, max(room // 2, 1)
    while start < len(text):
        length = step
        while len(_text(text[start : start + length])) > room and length > 1:
            length = max(length // 2, 1)
        yield _json(text[start : start + length])
        start += length


def _json(text: str) -> str:
    return _text(text).decode()
