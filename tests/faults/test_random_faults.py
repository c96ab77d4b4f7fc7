"""At-least-once messages through random faults of every kind, in virtual time: none lost, doubled, out of order or failed.

Messages go both ways: what the program sends is judged by the server's history, what the server publishes by the
handler's list. Between faults there are only some seconds, so most of them meet a connection that still suffers from the
one before.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import attrs
import pytest
from fault_kinds import KINDS, Run

from reactive_ws.errors import MessagesMissing, OutboxFull
from reactive_ws.outbox.delivery import Delivery, DeliveryStatus
from reactive_ws.service.service import WebSocketService
from reactive_ws.stores.wire.chat import ChatSnapshot, SessionClose, SessionClosed, agent_chat
from reactive_ws.testing import (
    Bandwidth,
    Latency,
    Promise,
    Simulation,
    Split,
    World,
)


@attrs.frozen
class Outcome:
    """The counts of one run."""

    seed: int
    sent: int
    lost: int
    duplicated: int
    reordered: int
    failed: int
    published: int
    wrong_inbound: int
    faults: dict[str, int]
    connections: int
    resent: int
    virtual_seconds: float

    def __str__(self) -> str:
        return (
            f"random faults, seed {self.seed}: {sum(self.faults.values())} faults of {len(self.faults)} kinds, "
            f"{self.connections} connections, {self.virtual_seconds:.0f} virtual s; up {self.sent} messages, "
            f"{self.resent} resends: {self.lost} lost, {self.duplicated} duplicated, {self.reordered} out of order, "
            f"{self.failed} failed; down {self.published} messages: {self.wrong_inbound} wrong"
        )


async def play(seed: int, messages: int, faults: int) -> Outcome:
    """Sends so many messages, and publishes a fifth of that, while so many faults happen."""
    async with World() as world:
        run = Run(world.network, seed)
        run.server = await world.server(registry=agent_chat())
        run.service = world.service(suspended=lambda: run.slept, registry=agent_chat())
        heard: list[int] = []
        run.service.on(SessionClosed, lambda payload: heard.append(int(payload.session_id)))
        # A snapshot stands for everything up to its number.
        covered: set[int] = set()
        run.service.on(
            ChatSnapshot,
            lambda snapshot: covered.update(range(max(heard, default=0) + 1, snapshot.seq + 1)),
        )
        await run.service.connect()
        await run.service.wait_connected(30)
        # With this message the client has a position in the stream; from here on nothing may be missed. The first
        # number of a stream is 1, and so is the name.
        run.server.publish(SessionClosed("1"))
        await world.settle()

        happened: Counter[str] = Counter()
        duration = messages * 0.15
        disturbing = asyncio.create_task(_disturb(world, run, faults, duration, happened))
        failed: list[Delivery] = []
        deliveries: list[Delivery] = []
        published = 1
        for number in range(messages):
            deliveries.append(await _send(run.service, f"m{number}"))
            world.history.accepted(deliveries[-1].id)
            if number % 5 == 0:
                published += 1
                run.server.publish(SessionClosed(str(published)))
            if run.chance.random() < 0.1:
                await asyncio.sleep(run.seconds(0.0, 3.0))
        await disturbing
        async with asyncio.timeout(3600):
            for delivery in deliveries:
                try:
                    if await delivery is DeliveryStatus.ACKNOWLEDGED:
                        world.history.acknowledged(delivery.id)
                except Exception:
                    failed.append(delivery)
            while run.service.positions.get()["app"].seq < published:
                await asyncio.sleep(1.0)
        verdict = world.history.judge(Promise.EFFECTIVELY_ONCE)
        metrics = run.service.metrics.get()
        # Nonsense is reported and dropped faults raise nothing: all that is left must keep the rules.
        await world.settle()
        world.check()
        return Outcome(
            seed,
            messages,
            len(verdict.lost),
            len(verdict.duplicated) + len(verdict.invented),
            len(verdict.reordered),
            len(failed) + len(verdict.acknowledged_but_lost),
            published,
            _wrong(heard, published, covered, world),
            dict(happened),
            len(run.server.connections),
            metrics.resent,
            world.now,
        )


def _wrong(heard: list[int], published: int, covered: set[int], world: World) -> int:
    """Counts what came twice, in the wrong order, or not at all without a report of the gap.

    A server that holds a message back for more than two seconds makes a gap: it is reported, and a snapshot is asked for.
    """
    reported = {
        number
        for event in world.errors
        if isinstance(event.exception, MessagesMissing)
        for number in range(event.exception.expected, event.exception.got)
    }
    missing = set(range(1, published + 1)) - set(heard) - reported - covered
    disordered = sum(later <= earlier for earlier, later in itertools.pairwise(heard))
    return len(missing) + disordered


async def _disturb(
    world: World, run: Run, faults: int, duration: float, happened: Counter[str]
) -> None:
    # Every kind once, in random order, and then over and over again.
    kinds: list[str] = []
    for _ in range(faults):
        if not kinds:
            kinds = list(KINDS)
            run.chance.shuffle(kinds)
        kind = kinds.pop()
        happened[kind] += 1
        result = KINDS[kind](run)
        if result is not None:
            await result
        await asyncio.sleep(run.seconds(0.0, 2.0 * duration / faults))
        if run.chance.random() < 0.3:
            world.network.heal()
    await world.heal()
    for good in (Latency(0.01), Bandwidth(None), Split(None)):
        world.network.apply(good)


async def _send(service: WebSocketService, name: str) -> Delivery:
    while True:
        delivery = service.send(SessionClose(name))
        if not isinstance(delivery.failure, OutboxFull):
            return delivery
        await asyncio.sleep(0.5)


def run_seed(seed: int, messages: int, faults: int) -> Outcome:
    """Plays one seed in an own simulation, with the order of ready tasks shuffled by the same seed."""
    with Simulation(seed, order=seed) as simulation:
        return simulation.run(play(seed, messages, faults))


def _check(outcome: Outcome) -> None:
    assert (
        outcome.lost,
        outcome.duplicated,
        outcome.reordered,
        outcome.failed,
        outcome.wrong_inbound,
    ) == (0, 0, 0, 0, 0), str(outcome)


@pytest.mark.parametrize("seed", range(3))
def test_what_was_promised_survives_random_faults_of_every_kind(
    seed: int, say: Callable[[str], None]
) -> None:
    outcome = run_seed(seed, 2_000, 60)
    say(str(outcome))
    assert set(outcome.faults) == set(KINDS)
    _check(outcome)


@pytest.mark.deep
def test_what_was_promised_survives_random_faults_of_every_kind_for_long(
    say: Callable[[str], None],
) -> None:
    seeds = range(1000, 1100)
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        outcomes = list(
            pool.map(run_seed, seeds, [10_000] * len(seeds), [200] * len(seeds), chunksize=1)
        )
    for outcome in outcomes:
        say(str(outcome))
        _check(outcome)
