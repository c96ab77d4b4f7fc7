"""A server does little for each client that hears a message, and nothing for the others: counted in calls of Python functions."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable
from types import FrameType

import pytest

from benchmarks.fan_out import Crowd
from benchmarks.operations import operations
from reactive_ws.server.node import node

CEILING = 7
"""Calls for one client: the client takes the page, the session, its place in the stream, the frame, the shell, and the socket's `send`."""


def calls(act: Callable[[], object]) -> int:
    count = 0

    def see(_frame: FrameType, event: str, _: object) -> None:
        nonlocal count
        count += event == "call"

    gc.collect()
    gc.disable()
    before = sys.getprofile()
    sys.setprofile(see)
    try:
        act()
    finally:
        sys.setprofile(before)
        gc.enable()
    return count


def counted(size: int, *, is_apart: bool = False) -> int:
    """Returns the calls for one message in a server with so many clients."""
    crowd = Crowd(size, is_apart=is_apart, has_clock=False)
    tell = crowd.tell_first if is_apart else crowd.tell
    try:
        tell(3)
        return min(calls(tell) for _ in range(3))
    finally:
        crowd.close()


def test_a_message_to_all_costs_a_few_calls_for_each_client_and_grows_with_nothing_else() -> None:
    few, some, many = (counted(size) for size in (20, 60, 180))
    assert (some - few) / 40 <= CEILING
    assert (many - some) / 120 <= CEILING


def test_a_message_costs_nothing_for_the_clients_that_do_not_hear_it() -> None:
    few, many = (counted(size, is_apart=True) for size in (5, 100))
    # A turn of the loop more or less is chance.
    assert many <= few + 10


@pytest.mark.parametrize("most", [7, 1_000])
def test_other_tasks_run_between_parts_of_a_message_to_many_and_each_client_gets_it_in_order(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node, "_MAX_AT_ONCE", most)
    crowd = Crowd(50, has_clock=False)
    longest = seen = 0

    async def watch() -> None:
        nonlocal longest, seen
        while True:
            heard = sum(crowd.heard)
            longest, seen = max(longest, heard - seen), heard
            await asyncio.sleep(0)

    crowd.tell(1)  # From here on the server has a page to offer.
    seen = sum(crowd.heard)
    watching = crowd._loop.create_task(watch())
    crowd.tell(5)
    watching.cancel()
    assert crowd.heard == [6] * 50
    assert longest == min(most, 50)
    crowd.close()


def test_a_message_in_parts_costs_each_client_what_it_costs_in_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def told(size: int) -> int:
        crowd = Crowd(size, has_clock=False)
        try:
            crowd.tell(3)
            return min(operations(crowd.tell) for _ in range(2))
        finally:
            crowd.close()

    at_once = (told(120) - told(60)) / 60
    monkeypatch.setattr(node, "_MAX_AT_ONCE", 20)
    in_parts = (told(120) - told(60)) / 60
    # Parts run in a task, and a turn of the loop is between two of them. Beside it, asyncio wrote both tasks into an error for each client.
    assert in_parts <= 1.5 * at_once
