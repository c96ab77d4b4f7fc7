"""What a close code or an HTTP status means: data, not code. No two servers agree on the 4000s, so everything here can
be overridden with `attrs.evolve(ClosePolicy(), ...)`. `protocol` asks; nobody else decides about retries.

The defaults and their origin:
    1000   a Python handler that returned; 1001 a graceful restart (python websockets, npm ws); 1012 uvicorn's SIGTERM;
    1006   nothing was received: proxies' idle timeouts, kills, resets; 1013, 3008, 4008, 4429 overload;
    3000, 4001, 4401 the token; ASGI servers turn a close before accept, whatever its code, into HTTP 403.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

import attrs

__all__ = ["ClosePolicy", "Verdict"]


class Verdict(enum.Enum):
    """What to do after a connection ended or was refused."""

    RETRY = "retry"
    RETRY_SLOWLY = "retry slowly"
    """Not before `slow_delay` seconds, or what the server asked for."""
    REFRESH_TOKEN = "refresh token"
    """Retry with a forced token refresh, once per outage; then give up."""
    TOO_BIG = "too big"
    """The server refused a message for its size: find it, fail it, retry."""
    FATAL = "fatal"
    """Trying again cannot help."""
    STOP = "stop"
    """The server is done; close without a retry."""


_BY_CODE: Mapping[int, Verdict] = {
    1002: Verdict.FATAL,
    1003: Verdict.FATAL,
    1007: Verdict.FATAL,
    1008: Verdict.FATAL,
    1009: Verdict.TOO_BIG,
    1010: Verdict.FATAL,
    1013: Verdict.RETRY_SLOWLY,
    3000: Verdict.REFRESH_TOKEN,
    3003: Verdict.FATAL,
    3008: Verdict.RETRY_SLOWLY,
    4001: Verdict.REFRESH_TOKEN,
    4003: Verdict.FATAL,
    4008: Verdict.RETRY_SLOWLY,
    4401: Verdict.REFRESH_TOKEN,
    4403: Verdict.FATAL,
    4429: Verdict.RETRY_SLOWLY,
}

_BY_STATUS: Mapping[int, Verdict] = {
    401: Verdict.REFRESH_TOKEN,
    403: Verdict.REFRESH_TOKEN,
    408: Verdict.RETRY,
    425: Verdict.RETRY,
    429: Verdict.RETRY_SLOWLY,
    503: Verdict.RETRY_SLOWLY,
}


@attrs.frozen
class ClosePolicy:
    """The table.

    Attributes:
        codes: Verdicts for received close codes that differ from RETRY; 4500-4999 are FATAL unless named here.
        statuses: Verdicts for HTTP statuses; other 4xx are FATAL, everything else RETRY.
        slow_delay: Seconds that RETRY_SLOWLY waits at least.
        max_server_delay: Seconds; a server that asks for a longer wait gets this one.
        stop_on_normal_close: Whether a received 1000 ends the connection for good.
    """

    codes: Mapping[int, Verdict] = _BY_CODE
    statuses: Mapping[int, Verdict] = _BY_STATUS
    slow_delay: float = 5.0
    max_server_delay: float = 3600.0
    stop_on_normal_close: bool = False

    def for_code(self, code: int, *, was_received: bool = True) -> Verdict:
        """Returns what to do after a close.

        Args:
            code: The close code; 1005 when it was empty, 1006 when there was no close frame.
            was_received: False when we closed first, because of what the server sent: the next connection may be fine.
        """
        if not was_received:
            return Verdict.RETRY
        if code == 1000 and self.stop_on_normal_close:
            return Verdict.STOP
        verdict = self.codes.get(code)
        if verdict is not None:
            return verdict
        return Verdict.FATAL if 4500 <= code <= 4999 else Verdict.RETRY

    def for_status(self, status: int) -> Verdict:
        """Returns what to do after an HTTP status other than 101."""
        verdict = self.statuses.get(status)
        if verdict is not None:
            return verdict
        return Verdict.FATAL if 400 <= status <= 499 else Verdict.RETRY
