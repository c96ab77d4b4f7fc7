"""What a test does when the machine lacks a part: it is skipped with the reason, but in CI it fails."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def skip_or_fail(reason: str) -> NoReturn:
    """Skips the test, or fails it in CI (environment variable CI), where nothing may be left out."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason}; in CI nothing may be missing")
    pytest.skip(reason)
