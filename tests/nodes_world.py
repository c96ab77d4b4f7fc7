"""Several nodes over one simulated log, with real services as clients, in virtual time.

The log answers late and in any order, fails before and after a commit, delays and loses signals, and is restored from a backup.
Connections break and nodes end. A consumer copies the names. Some commands decide on the state, some refuse on it, and some publish without a look at it. `check` knows the
promises. Each command took effect once, and numbers have no holes. Every client heard every entry once and in order. No refusal and no checkpoint
comes from an old state. At the end every client is where the log is.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import attrs
import msgspec

from reactive_ws.errors import LogUnavailable, Refused
from reactive_ws.outbox.delivery import Delivery, DeliveryStatus
from reactive_ws.server import (
    Appended,
    CommandKey,
    Context,
    MemoryLog,
    Outcome,
    Page,
    Proposal,
    Server,
)
from reactive_ws.testing import Latency, World
from reactive_ws.wire import Envelope, Guarantee, Position, Registry, protocol_v1


class Add(msgspec.Struct, frozen=True):
    """Adds a name to the list."""

    name: str


class AddAtOnce(msgspec.Struct, frozen=True):
    """Adds a name; its handler reads the state and waits for nothing, so that it may be in the middle of a chain."""

    name: str


class AddBlindly(msgspec.Struct, frozen=True):
    """Adds a name; its handler reads no state."""

    name: str


class Confirm(msgspec.Struct, frozen=True):
    """Is refused when the list has fewer names; changes nothing."""

    count: int


class Added(msgspec.Struct, frozen=True):
    """A name was added as this number; None when the handler did not look."""

    name: str
    number: int | None


class Copied(msgspec.Struct, frozen=True):
    """The consumer saw this name."""

    name: str


@attrs.frozen
class Names:
    """The names in their order."""

    names: tuple[str, ...] = ()


def append(state: Names, message: Added) -> Names:
    return Names((*state.names, message.name))


def registry() -> Registry:
    types = protocol_v1()
    types.message("add", guarantee=Guarantee.AT_LEAST_ONCE)(Add)
    types.message("add.at_once", guarantee=Guarantee.AT_LEAST_ONCE)(AddAtOnce)
    types.message("add.blindly", guarantee=Guarantee.AT_LEAST_ONCE)(AddBlindly)
    types.message("confirm", guarantee=Guarantee.AT_LEAST_ONCE)(Confirm)
    types.message("added")(Added)
    types.message("copied")(Copied)
    return types


class FaultyLog(MemoryLog):
    """One node's view of the log. The faults are drawn from `choose`, while `is_faulty`."""

    def __init__(self, shared: MemoryLog, choose: random.Random) -> None:
        super().__init__()
        self._memory = shared._memory
        self.choose = choose
        self.is_faulty = True

    async def trouble(self, chance: float = 0.01) -> None:
        """Takes time, and fails now and then."""
        await asyncio.sleep(self.choose.choice([0.0, 0.001, 0.02]))
        if self.is_faulty and self.choose.random() < chance:
            raise LogUnavailable("simulated", "the connection broke")

    async def append(self, chain: Sequence[Proposal]) -> Appended:
        await self.trouble(0.05)
        # A log may write fewer commands than it was asked to.
        count = len(chain) if self.choose.random() < 0.9 else self.choose.randint(1, len(chain))
        appended = await super().append(chain[:count])
        await self.trouble(0.05)
        return appended

    async def read(self, stream: str, after: Position | None, limit_bytes: int = 2**18) -> Page:
        page = await super().read(stream, after, limit_bytes)
        await self.trouble()
        return page

    async def heads(self, pattern: str, born_after: str | None = None) -> Mapping[str, Position]:
        heads = await super().heads(pattern, born_after)
        await self.trouble()
        return heads

    async def outcomes(self, keys: Sequence[CommandKey]) -> Mapping[CommandKey, Outcome]:
        await self.trouble()
        return await super().outcomes(keys)

    async def follow(self) -> AsyncIterator[Mapping[str, Position] | None]:
        async for changed in super().follow():
            await asyncio.sleep(self.choose.choice([0.0, 0.0, 0.3, 0.9]))
            # To the end: the last signal may be lost, too.
            if self.choose.random() < 0.3:
                # The connection for signals was away: nothing of what it missed is named.
                await asyncio.sleep(0.5)
                yield None
            else:
                yield changed


class Cluster:
    """Nodes, clients, and a schedule.

    Args:
        world: The world of the services.
        choose: The source of all choices.
        make_log: Makes the log of one node; a test plants a bug here.
    """

    def __init__(
        self,
        world: World,
        choose: random.Random,
        make_log: Callable[[MemoryLog, random.Random], FaultyLog] = FaultyLog,
    ) -> None:
        self.world = world
        self.choose = choose
        self.shared = MemoryLog()
        self.make_log = make_log
        self.nodes: dict[int, tuple[Server, FaultyLog, contextlib.AsyncExitStack]] = {}
        self.clients = [self._client(number) for number in range(2)]
        self.heard: list[list[Envelope[Any]]] = [[], []]
        self.sent: dict[str, Delivery] = {}
        self.confirmed: list[tuple[int, int, Delivery]] = []
        self.may_be_lost: set[str] = set()
        self.after: list[str] = []
        self.backup: Any = None
        self.serial = 0
        self.restored = 0

    # --- parts ----------------------------------------------------------------------------------------------------------

    def _client(self, number: int) -> Any:
        # Each client has its node; after an outage it tries the other one.
        nodes = [number, 1 - number]

        def url() -> str:
            nodes.reverse()
            return f"ws://node{nodes[0]}:80/"

        service = self.world.service(url, registry=registry())
        service.messages("s", subscribe=True).subscribe(lambda _: None)
        service.on("added", lambda envelope: self.heard[number].append(envelope))
        return service

    async def start(self, number: int) -> None:
        """Starts a node."""
        log = self.make_log(self.shared, self.choose)
        server = Server(registry(), log=log)
        state = server.state("s", Names(), {Added: append})

        @server.command(Add)
        async def add(command: Add, context: Context) -> None:
            names = context.state(state).names
            await asyncio.sleep(self.choose.choice([0.0, 0.01]))
            context.publish("s", Added(command.name, len(names)))
            context.after_commit(lambda: self.after.append(command.name))

        @server.command(AddAtOnce)
        async def add_at_once(command: AddAtOnce, context: Context) -> None:
            context.publish("s", Added(command.name, len(context.state(state).names)))

        @server.command(AddBlindly)
        async def add_blindly(command: AddBlindly, context: Context) -> None:
            context.publish("s", Added(command.name, None))

        @server.command(Confirm)
        async def confirm(command: Confirm, context: Context) -> None:
            if len(context.state(state).names) < command.count:
                raise Refused("few", f"the list has fewer than {command.count} names")

        @server.consumer("copier", "s", Added, from_start=True)
        async def copy_name(message: Added, context: Context) -> None:
            context.publish("copies", Copied(message.name))

        stack = contextlib.AsyncExitStack()
        await stack.enter_async_context(server.serve(f"node{number}", 80))
        self.nodes[number] = (server, log, stack)

    async def kill(self, number: int) -> None:
        """Ends a node; its clients lose their connections first, so nothing is said."""
        self.world.network.reset()
        _, _, stack = self.nodes.pop(number)
        await stack.aclose()

    # --- the schedule ---------------------------------------------------------------------------------------------------

    async def run(self, steps: int) -> None:
        """Lets things happen, heals all, and checks."""
        for number in range(2):
            await self.start(number)
        self.world.network.apply(Latency(0.05))
        for client in self.clients:
            await client.connect()
        for _ in range(steps):
            await self.step()
        await self.heal()
        await self.check()

    async def step(self) -> None:
        """One thing happens."""
        rare = self.choose.random()
        if rare < 0.06:
            self.world.network.reset()
        elif rare < 0.08:
            number = self.choose.choice(list(self.nodes))
            await self.kill(number)
            await asyncio.sleep(self.choose.choice([0.0, 1.0]))
            await self.start(number)
        elif rare < 0.11:
            self.backup = self.copy()
        elif rare < 0.14 and self.backup is not None:
            self.restore()
        elif rare < 0.7:
            self.serial += 1
            name = f"n{self.serial}"
            make = self.choose.choice([Add, AddAtOnce, AddBlindly])
            self.sent[name] = self.choose.choice(self.clients).send(make(name))
        elif rare < 0.73:
            # Some wait behind the first of them, and become a chain.
            client = self.choose.choice(self.clients)
            for _ in range(self.choose.randint(2, 6)):
                self.serial += 1
                make = self.choose.choice([Add, AddBlindly, AddAtOnce])
                self.sent[f"n{self.serial}"] = client.send(make(f"n{self.serial}"))
        elif rare < 0.8:
            # The list has these names already, so only a look at an old state can refuse.
            count = len(self.names())
            delivery = self.choose.choice(self.clients).send(Confirm(count))
            self.confirmed.append((self.restored, count, delivery))
        await asyncio.sleep(self.choose.choice([0.0, 0.001, 0.05, 0.5]))

    def copy(self) -> Any:
        """Makes a backup of the log."""
        memory = self.shared._memory
        parts = (memory.commits, memory.streams, memory.outcomes)
        return copy.deepcopy(parts), self.names()

    def restore(self) -> None:
        """Restores the backup: newer commands are gone, and the numbering gets another name."""
        (commits, streams, outcomes), names = copy.deepcopy(self.backup)
        self.may_be_lost |= set(self.names()) - set(names)
        memory = self.shared._memory
        memory.commits, memory.streams, memory.outcomes = commits, streams, outcomes
        self.restored += 1
        memory.epoch = f"restored-{self.restored}"
        for node in memory.nodes:
            for queue in node._followers:
                queue.put_nowait(None)

    def names(self) -> list[str]:
        """Returns the names in the log."""
        return [row.name for row in self.rows()]

    def rows(self) -> list[Added]:
        """Returns all entries of the stream."""
        return [msgspec.convert(payload, Added) for payload in self.payloads("s")]

    def copies(self) -> list[str]:
        """Returns the names that the consumer saw."""
        return [payload["name"] for payload in self.payloads("copies")]

    def payloads(self, stream: str) -> list[Any]:
        """Returns what is on a stream."""
        stored = self.shared._memory.streams.get(stream)
        entries = [] if stored is None else [row[0] for row in stored.entries.values()]
        return [
            msgspec.json.decode(text)["payload"] for entry in entries for text in entry.messages
        ]

    async def heal(self) -> None:
        """Ends all faults and lets everything arrive."""
        for _, log, _ in self.nodes.values():
            log.is_faulty = False
        self.world.network.heal()
        self.world.network.apply(Latency(0.01))
        async with asyncio.timeout(400.0):
            while not all(
                delivery.status in (DeliveryStatus.ACKNOWLEDGED, DeliveryStatus.UNCERTAIN)
                for delivery in (*self.sent.values(), *self.waiting())
            ):
                await asyncio.sleep(1.0)
            while len(self.copies()) < len(self.names()):
                await asyncio.sleep(1.0)
        await asyncio.sleep(20.0)

    def waiting(self) -> list[Delivery]:
        """Returns the confirmations that were not answered yet."""
        ended = (DeliveryStatus.ACKNOWLEDGED, DeliveryStatus.FAILED, DeliveryStatus.UNCERTAIN)
        return [delivery for _, _, delivery in self.confirmed if delivery.status not in ended]

    async def check(self) -> None:
        """Says what was broken."""
        rows = self.rows()
        for number, row in enumerate(rows):
            assert row.number in (number, None), "a decision on an old state"
        for restored, count, delivery in self.confirmed:
            # A backup has fewer names, so a refusal is right after one was restored.
            if restored == self.restored:
                assert delivery.status is not DeliveryStatus.FAILED, (
                    f"refused on an old state: {count}"
                )
        counts = Counter(row.name for row in rows)
        assert max(counts.values(), default=0) <= 1, f"done twice: {counts.most_common(3)}"
        missing = set(self.sent) - set(counts) - self.may_be_lost
        assert not missing, f"acknowledged and not in the log: {missing}"
        after = Counter(name for name in self.after if name not in self.may_be_lost)
        assert max(after.values(), default=0) <= 1, "a function after the commit ran twice"
        assert set(after) <= set(counts), "a function after the commit ran without one"
        # A restored backup has the position of the consumer, so it goes on from there.
        assert self.copies() == [row.name for row in rows], "a consumer missed or doubled a name"
        stored = self.shared._memory.streams.get("s")
        for client, heard in zip(self.clients, self.heard, strict=True):
            places = [(envelope.epoch, envelope.seq) for envelope in heard]
            assert len(places) == len(set(places)), "an entry was heard twice"
            for before, after in itertools.pairwise(places):
                assert before[0] != after[0] or before[1] < after[1], "an entry came too late"
            for envelope in heard:
                if envelope.epoch == self.shared._memory.epoch:
                    row = rows[envelope.seq - 1]
                    assert envelope.payload == row, f"{envelope.payload} is not {row}"
            if stored is not None:
                at = client.positions.get().get("s")
                assert at == Position(self.shared._memory.epoch, stored.seq), f"{client} is at {at}"
        for server, _, _ in self.nodes.values():
            state = await server.make_state("s")
            assert state is not None
            assert msgspec.json.decode(state.state)["names"] == [row.name for row in rows]

    async def stop(self) -> None:
        """Ends clients and nodes."""
        for client in self.clients:
            await client.disconnect()
        for _, _, stack in self.nodes.values():
            await stack.aclose()
