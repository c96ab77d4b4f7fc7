"""Fixtures for foreign servers, and the table of what was measured: `pytest tests/integration/peers --table`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from integration.peers.foreign import PEERS, Peer

_ROWS = pytest.StashKey[list[tuple[str, ...]]]()
_HEAD = ("Peer", "Event", "What the client sees", "Detected after", "Back after", "Lost")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--table", action="store_true", help="print what was measured with the peers")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_ROWS] = []


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    rows = config.stash.get(_ROWS, [])
    if rows and config.getoption("--table", False):
        lines = [_HEAD, ("---",) * len(_HEAD), *rows]
        terminalreporter.write_line("")
        for line in lines:
            terminalreporter.write_line(f"| {' | '.join(line)} |")


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Adds a row to the table."""
    rows = request.config.stash.setdefault(_ROWS, [])

    def add(*cells: str) -> None:
        assert len(cells) == len(_HEAD)
        rows.append(cells)

    return add


@pytest.fixture
def make_peer(tmp_path: Path) -> Iterator[Callable[..., Peer]]:
    """Makes peers by name; kills them after the test."""
    made: list[Peer] = []

    def make(name: str, **options: Any) -> Peer:
        made.append(PEERS[name](tmp_path, **options))
        return made[-1]

    yield make
    for peer in made:
        peer.close()
