"""How records are written in a database: short bytes, the same for every engine, and the checks before they are written."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ...errors import UsageError
from ...wire import Position
from .names import check_stream
from .records import Batch, CommandKey, Outcome

__all__ = [
    "check_batch",
    "pack_key",
    "pack_messages",
    "pack_outcome",
    "split_mark",
    "unpack_key",
    "unpack_messages",
    "unpack_outcome",
]

_DIGITS = 18
"""Digits of the number in a mark: what each database takes for one."""
_Stored = tuple[bool, bytes | None, dict[str, tuple[str, int]]]

_encode = msgspec.msgpack.encode
_decode_key = msgspec.msgpack.Decoder(tuple[str, str, str]).decode
_decode_messages = msgspec.msgpack.Decoder(tuple[bytes, ...]).decode
_decode_outcome = msgspec.msgpack.Decoder(_Stored).decode


def pack_key(key: CommandKey) -> bytes:
    """Returns the bytes of a key; equal keys have equal bytes."""
    return _encode((key.identity, key.client, key.id))


def unpack_key(packed: bytes) -> CommandKey:
    """Returns the key of its bytes."""
    return CommandKey(*_decode_key(packed))


def pack_messages(messages: Sequence[bytes]) -> bytes:
    """Returns the bytes of all messages of an entry."""
    return _encode(list(messages))


def unpack_messages(packed: bytes) -> tuple[bytes, ...]:
    """Returns the messages of an entry."""
    return _decode_messages(packed)


def pack_outcome(outcome: Outcome) -> bytes:
    """Returns the bytes of an outcome."""
    places = {name: (at.epoch, at.seq) for name, at in outcome.positions.items()}
    return _encode((outcome.accepted, outcome.reply, places))


def unpack_outcome(packed: bytes) -> Outcome:
    """Returns the outcome of its bytes."""
    accepted, reply, places = _decode_outcome(packed)
    return Outcome(accepted, reply, {name: Position(*at) for name, at in places.items()})


def check_batch(batch: Batch) -> list[str]:
    """Returns the streams of a batch in the order in which every engine locks them: by their UTF-8 bytes.

    Raises:
        UsageError: a stream name that no log takes, an entry without messages, a checkpoint of a stream that gets none, or a
            refusal with messages.
    """
    if len(batch.messages) == 1 and not (batch.expected or batch.checkpoints or batch.is_refusal):
        # Most commands publish on one stream and read none.
        ((name, messages),) = batch.messages.items()
        if messages:
            return [check_stream(name)]
    if batch.is_refusal and batch.messages:
        raise UsageError("a refusal appends nothing; leave `messages` out")
    names = {*batch.messages, *batch.expected}
    for name in names:
        check_stream(name)
    for name, messages in batch.messages.items():
        if not messages:
            raise UsageError(f"the entry for stream {name!r} has no message; leave the stream out")
    for name in batch.checkpoints:
        if name not in batch.messages:
            raise UsageError(
                f"a checkpoint of stream {name!r} comes with an entry of it; this batch has none"
            )
    return sorted(names, key=str.encode)


def split_mark(mark: str | None) -> tuple[str, int]:
    """Returns the epoch and the number of a mark. A client may send any text: "" and -1 for one that no log makes."""
    epoch, _, number = (mark or "").rpartition(":")
    if "\0" in epoch or not (number.isascii() and number.isdecimal() and len(number) <= _DIGITS):
        return "", -1
    return epoch, int(number)
