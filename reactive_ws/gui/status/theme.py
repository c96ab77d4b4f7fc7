"""How a connection looks and what is said about it: symbols, colours and words as data, for every toolkit.

Each state has a symbol of its own shape, so that nobody needs to tell colours apart. Give your own `Theme` to
`connection_view` for another language or palette.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from ...connection import ConnectionState

__all__ = ["Look", "Theme", "Words"]


@attrs.frozen
class Look:
    """One state.

    Attributes:
        symbol: One character, of a shape that no other state has.
        colour: As `#rrggbb`.
        name: What a screen reader says when the state begins.
    """

    symbol: str
    colour: str
    name: str


@attrs.frozen
class Words:
    """Texts with places in braces, filled in by `str.format`."""

    connected: str = "Connected ({age})"
    connecting: str = "Connecting"
    waiting: str = "Reconnecting in {seconds} s ({attempt})"
    dialing: str = "Reconnecting ({attempt})"
    attempt: str = "attempt {number}"
    attempt_of: str = "attempt {number} of {total}"
    disconnected: str = "Disconnected"
    failed: str = "Not connected: {cause}"
    gave_up: str = "gave up"
    closed: str = "Offline"
    queued_one: str = "1 message waits to be sent"
    queued_many: str = "{count} messages wait to be sent"
    banner_reconnecting: str = (
        "Connection lost, reconnecting. What you write is sent when it is back."
    )
    banner_disconnected: str = "Connection lost. What you write is sent when it is back."
    banner_failed: str = "Not connected: {cause}. What you write waits."
    seconds: str = "{seconds}s"
    minutes: str = "{minutes}m {seconds:02}s"
    hours: str = "{hours}h {minutes:02}m"
    reconnects: str = "Reconnects: {count}"
    received: str = "Received: {count:,}"
    sent: str = "Sent: {count:,}"
    round_trip: str = "Round trip: {milliseconds:.0f} ms"
    unknown_round_trip: str = "Round trip: not measured yet"


def _looks() -> Mapping[ConnectionState, Look]:
    return {
        ConnectionState.CONNECTED: Look("●", "#10b981", "Connected"),
        ConnectionState.CONNECTING: Look("◌", "#f59e0b", "Connecting"),
        ConnectionState.RECONNECTING: Look("↻", "#f59e0b", "Reconnecting"),
        ConnectionState.DISCONNECTED: Look("✕", "#ef4444", "Disconnected"),
        ConnectionState.ERROR: Look("▲", "#ef4444", "Not connected"),
        ConnectionState.CLOSED: Look("○", "#9ca3af", "Offline"),
    }


@attrs.frozen
class Theme:
    """Looks and words.

    Attributes:
        looks: One for each of the six states.
        words: All texts.
        banner_colour, banner_text_colour: Of the banner, as `#rrggbb`.
        busy_interval: Seconds between two pictures of the busy animation.
        busy_frames: The pictures, which follow the text while something is under way.
    """

    looks: Mapping[ConnectionState, Look] = attrs.field(factory=_looks)
    words: Words = attrs.field(factory=Words)
    banner_colour: str = "#fef3c7"
    banner_text_colour: str = "#78350f"
    busy_interval: float = 0.4
    busy_frames: tuple[str, ...] = ("   ", ".  ", ".. ", "...")
