"""The border to `websockets` and the operating system: their exceptions become ours, without secrets in their texts.

`line` calls it with whatever ended a dial or a socket. It decides nothing; `protocol` and its close policy do.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from websockets import exceptions as foreign

from ..connection import CloseCode
from ..errors import (
    BadAddress,
    BadCertificate,
    ConnectionFailed,
    ConnectionLost,
    DialFailed,
    HandshakeRefused,
    UsageError,
)

__all__ = ["of_close", "of_dial"]


def of_dial(error: Exception, url: str, now: datetime, redact: Callable[[str], str]) -> Exception:
    """Returns what a failed dial means.

    Args:
        error: What the dial raised.
        url: Redacted.
        now: Wall clock, for a Retry-After that is a date.
        redact: Takes secrets out of a text.
    """
    if isinstance(error, ConnectionFailed | UsageError):
        return error
    if isinstance(error, foreign.InvalidStatus):
        after = _retry_after(error.response.headers.get("Retry-After"), now)
        return HandshakeRefused(error.response.status_code, after)
    if isinstance(error, foreign.InvalidURI | foreign.InvalidProxy):
        return BadAddress(
            url, "it, or where the server redirects to, or the proxy's address, is no URL to dial"
        )
    # Its subclasses are answers that are too long: what garbage looks like, not a redirect.
    if type(error) is foreign.SecurityError:
        return BadAddress(url, "the server redirected from wss to an insecure address")
    if isinstance(error, ssl.SSLCertVerificationError):
        return BadCertificate(error.verify_message or "verification failed")
    if isinstance(error, foreign.InvalidHandshake):
        return DialFailed(f"{url} did not answer as a WebSocket server: {type(error).__name__}")
    if isinstance(error, TimeoutError):
        return DialFailed(f"{url} did not answer in time")
    if isinstance(error, foreign.ConnectionClosed):
        return of_close(error, redact)
    if isinstance(error, OSError):
        return DialFailed(f"cannot reach {url}: {error.strerror or type(error).__name__}")
    # A wrong option, a bug: the same dial would raise the same again.
    return UsageError(f"dialing {url} raised {type(error).__name__}: {redact(str(error))}")


def of_close(error: Exception, redact: Callable[[str], str]) -> Exception:
    """Returns what the end of an open socket means.

    Args:
        error: What reading raised.
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


def _retry_after(value: str | None, now: datetime) -> float | None:
    if value is None:
        return None
    text = value.strip()
    if text.isdecimal():
        return float(text[:9])
    try:
        when = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    when = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
    return max(0.0, (when - now).total_seconds())
