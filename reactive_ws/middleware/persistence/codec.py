"""How a persisted value becomes JSON text, and back: the protocol, and the codec of msgspec.

Another library's codec is a class of two methods; the page on middleware shows one for pydantic and one for plain JSON.
Called by `state_format` and `persist_file`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

import msgspec

__all__ = ["MsgspecCodec", "StateCodec"]


class StateCodec(Protocol):
    """Turns values into JSON text and back. Used on the threads that load and save."""

    def encode(self, value: Any, /) -> bytes:
        """Returns a value as JSON text in UTF-8.

        Raises:
            Exception: the value cannot be written; its last good state stays in the file.
        """
        ...

    def decoder(self, as_type: Any, /) -> Callable[[bytes], Any]:
        """Returns the function that makes a value of this type from JSON text.

        That function raises an exception for text that does not fit; the text is then set aside.

        Raises:
            TypeError: the codec cannot read this type.
        """
        ...


class MsgspecCodec:
    """Reads and writes what msgspec does: attrs classes, dataclasses, structs and plain types."""

    def encode(self, value: Any, /) -> bytes:
        """Returns a value as JSON text. Any mapping is written like a dict.

        Raises:
            Exception: what msgspec raises for a type that it cannot write.
        """
        return msgspec.json.encode(value, enc_hook=_plain)

    def decoder(self, as_type: Any, /) -> Callable[[bytes], Any]:
        """Returns the function that makes a value of this type from JSON text.

        Raises:
            TypeError: msgspec cannot read this type.
        """
        return msgspec.json.Decoder(as_type).decode


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(cast("Any", value))
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
