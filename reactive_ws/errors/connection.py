"""Failures of the network or the server. The face of the package shows the whole tree."""

from __future__ import annotations

import attrs

from .root import ReactiveWSError

__all__ = [
    "BadCertificate",
    "ConnectionFailed",
    "ConnectionLost",
    "DialFailed",
    "GaveUp",
    "HandshakeRefused",
    "HeartbeatTimeout",
    "Unauthorized",
]


class ConnectionFailed(ReactiveWSError):
    """The network or the server ended or prevented a connection."""


@attrs.define(eq=False, slots=False)
class DialFailed(ConnectionFailed):
    """No connection could be opened; trying again may help.

    Attributes:
        reason: The cause, without secrets.
    """

    reason: str

    text = "{reason}"


@attrs.define(eq=False, slots=False)
class HandshakeRefused(ConnectionFailed):
    """The server answered the handshake with an HTTP status other than 101.

    Attributes:
        status: The HTTP status code.
        retry_after: Seconds that the server asked to wait, or None.
    """

    status: int
    retry_after: float | None = None

    text = "the server answered the handshake with HTTP {status}; check URL and token"


@attrs.define(eq=False, slots=False)
class ConnectionLost(ConnectionFailed):
    """An open connection ended.

    Attributes:
        code: The close code: 1005 when the close frame had none, 1006 when there was no close frame.
        reason: The close reason, may be empty.
        was_received: False when this side closed first because of a message of the server.
    """

    code: int
    reason: str = ""
    was_received: bool = attrs.field(default=True, kw_only=True)

    def __str__(self) -> str:
        reason = f" ({self.reason})" if self.reason else ""
        return f"connection closed with code {self.code}{reason}"


@attrs.define(eq=False, slots=False)
class HeartbeatTimeout(ConnectionFailed):
    """No data arrived from the server in time.

    Attributes:
        seconds: Seconds without any data after the ping.
    """

    seconds: float

    text = "nothing arrived from the server for {seconds:g} s after a ping"


@attrs.define(eq=False, slots=False)
class BadCertificate(ConnectionFailed):
    """TLS verification failed. The service does not retry, because the certificate stays bad.

    Attributes:
        reason: The text of the TLS library.
    """

    reason: str

    text = (
        "the server's certificate was not accepted: {reason}; pass ssl= with the right "
        "certificate authority, or fix the server"
    )


@attrs.define(eq=False, slots=False)
class Unauthorized(ConnectionFailed):
    """The token was refused. A token provider raises this to stop retries.

    Attributes:
        reason: The part that refused the token, and how; without the token.
    """

    reason: str = "the token was refused"

    text = "{reason}; sign in again and call connect()"


@attrs.define(eq=False, slots=False)
class GaveUp(ConnectionFailed):
    """All attempts failed. connect() starts over.

    Attributes:
        attempts: How many dials failed in a row.
        last: Text of the last failure.
    """

    attempts: int
    last: str

    text = "gave up after {attempts} attempts, the last one: {last}"
