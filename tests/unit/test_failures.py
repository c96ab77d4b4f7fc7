"""The border to websockets: whose fault a failed dial is, and whether trying again helps."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime

import pytest
from websockets import exceptions as foreign
from websockets.datastructures import Headers
from websockets.frames import Close
from websockets.http11 import Response

from reactive_ws.errors import (
    BadAddress,
    BadCertificate,
    ConnectionLost,
    DialFailed,
    HandshakeRefused,
    ProxyRefused,
    Unauthorized,
    UsageError,
)
from reactive_ws.transport.failures import of_close, of_dial

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LONG_ANSWERS = sorted(foreign.SecurityError.__subclasses__(), key=lambda kind: kind.__name__)


def meaning(error: Exception) -> Exception:
    return of_dial(error, url="ws://host/ws", now=NOW, redact=lambda text: text)


def test_there_are_answers_that_are_too_long() -> None:
    assert len(LONG_ANSWERS) >= 3


@pytest.mark.parametrize("kind", LONG_ANSWERS, ids=lambda kind: kind.__name__)
def test_an_answer_that_is_too_long_is_no_websocket_server_and_is_tried_again(
    kind: type[foreign.SecurityError],
) -> None:
    failure = meaning(kind("line too long"))
    assert isinstance(failure, DialFailed)
    assert str(failure).startswith(
        f"ws://host/ws did not answer as a WebSocket server: {kind.__name__}"
    )


def of(headers: dict[str, str], status: int = 503) -> Exception:
    answer = Response(status, "", Headers(headers))
    return meaning(foreign.InvalidStatus(answer))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("9" * 30, 1e9),
        ("Thu, 01 Jan 2026 00:02:00 GMT", 120.0),
        ("Thu, 01 Jan 2026 00:02:00 -0000", 120.0),
        ("Thu, 01 Jan 2026 01:02:00 +0100", 120.0),
        ("Wed, 31 Dec 2025 23:59:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("", None),
        # Numbers at their limits, and what is neither a number nor a date.
        ("0", 0.0),
        ("1.5", None),
        ("nan", None),
        ("inf", None),
        ("1e308", None),
        ("9" * 65, None),
        ("x" * 5_000, None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 1e9),
        ("Sat, 01 Jan 0001 00:00:00 +2359", 0.0),
        ("Mon, 01 Jan 0000 00:00:00 GMT", 0.0),
        ("Mon, 01 Jan 2020 00:00:00 +9999999999999999", None),
        ("Mon, 01 Jan 2020 99:99:99 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_nonsense_is_nothing(
    value: str | None, seconds: float | None
) -> None:
    failure = of({} if value is None else {"Retry-After": value})
    assert isinstance(failure, HandshakeRefused)
    assert (failure.status, failure.retry_after) == (503, seconds)


def test_an_answer_keeps_its_body_and_headers_to_a_bound_and_without_secrets() -> None:
    headers = Headers(
        [
            ("Content-Type", "text/plain"),
            ("Set-Cookie", "sid=1"),
            ("X-Echo", "secret"),
            ("X-Long", "y" * 5_000),
            *((f"X-{number}", "z") for number in range(100)),
        ]
    )
    answer = Response(503, "", headers, b"no secret for you " + b"\xff" * 100_000)
    failure = of_dial(foreign.InvalidStatus(answer), "ws://host/ws", NOW, hide)
    assert isinstance(failure, HandshakeRefused)
    assert failure.body.startswith("no *** for you ")
    assert len(failure.body) == 2_000
    assert failure.headers["content-type"] == "text/plain"
    assert failure.headers["x-echo"] == "***"
    assert len(failure.headers["x-long"]) == 200
    assert len(failure.headers) == 50
    assert "set-cookie" not in failure.headers
    assert "secret" not in repr(failure) + str(failure)


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (200, "login page"),
        (302, "login page"),
        (401, "check the token"),
        (404, "check the URL"),
        (407, "sign in to the network"),
        (511, "sign in to the network"),
        (429, "busy"),
        (503, "busy"),
        (500, "a fault of its own"),
    ],
)
def test_the_advice_fits_the_status(status: int, advice: str) -> None:
    assert advice in str(of({}, status))


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_service_without_a_token_reads_that_it_has_none(status: int) -> None:
    answer = Response(status, "", Headers())
    text = str(of_dial(foreign.InvalidStatus(answer), "ws://host/ws", NOW, hide, has_token=False))
    assert "no auth= was given" in text
    assert "check the token" not in text


def test_the_other_scheme_is_suggested_where_it_would_help() -> None:
    def text(error: Exception, url: str) -> str:
        return str(of_dial(error, url, NOW, hide))

    assert "write ws://" in text(ConnectionResetError(104, "reset"), "wss://host/")
    assert "write ws://" in text(ssl.SSLError("WRONG_VERSION_NUMBER"), "wss://host/")
    assert "write wss://" in text(foreign.InvalidMessage("x"), "ws://host/")
    mute, odd = foreign.InvalidMessage("x"), foreign.InvalidMessage("x")
    mute.__cause__, odd.__cause__ = EOFError(), ValueError("SSH-2.0")
    assert "write wss://" in text(mute, "ws://host/")
    # TLS was spoken here, or the server has said something: the other scheme would not help.
    assert "write" not in text(odd, "ws://host/")
    assert "write" not in text(foreign.InvalidMessage("x"), "wss://host/")
    for other in (foreign.InvalidUpgrade("Upgrade", "h2c"), foreign.InvalidHeader("Connection")):
        for scheme in ("ws", "wss"):
            assert "write" not in text(other, f"{scheme}://host/")
    assert "write" not in text(ConnectionResetError(104, "reset"), "ws://host/")
    assert "write" not in text(ConnectionRefusedError(111, "refused"), "wss://host/")


def test_our_own_errors_pass_as_they_are() -> None:
    for error in (Unauthorized("no"), UsageError("no"), ConnectionLost(1006)):
        assert meaning(error) is error


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (foreign.InvalidURI("ftp://x", "isn't a valid URI"), BadAddress, "not a WebSocket URL"),
        (foreign.InvalidProxy("secret", "no"), BadAddress, "the proxy's address is not one"),
        (foreign.InvalidProxyStatus(Response(407, "", Headers())), ProxyRefused, "user:password"),
        (foreign.InvalidProxyStatus(Response(403, "", Headers())), ProxyRefused, "HTTP 403"),
        (foreign.ProxyError("secret"), DialFailed, "the proxy opened no tunnel"),
        (foreign.InvalidMessage("x"), DialFailed, "did not answer as a WebSocket server"),
        (TimeoutError(), DialFailed, "ws://host/ws did not answer in time"),
        (ConnectionRefusedError(111, "Connection refused"), DialFailed, "Connection refused"),
        (OSError(), DialFailed, "cannot reach ws://host/ws: OSError"),
        (ssl.SSLError("handshake"), DialFailed, "cannot reach ws://host/ws"),
        (
            UnicodeError("label empty or too long"),
            BadAddress,
            "the name of its host, or of its proxy",
        ),
        (TypeError("no such option"), UsageError, "TypeError: no such option"),
        (foreign.ConnectionClosedError(None, None), ConnectionLost, "1006"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_what_a_dial_raises_is_told_in_our_words(
    error: Exception, kind: type[Exception], text: str
) -> None:
    failure = meaning(error)
    assert type(failure) is kind
    assert text in str(failure)


def test_a_bad_certificate_says_what_is_wrong_with_it() -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "certificate has expired"
    failure = meaning(error)
    assert isinstance(failure, BadCertificate)
    assert "certificate has expired" in str(failure)
    error.verify_message = ""
    assert "verification failed" in str(meaning(error))


def hide(text: str) -> str:
    return text.replace("secret", "***")


@pytest.mark.parametrize(
    ("received", "sent", "is_first", "code", "was_received"),
    [
        # The server closed, and we answered.
        (Close(4321, "secret"), Close(4321, ""), True, 4321, True),
        # We closed because of what came; the answer says nothing.
        (Close(1009, ""), Close(1009, "secret"), False, 1009, False),
        (None, Close(1007, "secret"), None, 1007, False),
        # We closed politely while the server closed for a reason of its own.
        (Close(4000, "secret"), Close(1000, ""), False, 4000, True),
        (Close(4000, "secret"), Close(1001, ""), False, 4000, True),
        # No side said anything.
        (None, None, None, 1006, True),
        (None, Close(1000, ""), None, 1006, True),
    ],
)
def test_the_end_of_a_socket_is_told_by_who_ended_it(
    received: Close | None, sent: Close | None, is_first: bool | None, code: int, was_received: bool
) -> None:
    failure = of_close(foreign.ConnectionClosedError(received, sent, is_first), hide)
    assert isinstance(failure, ConnectionLost)
    assert (failure.code, failure.was_received) == (code, was_received)
    assert "secret" not in str(failure)


def test_what_is_no_close_is_a_loss_or_a_bug() -> None:
    lost = of_close(ConnectionResetError(), hide)
    assert isinstance(lost, ConnectionLost)
    assert lost.code == 1006
    bug = LookupError()
    assert of_close(bug, hide) is bug
