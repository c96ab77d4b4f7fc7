"""What all tests share: Hypothesis profiles, and a domain that keeps its reports in a list."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

from reactive_ws.domain import Domain, ErrorReport

settings.register_profile(
    "quick",
    derandomize=True,
    max_examples=50,
    stateful_step_count=30,
    deadline=None,
    database=None,
)
settings.register_profile(
    "deep",
    max_examples=2_000,
    stateful_step_count=80,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.load_profile(os.environ.get("REACTIVE_WS_PROFILE", "quick"))


@pytest.fixture
def reports() -> list[ErrorReport]:
    """What the test's domain reported."""
    return []


@pytest.fixture
def domain(reports: list[ErrorReport]) -> Domain:
    """A domain of the test's own, without a home."""
    return Domain("test", on_error=reports.append)
