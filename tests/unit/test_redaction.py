from __future__ import annotations

import logging

import pytest

from reactive_ws.transport.redaction import RedactingLogger


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


def test_frames_are_not_shown_because_a_long_one_is_cut_anywhere() -> None:
    logger = RedactingLogger(logging.getLogger("test.redaction"))
    shown = [
        logger.redact("""> TEXT '{"type":"auth","id":"130e265d-f2..."s3cr3t"}}' [143 bytes]"""),
        logger.redact("< BINARY 7b 22 74 79 ... 7d 7d [1200 bytes, continued]"),
        logger.redact("< CLOSE 1001 (going away) [2 bytes]"),
    ]
    assert shown == [
        "> TEXT *** [143 bytes]",
        "< BINARY *** [1200 bytes, continued]",
        "< CLOSE 1001 (going away) [2 bytes]",
    ]


def test_a_traceback_is_redacted_text(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    logger = RedactingLogger(logging.getLogger("test.redaction"))
    logger.hide(["SECRET"])
    try:
        raise ValueError("about SECRET")
    except ValueError:
        logger.debug("it failed", exc_info=True)
    [record] = caplog.records
    assert record.exc_info is None
    assert record.getMessage().endswith("ValueError: about ***\n")


def test_a_text_of_the_server_forges_no_line_and_controls_no_terminal(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    logger = RedactingLogger(logging.getLogger("test.redaction"))
    evil = "bye\n2026-01-01 00:00:00 CRITICAL admin logged in\x1b[2J"
    logger.debug("< CLOSE 4000 (%s) [61 bytes]", evil)
    try:
        raise ValueError(evil)
    except ValueError:
        logger.debug("it failed: %s", evil, exc_info=True)
    close, failure = [record.getMessage() for record in caplog.records]
    assert close == (
        "< CLOSE 4000 (bye\\n2026-01-01 00:00:00 CRITICAL admin logged in\\x1b[2J) [61 bytes]"
    )
    assert "\x1b" not in failure
    first, *trace = failure.rstrip("\n").split("\n")
    assert first.startswith("it failed: bye\\n2026")
    assert all(line.startswith("  ") for line in trace)
