"""The processes that `servers.py` measures: nodes, Redis, PostgreSQL, and the hub of the first version out of the history."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from postgres_server import Postgres, find_postgres

__all__ = [
    "ROOT",
    "first_version",
    "free_port",
    "memory_of",
    "postgres",
    "redis",
    "running",
    "seconds_of",
]

_FIRST_VERSION = "04874a2f6e48f28e6ab246d5c931966ff51b4189"
"""The last commit of the first version; its hub was a server of its own."""
_TICKS = os.sysconf("SC_CLK_TCK")


def seconds_of(pids: list[int]) -> float:
    """Returns the processor time of processes and their children so far, with those that ended."""
    total = 0.0
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, fields[11:15])) / _TICKS
            total += seconds_of(_children(pid))
    return total


def memory_of(pids: list[int]) -> int:
    """Returns the bytes of memory of processes; what they share is divided among them."""
    total = 0
    for pid in pids:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        total += next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


def _children(pid: int) -> list[int]:
    return [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]


def free_port() -> int:
    """Returns a port that is free now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.asynccontextmanager
async def running(
    command: list[str], port: int, environment: Mapping[str, str] | None = None
) -> AsyncGenerator[int]:
    """Runs a program that listens on a port, and gives the number of its process."""
    process = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
        command,
        cwd=tempfile.gettempdir(),
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
    )
    try:
        async with asyncio.timeout(120):
            while True:
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", port), 0.2).close()
                    break
                if process.poll() is not None:
                    raise RuntimeError(f"{command} ended")
                await asyncio.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


@contextlib.asynccontextmanager
async def redis() -> AsyncGenerator[tuple[str, int]]:
    """Runs Redis, which writes nothing to the disk; gives its URL and its process."""
    program = shutil.which("redis-server")
    if program is None:
        raise SystemExit("redis-server is not installed: apt-get install redis-server")
    port = free_port()
    async with running([program, "--port", str(port), "--save", ""], port) as pid:
        yield f"redis://127.0.0.1:{port}", pid


@contextlib.contextmanager
def postgres() -> Iterator[tuple[Postgres, int]]:
    """Runs PostgreSQL, which writes each commit to the disk; gives it and its process."""
    programs = find_postgres()
    if programs is None:
        raise SystemExit("PostgreSQL is not installed: apt-get install postgresql")
    server = Postgres(programs, is_durable=True)
    try:
        yield server, server.pid
    finally:
        server.remove()


@contextlib.contextmanager
def first_version() -> Iterator[Path]:
    """Gives a folder with the first version, checked out of the history of this repository."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "first"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(path), _FIRST_VERSION], check=True)
        try:
            yield path
        finally:
            subprocess.run([*git, "remove", "--force", str(path)], check=True)
