"""Promised messages over real sockets through random faults of every kind: none lost, doubled, out of order or failed.

The options are the default ones; only their times are a twentieth, and those of the faults too. `ChaosProxy` disturbs the
bytes, the server disturbs the rest. The deep run sends 10 000 messages through 400 faults, with five seeds.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import socket
from collections import Counter
from collections.abc import Callable

import attrs
import pytest
from fault_kinds import KINDS, Run

from reactive_ws.connection import Backoff, Heartbeat
from reactive_ws.engine import Domain
from reactive_ws.errors import OutboxFull
from reactive_ws.outbox import Delivery, DeliveryStatus, OutboxOptions
from reactive_ws.service import WebSocketService
from reactive_ws.stores.wire.chat import SessionClose, agent_chat
from reactive_ws.testing import (
    Bandwidth,
    ChaosProxy,
    Fault,
    Heal,
    Latency,
    ScriptedServer,
    Split,
)

SCALE = 1 / 20
_PATIENCE = 120.0


@attrs.frozen
class Outcome:
    """The counts of one run."""

    seed: int
    sent: int
    lost: int
    duplicated: int
    reordered: int
    failed: int
    faults: Counter[str]
    connections: int
    resent: int

    def __str__(self) -> str:
        return (
            f"real sockets, seed {self.seed}: {self.faults.total()} faults of {len(self.faults)} kinds, "
            f"{self.connections} connections, {self.sent} messages, {self.resent} resends: {self.lost} lost, "
            f"{self.duplicated} doubled, {self.reordered} out of order, {self.failed} failed"
        )


@attrs.frozen
class Wire:
    """The proxy as the network of a run."""

    proxy: ChaosProxy

    def apply(self, fault: Fault) -> None:
        """Lets a fault begin."""
        self.proxy.apply(fault)

    def heal(self) -> None:
        """Ends every fault."""
        self.proxy.apply(Heal())


def _service(run: Run, port: int) -> WebSocketService:
    return WebSocketService(
        f"ws://127.0.0.1:{port}/ws",
        domain=Domain(f"faults-{run.chance.random()}"),
        proxy=None,
        registry=agent_chat(),
        backoff=Backoff(initial=1.0 * SCALE, cap=60.0 * SCALE),
        heartbeat=Heartbeat(interval=30.0 * SCALE, timeout=10.0 * SCALE),
        outbox=OutboxOptions(acknowledgement_timeout=10.0 * SCALE, reconnect_after=60.0 * SCALE),
        stable_after=10.0 * SCALE,
        dial_timeout=10.0 * SCALE,
        close_timeout=2.0 * SCALE,
        rng=random.Random(run.chance.random()),
        suspended=lambda: run.slept,
    )


async def _disturb(run: Run, faults: int, happened: Counter[str], until: asyncio.Event) -> None:
    """Disturbs the connection so often, every kind once and then over and over again."""
    kinds: list[str] = []
    while happened.total() < faults or not until.is_set():
        if not kinds:
            kinds = list(KINDS)
            run.chance.shuffle(kinds)
        kind = kinds.pop()
        happened[kind] += 1
        result = KINDS[kind](run)
        if result is not None:
            await result
        await asyncio.sleep(run.seconds(0.0, 6.0))
        if run.chance.random() < 0.5:
            run.network.heal()
            for good in (Latency(0.0), Bandwidth(None), Split(None)):
                run.network.apply(good)


async def _send(service: WebSocketService, number: int) -> Delivery:
    while True:
        delivery = service.send(SessionClose(f"m{number}"))
        if not isinstance(delivery.failure, OutboxFull):
            return delivery
        await asyncio.sleep(0.01)


async def play(seed: int, messages: int, faults: int) -> Outcome:
    """Sends so many messages while at least so many faults happen."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    happened: Counter[str] = Counter()
    async with (
        ScriptedServer(f"ws://127.0.0.1:{port}/ws", registry=agent_chat()) as server,
        ChaosProxy("127.0.0.1", port, seed=seed) as proxy,
    ):
        run = Run(Wire(proxy), seed, scale=SCALE)
        run.server = server
        service = run.service = _service(run, proxy.port)
        sent: list[Delivery] = []
        all_sent = asyncio.Event()
        async with service:
            disturbing = asyncio.create_task(_disturb(run, faults, happened, all_sent))
            for number in range(messages):
                sent.append(await _send(service, number))
                # The messages last for as long as the faults do.
                if happened.total() < faults * number / messages:
                    await asyncio.sleep(0.001)
            all_sent.set()
            await disturbing
            run.network.heal()
            for good in (Latency(0.0), Bandwidth(None), Split(None)):
                run.network.apply(good)
            server.behave()
            async with asyncio.timeout(_PATIENCE):
                ends = await asyncio.gather(*sent, return_exceptions=True)
            resent = service.metrics.get().resent
        took_effect = [message.id for message in server.effects if message.type == "session.close"]
        place = {delivery.id: number for number, delivery in enumerate(sent)}
        order = [place.get(identity or "", -1) for identity in took_effect]
        return Outcome(
            seed,
            messages,
            lost=len(set(place) - set(took_effect)),
            duplicated=len(took_effect) - len(set(took_effect)) + order.count(-1),
            reordered=sum(later < earlier for earlier, later in itertools.pairwise(order)),
            failed=sum(end is not DeliveryStatus.ACKNOWLEDGED for end in ends),
            faults=happened,
            connections=len(server.connections),
            resent=resent,
        )


@pytest.mark.parametrize(
    ("seed", "messages", "faults"),
    [
        (0, 300, 2),
        *(pytest.param(seed, 10_000, 400, marks=pytest.mark.deep) for seed in range(1, 6)),
    ],
)
def test_what_was_promised_survives_faults_of_real_sockets(
    seed: int, messages: int, faults: int, say: Callable[[str], None]
) -> None:
    outcome = asyncio.run(play(seed, messages, faults))
    say(str(outcome))
    assert outcome.faults.total() >= faults
    assert (outcome.lost, outcome.duplicated, outcome.reordered, outcome.failed) == (0, 0, 0, 0)
