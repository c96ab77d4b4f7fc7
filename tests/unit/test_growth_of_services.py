"""The growth of the cost of one message with what a service and its stores hold, counted in operations and not in time.

Each case states its order. An operation is an instruction of Python, or a word of memory that is needed at once.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from operations import operations

from reactive_ws import Domain, WebSocketService
from reactive_ws.dialects import V1, Opening
from reactive_ws.outbox import OutboxOptions
from reactive_ws.stores.app import Application
from reactive_ws.stores.wire import agent_chat
from reactive_ws.wire import JsonCodec

Act = Callable[[], object]
Make = Callable[[int], Act]

SMALL = 30
LARGE = 10_000 if os.environ.get("REACTIVE_WS_PROFILE") == "deep" else 300


class Incoming:
    """An application without a socket, and the frames of its server."""

    def __init__(self) -> None:
        self.app = Application.at("ws://127.0.0.1:1/", proxy=None)
        self._receiver = self.app.service._receiver
        session = V1(codec=JsonCodec(agent_chat(), subprotocol=None)).session()
        session.opened(Opening(), 0.0)
        self._receiver.begin(session)
        self._seq: dict[str, int] = {}
        self._numbers = count()

    def take(self, kind: str, payload: dict[str, Any], stream: str = "app") -> None:
        """Takes one message, in a burst of its own."""
        seq = self._seq[stream] = self._seq.get(stream, 0) + 1
        frame = {"type": kind, "stream": stream, "epoch": "e", "seq": seq, "payload": payload}
        self._receiver.burst(deque([json.dumps(frame)]))

    def response(self, session: str) -> None:
        """Takes an answer in a session."""
        number = next(self._numbers)
        message = {
            "id": f"m{number}",
            "sessionId": session,
            "role": "assistant",
            "content": "text",
            "timestamp": 1_767_225_600_000.0 + number,
            "sequence": self._seq.get(session, 0) + 1,
        }
        self.take("message.response", {"sessionId": session, "message": message}, session)

    def created(self, number: int) -> None:
        """Takes the news of a session."""
        payload = {"sessionId": f"s{number}", "title": "t", "createdAt": 1_767_225_600_000}
        self.take("session.created", payload)


def answer_in_a_long_session(size: int) -> Act:
    world = Incoming()
    for _ in range(size):
        world.response("s")
    return lambda: world.response("s")


def answer_beside_streams(size: int) -> Act:
    world = Incoming()
    for number in range(size):
        world.response(f"s{number}")
    return lambda: world.response("s0")


def session_beside_sessions(size: int) -> Act:
    world = Incoming()
    numbers = count(size)
    for number in range(size):
        world.created(number)
    return lambda: world.created(next(numbers))


def send_behind_waiting(size: int) -> Act:
    options = OutboxOptions(limit=100_000)
    service = WebSocketService(
        "ws://127.0.0.1:1/", domain=Domain(), registry=agent_chat(), outbox=options
    )
    for number in range(size):
        service.send("note", number)
    return lambda: service.send("note", 0)


CONSTANT: dict[str, Make] = {
    make.__name__: make
    for make in (answer_in_a_long_session, answer_beside_streams, send_behind_waiting)
}
"""The trees of entries and keys are a level or two deeper, which is a few steps of some thousand."""
LINEAR: dict[str, Make] = {make.__name__: make for make in (session_beside_sessions,)}


def cost(make: Make, size: int) -> int:
    act = make(size)
    for _ in range(3):
        act()
    return min(operations(act) for _ in range(2))


@pytest.mark.parametrize("name", CONSTANT)
def test_what_is_constant_costs_the_same_among_many(name: str) -> None:
    assert cost(CONSTANT[name], LARGE) <= 1.15 * cost(CONSTANT[name], SMALL)


@pytest.mark.parametrize("name", LINEAR)
def test_what_is_linear_grows_no_faster(name: str) -> None:
    assert cost(LINEAR[name], LARGE) <= 1.3 * LARGE / SMALL * cost(LINEAR[name], SMALL)
