"""Skips a test when the machine lacks a part, with the reason; in CI the test fails instead."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def skip_or_fail(reason: str) -> NoReturn:
    """Skips the test, or fails it in CI (environment variable CI), where nothing may be left out."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason}; in CI nothing may be missing")
    pytest.skip(reason)
