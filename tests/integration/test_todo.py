"""The todo example: model, screen and FastAPI server together, and two nodes behind haproxy that are killed in turn."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from missing_parts import skip_or_fail
from postgres_server import Postgres

from reactive_ws.connection import Backoff
from reactive_ws.engine import Domain
from reactive_ws.server import PostgresLog

EXAMPLES = Path(__file__).parents[2] / "examples"
sys.path.insert(0, str(EXAMPLES))

pytest.importorskip("textual", reason="the client needs textual (pip install reactive-ws[textual])")

from textual.widgets import Input, OptionList  # noqa: E402
from todo.client import TodoApp, TodoClient  # noqa: E402
from todo.messages import Todo, TodoList  # noqa: E402


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def start_node(port: int, log: str) -> asyncio.subprocess.Process:
    """Starts the server as the README says, and waits until it listens."""
    node = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "uvicorn", "todo.server:app", "--app-dir", str(EXAMPLES)),
        *("--port", str(port), "--log-level", "warning", "--ws", "websockets-sansio"),
        env={**os.environ, "TODO_LOG": log},
    )
    await until(lambda: is_open(port) or node.returncode is not None)
    assert node.returncode is None
    return node


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
    except OSError:
        return False
    return True


async def until(is_true: Callable[[], bool], seconds: float = 60.0) -> None:
    """Waits for something in another process, which gives no signal."""
    async with asyncio.timeout(seconds):
        while not is_true():
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def node(log: str) -> AsyncIterator[int]:
    port = free_port()
    process = await start_node(port, log)
    try:
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) in (0, -signal.SIGTERM)


def test_two_clients_and_a_screen_see_one_list(tmp_path: Path) -> None:
    async def check() -> None:
        async with node(str(tmp_path / "todo.db")) as port:
            url = f"ws://127.0.0.1:{port}/live/"
            other = TodoClient(url, domain=Domain("other"))
            screen = TodoApp(TodoClient(url, domain=Domain("screen")))
            async with other.service, screen.run_test() as pilot:
                await other.add("milk")
                view = screen.query_one(OptionList)
                await until(lambda: view.option_count == 1)
                screen.query_one(Input).focus()
                await pilot.press(*"tea", "enter")
                await until(lambda: len(other.todos.get().items) == 2)
                milk, tea = other.todos.get().items
                assert (milk.title, tea.title) == ("milk", "tea")
                await other.tick(milk.id, is_done=True)
                await until(lambda: str(view.get_option_at_index(0).prompt).startswith("x"))
            answer = await asyncio.to_thread(
                lambda: json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/count"))
            )
            assert answer == {"entries": 2}
            late = TodoClient(url, domain=Domain("late"))
            async with late.service:
                await until(lambda: len(late.todos.get().items) == 2)
            assert late.todos.get() == TodoList((Todo(milk.id, "milk", is_done=True), tea))

    asyncio.run(check())


def test_the_screen_shows_what_is_not_confirmed_and_takes_back_what_is_refused(
    tmp_path: Path,
) -> None:
    async def check() -> None:
        port = free_port()
        model = TodoClient(
            f"ws://127.0.0.1:{port}/live/",
            domain=Domain("t"),
            backoff=Backoff(initial=0.05, cap=0.2),
        )
        screen = TodoApp(model)
        async with screen.run_test(notifications=True) as pilot:
            view = screen.query_one(OptionList)

            def drawn() -> list[tuple[str, str]]:
                return [
                    (str(one.prompt), str(getattr(one.prompt, "style", ""))) for one in view.options
                ]

            screen.query_one(Input).focus()
            await pilot.press(*"tea", "enter")
            await until(lambda: drawn() == [("  tea ...", "dim italic")])
            assert screen.sub_title == "loading"
            process = await start_node(port, str(tmp_path / "todo.db"))
            try:
                await until(lambda: drawn() == [("  tea", "")])
                await until(lambda: screen.sub_title == "live")
                model.add("  ")
                assert len(model.rows.get()) == 2
                await until(lambda: len(model.rows.get()) == 1)
                await until(lambda: drawn() == [("  tea", "")])
                await until(lambda: bool(screen.query("Toast")))
            finally:
                process.send_signal(signal.SIGTERM)
                await process.wait()

    asyncio.run(check())


HAPROXY = """
global
  maxconn 500
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout tunnel 60s
frontend all
  bind 127.0.0.1:{port}
  default_backend nodes
backend nodes
  balance roundrobin
  option redispatch
  retries 3
  server a 127.0.0.1:{a} check inter 200ms fall 1 rise 1
  server b 127.0.0.1:{b} check inter 200ms fall 1 rise 1
"""


def drill(postgres: Postgres, folder: Path, *, kills: int) -> None:
    """Four clients write while nodes and the database die. Nothing may be lost, doubled, or seen in another order."""
    haproxy = shutil.which("haproxy")
    if haproxy is None:
        skip_or_fail("haproxy is not installed (apt-get install haproxy)")

    async def check() -> None:
        dsn = postgres.dsn()
        await PostgresLog(dsn).migrate()
        ports = {name: free_port() for name in ("a", "b", "port")}
        nodes = {name: await start_node(ports[name], dsn) for name in ("a", "b")}
        config = folder / "haproxy.cfg"
        config.write_text(HAPROXY.format(**ports))
        proxy = await asyncio.create_subprocess_exec(haproxy, "-f", str(config), "-q", "-db")
        await until(lambda: is_open(ports["port"]))
        url = f"ws://127.0.0.1:{ports['port']}/live/"
        clients = [
            TodoClient(url, domain=Domain(f"c{n}"), backoff=Backoff(initial=0.05, cap=0.3))
            for n in range(4)
        ]
        async with contextlib.AsyncExitStack() as stack:
            for client in clients:
                await stack.enter_async_context(client.service)

            is_over = asyncio.Event()
            wanted: list[str] = []

            async def write(number: int) -> None:
                for count in itertools.count():
                    title = f"{number}-{count}"
                    wanted.append(title)
                    await clients[number].add(title)
                    if is_over.is_set():
                        return

            writing = asyncio.gather(*(write(number) for number in range(4)))
            for kill in range(kills):
                await asyncio.sleep(0.7)  # lets some of the writes happen
                name = "ab"[kill % 2]
                nodes[name].kill()
                await nodes[name].wait()
                if kill == kills // 2:
                    mode = "immediate" if kills % 2 else "fast"
                    await asyncio.to_thread(postgres.stop, mode)
                    await asyncio.to_thread(postgres.start)
                nodes[name] = await start_node(ports[name], dsn)
            is_over.set()
            await asyncio.wait_for(writing, 120)
            for client in clients:
                await until(lambda client=client: len(client.todos.get().items) >= len(wanted))
                titles = [item.title for item in client.todos.get().items]
                assert sorted(titles) == sorted(wanted)
            lists = [client.todos.get() for client in clients]
            assert all(found == lists[0] for found in lists), "the clients see different lists"
        for process in (*nodes.values(), proxy):
            process.terminate()
            await process.wait()
        log = PostgresLog(dsn)
        await log.open()
        page = await log.read("todos", None, 10_000_000)
        assert page.entries is not None
        assert [entry.position.seq for entry in page.entries] == list(range(1, len(wanted) + 1))
        print(f"{len(wanted)} writes, each seen once by each of four clients, {kills} kills")
        await log.close()

    asyncio.run(check())


def test_two_nodes_that_die_in_turn_lose_and_double_nothing(
    postgres: Postgres, tmp_path: Path
) -> None:
    drill(postgres, tmp_path, kills=2)


@pytest.mark.deep
def test_two_nodes_that_die_often_lose_and_double_nothing(
    postgres: Postgres, tmp_path: Path
) -> None:
    drill(postgres, tmp_path, kills=40)
