"""The content of a file of persisted stores: one row of JSON for each store, with its version and a checksum.

`{"format": 1, "stores": {KEY: {"version": 1, "check": "2fb8c1d0", "state": ...}}}`. The checksum covers key, version and
state, so that a damaged row is found. A row without one is read too: a person who edits the file removes it. Pure: bytes
in, rows out, and back; rows that no store asked for stay as they are. `state_file` reads, writes and decides what to do
with a bad file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from zlib import crc32

import attrs
import msgspec

from .codec import StateCodec

__all__ = ["BadState", "Saved", "decode_state", "encode_state", "read_rows", "write_rows"]

_FORMAT = 1


@attrs.define(eq=False, slots=False)
class BadState(Exception):
    """Content that cannot be used.

    Attributes:
        kind: "corrupt", or "newer" when a later version of the program wrote it.
        reason: What is wrong; says where, never quotes the content.
    """

    kind: str
    reason: str


class Saved(msgspec.Struct, frozen=True):
    """One store's state as it is in the file."""

    version: int
    state: msgspec.Raw


class _Row(
    msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True
):
    version: int
    check: str | None = None
    state: msgspec.Raw


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: int
    stores: msgspec.Raw


class _Format(msgspec.Struct, frozen=True):
    format: int


def read_rows(content: bytes) -> tuple[dict[str, Saved], dict[str, BadState]]:
    """Returns the good rows of a file by key, and what is wrong with the others.

    Raises:
        BadState: not a file of ours, cut off, or of a later format.
    """
    try:
        form = msgspec.json.decode(content, type=_Format).format
        if form > _FORMAT:
            raise BadState("newer", f"its format is {form}, this program knows {_FORMAT}")
        if form < _FORMAT:
            raise BadState("corrupt", f"its format is {form}, which never was one")
        file = msgspec.json.decode(content, type=_File)
        rows = msgspec.json.decode(file.stores, type=dict[str, _Row])
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadState(
            "corrupt", f"it is not a file of persisted stores{_place_of(error)}"
        ) from error
    good: dict[str, Saved] = {}
    bad: dict[str, BadState] = {}
    for key, row in rows.items():
        if row.check is not None and row.check != _check(key, row.version, row.state):
            reason = "its checksum does not fit (to edit a row by hand, remove its check)"
            bad[key] = BadState("corrupt", reason)
        else:
            good[key] = Saved(row.version, row.state)
    return good, bad


def write_rows(rows: Mapping[str, Saved]) -> bytes:
    """Returns the content of a file with these rows."""
    checked = {
        key: _Row(version=row.version, check=_check(key, row.version, row.state), state=row.state)
        for key, row in rows.items()
    }
    return msgspec.json.encode(_File(_FORMAT, msgspec.Raw(msgspec.json.encode(checked))))


def _check(key: str, version: int, state: msgspec.Raw) -> str:
    return f"{crc32(bytes(state), crc32(f'{version} {key}'.encode())):08x}"


def encode_state(state: Any, codec: StateCodec, decoder: Callable[[bytes], Any]) -> msgspec.Raw:
    """Returns a state as JSON text that `decoder` reads.

    Raises:
        Exception: what the codec raises, or a ValueError when it returned no JSON.
        BadState: the text does not fit the type: a NaN becomes null, or the value is of another type.
    """
    content = codec.encode(state)
    try:
        msgspec.json.decode(content, type=msgspec.Raw)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise ValueError(f"{type(codec).__name__}.encode() returned no JSON text") from error
    try:
        decoder(bytes(content))
    except Exception as error:
        raise BadState("corrupt", f"its value does not fit the type{_place_of(error)}") from error
    return msgspec.Raw(content)


def decode_state(
    row: Saved,
    decoder: Callable[[bytes], Any],
    version: int,
    migrate: Callable[[Any, int], Any] | None,
) -> Any:
    """Returns the state of a row, migrated when it is of an earlier version.

    Raises:
        BadState: of a later version, of an earlier one that `migrate` could not bring here, or not of the right type.
    """
    if row.version > version:
        raise BadState(
            "newer", f"its state is of version {row.version}, this program has {version}"
        )
    content, what = bytes(row.state), "its state does not fit the type"
    if row.version < version:
        if migrate is None:
            raise BadState(
                "corrupt", f"its state is of version {row.version}, and no migrate= was given"
            )
        try:
            content = msgspec.json.encode(migrate(msgspec.json.decode(content), row.version))
        except (msgspec.MsgspecError, RecursionError) as error:
            raise BadState("corrupt", f"its state is not JSON{_place_of(error)}") from error
        except Exception as error:
            raise BadState("corrupt", f"migrate raised {type(error).__name__}") from error
        what = "what migrate returned does not fit the type"
    try:
        return decoder(content)
    except Exception as error:
        raise BadState("corrupt", f"{what}{_place_of(error)}") from error


def _place_of(error: Exception) -> str:
    """Returns where in the content the error is; the rest of its text may quote the content."""
    if not isinstance(error, msgspec.MsgspecError):
        return ""
    _, found, place = str(error).rpartition(" - at `")
    return f", at {place.rstrip('`')}" if found else ""
