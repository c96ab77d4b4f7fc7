"""`make bench-quick` notices a regression: more instructions for an act, or half of the ratio to a peer."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from benchmarks import baseline, growth_cases
from benchmarks.timing import Metric
from reactive_ws import Store

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
WRITE = "a write that one observer sees"


def test_the_counts_of_this_tree_are_those_of_the_baseline() -> None:
    before = json.loads(baseline.PATH.read_text())
    if HERE not in before["counts"]:
        pytest.skip(f"no counts of Python {HERE} are in the baseline")
    counts = baseline.counted()
    assert counts.keys() == before["counts"][HERE].keys()
    assert baseline.regressions(before, counts, {}) == []


def test_a_planted_regression_of_a_write_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = baseline.counted()
    before: dict[str, Any] = {"counts": {HERE: counts}, "ratios": {}}
    write = Store.set

    def looks_twice(store: Store[Any], value: Any) -> None:
        for _ in range(3):
            store.observer_count  # noqa: B018
        write(store, value)

    monkeypatch.setattr(Store, "set", looks_twice)
    found = baseline.regressions(before, baseline.counted(), {})
    assert any(line.startswith(WRITE) for line in found)
    # The usual write of a keyed store takes another way.
    assert not any(line.startswith("a write of one of 1 000 observed keys") for line in found)


def test_counts_are_the_same_each_time() -> None:
    first, second = (baseline.counted() for _ in range(2))
    # Some paths look at the clock.
    assert first == pytest.approx(second, rel=0.01)


@pytest.mark.parametrize(("ours", "is_worse"), [(1.0, False), (1.9, False), (2.1, True)])
def test_a_ratio_that_fell_to_less_than_half_is_noticed(ours: float, is_worse: bool) -> None:
    def row(own: float) -> Metric:
        return Metric("row", "us", {"ours": [own], "peer": [1.0]})

    before = {"counts": {}, "ratios": baseline.ratios([row(1.0)])}
    worse = baseline.regressions(before, {}, baseline.ratios([row(ours)]))
    assert bool(worse) is is_worse


def test_rows_that_wait_for_sockets_and_peers_that_took_no_turns_are_not_judged() -> None:
    waits = Metric("waits", "messages/s", {"ours": [1.0], "peer": [1.0]})
    node = Metric("node", "us", {"ours": [1.0, 1.0], "zustand (Node)": [1.0], "fynx": [1.0, 2.0]})
    assert baseline.ratios([waits, node]) == {"node": {"fynx": 1.5}}


def test_an_act_is_counted_where_it_is_prepared_for_a_size() -> None:
    few, many = (growth_cases.cost(growth_cases.write_to_observers, size) for size in (10, 100))
    assert many > 2 * few
