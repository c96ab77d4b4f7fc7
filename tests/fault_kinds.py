"""The kinds of faults that meet one connection, for a virtual network and for real sockets."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias

from reactive_ws.service.service import WebSocketService
from reactive_ws.testing import (
    Bandwidth,
    BlackHole,
    Delay,
    DieAfter,
    Direction,
    Drop,
    Duplicate,
    Fault,
    Hang,
    Latency,
    Mute,
    Refuse,
    Reorder,
    Reset,
    ScriptedServer,
    Split,
    Stall,
    Truncate,
)
from reactive_ws.wire.control import GoAway

__all__ = ["KINDS", "Disturbance", "Network", "Run"]

Disturbance: TypeAlias = Callable[["Run"], Awaitable[None] | None]


class Network(Protocol):
    """The path between the client and the server."""

    def apply(self, fault: Fault) -> None:
        """Lets a fault begin."""
        ...

    def heal(self) -> None:
        """Ends every fault."""
        ...


class Run:
    """One connection with what disturbs it.

    Args:
        network: What lies between the client and the server.
        seed: Decides everything.
        scale: What a second of a fault takes, in seconds.
    """

    def __init__(self, network: Network, seed: int, *, scale: float = 1.0) -> None:
        self.network = network
        self.scale = scale
        self.chance = random.Random(seed)
        self.slept = 0.0
        self.server: ScriptedServer
        self.service: WebSocketService

    def seconds(self, low: float, high: float) -> float:
        return self.scale * self.chance.uniform(low, high)

    def direction(self) -> Direction:
        return self.chance.choice(list(Direction))

    async def restart(self, code: int) -> None:
        await self.server.stop(code)
        await asyncio.sleep(self.seconds(0.0, 60.0))
        await self.server.start()

    def sleep(self) -> None:
        """The computer was closed for a night; its connection did not survive that."""
        self.slept += 28_800.0
        self.network.apply(Reset())

    async def stop_reading(self) -> None:
        self.server.stop_reading()
        await asyncio.sleep(self.seconds(0.1, 15.0))
        for peer in self.server.connections:
            peer.resume_reading()
        self.server.behave()

    async def hang_handshakes(self) -> None:
        self.server.hang_handshake()
        self.server.abort()
        await asyncio.sleep(self.seconds(1.0, 30.0))
        self.server.hang_handshake(is_hanging=False)


def _network(make: Callable[[Run], Any]) -> Disturbance:
    return lambda run: run.network.apply(make(run))


def _server(make: Callable[[Run], Any]) -> Disturbance:
    return lambda run: run.server.misbehave(make(run))


_CODES = (1000, 1001, 1011, 1012, 1013, 3005, 3008, 4000, 4008, 4429, 4499)
_ACKNOWLEDGEMENT = "message.received"

KINDS: dict[str, Disturbance] = {
    "latency": _network(lambda run: Latency(run.seconds(0.0, 2.0), run.seconds(0.0, 0.5))),
    "bandwidth": _network(
        lambda run: Bandwidth(run.chance.uniform(2_000, 50_000), run.direction())
    ),
    "split": _network(lambda run: Split(run.chance.randint(1, 50), run.direction())),
    "stall": _network(lambda run: Stall(run.seconds(0.1, 30.0), run.direction())),
    "black hole": _network(lambda run: BlackHole(run.direction())),
    "reset": _network(lambda run: Reset()),
    "truncate": _network(
        lambda run: Truncate(
            run.chance.randint(0, 3000), run.chance.random() < 0.5, run.direction()
        )
    ),
    "refuse": _network(lambda run: Refuse(run.chance.randint(1, 5))),
    "hang": _network(lambda run: Hang(run.chance.randint(1, 2))),
    "heal": lambda run: run.network.heal(),
    "drop": _server(lambda run: Drop(run.chance.randint(1, 3), _ACKNOWLEDGEMENT)),
    "delay": _server(lambda run: Delay(run.seconds(0.1, 30.0), 3, _ACKNOWLEDGEMENT)),
    "duplicate": _server(lambda run: Duplicate(run.chance.randint(1, 5))),
    "reorder": _server(lambda run: Reorder(run.chance.randint(2, 5), "session.*")),
    "reorder acknowledgements": _server(lambda run: Reorder(3, _ACKNOWLEDGEMENT)),
    "mute": _server(lambda run: Mute(run.seconds(0.1, 60.0))),
    "die after": _server(lambda run: DieAfter(run.chance.randint(1, 30))),
    "close": lambda run: run.server.close(run.chance.choice(_CODES)),
    "abort": lambda run: run.server.abort(),
    "restart": lambda run: run.restart(run.chance.choice([1001, 1012])),
    "stop reading": Run.stop_reading,
    "hang handshakes": Run.hang_handshakes,
    "refuse handshakes": lambda run: run.server.refuse_handshake(
        run.chance.choice([500, 502, 503, 429, 408]), {"Retry-After": "7"}, times=2
    ),
    "go away": lambda run: _discard(run.server.send(GoAway(run.seconds(0.0, 20.0)))),
    "garbage": lambda run: run.server.send_frame(
        run.chance.choice(
            ["{", "[]", "", "null", '{"type":7}', "\x00", '{"type":"session.closed"}']
        )
    ),
    "replay": lambda run: run.server.replay(run.chance.randint(1, 20)),
    "reconnect": lambda run: run.service.reconnect(),
    "sleep and wake": Run.sleep,
}


def _discard(_: object) -> None:
    """A fault returns nothing."""
