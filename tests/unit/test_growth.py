"""How the cost of one act grows with what is there: its stated order, counted in operations and not in time."""

from __future__ import annotations

import json
import math
import os

import pytest

from benchmarks import growth
from benchmarks.growth_cases import CASES, Act, Case, Order, cost, fill_while_keys_are_observed
from benchmarks.operations import instructions

IS_DEEP = os.environ.get("REACTIVE_WS_PROFILE") == "deep"
# A service is slow to fill: a message for each stream and session.
OF_SERVICES = ("history entries", "streams", "sessions", "outbox entries", "replicas", "clients")


def is_of_a_service(case: Case) -> bool:
    return case.what.startswith(OF_SERVICES)


def sizes(case: Case) -> tuple[int, int]:
    if IS_DEEP:
        return 1_000, min(case.most, 100_000)
    if case.what.startswith("clients"):
        return 10, 100
    return (30, 300) if is_of_a_service(case) else (100, 1_000)


def most(case: Case, small: int, large: int) -> float:
    """Returns how many times the cost at the small size the cost at the large one may be."""
    match case.order:
        case Order.CONSTANT:
            return 1.2
        case Order.LOGARITHMIC:
            return 1.2 * math.log(large) / math.log(small)
        case Order.LINEAR:
            return 1.2 * large / small


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_an_act_grows_as_it_states(case: Case) -> None:
    small, large = sizes(case)
    assert cost(case.make, large) <= most(case, small, large) * cost(case.make, small) + 20


@pytest.mark.deep
@pytest.mark.parametrize(
    "case", [case for case in CASES if case.most == 1_000_000], ids=lambda case: case.what
)
def test_an_act_grows_as_it_states_up_to_a_million(case: Case) -> None:
    small, large = 1_000, 1_000_000
    assert cost(case.make, large) <= most(case, small, large) * cost(case.make, small) + 20


@pytest.mark.parametrize(
    ("claimed", "act"),
    [(Order.CONSTANT, "linear"), (Order.LOGARITHMIC, "linear"), (Order.LINEAR, "quadratic")],
)
def test_an_act_that_grows_faster_than_it_states_is_found(claimed: Order, act: str) -> None:
    def make(size: int) -> Act:
        rounds = size if act == "linear" else size * size // 10

        def work() -> None:
            for _ in range(rounds):
                pass

        return work

    case = Case("planted", make, claimed)
    small, large = 30, 300
    assert cost(make, large) > most(case, small, large) * cost(make, small) + 20


def test_filling_an_observed_list_of_keys_copies_the_keys_and_sorts_nothing() -> None:
    # The stream gives tuples, so each of N changes copies up to N words; instructions of Python are linear.
    small, large = (instructions(fill_while_keys_are_observed(size)) for size in (100, 1_000))
    assert large <= 1.2 * 10 * small


def test_the_count_sees_copies_in_c_and_work_in_python() -> None:
    def copies(size: int) -> Act:
        values = list(range(size))
        return lambda: list(values)

    def walks(size: int) -> Act:
        def act() -> None:
            for _ in range(size):
                pass

        return act

    for make in (copies, walks):
        assert cost(make, 1_000) > 5 * cost(make, 100)


def test_the_page_shows_the_counts_of_the_last_run() -> None:
    text = growth.PAGE.read_text()
    between = text.partition(growth.BEGIN)[2].partition(growth.END)[0]
    assert between.strip() == growth.written(json.loads(growth.RESULTS.read_text()))
