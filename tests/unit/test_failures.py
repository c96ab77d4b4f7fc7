"""The border to websockets: whose fault a failed dial is, and whether trying again helps."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from websockets import exceptions as foreign

from reactive_ws.errors import BadAddress, DialFailed
from reactive_ws.failures import of_dial

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
