"""The content of a file of persisted stores: one entry of JSON for each store, with the version of its state.

`{"format": 1, "stores": {KEY: {"version": 1, "state": ...}}}`. Pure: bytes in, entries out and back; entries that nobody
asked for are kept as they are. Reading, writing and deciding what to do with a bad file is `state_file`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import attrs
import msgspec

__all__ = ["BadState", "Entry", "decode_state", "encode_state", "read_entries", "write_entries"]

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


class Entry(msgspec.Struct, frozen=True):
    """One store's state as it is in the file."""

    version: int
    state: msgspec.Raw


class _File(msgspec.Struct, frozen=True):
    format: int
    stores: msgspec.Raw


def read_entries(content: bytes) -> dict[str, Entry]:
    """Returns the entries of a file.

    Raises:
        BadState: not a file of ours, cut off, or of a later format.
    """
    try:
        file = msgspec.json.decode(content, type=_File)
        if file.format > _FORMAT:
            raise BadState("newer", f"its format is {file.format}, this program knows {_FORMAT}")
        return msgspec.json.decode(file.stores, type=dict[str, Entry])
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadState(
            "corrupt", f"it is not a file of persisted stores{_place_of(error)}"
        ) from error


def write_entries(entries: Mapping[str, Entry]) -> bytes:
    """Returns the content of a file with these entries."""
    stores = msgspec.json.encode(dict(entries))
    return msgspec.json.encode(_File(_FORMAT, msgspec.Raw(stores)))


def encode_state(state: Any) -> msgspec.Raw:
    """Returns a state as JSON. A mapping that is no dict, such as the service's positions, is written like one.

    Raises:
        Exception: what msgspec raises for a type that it cannot write.
    """
    return msgspec.Raw(msgspec.json.encode(state, enc_hook=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(cast("Any", value))
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def decode_state(
    entry: Entry, as_type: Any, version: int, migrate: Callable[[Any, int], Any] | None
) -> Any:
    """Returns the state of an entry as `as_type`, migrated when it is of an earlier version.

    Raises:
        BadState: of a later version, of an earlier one that `migrate` could not bring here, or not of that type.
    """
    if entry.version > version:
        raise BadState(
            "newer", f"its state is of version {entry.version}, this program has {version}"
        )
    try:
        if entry.version == version:
            return msgspec.json.decode(entry.state, type=as_type)
        if migrate is None:
            raise BadState(
                "corrupt", f"its state is of version {entry.version}, and no migrate= was given"
            )
        old = msgspec.json.decode(entry.state)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadState("corrupt", f"its state does not fit the type{_place_of(error)}") from error
    try:
        return msgspec.convert(migrate(old, entry.version), type=as_type)
    except msgspec.ValidationError as error:
        raise BadState(
            "corrupt", f"what migrate returned does not fit the type{_place_of(error)}"
        ) from error
    except Exception as error:
        raise BadState("corrupt", f"migrate raised {type(error).__name__}") from error


def _place_of(error: Exception) -> str:
    """Returns where in the content the error is; the rest of its text may quote the content."""
    _, found, place = str(error).rpartition(" - at `")
    return f", at {place.rstrip('`')}" if found else ""
