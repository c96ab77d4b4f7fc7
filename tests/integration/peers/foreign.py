"""Servers of other projects, as processes that a test can start, stop, pause and kill.

A part that is missing on this machine skips the test with the reason; in CI, where none may be missing, it fails.
"""

from __future__ import annotations

import abc
import asyncio
import contextlib
import importlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from missing_parts import skip_or_fail
from raw_client import ROOT, raw_client

HERE = Path(__file__).parent
PATIENCE = 60.0


def part(name: str) -> Any:
    """Returns a module that the tests need; see `skip_or_fail` when there is none."""
    try:
        return importlib.import_module(name)
    except ImportError:
        skip_or_fail(f"{name} is missing; install it with pip, see the Makefile")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


class Peer(abc.ABC):
    """A server in a process group of its own, always on the same port. What it prints goes to a file in `folder`."""

    name = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / self.name
        self.folder.mkdir()
        self.port = free_port()
        self.file = self.folder / "received"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it speaks protocol v1."""
        return self.at("/ws")

    def at(self, path: str) -> str:
        return f"ws://127.0.0.1:{self.port}{path}"

    @abc.abstractmethod
    def command(self) -> list[str]: ...

    async def start(self) -> None:
        """Returns when it listens."""
        environment = {**os.environ, "RECEIVED": str(self.file), "PYTHONPATH": str(ROOT)}
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        until = time.monotonic() + PATIENCE
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                assert self.process.poll() is None, (self.folder / "output").read_text()
                assert time.monotonic() < until, f"{self.name} does not listen"
                await asyncio.sleep(0.02)
            else:
                writer.transport.abort()
                return

    def signal(self, number: int) -> None:
        """Sends a signal to all of its processes."""
        assert self.process is not None
        os.killpg(self.process.pid, number)

    async def ended(self) -> None:
        """Returns when its first process is gone."""
        assert self.process is not None
        until = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < until, f"{self.name} does not end"
            await asyncio.sleep(0.02)

    def close(self) -> None:
        """Kills whatever still runs."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.signal(signal.SIGKILL)
            self.process.wait()

    async def received(self) -> list[str]:
        """Ids of the messages that it acknowledged, each once, in the order of their first arrival."""
        return list(dict.fromkeys(self.file.read_text().split()))


class NodeWs(Peer):
    name = "ws"

    def __init__(self, folder: Path, *, selecting: str = "ours") -> None:
        super().__init__(folder)
        self.selecting = selecting

    def command(self) -> list[str]:
        node = shutil.which("node")
        if node is None:
            skip_or_fail("node is missing; install it to run the tests with ws from npm")
        if not (HERE / "node_modules" / "ws").is_dir():
            skip_or_fail(f"ws from npm is missing; run `npm ci` in {HERE.relative_to(ROOT)}")
        words = [str(self.port), str(self.file), self.selecting]
        return [str(node), str(HERE / "ws_server.js"), *words]


class Uvicorn(Peer):
    name = "uvicorn"

    def command(self) -> list[str]:
        part("uvicorn")
        part("starlette")
        options = f"--port {self.port} --log-level warning --timeout-graceful-shutdown 2"
        place = ["--app-dir", str(HERE), "asgi_app:app"]
        return [sys.executable, "-m", "uvicorn", *options.split(), *place]


class HubProgram(Peer):
    name = "hub"

    def __init__(self, folder: Path, *, goaway: float | None = None) -> None:
        super().__init__(folder)
        self.goaway = "" if goaway is None else f" --goaway {goaway}"

    def command(self) -> list[str]:
        options = f"--port {self.port} --token-delay 0{self.goaway}"
        data = ["--log", str(self.folder / "hub.db")]
        return [sys.executable, "-m", "reactive_ws", "hub", *options.split(), *data]

    async def received(self) -> list[str]:
        async with raw_client(self.url) as client:
            await client.until("hello")
            await client.send("sync", {"streams": ["s"]})
            snapshot = await client.until("snapshot")
        messages = snapshot["payload"]["messages"]
        return [message["id"] for message in messages if message["role"] == "user"]


class Nginx(Peer):
    """nginx in front of another peer."""

    name = "nginx"

    def __init__(self, folder: Path, *, read_timeout: str = "60s") -> None:
        super().__init__(folder)
        self.upstream = Uvicorn(folder)
        self.read_timeout = read_timeout

    def command(self) -> list[str]:
        nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if nginx is None:
            skip_or_fail("nginx is missing; install it to run the tests with a proxy in front")
        path = self.folder / "nginx.conf"
        path.write_text(self.configuration())
        return [str(nginx), "-p", str(self.folder), "-e", "error.log", "-c", str(path)]

    def configuration(self) -> str:
        temporary = "".join(
            f"{part}_temp_path {self.folder}/{part};\n"
            for part in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        return f"""
            daemon off;
            worker_processes 1;
            worker_shutdown_timeout 500ms;
            pid {self.folder}/pid;
            error_log {self.folder}/error.log;
            events {{ worker_connections 64; }}
            http {{
                access_log off;
                {temporary}
                server {{
                    listen 127.0.0.1:{self.port};
                    location / {{
                        proxy_pass http://127.0.0.1:{self.upstream.port};
                        proxy_http_version 1.1;
                        proxy_set_header Upgrade $http_upgrade;
                        proxy_set_header Connection "upgrade";
                        proxy_read_timeout {self.read_timeout};
                    }}
                }}
            }}
        """

    async def start(self) -> None:
        if self.upstream.process is None:
            await self.upstream.start()
        await super().start()

    def reload(self) -> None:
        """Sends SIGHUP, as `nginx -s reload` does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    def close(self) -> None:
        super().close()
        self.upstream.close()

    async def received(self) -> list[str]:
        return await self.upstream.received()


PEERS: dict[str, type[Peer]] = {each.name: each for each in (NodeWs, Uvicorn, Nginx, HubProgram)}
