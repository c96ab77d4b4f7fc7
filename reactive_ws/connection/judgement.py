"""What a failure means: the verdict of the close policy on an exception, and whose fault it is.

Pure functions of our own exceptions (see `failures` for foreign ones). `protocol` asks.
"""

from __future__ import annotations

from ..errors import (
    BadAddress,
    ConnectionLost,
    DialFailed,
    HandshakeRefused,
    HeartbeatTimeout,
    Unauthorized,
)
from .close_policy import ClosePolicy, Verdict
from .record import ErrorKind

__all__ = ["delay_after", "kind_of", "verdict_on"]


def verdict_on(error: Exception, policy: ClosePolicy) -> Verdict:
    """Returns what to do after this failure. Never a retry for what nobody foresaw: waiting repairs no bug."""
    if isinstance(error, ConnectionLost):
        return policy.for_code(error.code, was_received=error.was_received)
    if isinstance(error, HandshakeRefused):
        return policy.for_status(error.status)
    if isinstance(error, DialFailed | HeartbeatTimeout):
        return Verdict.RETRY
    return Verdict.FATAL


def delay_after(error: Exception, verdict: Verdict, policy: ClosePolicy, delay: float) -> float:
    """Returns the seconds until the next dial: the backoff's delay, or longer where the server wants that."""
    if verdict is Verdict.RETRY_SLOWLY:
        delay = max(delay, policy.slow_delay)
    if isinstance(error, HandshakeRefused) and error.retry_after is not None:
        delay = max(delay, min(error.retry_after, policy.max_server_delay))
    return delay


def kind_of(error: Exception) -> ErrorKind:
    """Returns whose fault this failure is."""
    if isinstance(error, HeartbeatTimeout):
        return ErrorKind.HEARTBEAT
    if isinstance(error, Unauthorized):
        return ErrorKind.AUTH
    if isinstance(error, HandshakeRefused):
        return ErrorKind.AUTH if error.status in (401, 403) else ErrorKind.SERVER
    if isinstance(error, ConnectionLost):
        if not error.was_received or error.code in (1002, 1003, 1007, 1009, 1010):
            return ErrorKind.PROTOCOL
        if error.code in (3000, 4001, 4401):
            return ErrorKind.AUTH
        return ErrorKind.NETWORK if error.code in (1005, 1006) else ErrorKind.SERVER
    if isinstance(error, BadAddress):
        return ErrorKind.APPLICATION
    return ErrorKind.NETWORK
