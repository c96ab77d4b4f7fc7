"""The hub in a child process: started on a free port, killed without warning, started again on the same port.

Synchronous where it must be: `kill` and `close` work from any `finally`, also while the program is being interrupted.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import reactive_ws
from reactive_ws.commands import CommandFailed

__all__ = ["HubChild", "python"]

_START_TIMEOUT = 60.0
"""Seconds; a cold start on a slow machine takes ten."""
_STOP_TIMEOUT = 20.0
_PORT_TRIES = 20
"""Another program may take the port for a moment between a kill and the next start."""


def python(*arguments: str) -> tuple[list[str], dict[str, str]]:
    """Returns the command line and the environment of a Python that imports what this one does, and nothing of the user's."""
    root = str(Path(reactive_ws.__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    return [sys.executable, "-P", *arguments], {**os.environ, "PYTHONPATH": path}


class HubChild:
    """A hub with a log file.

    Args:
        directory: Where data and logs go.
        token_delay: Seconds before each word of an answer.
    """

    def __init__(self, directory: Path, *, token_delay: float) -> None:
        self.data = directory / "hub.db"
        self.url = ""
        self._directory = directory
        self._token_delay = token_delay
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    async def start(self) -> None:
        """Starts the hub: on a free port the first time, on the same one later. Returns when it listens.

        Raises:
            CommandFailed: it does not start.
        """
        for attempt in range(1, _PORT_TRIES + 1):
            complaint = await self._try()
            if complaint is None:
                return
            if "in use" not in complaint or attempt == _PORT_TRIES:
                raise CommandFailed(f"the hub did not start: {complaint}")
            await asyncio.sleep(0.25)

    def kill(self) -> None:
        """Ends the hub without warning (SIGKILL), wherever it is. Does nothing when it does not run."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def check(self) -> None:
        """Does nothing while the hub runs, and when it was ended here.

        Raises:
            CommandFailed: it ended by itself; with what it said.
        """
        if self._process is not None and self._process.poll() is not None:
            ended = f"exit code {self._process.returncode}"
            raise CommandFailed(f"the hub ended by itself: {self._complaint() or ended}")

    def copy_data(self, name: str) -> Path:
        """Copies the data file with its log, as they are now; only while no hub runs."""
        target = self._directory / name
        for suffix in ("", "-wal"):
            source = Path(f"{self.data}{suffix}")
            if source.exists():
                shutil.copyfile(source, f"{target}{suffix}")
        return target

    async def stop(self) -> None:
        """Ends the hub politely (SIGTERM), so that its data file is complete.

        Raises:
            CommandFailed: it did not end, or not well.
        """
        process = self._process
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        until = time.monotonic() + _STOP_TIMEOUT
        while process.poll() is None:
            if time.monotonic() > until:
                raise CommandFailed(f"the hub did not end within {_STOP_TIMEOUT:g} s")
            await asyncio.sleep(0.02)
        self._process = None
        if process.returncode not in (0, -signal.SIGTERM):
            raise CommandFailed(f"the hub ended with exit code {process.returncode}")

    async def _try(self) -> str | None:
        """Starts it once; returns what it complains about, or None when it listens."""
        self._starts += 1
        port = self.url.rpartition(":")[2].partition("/")[0] or "0"
        words, environment = python("-m", "reactive_ws", "hub", "--port", port)
        words += ["--log", str(self.data), "--token-delay", str(self._token_delay)]
        said = self._directory / f"hub-{self._starts}.out"
        with said.open("wb") as out, self._complaints.open("wb") as err:
            # Starting is quick, and a child that asyncio owns could not be killed from every `finally`.
            process = self._process = subprocess.Popen(  # noqa: ASYNC220
                words, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )
        until = time.monotonic() + _START_TIMEOUT
        while time.monotonic() < until:
            line, newline, _ = said.read_text("utf-8").partition("\n")
            if newline:
                self.url = line.removeprefix("hub at ")
                return None
            if process.poll() is not None:
                self._process = None
                return self._complaint() or "it ended at once"
            await asyncio.sleep(0.02)
        self.kill()
        return f"it does not listen after {_START_TIMEOUT:g} s"

    @property
    def _complaints(self) -> Path:
        return self._directory / f"hub-{self._starts}.err"

    def _complaint(self) -> str:
        text = self._complaints.read_text("utf-8", "replace")
        return " ".join(text.split()).removeprefix("reactive-ws hub: ")
