"""Cuts whole messages out of the bytes that a socket receives, in one loop for all that came together; writes messages as frames.

The splitter knows one kind of frame: a text or binary message in one piece, without an extension, which is what servers send, and
masked what clients send. Other frames of RFC 6455 (section 5.2) it hands over as bytes, whole, in their place; what cannot be such a
frame it hands over with everything after it. `websockets` takes them, so its rules about them hold. `masked` and `unmasked` write the
same kind of frame: in one piece, without an extension. Nothing here does I/O.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Sequence

try:
    from websockets.speedups import apply_mask
except ImportError:  # pragma: no cover - where there is no C, such as in Pyodide
    from websockets.utils import apply_mask

from ...engine import refuse_copy

__all__ = ["Splitter", "masked", "unmasked"]

_TEXT, _BINARY = 0x81, 0x82
_LAST = 0x80
_OTHERS = frozenset({0x00, _LAST, 0x01, 0x02, 0x88, 0x89, 0x8A})
"""First bytes of fragments and of control frames."""
_MASKED = 0x80
_KNOWN = _OTHERS | {_TEXT, _BINARY}
_HEADERS = {126: 4, 127: 10}
"""Bytes of a header whose second byte says that the size follows."""


_peek = struct.Struct("!BBH").unpack_from
"""Returns the two bytes of a header, and the two after them as one number."""


class Splitter:
    """The bytes of one connection after its handshake.

    Args:
        max_size: Bytes of the largest message; None for any.
        message: Takes a message.
        other: Takes the bytes of one frame of another kind; returns whether the splitter goes on after it.
        is_masked: Whether the peer is a client, which masks its frames (section 5.3); a server must not.
    """

    __slots__ = (
        "_bit",
        "_bytes",
        "_is_in_fragments",
        "_mask_size",
        "_max_size",
        "_message",
        "_needed",
        "_other",
        "_pieces",
    )

    __reduce_ex__ = refuse_copy

    def __init__(
        self,
        max_size: int | None,
        message: Callable[[str | bytes], None],
        other: Callable[[bytes], bool],
        *,
        is_masked: bool = False,
    ) -> None:
        self._max_size = (1 << 63) if max_size is None else max_size
        self._bit, self._mask_size = (_MASKED, 4) if is_masked else (0, 0)
        self._message = message
        self._other = other
        # A frame that is not whole yet, in the pieces that came: joining them at each one would be quadratic.
        self._pieces: list[bytes] = []
        self._bytes = 0
        self._needed = 2
        # Between the first and the last fragment of a message no other message may come; `other` judges it.
        self._is_in_fragments = False

    def feed(self, data: bytes) -> bool:
        """Takes bytes that arrived; returns False when the splitter has ended.

        After that, `rest` has what `other` must take.
        """
        if self._pieces:
            self._pieces.append(data)
            self._bytes += len(data)
            if self._bytes < self._needed:
                return True
            data = b"".join(self._pieces)
            self._pieces = []
        message, max_size = self._message, self._max_size
        bit, mask = self._bit, self._mask_size
        at, end = 0, len(data)
        while True:
            # The usual frame, written out: a text below 64 KiB that is here whole. The long way below would find the same in
            # twice as many instructions. `tests/unit/test_frames.py` sends the same bytes through both.
            last = -1 if self._is_in_fragments else end - 4
            while at <= last:
                head, size, longer = _peek(data, at)
                size ^= bit
                if size < 126:
                    stop = at + 2 + mask + size
                elif size == 126:
                    size = longer
                    stop = at + 4 + mask + size
                else:
                    break
                if head != _TEXT or stop > end or size > max_size:
                    break
                start = stop - size
                try:
                    if mask:
                        text = apply_mask(data[start:stop], data[start - 4 : start]).decode()
                    else:
                        text = data[start:stop].decode()
                except UnicodeDecodeError:
                    break
                message(text)
                at = stop
            start = at + 2
            if start > end:
                return self._wait(data, at, 2)
            head, size = data[at], data[at + 1] ^ bit
            if size > 125:
                start = at + _HEADERS.get(size, 0)
                if start == at:
                    # Masked by a server, or not masked by a client.
                    return self._end(data, at)
                if start > end:
                    return self._wait(data, at, start - at)
                size = int.from_bytes(data[at + 2 : start], "big")
            if size > max_size:
                return self._end(data, at)
            start += mask
            stop = start + size
            if stop > end:
                is_known = head in _KNOWN
                return self._wait(data, at, stop - at) if is_known else self._end(data, at)
            if self._is_in_fragments or head in _OTHERS:
                if head < _TEXT:
                    self._is_in_fragments = head != _LAST
                if not self._other(data[at:stop]):
                    return self._end(data, stop)
            elif head in (_TEXT, _BINARY):
                whole = data[start:stop]
                if mask:
                    whole = apply_mask(whole, data[start - 4 : start])
                if head == _BINARY:
                    message(whole)
                else:
                    try:
                        text = str(whole, "utf-8")
                    except UnicodeDecodeError:
                        if not self._other(data[at:stop]):
                            return self._end(data, stop)
                    else:
                        message(text)
            else:
                return self._end(data, at)
            at = stop

    def rest(self) -> bytes:
        """Returns the bytes that are in no message yet, and forgets them."""
        rest = b"".join(self._pieces)
        self._pieces = []
        return rest

    def _wait(self, data: bytes, at: int, needed: int) -> bool:
        if at < len(data):
            self._pieces.append(data[at:] if at else data)
        self._bytes, self._needed = len(data) - at, needed
        return True

    def _end(self, data: bytes, at: int) -> bool:
        self._pieces.append(data[at:])
        return False


_SHORT = struct.Struct("!BB").pack
_LONG = struct.Struct("!BBH").pack
_LONGEST = struct.Struct("!BBQ").pack


def masked(messages: Sequence[str | bytes]) -> bytes:
    """Returns the frames of messages as a client sends them, one after the other: text for a str, binary for bytes.

    Each has a mask of its own (section 5.3). The operating system gives the random bytes for all of them in one call.

    Args:
        messages: In the order of sending.

    Raises:
        UnicodeEncodeError: a text has half of a surrogate pair, which UTF-8 cannot express.
    """
    keys = os.urandom(4 * len(messages))
    parts: list[bytes] = []
    at = 0
    for message in messages:
        if isinstance(message, str):
            head, data = _TEXT, message.encode()
        else:
            head, data = _BINARY, message
        size = len(data)
        if size < 126:
            parts.append(_SHORT(head, _MASKED | size))
        elif size < 65_536:
            parts.append(_LONG(head, _MASKED | 126, size))
        else:
            parts.append(_LONGEST(head, _MASKED | 127, size))
        key = keys[at : at + 4]
        at += 4
        parts.append(key)
        parts.append(apply_mask(data, key))
    return b"".join(parts)


def unmasked(message: str | bytes) -> bytes:
    """Returns the frame of a message as a server sends it: text for a str, binary for bytes.

    Raises:
        UnicodeEncodeError: a text has half of a surrogate pair, which UTF-8 cannot express.
    """
    if isinstance(message, str):
        head, data = _TEXT, message.encode()
    else:
        head, data = _BINARY, message
    size = len(data)
    if size < 126:
        return _SHORT(head, size) + data
    if size < 65_536:
        return _LONG(head, 126, size) + data
    return _LONGEST(head, 127, size) + data
