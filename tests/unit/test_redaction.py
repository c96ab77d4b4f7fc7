from __future__ import annotations

import logging

import pytest

from reactive_ws.redaction import RedactingLogger


@pytest.mark.parametrize(
    "line",
    [
        "> GET /ws?token=SECRET HTTP/1.1",
        "> Authorization: Bearer SECRET",
        "> Sec-WebSocket-Protocol: reactive-ws.v1, bearer.SECRET",
        "> X-Api-Key: SECRET",
        "< Set-Cookie: session=SECRET",
        '> TEXT \'{"type":"auth","payload":{"token":"SECRET"}}\' [40 bytes]',
        "connecting to ws://user:SECRET@host/ws",
        "something unforeseen with SECRET in it",
    ],
)
def test_no_secret_gets_through(line: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    logger = RedactingLogger(logging.getLogger("test.redaction"))
    logger.hide(["SECRET"], ["X-Api-Key"])
    logger.debug("%s", line)
    assert "SECRET" not in caplog.text
    assert "***" in caplog.text


def test_known_places_are_hidden_without_knowing_the_secret() -> None:
    logger = RedactingLogger(logging.getLogger("test.redaction"))
    shown = [
        logger.redact("> GET /ws?token=SECRET HTTP/1.1"),
        logger.redact("> Authorization: Bearer SECRET"),
        logger.redact("= connection is OPEN"),
    ]
    assert shown == ["> GET /ws?*** HTTP/1.1", "> Authorization: ***", "= connection is OPEN"]
