"""JSON text and typed payloads, as all dialects but v1 read and write them."""

from __future__ import annotations

import zlib
from typing import Any, cast

import msgspec

from ..errors import MessageRejected
from ..wire import Envelope, Registry
from .session import Fault

__all__ = [
    "decoded",
    "dumped",
    "list_of",
    "message_of",
    "object_of",
    "rejected",
    "unasked",
    "unzipped",
]

_decoder = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()


def decoded(text: str) -> Any:
    """Returns the JSON value of a text.

    Raises:
        MessageRejected: the text is not JSON.
    """
    try:
        return _decoder.decode(text)
    except (ValueError, RecursionError) as error:
        raise MessageRejected(f"it is not JSON: {error}") from error


def dumped(value: Any, of: str | None = None) -> str:
    """Returns a value as JSON text.

    Args:
        value: Plain values or structs.
        of: The type of the message, for the error.

    Raises:
        MessageRejected: JSON cannot express the value.
    """
    try:
        return _encoder.encode(value).decode()
    except (TypeError, ValueError, RecursionError) as error:
        raise MessageRejected(f"it cannot be written as JSON: {error}", type=of) from error


def unzipped(data: bytes, *, max_size: int = 16 * 2**20, is_raw: bool = False) -> str:
    """Returns the text of a compressed frame, for `unpack=` of `PlainJson`. A small frame cannot fill the memory.

    Args:
        data: The frame: gzip or zlib.
        max_size: Bytes of the largest text.
        is_raw: Whether the frame is deflate without a header of gzip or zlib.

    Raises:
        ValueError: the frame is not whole, has another form, is too large, or its text is not UTF-8.
    """
    reader = zlib.decompressobj(-zlib.MAX_WBITS if is_raw else zlib.MAX_WBITS | 32)
    try:
        text = reader.decompress(data, max_size + 1)
    except zlib.error as error:
        raise ValueError(f"it cannot be unzipped: {error}") from error
    if len(text) > max_size:
        raise ValueError(f"it has more than {max_size} bytes when unzipped")
    if not reader.eof or reader.unused_data:
        raise ValueError("it is not one whole compressed text")
    return text.decode()


def object_of(value: Any) -> dict[str, Any] | None:
    """Returns a JSON value when it is an object, else None."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def list_of(value: Any) -> list[Any] | None:
    """Returns a JSON value when it is a list, else None."""
    return [*value] if isinstance(value, list) else None  # pyright: ignore[reportUnknownVariableType]


def message_of(
    registry: Registry, name: str, value: Any, channel: str, **fields: Any
) -> Envelope[Any] | Fault:
    """Returns a message, its payload of the class that the registry has for its type; a `Fault` when it does not fit."""
    row = registry.get(name)
    if row is not None:
        try:
            value = msgspec.convert(value, row.payload)
        except (ValueError, RecursionError) as error:
            return rejected(str(error), name)
    return Envelope(name, value, channel, **fields)


def rejected(reason: str, name: str | None = None) -> Fault:
    """Returns the event for a bad element."""
    return Fault(MessageRejected(reason, type=name))


def unasked(reference: str | int) -> MessageRejected:
    """Returns the error of an answer to a server that asked nothing."""
    return MessageRejected(f"no message of the server has the reference {reference!r}")
