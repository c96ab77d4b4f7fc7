"""What all tests share: Hypothesis profiles, and a domain that keeps its reports in a list."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from reactive_ws.domain import Domain, ErrorReport
from reactive_ws.testing import profiles

profiles.register()
settings.load_profile(f"reactive-ws-{os.environ.get('REACTIVE_WS_PROFILE', 'quick')}")


@pytest.fixture
def reports() -> list[ErrorReport]:
    """What the test's domain reported."""
    return []


@pytest.fixture
def domain(reports: list[ErrorReport]) -> Domain:
    """A domain of the test's own, without a home."""
    return Domain("test", on_error=reports.append)
