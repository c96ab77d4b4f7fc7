"""The cost of a message that comes alone, counted in calls: a count is the same on a slow machine."""

from __future__ import annotations

from benchmarks import one_message


def test_a_message_that_comes_alone_runs_few_functions() -> None:
    assert one_message.calls() <= 170
