"""Failures of the network or the server. The face of the package shows the whole tree."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import attrs

from .root import ReactiveWSError, one_line

__all__ = [
    "BadCertificate",
    "ConnectionFailed",
    "ConnectionLost",
    "DialFailed",
    "GaveUp",
    "HandshakeRefused",
    "HeartbeatTimeout",
    "ProxyRefused",
    "RedirectRefused",
    "TokenRefused",
    "Unauthorized",
]


_SIGN_IN = (
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
    HTTPStatus.NETWORK_AUTHENTICATION_REQUIRED,
)


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
        body: The first 2000 characters of the answer, without secrets.
        headers: At most 50 headers of the answer in lower case, without cookies and secrets; 200 characters each.
        has_token: Whether the service has `auth=`.
    """

    status: int
    retry_after: float | None = None
    body: str = attrs.field(default="", kw_only=True, repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], kw_only=True, repr=False)
    has_token: bool = attrs.field(default=True, kw_only=True, repr=False)

    def __str__(self) -> str:
        advice = _advice(self.status, has_token=self.has_token)
        return f"the server answered the handshake with HTTP {self.status}; {advice}"


def _advice(status: int, *, has_token: bool) -> str:
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        advice = "check the token"
        if not has_token:
            advice = "no auth= was given; if the server wants a token, pass auth=Header(token)"
        if status == HTTPStatus.FORBIDDEN:
            # Starlette and others, which know no WebSocket at the path.
            advice += "; check the path of the URL too, a missing slash at its end for example"
        return advice
    if status in _SIGN_IN:
        return "sign in to the network first"
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        return "it is busy or still starting"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "it has a fault of its own"
    if status >= HTTPStatus.BAD_REQUEST:
        return "check the URL"
    return "it is a web page; check the URL, and sign in if the network has a login page"


@attrs.define(eq=False, slots=False)
class ProxyRefused(ConnectionFailed):
    """The proxy between this program and the server did not open a tunnel.

    Attributes:
        status: The HTTP status code of the proxy's answer.
    """

    status: int

    def __str__(self) -> str:
        if self.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            advice = "it wants a user and a password: pass proxy='http://user:password@host:port'"
        else:
            advice = "check proxy= and the environment's proxy variables"
        return f"the proxy answered with HTTP {self.status}; {advice}"


@attrs.define(eq=False, slots=False)
class RedirectRefused(ConnectionFailed):
    """The server answered the handshake with a redirect that this client does not follow.

    Attributes:
        status: The HTTP status code.
        location: The target of the redirect, without user, password and query.
        reason: Why it was not followed, and what to do if it is meant.
    """

    status: int
    location: str
    reason: str

    text = "the server redirected to {location} with HTTP {status}; not followed: {reason}"


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
        reason = f" ({one_line(self.reason)})" if self.reason else ""
        return f"connection closed with code {self.code}{reason}"


@attrs.define(eq=False, slots=False)
class HeartbeatTimeout(ConnectionFailed):
    """The server did not answer a ping in time.

    Attributes:
        seconds: Seconds since the ping.
    """

    seconds: float

    text = "the server did not answer a ping within {seconds:.0f} s"


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
class TokenRefused(ConnectionFailed):
    """The server refused the token in a message; the service asks the token provider once for another one.

    Attributes:
        reason: The server's words.
    """

    reason: str

    def __str__(self) -> str:
        return f"the server refused the token: {one_line(self.reason)}"


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
    """The limit of retries is reached. connect() starts over.

    Attributes:
        attempts: How many retries failed; 0 when `max_attempts=0` forbids them.
        last: Text of the last failure.
    """

    attempts: int
    last: str

    def __str__(self) -> str:
        if self.attempts == 0:
            return f"gave up without a retry, because max_attempts is 0: {one_line(self.last)}"
        retries = "1 retry" if self.attempts == 1 else f"{self.attempts} retries"
        return f"gave up after {retries}: {one_line(self.last)}"
