"""The todo example: model, screen and FastAPI server together, and two nodes behind haproxy that are killed in turn."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import yaml
from missing_parts import skip_or_fail
from postgres_server import Postgres

from reactive_ws.connection import Backoff
from reactive_ws.engine import Domain
from reactive_ws.server import PostgresLog

EXAMPLES = Path(__file__).parents[2] / "examples"
sys.path.insert(0, str(EXAMPLES))

pytest.importorskip("textual", reason="the client needs textual (pip install reactive-ws[textual])")

from textual.widgets import Input, OptionList  # noqa: E402
from todo.client import TodoApp  # noqa: E402
from todo.messages import Todo, TodoList  # noqa: E402
from todo.model import TodoClient  # noqa: E402


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
    try:
        # Long, because a busy machine may need a minute to start a Python program.
        await until(lambda: is_open(port) or node.returncode is not None, 300)
    except BaseException:
        node.kill()
        raise
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


MOST_WRITES = 7_000
"""Entries of three clients; the example's list takes 10 000."""

MOST_MORTAL_WRITES = 2_000
"""Entries of the client that dies; each of its lives writes a tenth of what is left of them, and one at least."""

TODO = EXAMPLES / "todo"


def haproxy_config(port: int, a: int, b: int) -> str:
    """Returns the example's own configuration, with ports of this machine in place of the names of containers."""
    text = (TODO / "haproxy.cfg").read_text("utf-8")
    for name, here in (
        ("bind :8000", f"bind 127.0.0.1:{port}"),
        ("server a a:8000", f"server a 127.0.0.1:{a}"),
        ("server b b:8000", f"server b 127.0.0.1:{b}"),
    ):
        assert text.count(name) == 1
        text = text.replace(name, here)
    return text


def end(process: asyncio.subprocess.Process) -> None:
    """Ends a process that may have ended."""
    if process.returncode is None:
        process.kill()


class Writer:
    """A client process with a durable outbox, which is killed and started again."""

    def __init__(self, url: str, outbox: Path) -> None:
        self.url = url
        self.outbox = outbox
        self.stored: list[str] = []
        self._count = 0

    async def start(self) -> None:
        """Starts it; it writes at once."""
        self._count += 10_000
        left = MOST_MORTAL_WRITES - len(self.stored)
        self._process = await self._spawn(self._count, max(1, left // 10))
        self._reading = asyncio.create_task(self._read())

    async def kill(self) -> None:
        """Kills it with SIGKILL, and reads what it said before."""
        end(self._process)
        await self._process.wait()
        await self._reading

    async def finish(self) -> None:
        """Lets another process deliver what the killed ones left in the file."""
        last = await self._spawn(0, 0)
        said, _ = await asyncio.wait_for(last.communicate(), 120)
        assert said.decode().split() == ["done"]

    async def _spawn(self, first: int, most: int) -> asyncio.subprocess.Process:
        program = str(Path(__file__).with_name("todo_writer.py"))
        return await asyncio.create_subprocess_exec(
            *(sys.executable, program, self.url, str(self.outbox), str(first), str(most)),
            stdout=asyncio.subprocess.PIPE,
        )

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            word, title = line.decode().split()
            assert word == "stored"
            self.stored.append(title)


def drill(postgres: Postgres, folder: Path, *, seconds: float) -> None:
    """Four clients write while nodes, a client and the database die. Nothing may be lost, doubled, or seen in another order."""
    haproxy = shutil.which("haproxy")
    if haproxy is None:
        skip_or_fail("haproxy is not installed (apt-get install haproxy)")

    async def check() -> None:
        dsn = postgres.dsn()
        await PostgresLog(dsn).migrate()
        ports = {name: free_port() for name in ("a", "b", "port")}
        nodes = {name: await start_node(ports[name], dsn) for name in ("a", "b")}
        config = folder / "haproxy.cfg"
        config.write_text(haproxy_config(**ports))
        proxy = await asyncio.create_subprocess_exec(haproxy, "-f", str(config), "-q", "-db")
        await until(lambda: is_open(ports["port"]))
        url = f"ws://127.0.0.1:{ports['port']}/live/"
        clients = [
            TodoClient(url, domain=Domain(f"c{n}"), backoff=Backoff(initial=0.05, cap=0.3))
            for n in range(3)
        ]
        writer = Writer(url, folder / "outbox.db")
        deaths = Counter[str]()
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(lambda: [end(process) for process in (*nodes.values(), proxy)])
            for client in clients:
                await stack.enter_async_context(client.service)

            is_over = asyncio.Event()
            wanted: list[str] = []

            async def write(number: int) -> None:
                for count in itertools.count():
                    title = f"{number}-{count}"
                    wanted.append(title)
                    await clients[number].add(title)
                    if is_over.is_set() or len(wanted) > MOST_WRITES:
                        return

            async def kill_a_node(name: str) -> None:
                nodes[name].kill()
                await nodes[name].wait()
                nodes[name] = await start_node(ports[name], dsn)

            async def restart_the_database(mode: str) -> None:
                await asyncio.to_thread(postgres.stop, mode)
                await asyncio.to_thread(postgres.start)

            async def kill_the_client() -> None:
                await writer.kill()
                await writer.start()

            disasters = itertools.cycle(
                {
                    "node a killed": lambda: kill_a_node("a"),
                    "client killed": kill_the_client,
                    "database restarted, fast": lambda: restart_the_database("fast"),
                    "node b killed": lambda: kill_a_node("b"),
                    "database restarted, immediate": lambda: restart_the_database("immediate"),
                }.items()
            )
            writing = asyncio.gather(*(write(number) for number in range(3)))
            await writer.start()
            stack.push_async_callback(writer.kill)
            ends_at = time.monotonic() + seconds
            while time.monotonic() < ends_at or len(deaths) < 5:
                await asyncio.sleep(0.7)  # lets some of the writes happen
                name, disaster = next(disasters)
                deaths[name] += 1
                await disaster()
            is_over.set()
            await writer.kill()
            await writer.finish()
            await asyncio.wait_for(writing, 120)
            promised = {*wanted, *writer.stored}
            for client in clients:
                await until(lambda client=client: not client.todos.pending.get())
                await until(
                    lambda client=client: (
                        promised <= {item.title for item in client.todos.get().items}
                    )
                )
                titles = [item.title for item in client.todos.get().items]
                assert len(titles) == len(set(titles)), "an entry is there twice"
                # A client that was killed may have stored one more entry than it could say.
                assert all(title.startswith("mortal") for title in set(titles) - promised)
            lists = [client.todos.get() for client in clients]
            assert all(found == lists[0] for found in lists), "the clients see different lists"
        log = PostgresLog(dsn)
        await log.open()
        count = len(lists[0].items)
        numbers, at = list[int](), None
        while len(numbers) < count:
            page = await log.read("todos", at)
            assert page.entries, "the log ends before the clients' lists"
            numbers += [entry.position.seq for entry in page.entries]
            at = page.entries[-1].position
        assert numbers == list(range(1, count + 1))
        assert page.head.seq == count
        print(f"{count} writes, {len(writer.stored)} of them of the client that died")
        print(f"0 lost, 0 doubled, 0 holes, lists equal; {dict(deaths)}")
        await log.close()

    asyncio.run(check())


def test_nodes_a_client_and_the_database_die_and_nothing_is_lost_or_doubled(
    postgres: Postgres, tmp_path: Path
) -> None:
    drill(postgres, tmp_path, seconds=0)


@pytest.mark.deep
def test_ten_minutes_of_deaths_lose_and_double_nothing(postgres: Postgres, tmp_path: Path) -> None:
    drill(postgres, tmp_path, seconds=600)


def test_the_compose_file_names_what_exists_and_its_programs_start(
    postgres: Postgres, tmp_path: Path
) -> None:
    # Without Docker: the same commands, with a database and a port of this machine.
    services = yaml.safe_load((TODO / "compose.yaml").read_text("utf-8"))["services"]
    assert set(services) == {"db", "migrate", "a", "b", "proxy"}
    root = EXAMPLES.parent
    for name in ("migrate", "a", "b"):
        build = services[name]["build"]
        assert (TODO / build["context"]).resolve() == root
        assert (root / build["dockerfile"]).is_file()
    assert services["a"] == services["b"]
    (volume,) = services["proxy"]["volumes"]
    assert (TODO / volume.split(":")[0]).is_file()
    database = services["db"]["environment"]
    url = f"postgresql://postgres:{database['POSTGRES_PASSWORD']}@db/{database['POSTGRES_DB']}"
    assert services["a"]["environment"] == {"TODO_LOG": url}
    migrate = services["migrate"]["command"].split()
    assert migrate == ["reactive-ws", "log", "migrate", url]
    dockerfile = (root / services["a"]["build"]["dockerfile"]).read_text("utf-8")
    serve = json.loads(re.findall(r"^CMD (.*)$", dockerfile, re.MULTILINE)[0])
    assert serve[0] == "uvicorn"
    assert serve[-4:] == ["--host", "0.0.0.0", "--port", "8000"]

    async def check() -> None:
        dsn, port = postgres.dsn(), free_port()
        scripts = Path(sys.executable).parent
        ran = await asyncio.create_subprocess_exec(
            str(scripts / migrate[0]), *migrate[1:-1], dsn, stdout=asyncio.subprocess.DEVNULL
        )
        assert await asyncio.wait_for(ran.wait(), 300) == 0
        node = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", *serve[:-3], "127.0.0.1", "--port", str(port)),
            cwd=root,
            env={**os.environ, "TODO_LOG": dsn},
        )
        try:
            await until(lambda: is_open(port) or node.returncode is not None, 300)
            client = TodoClient(f"ws://127.0.0.1:{port}/live/", domain=Domain("compose"))
            async with client.service:
                await asyncio.wait_for(client.add("milk"), 60)
        finally:
            end(node)
            await node.wait()

    asyncio.run(check())
    haproxy = shutil.which("haproxy")
    if haproxy is None:
        skip_or_fail("haproxy is not installed (apt-get install haproxy)")
    config = tmp_path / "haproxy.cfg"
    config.write_text(haproxy_config(port=free_port(), a=free_port(), b=free_port()))
    subprocess.run([haproxy, "-c", "-q", "-f", str(config)], check=True)
