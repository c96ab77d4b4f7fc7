"""Fixtures that all tests share, and the profiles of Hypothesis."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings
from postgres_server import Postgres, skip_without_postgres

from reactive_ws.engine.domain import Domain, ErrorReport
from reactive_ws.testing.generating import profiles

# A shell starts what runs in its background with Ctrl-C ignored, and so would be every program that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

profiles.register()
settings.load_profile(f"reactive-ws-{os.environ.get('REACTIVE_WS_PROFILE', 'quick')}")


@pytest.fixture
def reports() -> list[ErrorReport]:
    """The error reports of the test's domain."""
    return []


@pytest.fixture
def domain(reports: list[ErrorReport]) -> Domain:
    """A domain of the test's own, without a home."""
    return Domain("test", on_error=reports.append)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server; skipped where it is not installed, but never in CI."""
    server = Postgres(skip_without_postgres())
    yield server
    server.remove()
