"""`Theme`: colours, symbols and words of the connection widgets, as data, for every toolkit.

Each state has a symbol of its own shape, so a user does not need to tell colours apart. Each palette keeps WCAG 2.2 AA: 4.5
between text and background, 3 between symbol and background. `contrast` computes it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

import attrs

from ...connection import ConnectionState
from .words import Words

__all__ = [
    "ASCII_SYMBOLS",
    "DARK",
    "LIGHT",
    "Ink",
    "Palette",
    "Theme",
    "Tone",
    "blend",
    "contrast",
    "is_dark",
]


class Tone(enum.Enum):
    """How good a state is; each tone has its colours. The values are names of style classes."""

    GOOD = "good"
    BUSY = "busy"
    BAD = "bad"
    IDLE = "idle"


@attrs.frozen
class Ink:
    """The colours of one tone, each as `#rrggbb`.

    Attributes:
        text: Of words on `tint`.
        symbol: Of the symbol on `tint`.
        tint: The background.
        edge: The outline of the background.
    """

    text: str
    symbol: str
    tint: str
    edge: str


@attrs.frozen
class Palette:
    """The colours of all tones on one kind of window, light or dark."""

    good: Ink
    busy: Ink
    bad: Ink
    idle: Ink

    def of(self, tone: Tone) -> Ink:
        """Returns the colours of a tone."""
        ink: Ink = getattr(self, tone.value)
        return ink


LIGHT = Palette(
    good=Ink(text="#065f46", symbol="#047857", tint="#d1fae5", edge="#a7f3d0"),
    busy=Ink(text="#78350f", symbol="#b45309", tint="#fef3c7", edge="#fde68a"),
    bad=Ink(text="#991b1b", symbol="#dc2626", tint="#fee2e2", edge="#fecaca"),
    idle=Ink(text="#374151", symbol="#6b7280", tint="#f3f4f6", edge="#d1d5db"),
)
"""For windows with a light background."""

DARK = Palette(
    good=Ink(text="#a7f3d0", symbol="#10b981", tint="#05382b", edge="#065f46"),
    busy=Ink(text="#fde68a", symbol="#f59e0b", tint="#3d2408", edge="#78350f"),
    bad=Ink(text="#fecaca", symbol="#f87171", tint="#471818", edge="#7f1d1d"),
    idle=Ink(text="#e5e7eb", symbol="#9ca3af", tint="#273142", edge="#3b475c"),
)
"""For windows with a dark background."""


def _symbols() -> Mapping[ConnectionState, str]:
    return {
        ConnectionState.CONNECTED: "●",
        ConnectionState.CONNECTING: "◌",
        ConnectionState.RECONNECTING: "↻",
        ConnectionState.DISCONNECTED: "✕",
        ConnectionState.ERROR: "▲",
        ConnectionState.CLOSED: "○",
    }


ASCII_SYMBOLS: Mapping[ConnectionState, str] = {
    ConnectionState.CONNECTED: "*",
    ConnectionState.CONNECTING: "~",
    ConnectionState.RECONNECTING: "@",
    ConnectionState.DISCONNECTED: "x",
    ConnectionState.ERROR: "!",
    ConnectionState.CLOSED: "o",
}
"""Symbols for toolkits whose font has few characters, such as Kivy and DearPyGui."""


@attrs.frozen
class Theme:
    """Colours, symbols and words.

    Attributes:
        light, dark: The palettes. A widget takes the one that fits the background of its window.
        symbols: One character for each of the six states, in texts.
        words: All texts.
        has_motion: Whether spinners turn and banners fade. A widget does not move either when its toolkit's setting for
            reduced motion is on.
    """

    light: Palette = LIGHT
    dark: Palette = DARK
    symbols: Mapping[ConnectionState, str] = attrs.field(factory=_symbols)
    words: Words = attrs.field(factory=Words)
    has_motion: bool = True


def contrast(one: str, other: str) -> float:
    """Returns the contrast ratio of two colours by WCAG 2.2, from 1 to 21."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def is_dark(background: str) -> bool:
    """Whether white text reads better on this background than black text."""
    return contrast(background, "#ffffff") > contrast(background, "#000000")


def blend(start: str, end: str, part: float) -> str:
    """Returns the colour that lies `part` of the way from `start` to `end`; both and the result as `#rrggbb`."""
    pairs = zip(_channels(start), _channels(end), strict=True)
    return "#" + "".join(f"{round(255 * (a + (b - a) * part)):02x}" for a, b in pairs)


def _channels(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return red, green, blue


def _luminance(colour: str) -> float:
    red, green, blue = (
        it / 12.92 if it <= 0.04045 else ((it + 0.055) / 1.055) ** 2.4 for it in _channels(colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
