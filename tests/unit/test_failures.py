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
    assert str(failure) == f"ws://host/ws did not answer as a WebSocket server: {kind.__name__}"


def test_a_redirect_to_an_insecure_address_is_final() -> None:
    failure = meaning(foreign.SecurityError("cannot follow redirect to ws://"))
    assert isinstance(failure, BadAddress)
    assert "insecure" in str(failure)


def test_a_redirect_to_what_is_no_address_does_not_blame_the_user_alone() -> None:
    failure = meaning(foreign.InvalidURI("ftp://x", "isn't a valid URI"))
    assert isinstance(failure, BadAddress)
    assert "redirects to" in str(failure)
    assert "ftp" not in str(failure)


def of(headers: dict[str, str], status: int = 503) -> Exception:
    answer = Response(status, "", Headers(headers))
    return meaning(foreign.InvalidStatus(answer))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("9" * 30, 999_999_999.0),
        ("Thu, 01 Jan 2026 00:02:00 GMT", 120.0),
        ("Thu, 01 Jan 2026 00:02:00 -0000", 120.0),
        ("Thu, 01 Jan 2026 01:02:00 +0100", 120.0),
        ("Wed, 31 Dec 2025 23:59:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_nonsense_is_nothing(
    value: str | None, seconds: float | None
) -> None:
    failure = of({} if value is None else {"Retry-After": value})
    assert isinstance(failure, HandshakeRefused)
    assert (failure.status, failure.retry_after) == (503, seconds)


def test_our_own_errors_pass_as_they_are() -> None:
    for error in (Unauthorized("no"), UsageError("no"), ConnectionLost(1006)):
        assert meaning(error) is error


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (foreign.InvalidMessage("x"), DialFailed, "did not answer as a WebSocket server"),
        (TimeoutError(), DialFailed, "ws://host/ws did not answer in time"),
        (ConnectionRefusedError(111, "Connection refused"), DialFailed, "Connection refused"),
        (OSError(), DialFailed, "cannot reach ws://host/ws: OSError"),
        (ssl.SSLError("handshake"), DialFailed, "cannot reach ws://host/ws"),
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
        # Nobody said anything.
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
