"""A missing foreign server skips its test with a reason on a developer's machine, and fails it in CI."""

from __future__ import annotations

import pytest
from missing_parts import skip_or_fail


def test_a_missing_part_skips_here_and_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no such server"):
        skip_or_fail("no such server")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no such server; in CI nothing may be missing"):
        skip_or_fail("no such server")
