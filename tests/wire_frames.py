"""Frames of RFC 6455 as bytes: good ones, bad ones, cut ones. For the parts that read them beside `websockets`."""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import Iterator
from typing import Any

__all__ = ["MASK", "MAX_SIZE", "Transport", "cases_of", "frame", "splits"]

MAX_SIZE = 70_000
MASK = b"\x01\xfe\x80\x37"


def frame(head: int, data: bytes = b"", *, mask: bytes = b"", length: int | None = None) -> bytes:
    """Returns a frame with this first byte; `length` may lie. Without a mask it is one of a server."""
    size = len(data) if length is None else length
    bit = 0x80 if mask else 0
    if size < 126:
        start = bytes([head, bit | size])
    elif size < 65_536:
        start = bytes([head, bit | 126]) + struct.pack("!H", size)
    else:
        start = bytes([head, bit | 127]) + struct.pack("!Q", size)
    if mask:
        data = bytes(one ^ mask[at % 4] for at, one in enumerate(data))
    return start + mask + data


def cases_of(mask: bytes) -> dict[str, bytes]:
    """Returns what a peer may send, by name. A client masks its frames, a server does not."""

    def frame_of(head: int, data: bytes = b"", *, length: int | None = None) -> bytes:
        return frame(head, data, mask=mask, length=length)

    bit = 0x80 if mask else 0
    text = frame_of(0x81, "grüße".encode())
    close = frame_of(0x88, struct.pack("!H", 1000) + b"bye")

    def longer(size: int, width: int, data: bytes) -> bytes:
        """Writes the size in more bytes than it needs."""
        masked = frame_of(0x81, data)[2:]
        return bytes([0x81, bit | size]) + len(data).to_bytes(width, "big") + masked

    other = frame(0x81, b"x", mask=b"" if mask else MASK)
    return {
        "text, binary, empty": text + frame_of(0x82, b"\0\xff") + frame_of(0x81) + frame_of(0x82),
        "every size": b"".join(
            frame_of(0x81, b"x" * size) for size in (125, 126, 127, 128, 65_535, 65_536, MAX_SIZE)
        ),
        "many": b"".join(frame_of(0x81, b"%d" % n) for n in range(500)) + close,
        "longer length than needed": longer(0x7E, 2, b"hello") + longer(0x7F, 8, b"again"),
        "one byte too big": text + frame_of(0x81, b"x" * (MAX_SIZE + 1)) + text,
        "a size of 2**63": text + bytes([0x82, bit | 0x7F, 0x80]) + bytes(7) + b"rest",
        "ping between messages": text + frame_of(0x89, b"p" * 125) + text + frame_of(0x8A, b"odd"),
        "ping with 126 bytes": text + frame_of(0x89, b"p" * 126) + text,
        "fragmented ping": text + frame_of(0x09, b"p") + text,
        "fragments": frame_of(0x01, b"one ")
        + frame_of(0x00, b"two ")
        + frame_of(0x80, b"three")
        + text,
        "fragments with a ping inside": frame_of(0x01, b"a")
        + frame_of(0x89)
        + frame_of(0x80, b"b")
        + text,
        "fragments that split a character": frame_of(0x01, b"gr\xc3")
        + frame_of(0x80, b"\xbc")
        + text,
        "empty fragments": frame_of(0x02) + frame_of(0x00) + frame_of(0x80) + text,
        "fragments that are too big together": frame_of(0x01, b"x" * 60_000)
        + frame_of(0x80, b"x" * 10_001),
        "a message inside fragments": frame_of(0x01, b"a") + text + frame_of(0x80, b"b"),
        "a binary message inside fragments": frame_of(0x01, b"a") + frame_of(0x82, b"b"),
        "a fragment without a first one": text + frame_of(0x80, b"b") + text,
        "close inside fragments": frame_of(0x01, b"a") + close,
        "bad text": text + frame_of(0x81, b"\xff\xfe") + text,
        "cut text": text + frame_of(0x81, b"gr\xc3") + text,
        "a surrogate": frame_of(0x81, b"\xed\xa0\x80"),
        "bad text in fragments": frame_of(0x01, b"\xc3") + frame_of(0x80, b"\x28") + text,
        "reserved bits": text + frame_of(0xC1, b"x") + text,
        "reserved bit 3": text + frame_of(0x91, b"x") + text,
        "reserved opcode": text + frame_of(0x83, b"x") + text,
        "reserved control opcode": text + frame_of(0x8B) + text,
        "masked as it must not be": text + other + text,
        "close": text + close,
        "close without a code": text + frame_of(0x88),
        "close with one byte": text + frame_of(0x88, b"\x03"),
        "close with a bad code": text + frame_of(0x88, struct.pack("!H", 999)),
        "close with bad text": text + frame_of(0x88, struct.pack("!H", 1000) + b"\xff"),
        "a message after close": text + close + text,
        "half a header": text + b"\x81",
        "half a size": text + bytes([0x81, bit | 0x7E, 0x01]),
        "half a message": text + frame_of(0x81, b"half", length=8),
        "half a ping": text + frame_of(0x89, b"half", length=8),
    }


class Transport(asyncio.Transport):
    """Keeps what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        del high, low

    def can_write_eof(self) -> bool:
        return False

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        return

    def abort(self) -> None:
        return

    def pause_reading(self) -> None:
        return

    def resume_reading(self) -> None:
        return


def splits(data: bytes) -> Iterator[list[bytes]]:
    """Yields ways in which a network may cut bytes into pieces."""
    yield [data]
    if len(data) < 2_000:
        yield [data[at : at + 1] for at in range(len(data))]
    for seed in range(5):
        rng = random.Random(seed)
        places = sorted(rng.sample(range(1, len(data)), min(12, len(data) - 1)))
        yield [
            data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)
        ]
