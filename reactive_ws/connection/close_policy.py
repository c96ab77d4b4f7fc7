"""The one table of what the end of a connection means. No other module of the framework names a close code or a status.

For each close code and each HTTP status the table gives three things: the verdict (what to do), the kind of error (whose fault
it is), and whether the end counts as a refusal of a message in flight. No two servers agree on the 4000s, so all of it is data:

    attrs.evolve(ClosePolicy(), codes={**ClosePolicy().codes, 4490: Meaning(Verdict.REFRESH_TOKEN)})

`decisions` asks the table. Nothing else decides about retries.

Where the defaults were met:
    1000   a Python handler that returned
    1001   a graceful restart of python websockets and of npm ws
    1012   SIGTERM of uvicorn
    1006   no close frame: timeouts of proxies, kills, resets
    1013, 3008, 4008, 4429   overload
    3000, 4001, 4401         the token; ASGI servers turn every close before accept into HTTP 403
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping

import attrs

from ..errors import (
    BadAddress,
    ConnectionLost,
    DialFailed,
    HandshakeRefused,
    HeartbeatTimeout,
    ProxyRefused,
    RedirectRefused,
    TokenRefused,
    Unauthorized,
)
from .record import ErrorKind

__all__ = ["CloseCode", "ClosePolicy", "Meaning", "Verdict", "may_be_sent_by_a_page"]


class CloseCode(enum.IntEnum):
    """The close codes that a client or a server of this project sends, or that stand for a missing code."""

    NORMAL = 1000
    GOING_AWAY = 1001
    VIOLATION = 1002
    """The peer broke the rules of the protocol."""
    EMPTY = 1005
    """The close frame had no code."""
    NO_FRAME = 1006
    """The connection ended without a close frame."""
    POLICY = 1008
    """The peer did something that this side does not allow."""
    TOO_BIG = 1009
    """A frame was larger than this side takes."""
    RESTART = 1012
    """The server restarts; a new connection may work at once."""
    TRY_LATER = 1013
    """The server cannot work at the moment."""
    UNAUTHORIZED = 4401
    """The server wants a good token."""
    FORBIDDEN = 4403
    """The server does not let this page or program in."""


def may_be_sent_by_a_page(code: int) -> bool:
    """Whether a browser lets a program send a close code: 1000 and 3000 to 4999 (WHATWG WebSockets, `close`)."""
    return code == CloseCode.NORMAL or 3000 <= code < 5000


class Verdict(enum.Enum):
    """The reaction to a connection that ended or was refused."""

    RETRY = "retry"
    RETRY_SLOWLY = "retry slowly"
    """Not before `slow_delay` seconds, or what the server asked for."""
    REFRESH_TOKEN = "refresh token"
    """Retry with a forced token refresh, once per outage; then give up."""
    FATAL = "fatal"
    """Trying again cannot help, unless the same service was connected before: then it is RETRY_SLOWLY. The network in
    between changed, as with the login page of a hotel, or the server is being replaced."""
    STOP = "stop"
    """The server is done; close without a retry."""


def _kind(meaning: Meaning) -> ErrorKind:
    return ErrorKind.AUTH if meaning.verdict is Verdict.REFRESH_TOKEN else ErrorKind.SERVER


@attrs.frozen
class Meaning:
    """The meaning of one close code or HTTP status.

    Attributes:
        verdict: What to do.
        kind: Whose fault it is; AUTH for REFRESH_TOKEN and SERVER for the others unless you say otherwise.
        refusals: How many refusals of a message the end counts as, if that message was alone in flight: 0 when the end
            says nothing about messages, `math.inf` when the message fails at once. When several messages were in flight,
            the outbox sends them one at a time until it finds the one that the server refuses.
    """

    verdict: Verdict = Verdict.RETRY
    kind: ErrorKind = attrs.field(default=attrs.Factory(_kind, takes_self=True))
    refusals: float = attrs.field(default=0.0, validator=attrs.validators.ge(0))


_RETRY = Meaning()
_FATAL = Meaning(Verdict.FATAL)
_SLOWLY = Meaning(Verdict.RETRY_SLOWLY)
_REFRESH = Meaning(Verdict.REFRESH_TOKEN)
_NO_WORD = Meaning(kind=ErrorKind.NETWORK)
_VIOLATION = Meaning(Verdict.FATAL, ErrorKind.PROTOCOL)
_OURS = Meaning(kind=ErrorKind.PROTOCOL)

_BY_CODE: Mapping[int, Meaning] = {
    1002: _VIOLATION,
    1003: _VIOLATION,
    CloseCode.EMPTY: _NO_WORD,
    CloseCode.NO_FRAME: _NO_WORD,
    1007: Meaning(Verdict.FATAL, ErrorKind.PROTOCOL, refusals=1),
    1008: Meaning(Verdict.FATAL, refusals=1),
    1009: Meaning(kind=ErrorKind.PROTOCOL, refusals=math.inf),
    1010: _VIOLATION,
    1013: _SLOWLY,
    3000: _REFRESH,
    3003: _FATAL,
    3008: _SLOWLY,
    4001: _REFRESH,
    4003: _FATAL,
    4008: _SLOWLY,
    4401: _REFRESH,
    4403: _FATAL,
    4429: _SLOWLY,
}

_BY_STATUS: Mapping[int, Meaning] = {
    401: _REFRESH,
    403: _REFRESH,
    408: _RETRY,
    425: _RETRY,
    429: _SLOWLY,
    503: _SLOWLY,
}


@attrs.frozen
class ClosePolicy:
    """The table that says what each close code and HTTP status means, and whether the service dials again.

    Attributes:
        codes: Meanings of received close codes; of the codes that are not named here, 4500-4999 are FATAL and the
            others RETRY.
        statuses: Meanings of HTTP statuses; of those that are not named here, 4xx are FATAL and the others RETRY.
        slow_delay: Seconds that RETRY_SLOWLY waits at least.
        max_server_delay: Seconds; a server that asks for a longer wait gets this one.
        stop_on_normal_close: Whether a received 1000 ends the connection for good.
    """

    codes: Mapping[int, Meaning] = _BY_CODE
    statuses: Mapping[int, Meaning] = _BY_STATUS
    slow_delay: float = 5.0
    max_server_delay: float = 3600.0
    stop_on_normal_close: bool = False

    def for_code(self, code: int, *, was_received: bool = True) -> Meaning:
        """Returns what a close means.

        Args:
            code: The close code; 1005 when it was empty, 1006 when there was no close frame.
            was_received: False when we closed first, because of what the server sent: the next connection may be fine.
        """
        if not was_received:
            return _OURS
        if code == CloseCode.NORMAL and self.stop_on_normal_close:
            return Meaning(Verdict.STOP)
        meaning = self.codes.get(code)
        if meaning is not None:
            return meaning
        return _FATAL if 4500 <= code <= 4999 else _RETRY

    def for_status(self, status: int) -> Meaning:
        """Returns what an HTTP status other than 101 means."""
        meaning = self.statuses.get(status)
        if meaning is not None:
            return meaning
        return _FATAL if 400 <= status <= 499 else _RETRY

    def meaning_of(self, error: Exception) -> Meaning:
        """Returns what a failure means. An unforeseen exception is FATAL, because waiting repairs no bug."""
        if isinstance(error, ConnectionLost):
            return self.for_code(error.code, was_received=error.was_received)
        if isinstance(error, HandshakeRefused):
            return self.for_status(error.status)
        if isinstance(error, ProxyRefused):
            # A proxy that refuses says nothing about the server's token.
            is_refusal = error.status < 500 and error.status not in (408, 425, 429)
            return Meaning(Verdict.FATAL if is_refusal else Verdict.RETRY, ErrorKind.NETWORK)
        if isinstance(error, RedirectRefused):
            return _FATAL
        if isinstance(error, HeartbeatTimeout):
            return Meaning(kind=ErrorKind.HEARTBEAT)
        if isinstance(error, DialFailed):
            return _NO_WORD
        if isinstance(error, TokenRefused):
            return _REFRESH
        if isinstance(error, Unauthorized):
            return Meaning(Verdict.FATAL, ErrorKind.AUTH)
        if isinstance(error, BadAddress):
            return Meaning(Verdict.FATAL, ErrorKind.APPLICATION)
        return Meaning(Verdict.FATAL, ErrorKind.NETWORK)

    def delay_after(self, error: Exception, verdict: Verdict, delay: float) -> float:
        """Returns the seconds until the next dial: the backoff's `delay`, or longer where the server wants that."""
        if verdict is Verdict.RETRY_SLOWLY:
            delay = max(delay, self.slow_delay)
        if isinstance(error, HandshakeRefused) and error.retry_after is not None:
            delay = max(delay, min(error.retry_after, self.max_server_delay))
        return delay
