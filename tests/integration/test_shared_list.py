"""The shared to-do list: three clients stay equal while its server and its clients are killed again and again."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import itertools
import random
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reactive_ws import Backoff, WebSocketService
from reactive_ws.engine import Domain
from reactive_ws.replicas import Replica, ReplicaStatus
from reactive_ws.server import MemoryLog, Retention
from reactive_ws.testing import Latency, Simulation

PROGRAM = Path(__file__).parents[2] / "examples" / "shared_list.py"
NAMES = ("anna", "ben", "carla")


def load() -> Any:
    spec = importlib.util.spec_from_file_location("shared_list", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["shared_list"] = module
    spec.loader.exec_module(module)
    return module


example = load()


def test_the_example_is_short() -> None:
    assert sum(bool(line.strip()) for line in PROGRAM.read_text().splitlines()) <= 60


# --- in the virtual network -------------------------------------------------------------------------------------------


class Town:
    """Three clients and a server in a virtual network; each of them can be killed.

    Attributes:
        faults: The faults that were seen, with their numbers.
    """

    def __init__(self, seed: int) -> None:
        self.simulation = Simulation(seed)
        self.random = self.simulation.random
        self.log = MemoryLog(retention=Retention(max_entries=5))
        self.services: dict[str, WebSocketService] = {}
        self.lists: dict[str, Replica[Any]] = {}
        self.faults: Counter[str] = Counter()
        self.numbers = itertools.count(1)
        self.kept: set[str] = set()
        self._serving = contextlib.AsyncExitStack()

    def run(self, kills: int) -> None:
        with self.simulation:
            self.simulation.run(self._run(kills))

    async def _run(self, kills: int) -> None:
        self.simulation.network.apply(Latency(0.002, 0.01))
        await self._start_server()
        for name in NAMES:
            await self._start_client(name)
        for _ in range(kills):
            for _ in range(self.random.randint(0, 3)):
                self._act(self.random.choice(NAMES))
                await asyncio.sleep(self.random.choice((0.0, 0.003, 0.02)))
            await self._kill(self.random.choice(("server", *NAMES)))
            await asyncio.sleep(self.random.choice((0.0, 0.01, 0.1, 0.5)))
        await self._compare()
        for service in self.services.values():
            await service.disconnect()
        await self._serving.aclose()

    async def _start_server(self) -> None:
        self.server = example.make_server(self.log.node())
        await self._serving.enter_async_context(self.server.serve("server", 80))

    async def _start_client(self, name: str) -> None:
        service = self.services[name] = WebSocketService(
            "ws://server/ws",
            registry=example.types,
            domain=Domain(name),
            backoff=Backoff(initial=0.05, cap=0.2),
            rng=self.random,
            clock=self.simulation.wall_clock,
            new_id=self.simulation.new_id,
            proxy=None,
            suspended=lambda: 0.0,
        )
        self.lists[name] = example.follow(service)
        self.lists[name].select().subscribe(lambda _: self._look(name))
        await service.connect()

    async def _kill(self, victim: str) -> None:
        """Ends a part without a goodbye. What waits in a client's memory dies with it."""
        self.simulation.network.reset()
        if victim == "server":
            await self._serving.aclose()
            await self._start_server()
        else:
            await self.services[victim].disconnect()
            await self._start_client(victim)

    def _act(self, name: str) -> None:
        todos = self.lists[name]
        items = todos.get().items
        if items and self.random.random() < 0.4:
            one = self.random.choice(items)
            todos.send(example.Change(one.id, one.title, True))
            return
        number = next(self.numbers)
        delivery = todos.send(example.Change(f"{name}{number}", f"entry {number}"))

        def moved(status: Any) -> None:
            if status.value == "acknowledged":
                self.kept.add(delivery.id)

        delivery.watch(moved)

    def _look(self, name: str) -> None:
        counts = Counter(it.id for it in self.lists[name].get().items)
        if any(number > 1 for number in counts.values()):
            self.faults["an entry is shown twice"] += 1

    async def _compare(self) -> None:
        for _ in range(200):
            await asyncio.sleep(1.0)
            if all(
                it.status.get() is ReplicaStatus.LIVE and not it.pending.get()
                for it in self.lists.values()
            ):
                break
        await asyncio.sleep(5.0)
        anna, ben, carla = (self.lists[name].get() for name in NAMES)
        assert anna == ben == carla
        assert self.lists["anna"].position == self.lists["ben"].position
        assert len(anna.items) > 10
        assert any(it.is_done for it in anna.items)
        assert self.faults == {}
        assert all(not it.pending.get() for it in self.lists.values())
        # A process that is not there at any kill has the same.
        await self._start_client("dora")
        await self.lists["dora"].status.select().wait_for(lambda now: now is ReplicaStatus.LIVE, 30)
        assert self.lists["dora"].get() == anna


@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.deep)])
def test_three_clients_stay_equal_in_a_network_that_fails(kills: int) -> None:
    Town(kills).run(kills)


# --- in real processes ------------------------------------------------------------------------------------------------


class Program:
    """A client of the example in a process of its own, started as its docstring says.

    Attributes:
        arguments: Of its command line.
        shown: The lines that it printed, newest last.
    """

    def __init__(self, url: str, name: str, folder: Path) -> None:
        self.arguments = (url, name)
        self._folder = folder
        self.shown: list[str] = []

    async def start(self) -> None:
        self.process = await start(*self.arguments, folder=self._folder)
        self._reading = asyncio.create_task(self._read())
        await until(lambda: bool(self.shown))

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while text := await self.process.stdout.readline():
            self.shown.append(text.decode().rstrip("\n"))

    def say(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text}\n".encode())

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()
        await self._reading

    async def end(self) -> None:
        """Closes its input, which ends the program."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert await asyncio.wait_for(self.process.wait(), 60) == 0
        await self._reading


async def start(*arguments: str, folder: Path) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, str(PROGRAM), *arguments), stdin=PIPE, stdout=PIPE, cwd=folder
    )


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not condition():
            await asyncio.sleep(0.01)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def play(
    folder: Path, names: tuple[str, ...], kills: int, chance: random.Random
) -> tuple[list[str], int]:
    """Kills so often; returns the last line of each client, and how many entries they wrote."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]

    async def serve() -> Process:
        server = await start("serve", str(port), "list.db", folder=folder)
        await until(lambda: is_open(port))
        return server

    server = await serve()
    clients = [Program(f"ws://127.0.0.1:{port}/", name, folder) for name in names]
    words = itertools.count(1)
    try:
        await asyncio.gather(*(client.start() for client in clients))
        for _ in range(kills):
            for client in clients:
                client.say(chance.choice(("1", f"entry-{next(words)}")))
            await asyncio.sleep(chance.uniform(0.0, 0.3))
            victim = chance.choice((None, *clients))
            if victim is None:
                server.kill()
                await server.wait()
                server = await serve()
            else:
                await victim.kill()
                await victim.start()
        last = [f"last-{client.arguments[1]}" for client in clients]
        for client, word in zip(clients, last, strict=True):
            client.say(word)

        def is_settled() -> bool:
            lines = {client.shown[-1] for client in clients}
            (first, *others) = lines
            return not others and "..." not in first and all(word in first for word in last)

        await until(is_settled)
        lines = [client.shown[-1] for client in clients]
        for client in clients:
            await client.end()
    finally:
        for client in clients:
            with contextlib.suppress(ProcessLookupError):
                client.process.kill()
        server.send_signal(signal.SIGKILL)
        await server.wait()
    return lines, next(words) - 1


@pytest.mark.parametrize(
    ("names", "kills"), [(NAMES[:2], 1), pytest.param(NAMES, 20, marks=pytest.mark.deep)]
)
def test_programs_stay_equal_although_they_and_the_server_are_killed(
    names: tuple[str, ...], kills: int, tmp_path: Path
) -> None:
    lines, written = asyncio.run(play(tmp_path, names, kills, random.Random(kills)))
    assert len(set(lines)) == 1
    entries = [part.split(" ")[-1].lstrip("*") for part in lines[0].split("  ")]
    # A number that a program reads before its list is there is an entry like other words.
    entries = [entry for entry in entries if entry != "1"]
    assert len(entries) == len(set(entries))
    assert {f"last-{name}" for name in names} <= set(entries)
    assert len(entries) <= written + len(names)
