"""Translates exceptions of `websockets`, TLS and the operating system into our own, without secrets in their texts.

`Dialer` calls it for each dial and each socket that ended. It decides nothing: the close policy does.
"""

from __future__ import annotations

import math
import re
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from websockets import exceptions as foreign
from websockets.http11 import Response

from ..connection import CloseCode
from ..errors import (
    BadAddress,
    BadCertificate,
    ConnectionFailed,
    ConnectionLost,
    DialFailed,
    HandshakeRefused,
    ProxyRefused,
    UsageError,
)

__all__ = ["of_close", "of_dial"]

_BODY_LIMIT = 2_000
_HEADER_LIMIT = 50
_VALUE_LIMIT = 200
_RETRY_AFTER_LIMIT = 64
"""Characters. The longest date of HTTP has 29."""
_LONGEST_WAIT = 1e9
_WITHHELD = frozenset({"set-cookie", "set-cookie2", "authorization", "proxy-authorization"})
_SECONDS = re.compile(r"[0-9]+")


def of_dial(
    error: Exception,
    url: str,
    now: datetime,
    redact: Callable[[str], str],
    *,
    has_token: bool = True,
) -> Exception:
    """Returns what a failed dial means.

    Args:
        error: The exception of the dial.
        url: Redacted; after a redirect, the address where it led.
        now: Wall clock, for a Retry-After that is a date.
        redact: Takes secrets out of a text.
        has_token: Whether the service has `auth=`.
    """
    if isinstance(error, ConnectionFailed | UsageError):
        # The frames of its traceback hold URLs with their secrets.
        return error.with_traceback(None)
    if isinstance(error, foreign.InvalidStatus):
        return _of_status(error.response, now, redact, has_token=has_token)
    if isinstance(error, foreign.InvalidProxyStatus):
        return ProxyRefused(error.response.status_code)
    if isinstance(error, foreign.InvalidProxy):
        return BadAddress("***", "the proxy's address is not one; write it as http://host:port")
    if isinstance(error, foreign.InvalidURI):
        return BadAddress(url, "it is not a WebSocket URL")
    if isinstance(error, ssl.SSLCertVerificationError):
        return BadCertificate(error.verify_message or "verification failed")
    if isinstance(error, foreign.ProxyError):
        return DialFailed(f"the proxy opened no tunnel to {url}: {type(error).__name__}")
    if isinstance(error, foreign.InvalidHandshake):
        kind = type(error).__name__
        hint = _other_scheme(url) if url.startswith("ws:") and _is_mute(error) else ""
        return DialFailed(f"{url} did not answer as a WebSocket server: {kind}{hint}")
    if isinstance(error, TimeoutError):
        return DialFailed(f"{url} did not answer in time")
    if isinstance(error, foreign.ConnectionClosed):
        return of_close(error, redact)
    if isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
        is_tls = isinstance(error, ssl.SSLError | ConnectionResetError | ConnectionAbortedError)
        hint = _other_scheme(url) if is_tls and url.startswith("wss:") else ""
        return DialFailed(f"cannot reach {url}: {reason}{hint}")
    if isinstance(error, UnicodeError):
        reason = "a part of the name of its host, or of its proxy, is empty or has more than 63 characters"
        return BadAddress(url, reason)
    # A wrong option, or a bug: the same dial would raise the same again.
    return UsageError(f"dialing {url} raised {type(error).__name__}: {redact(str(error))}")


def _is_mute(error: foreign.InvalidHandshake) -> bool:
    """Whether the server answered with nothing that could be read, as one that waits for TLS does."""
    return isinstance(error, foreign.InvalidMessage) and isinstance(
        error.__cause__, EOFError | None
    )


def _other_scheme(url: str) -> str:
    if url.startswith("wss:"):
        return "; if the server has no TLS, write ws://"
    return "; if the server has TLS, write wss://"


def _of_status(
    response: Response, now: datetime, redact: Callable[[str], str], *, has_token: bool
) -> HandshakeRefused:
    headers: dict[str, str] = {}
    for name, value in response.headers.raw_items():
        if len(headers) < _HEADER_LIMIT and name.lower() not in _WITHHELD:
            headers.setdefault(name.lower()[:_VALUE_LIMIT], redact(value)[:_VALUE_LIMIT])
    # A secret that the cut would halve must go first.
    body = redact(bytes(response.body or b"")[: 8 * _BODY_LIMIT].decode("utf-8", "replace"))
    return HandshakeRefused(
        response.status_code,
        _retry_after(response.headers.get_all("Retry-After"), now),
        body=body[:_BODY_LIMIT],
        headers=headers,
        has_token=has_token,
    )


def of_close(error: Exception, redact: Callable[[str], str]) -> Exception:
    """Returns what the end of an open socket means.

    Args:
        error: The exception of reading.
        redact: Takes secrets out of a text, here out of the close reason, which the server chose.
    """
    if not isinstance(error, foreign.ConnectionClosed):
        return error if not isinstance(error, OSError) else ConnectionLost(CloseCode.NO_FRAME)
    received = error.rcvd
    if (
        error.sent is not None
        and not error.rcvd_then_sent
        and error.sent.code
        not in (
            CloseCode.NORMAL,
            CloseCode.GOING_AWAY,
        )
    ):
        # Our side closed because of what came in: too big, or not UTF-8. The echo of our own code means nothing.
        return ConnectionLost(error.sent.code, redact(error.sent.reason), was_received=False)
    if received is None:
        return ConnectionLost(CloseCode.NO_FRAME)
    return ConnectionLost(received.code, redact(received.reason))


def _retry_after(values: list[str], now: datetime) -> float | None:
    """Returns the seconds that a server asked to wait, from a number or a date; None when it wrote anything else."""
    text = values[0].strip() if values else ""
    if not text or not text.isascii() or len(text) > _RETRY_AFTER_LIMIT:
        return None
    if _SECONDS.fullmatch(text):
        return min(float(text), _LONGEST_WAIT)
    try:
        when = parsedate_to_datetime(text)
        when = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
        seconds = (when - now).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(0.0, seconds), _LONGEST_WAIT) if math.isfinite(seconds) else None
