"""The measured table of docs/protocol.md has a row for every peer and signal, and shows what the tests expect."""

from __future__ import annotations

from integration.peers.observing import HEARTBEAT
from integration.peers.test_outages import EXPECTED, shown
from raw_client import ROOT


def test_the_measured_table_shows_what_the_tests_expect() -> None:
    page = (ROOT / "docs" / "protocol.md").read_text("utf-8")
    missing = [
        f"| {peer} | {event} | {shown(code)} |"
        for (peer, event), code in EXPECTED.items()
        if f"| {peer} | {event} | {shown(code)} |" not in page
    ]
    assert missing == []


def test_the_page_tells_the_heartbeat_that_the_tests_have() -> None:
    page = (ROOT / "docs" / "protocol.md").read_text("utf-8")
    assert f"was {HEARTBEAT.interval} s + {HEARTBEAT.timeout} s (30 s + 10 s by default)" in page
