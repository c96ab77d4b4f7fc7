"""Compares our server, on each log, with what people run and with the hub of the first version, by processor time, in turns.

    python benchmarks/servers.py messages [--rounds 3] [--count 400] [--only memory sqlite ...]
    python benchmarks/servers.py fan-out  [--rounds 3] [--count 20] [--clients 1000] [--only ...]

It needs redis-server, PostgreSQL, the history of this repository, and `pip install channels channels_redis python-socketio fastapi uvicorn
'.[postgres]'`; `make bench` makes an environment with them.

`messages`: four clients send 200 bytes each, first one at a time, then with 50 on the way each; six clients hear everything. The cost is the
processor time of all nodes and of Redis or PostgreSQL, for one message. Memory is what one more idle client adds to the nodes.
`fan-out`: one client speaks, many hear it; the cost is for one message to one client. The clients' own time is in neither.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import resource
import statistics
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path

import attrs

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.server_clients import Client, RawClient, SocketIoClient, Times
from benchmarks.server_processes import (
    ROOT,
    first_version,
    free_port,
    memory_of,
    postgres,
    redis,
    running,
    seconds_of,
)

__all__ = ["main"]

SENDERS, LISTENERS, WINDOW, IDLE = 4, 2, 50, 200


@attrs.frozen
class Kind:
    """One row of the table: a program, on how many nodes, and what they share."""

    label: str
    program: str
    nodes: int = 1
    engine: str = ""


KINDS = {
    "memory": Kind("ours, `MemoryLog`", "memory"),
    "sqlite": Kind("ours, `SqliteLog`", "sqlite"),
    "sqlite-alone": Kind("ours, `SqliteLog`, without uvicorn", "sqlite-alone"),
    "sqlite-2": Kind("ours, `SqliteLog`, two nodes", "sqlite", 2),
    "postgres": Kind("ours, `PostgresLog`", "postgres", engine="postgres"),
    "postgres-2": Kind("ours, `PostgresLog`, two nodes", "postgres", 2, "postgres"),
    "postgres-2-alone": Kind(
        "ours, `PostgresLog`, two nodes without uvicorn", "postgres-alone", 2, "postgres"
    ),
    "fastapi": Kind("FastAPI with Redis pub/sub by hand", "fastapi", engine="redis"),
    "fastapi-2": Kind("the same, two nodes", "fastapi", 2, "redis"),
    "socketio": Kind("python-socketio with its Redis manager", "socketio", engine="redis"),
    "socketio-2": Kind("the same, two nodes", "socketio", 2, "redis"),
    "channels": Kind("Django Channels with channels_redis", "channels", engine="redis"),
    "channels-2": Kind("the same, two nodes", "channels", 2, "redis"),
    "hub-memory": Kind("hub of the first version, in memory", "hub"),
    "hub-sqlite": Kind("hub of the first version, in a file", "hub"),
}
BASE = "hub-sqlite"
"""The row that the others are compared with: the promises of ours, on one node."""


class Machine:
    """The parts that servers share: Redis, PostgreSQL and the first version, each started when a kind needs it."""

    def __init__(self, stack: contextlib.AsyncExitStack) -> None:
        self._stack = stack
        self._redis: tuple[str, int] | None = None
        self._first: Path | None = None
        self._postgres: tuple[Callable[[], str], int] | None = None

    async def start(self, names: Sequence[str]) -> None:
        """Starts what these kinds need."""
        engines = {KINDS[name].engine for name in names}
        if "redis" in engines:
            self._redis = await self._stack.enter_async_context(redis())
        if "postgres" in engines:
            server, pid = self._stack.enter_context(postgres())
            self._postgres = server.dsn, pid
        if any(KINDS[name].program == "hub" for name in names):
            self._first = self._stack.enter_context(first_version())

    @contextlib.asynccontextmanager
    async def serve(self, name: str) -> AsyncGenerator[tuple[list[str], list[int], list[int]]]:
        """Runs the nodes of a kind; gives their URLs, their processes, and all processes whose time counts."""
        kind = KINDS[name]
        programs = ROOT / "benchmarks"
        engines: list[int] = []
        environment: dict[str, str] = {}
        async with contextlib.AsyncExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            place = f"{folder}/log.db"
            if kind.engine == "redis":
                assert self._redis is not None
                place, engines = self._redis[0], [self._redis[1]]
            elif kind.engine == "postgres":
                assert self._postgres is not None
                place, engines = await self._database(), [self._postgres[1]]
            nodes: list[int] = []
            urls: list[str] = []
            for _ in range(kind.nodes):
                port = free_port()
                command = [str(programs / "server_peers.py"), kind.program, str(port), place]
                if kind.program == "hub":
                    file = place if name == "hub-sqlite" else ""
                    command = [str(programs / "first_hub.py"), str(port), file]
                    environment = {"PYTHONPATH": str(self._first)}
                pid = await stack.enter_async_context(
                    running([sys.executable, *command], port, environment)
                )
                nodes.append(pid)
                urls.append(f"ws://127.0.0.1:{port}/")
            yield urls, nodes, [*nodes, *engines]

    async def _database(self) -> str:
        from reactive_ws.server import PostgresLog

        assert self._postgres is not None
        dsn = await asyncio.to_thread(self._postgres[0])
        await PostgresLog(dsn).migrate()
        return dsn


@contextlib.asynccontextmanager
async def connected(
    name: str, urls: Sequence[str], count: int
) -> AsyncGenerator[tuple[list[Client], Times]]:
    """Connects clients, in turn to each node."""
    times = Times()
    make = SocketIoClient if KINDS[name].program == "socketio" else RawClient
    clients: list[Client] = [make(urls[index % len(urls)], times) for index in range(count)]
    opened: list[Client] = []
    try:
        for client in clients:
            await client.open()
            opened.append(client)
        # The first version holds messages back for a client that may be about to resume.
        await asyncio.sleep(0.7)
        yield clients, times
    finally:
        await asyncio.gather(*(client.close() for client in opened))


async def heard(clients: Sequence[Client], before: Sequence[int], count: int) -> None:
    """Waits until each client heard so many messages more."""
    async with asyncio.timeout(120):
        while any(  # noqa: ASYNC110 - the clients are of several kinds, and count only
            client.heard < so_far + count for client, so_far in zip(clients, before, strict=True)
        ):
            await asyncio.sleep(0.005)


async def send_all(clients: Sequence[Client], label: str, count: int, window: int) -> float:
    """Lets the senders send, each with at most `window` messages on the way; returns the seconds until all heard all."""
    before = [client.heard for client in clients]
    each = count // SENDERS

    async def send(client: Client, number: int) -> None:
        room = asyncio.Semaphore(window)

        async def say(index: int) -> None:
            try:
                await client.say(f"{label}-{number}-{index}")
            finally:
                room.release()

        async with asyncio.TaskGroup() as group:
            for index in range(each):
                await room.acquire()
                group.create_task(say(index))

    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.gather(*(send(client, n) for n, client in enumerate(clients[:SENDERS])))
    await heard(clients, before, each * SENDERS)
    return loop.time() - began


def at(part: float, found: Sequence[float]) -> float:
    """Returns a quantile, in milliseconds."""
    return sorted(found)[int(len(found) * part)] * 1e3


async def measure_messages(machine: Machine, name: str, count: int) -> dict[str, float]:
    """Returns what one message costs, one at a time and in a flood, and what an idle client does."""
    async with machine.serve(name) as (urls, nodes, all_processes):
        async with connected(name, urls, SENDERS + LISTENERS) as (clients, times):
            await send_all(clients, "warm", 80, 1)
            times.clear()
            used = seconds_of(all_processes)
            await send_all(clients, "one", count, 1)
            one = seconds_of(all_processes) - used
            found = {
                "one": one / count * 1e6,
                "ack p50": at(0.5, times.acknowledged),
                "ack p99": at(0.99, times.acknowledged),
                "other p50": at(0.5, times.heard),
                "other p99": at(0.99, times.heard),
            }
            used = seconds_of(all_processes)
            took = await send_all(clients, "flood", count, WINDOW)
            found["flood"] = (seconds_of(all_processes) - used) / count * 1e6
            found["a second"] = count / took
        before = memory_of(nodes)
        async with connected(name, urls, IDLE):
            found["kB idle"] = (memory_of(nodes) - before) / IDLE / 1000
    return found


async def measure_fan_out(
    machine: Machine, name: str, count: int, clients_wanted: int
) -> dict[str, float]:
    """Returns microseconds for one message to one of many clients, and when the clients heard it."""
    async with (
        machine.serve(name) as (urls, _, all_processes),
        connected(name, urls, clients_wanted) as (clients, times),
    ):
        for phase, messages in (("warm", 3), ("count", count)):
            times.clear()
            used = seconds_of(all_processes)
            for index in range(messages):
                before = [client.heard for client in clients]
                await clients[0].say(f"{phase}-{index}")
                await heard(clients, before, 1)
        used = seconds_of(all_processes) - used
        return {
            "a delivery": used / count / clients_wanted * 1e6,
            "other p50": at(0.5, times.heard),
            "other p99": at(0.99, times.heard),
        }


async def main(arguments: argparse.Namespace) -> None:
    """Measures all kinds in turns, and prints a table of medians and of ratios within a round."""
    names: list[str] = arguments.only or list(KINDS)
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    async with contextlib.AsyncExitStack() as stack:
        machine = Machine(stack)
        await machine.start(names)
        for turn in range(arguments.rounds):
            for name in names if turn % 2 else names[::-1]:
                if arguments.what == "messages":
                    row = await measure_messages(machine, name, arguments.count or 400)
                else:
                    row = await measure_fan_out(
                        machine, name, arguments.count or 20, arguments.clients
                    )
                rows[name].append(row)
    cost = ["one", "flood"] if arguments.what == "messages" else ["a delivery"]
    base = BASE if arguments.what == "messages" else "socketio"
    columns = list(rows[names[0]][0])
    print("| server |", " | ".join([*columns, *(f"{part} of {base}" for part in cost)]), "|")
    print("| --- |" * 1 + " --- |" * (len(columns) + len(cost)))
    for name, found in rows.items():
        cells = [f"{statistics.median(row[column] for row in found):.1f}" for column in columns]
        for part in cost if base in rows else ():
            ratios = [own[part] / other[part] for own, other in zip(found, rows[base], strict=True)]
            cells.append(f"{statistics.median(ratios):.2f}")
        print("|", " | ".join([KINDS[name].label, *cells]), "|")


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("messages", "fan-out"))
    parser.add_argument("--rounds", type=int, default=3, help="turns of all servers")
    parser.add_argument("--count", type=int, help="messages; 400, or 20 to many clients")
    parser.add_argument("--clients", type=int, default=1000, help="clients of fan-out")
    parser.add_argument("--only", nargs="+", choices=KINDS, help="servers; all when left out")
    return parser.parse_args()


if __name__ == "__main__":
    # A thousand clients are a thousand sockets here, and as many in the server.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65_536), most))
    asyncio.run(main(parse()))
