"""`Words`: every text that the connection widgets show, as data, with functions for plurals and ages.

The texts are for users of a program. The `cause` of a connection is for programmers: of these texts only `details` shows it.
`failed` and `banner_failed` may use `{cause}` instead of `{reason}`. For another language make `Words` with all texts.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping

import attrs

from ...connection import Connection, ConnectionState
from ...errors import (
    BadAddress,
    BadCertificate,
    ConnectionLost,
    DialFailed,
    GaveUp,
    HandshakeRefused,
    HeartbeatTimeout,
    Unauthorized,
)

__all__ = ["Reason", "Words", "age", "english_plural", "reason_of"]


class Reason(enum.Enum):
    """Why a program is not connected, as far as its user can act on it."""

    SIGN_IN = "sign in"
    CERTIFICATE = "certificate"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    ADDRESS = "address"
    UNKNOWN = "unknown"


_REASONS: tuple[tuple[type[Exception], Reason], ...] = (
    (Unauthorized, Reason.SIGN_IN),
    (BadCertificate, Reason.CERTIFICATE),
    (HandshakeRefused, Reason.REFUSED),
    (ConnectionLost, Reason.REFUSED),
    (BadAddress, Reason.ADDRESS),
    (DialFailed, Reason.UNREACHABLE),
    (HeartbeatTimeout, Reason.UNREACHABLE),
    (GaveUp, Reason.UNREACHABLE),
)


def reason_of(connection: Connection) -> Reason:
    """Returns why the connection is lost; `UNKNOWN` without an error, or with one that has no words."""
    for kind, reason in _REASONS:
        if isinstance(connection.error, kind):
            return reason
    return Reason.UNKNOWN


def english_plural(count: int) -> str:
    """Returns the plural category of a count in English: "one" or "other"."""
    return "one" if count == 1 else "other"


def _names() -> Mapping[ConnectionState, str]:
    return {
        ConnectionState.CONNECTED: "Connected",
        ConnectionState.CONNECTING: "Connecting",
        ConnectionState.RECONNECTING: "Reconnecting",
        ConnectionState.DISCONNECTED: "Disconnected",
        ConnectionState.ERROR: "Not connected",
        ConnectionState.CLOSED: "Offline",
    }


def _reasons() -> Mapping[Reason, str]:
    return {
        Reason.SIGN_IN: "Sign in again.",
        Reason.CERTIFICATE: "The certificate of the server is not valid.",
        Reason.REFUSED: "The server refused the connection.",
        Reason.UNREACHABLE: "The server cannot be reached.",
        Reason.ADDRESS: "The address of the server is wrong.",
        Reason.UNKNOWN: "",
    }


def _queued() -> Mapping[str, str]:
    return {
        "one": "{count} message waits to be sent",
        "other": "{count} messages wait to be sent",
    }


@attrs.frozen
class Words:
    """Texts with places in braces; `str.format` fills them.

    Attributes:
        names: The name of each state. Screen readers say it when the state begins.
        reasons: What a user can know or do about each reason.
        plural: Returns the plural category of a count, a key of `queued`: CLDR's names are "zero", "one", "two", "few",
            "many" and "other". The text of "other" serves for categories that are missing.
        queued: How many messages wait, by plural category.
    """

    names: Mapping[ConnectionState, str] = attrs.field(factory=_names)
    reasons: Mapping[Reason, str] = attrs.field(factory=_reasons)
    plural: Callable[[int], str] = english_plural
    queued: Mapping[str, str] = attrs.field(factory=_queued)
    connected: str = "Connected ({age})"
    connecting: str = "Connecting"
    waiting: str = "Reconnecting in {seconds} s ({attempt})"
    dialing: str = "Reconnecting ({attempt})"
    attempt: str = "attempt {number}"
    attempt_of: str = "attempt {number} of {total}"
    disconnected: str = "Disconnected"
    failed: str = "Not connected. {reason}"
    gave_up: str = "gave up"
    closing: str = "Signing out"
    closed: str = "Offline"
    banner_reconnecting: str = "Connection lost, reconnecting."
    banner_disconnected: str = "Connection lost."
    banner_failed: str = "Not connected. {reason}"
    banner_closing: str = "Signing out."
    banner_full: str = "Too many messages wait."
    banner_filling: str = "Many messages wait."
    will_be_sent: str = "What you write is sent when it is back."
    waits: str = "What you write waits."
    is_full: str = "There is no room for more. Write again when some of them are sent."
    is_filling: str = "There is room for a few more."
    is_closing: str = "Nothing more can be sent."
    retry: str = "Retry now"
    details: str = "Details: {cause}"
    seconds: str = "{seconds}s"
    minutes: str = "{minutes}m {seconds:02}s"
    hours: str = "{hours}h {minutes:02}m"
    days: str = "{days}d {hours:02}h"
    reconnects: str = "Reconnects"
    received: str = "Received"
    sent: str = "Sent"
    waiting_messages: str = "Waiting"
    round_trip: str = "Round trip"
    count: str = "{count:,}"
    milliseconds: str = "{milliseconds:.0f} ms"
    not_measured: str = "not measured yet"

    def queue_text(self, count: int) -> str:
        """Returns how many messages wait; empty for none."""
        if not count:
            return ""
        form = self.queued.get(self.plural(count)) or self.queued["other"]
        return form.format(count=count)


def age(seconds: float, words: Words) -> str:
    """Returns a duration in its two largest units, such as "45s", "1m 01s", "3h 12m" and "2d 05h"."""
    whole = max(0, int(seconds))
    minutes, hours, days = whole // 60, whole // 3_600, whole // 86_400
    if days:
        return words.days.format(days=days, hours=hours % 24)
    if hours:
        return words.hours.format(hours=hours, minutes=minutes % 60)
    if minutes:
        return words.minutes.format(minutes=minutes, seconds=whole % 60)
    return words.seconds.format(seconds=whole)
