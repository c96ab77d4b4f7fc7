"""One message costs the same however many wait; counted in executed lines, so that no machine is too busy for it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from reactive_ws.outbox.outgoing import OutboxOptions
from reactive_ws.outbox.queue import Outbox
from reactive_ws.wire.envelope import Envelope
from reactive_ws.wire.registry import Guarantee

FEW, MANY = 100, 10_000


def lines(work: Callable[[], object]) -> int:
    """Returns how many lines run in a call."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        del frame, argument
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def offer(box: Outbox, number: int, guarantee: Guarantee = Guarantee.AT_LEAST_ONCE) -> None:
    box.offer(Envelope("t", None, id=f"m{number}"), "frame", guarantee, 0.0)


def put(box: Outbox, number: int) -> None:
    offer(box, number)
    # As a service does once a turn of the loop.
    len(box.view())


@pytest.mark.parametrize("is_online", [False, True])
def test_a_send_costs_at_10_000_what_it_costs_at_100(is_online: bool) -> None:
    box = Outbox(OutboxOptions(limit=2 * MANY))
    if is_online:
        box.online(has_acknowledgements=True)
    costs = {}
    for number in range(MANY + 1):
        if number in (FEW, MANY):
            box.view()
            costs[number] = lines(lambda number=number: put(box, number))  # type: ignore[misc]
        else:
            offer(box, number)
    assert costs[MANY] <= 1.5 * costs[FEW]


def test_a_drop_costs_behind_9_999_promised_messages_what_it_costs_behind_99() -> None:
    costs = {}
    for limit in (FEW, MANY):
        box = Outbox(OutboxOptions(limit=limit))
        for number in range(limit - 1):
            offer(box, number)
        offer(box, limit, Guarantee.AT_MOST_ONCE)
        box.view()
        costs[limit] = lines(lambda box=box: put(box, -1))  # type: ignore[misc]
        assert box.dropped == 1
    assert costs[MANY] <= 1.5 * costs[FEW]
