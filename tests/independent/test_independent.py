"""A server and a client that were written from docs/protocol.md alone, against ours, with servers that are killed at any moment.

Each command has its effect once, each client has the same list in the end, and it is the server's.
"""

from __future__ import annotations

import asyncio
import contextlib
import operator
import os
import random
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import attrs
import pytest
from independent.client import Client
from independent.our_server import TodoAdd, TodoAdded, TodoImport, Todos, added, registry

from reactive_ws import Backoff, Domain, FirstMessage, OutboxOptions, WebSocketService
from reactive_ws.testing import check_server

HERE = Path(__file__).parent
IS_DEEP = os.environ.get("REACTIVE_WS_PROFILE") == "deep"
KILLS = 20 if IS_DEEP else 2
PATIENCE = 120.0
"""Seconds without any progress."""
MOST_WAITING = 100
"""Commands of a client that wait for their answers; a slow machine gets no more of them."""


class User(Protocol):
    """A client, whose ever: what it asked for, and the list that it shows."""

    def add(self, *titles: str) -> None: ...
    def titles(self) -> Sequence[str]: ...
    def waiting(self) -> int: ...
    def answered(self) -> int: ...
    def refused(self) -> int: ...


class Independent:
    """The client of `client.py`."""

    def __init__(self, url: str) -> None:
        self.client = Client(url, token="secret")
        self.add: Callable[..., Any] = self.client.add

    def titles(self) -> Sequence[str]:
        return self.client.titles

    def waiting(self) -> int:
        return len(self.client.commands)

    def answered(self) -> int:
        return len(self.client.answers)

    def refused(self) -> int:
        return sum("code" in answer for answer in self.client.answers.values())


class Ours:
    """A replica of `WebSocketService`."""

    def __init__(self, url: str, domain: Domain) -> None:
        self.service = WebSocketService(
            url,
            registry=registry(),
            domain=domain,
            auth=FirstMessage("secret"),
            backoff=Backoff(initial=0.02, cap=0.05),
            outbox=OutboxOptions(limit=10_000),
            proxy=None,
        )
        self.todos = self.service.replica("todos", Todos(), {TodoAdded: added})
        self._deliveries: list[Any] = []

    def add(self, *titles: str) -> None:
        command = TodoAdd(titles[0]) if len(titles) == 1 else TodoImport(titles)
        self._deliveries.append(self.service.send(command))

    def titles(self) -> Sequence[str]:
        return self.todos.confirmed.get().titles

    def waiting(self) -> int:
        return sum(not one.is_final for one in self._deliveries)

    def answered(self) -> int:
        return len(self._deliveries) - self.waiting()

    def refused(self) -> int:
        return sum(one.status.value == "failed" for one in self._deliveries)


@attrs.define
class Process:
    """A server in a process of its own, which is killed and started again."""

    script: str
    port: int
    file: Path
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/"

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(HERE / self.script),
            str(self.port),
            str(self.file),
            stdout=asyncio.subprocess.PIPE,
        )
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            assert await self.process.stdout.readline()

    async def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            await self.process.wait()
            self.process._transport.close()  # type: ignore[attr-defined]


@contextlib.asynccontextmanager
async def running(script: str, folder: Path) -> AsyncIterator[Process]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = Process(script, port, folder / "log")
    await process.start()
    try:
        yield process
    finally:
        await process.kill()


async def use(users: Sequence[User], seed: int, is_over: asyncio.Event) -> tuple[set[str], int]:
    """Sends commands until it is over; returns the titles that must be on the list, and how many commands are refused."""
    chance, titles, refused = random.Random(seed), set[str](), 0
    while not is_over.is_set():
        for number, user in enumerate(users):
            if user.waiting() >= MOST_WAITING:
                continue
            names = [
                f"{number}-{len(titles)}-{part}" for part in range(chance.choice([1, 1, 1, 3]))
            ]
            if chance.random() < 0.1:
                user.add("")
                refused += 1
            else:
                user.add(*names)
                titles.update(names)
        await asyncio.sleep(0.02)
    return titles, refused


async def until(condition: Callable[[], bool], what: Callable[[], object]) -> None:
    """Waits for as long as `what` changes."""
    clock = asyncio.get_running_loop().time
    seen, since = what(), clock()
    while not condition():
        await asyncio.sleep(0.01)  # the clients are independent, and have no event for this
        if (now := what()) != seen:
            seen, since = now, clock()
        if clock() - since > PATIENCE:
            raise AssertionError(now)


async def survive(server: Process, users: Sequence[User], seed: int) -> None:
    """Kills the server again and again; checks that each command counted once and that all lists are equal."""
    chance, is_over = random.Random(seed), asyncio.Event()
    using = asyncio.create_task(use(users, seed, is_over))
    for _ in range(KILLS):
        wanted = [user.answered() + chance.randint(1, 20) for user in users]
        await until(
            lambda: all(map(operator.ge, (user.answered() for user in users), wanted)),  # noqa: B023
            lambda: f"{[user.answered() for user in users]} answers came",
        )
        await server.kill()
        await server.start()
    is_over.set()
    titles, refused = await using
    await until(
        lambda: not any(user.waiting() for user in users),
        lambda: f"{[user.waiting() for user in users]} commands have no answer",
    )
    await until(
        lambda: all(len(user.titles()) >= len(titles) for user in users),
        lambda: f"{[len(user.titles()) for user in users]} of {len(titles)} titles",
    )
    for user in users:
        assert len(user.titles()) == len(titles)
        assert set(user.titles()) == titles
        assert list(user.titles()) == list(users[0].titles())
    assert sum(user.refused() for user in users) == refused


@pytest.mark.parametrize(
    "script", ["our_server.py", pytest.param("server.py", marks=pytest.mark.deep)]
)
async def test_the_independent_client_survives_kills_of_a_server(
    script: str, tmp_path: Path
) -> None:
    async with running(script, tmp_path) as server:
        users = [Independent(server.url) for _ in range(3)]
        tasks = [asyncio.create_task(user.client.run()) for user in users]
        try:
            await survive(server, users, 1)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for user in users:
            assert user.client.connections > KILLS
            # Entries name their cause to the client whose command it was, and states do not.
            assert set(user.client.causes) <= set(user.client.answers)
            assert user.client.causes


async def test_our_clients_survive_kills_of_the_independent_server(tmp_path: Path) -> None:
    async with running("server.py", tmp_path) as server, contextlib.AsyncExitStack() as stack:
        users = [Ours(server.url, Domain(f"client {number}")) for number in range(3)]
        for user in users:
            await stack.enter_async_context(user.service)
        await survive(server, users, 2)
        for user in users:
            assert user.service.metrics.get().reconnects >= KILLS
            user.todos.close()


async def test_the_independent_server_keeps_the_rules_of_a_server(tmp_path: Path) -> None:
    async with running("server.py", tmp_path) as server:
        checked = await check_server(
            server.url, channel="todos", command=lambda title: ("todo.add", {"title": title})
        )
        assert "pending" in checked
