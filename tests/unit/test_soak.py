"""A short run of the soak of the store engine; `benchmarks/engine_soak.py` runs it as long as one likes."""

from __future__ import annotations

import os

import pytest

from benchmarks.engine_soak import soak


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_threads_signals_a_collector_and_forks_break_no_promise() -> None:
    seconds = 60.0 if os.environ.get("REACTIVE_WS_PROFILE") == "deep" else 1.0
    assert soak(seconds, seed=2) > 0
