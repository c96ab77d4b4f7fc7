"""`mark`: the symbol of a state as a small picture with smooth edges, for toolkits that draw none themselves.

Fonts differ between machines and some have no such characters. A mark is a function of a point, so it is sharp at every size.
Tk, wx and GTK show the PNG; Qt does too.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable
from functools import lru_cache

from ...connection import ConnectionState

__all__ = ["SPINNER_STEPS", "cap", "mark"]

SPINNER_STEPS = 12
"""Pictures of one turn of the spinner."""

_BUSY = (ConnectionState.CONNECTING, ConnectionState.RECONNECTING)


@lru_cache(maxsize=512)
def mark(state: ConnectionState, size: int, colour: str, step: int = 0) -> bytes:
    """Returns the symbol of a state as a PNG with a transparent background.

    Args:
        state: Whose symbol. The two busy states are a ring with a gap, which turns.
        size: Pixels of each side.
        colour: As `#rrggbb`.
        step: The position of the gap, from 0 to `SPINNER_STEPS` - 1; for the busy states.

    Raises:
        ValueError: `size` is below 1.
    """
    turn = 2.0 * math.pi * (step % SPINNER_STEPS) / SPINNER_STEPS if state in _BUSY else 0.0

    def distance(x: float, y: float) -> float:
        return _distance(state, x, y, turn)

    return _png(
        size, size, colour, lambda x, y: distance(2 * x / size - 1, 2 * y / size - 1) * size / 2
    )


@lru_cache(maxsize=128)
def cap(height: int, colour: str, edge: str, *, is_left: bool) -> bytes:
    """Returns one rounded end of a pill as a PNG: `height` pixels high and half as wide, with an outline of one pixel."""
    radius = height / 2
    middle = radius if is_left else 0.0

    def outside(x: float, y: float) -> float:
        return math.hypot(x - middle, y - radius) - radius

    width = math.ceil(radius)
    over = _pixels(width, height, lambda x, y: outside(x, y) + 1.0)
    under = _pixels(width, height, outside)
    return _encode(
        width,
        height,
        [_mixed(edge, colour, inner, outer) for outer, inner in zip(under, over, strict=True)],
    )


def _distance(state: ConnectionState, x: float, y: float, turn: float) -> float:
    """Returns how far a point of the square from -1 to 1 lies outside the shape; negative inside."""
    away = math.hypot(x, y)
    match state:
        case ConnectionState.CONNECTED:
            return away - 0.62
        case ConnectionState.CLOSED:
            return abs(away - 0.58) - 0.14
        case ConnectionState.DISCONNECTED:
            strokes = min(abs(x - y), abs(x + y)) / math.sqrt(2) - 0.15
            return max(max(abs(x), abs(y)) - 0.6, strokes)
        case ConnectionState.ERROR:
            triangle = max(y - 0.66, (abs(x) * 1.9 - y - 0.86) / math.hypot(1.9, 1.0))
            stroke = max(abs(x) - 0.1, y - 0.22, -0.24 - y)
            dot = math.hypot(x, y - 0.44) - 0.12
            return max(triangle, -min(stroke, dot))
        case _:
            ring = abs(away - 0.62) - 0.15
            angle = (math.atan2(y, x) - turn) % (2.0 * math.pi)
            # The gap is a quarter of the ring.
            gap = (math.pi / 2 - angle) * 0.62 if angle < math.pi else (angle - 2 * math.pi) * 0.62
            return max(ring, gap)


def _pixels(width: int, height: int, distance: Callable[[float, float], float]) -> list[float]:
    """Returns how much of each pixel the shape covers, row by row."""
    covered: list[float] = []
    for row in range(height):
        for column in range(width):
            outside: float = distance(column + 0.5, row + 0.5)
            covered.append(min(1.0, max(0.0, 0.5 - outside)))
    return covered


def _png(width: int, height: int, colour: str, distance: Callable[[float, float], float]) -> bytes:
    if width < 1:
        raise ValueError(f"size must be at least 1, not {width!r}")
    red, green, blue = _rgb(colour)
    return _encode(
        width,
        height,
        [(red, green, blue, round(255 * it)) for it in _pixels(width, height, distance)],
    )


def _mixed(edge: str, fill: str, inner: float, outer: float) -> tuple[int, int, int, int]:
    red, green, blue = (
        round(a + (b - a) * inner) for a, b in zip(_rgb(edge), _rgb(fill), strict=True)
    )
    return red, green, blue, round(255 * outer)


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _encode(width: int, height: int, pixels: list[tuple[int, int, int, int]]) -> bytes:
    rows = b"".join(
        b"\0" + b"".join(bytes(it) for it in pixels[row * width : (row + 1) * width])
        for row in range(height)
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", header),
            _chunk(b"IDAT", zlib.compress(rows)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
