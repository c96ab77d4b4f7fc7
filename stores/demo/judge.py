"""The judge of the demo: a process that gets files and an address, and that shares no state with the client.

    judge look URL SCREEN                     connects as a new client and writes its screen into a file
    judge decide RECORD DATA SCREEN SCREEN    compares the files and prints the ruling as JSON

`decide` starts after the end of the hub. It reads the tables of the hub itself, without the code of the hub. The rules of
the ruling are in `ruling`.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from ..app import Application
from ..wire import Panel
from . import ruling
from .record import Killed, read
from .screen import Screen, Shown, load, save, screen_of

__all__ = ["decide", "half_streamed", "look", "main", "stored"]

_LOOK_TIMEOUT = 60.0


async def look(url: str, target: Path) -> None:
    """Connects a new client, waits until it has loaded all sessions, and writes its screen.

    Raises:
        TimeoutError: the client has not loaded everything after a minute.
    """
    app = Application.at(url)
    try:
        async with asyncio.timeout(_LOOK_TIMEOUT):
            await app.service.connect()
            await app.sessions.state.select(lambda state: state.is_loaded).wait_for()
            while not all(  # noqa: ASYNC110 - many conversations, and no hurry
                app.history.get(session.id).is_loaded
                for session in app.sessions.state.get().sessions
            ):
                await asyncio.sleep(0.02)
        save(screen_of(app), target)
    finally:
        await app.service.disconnect()
        app.close()


def decide(record: Path, data: Path, screens: dict[str, Path]) -> ruling.Ruling:
    """Returns the ruling on the files.

    Args:
        record: The client's write-ahead record.
        data: The hub's log file.
        screens: The screen of each client, by the name of the client.

    Raises:
        OSError, sqlite3.Error, msgspec.DecodeError: a file cannot be read.
    """
    lines = read(record)
    return ruling.decide(
        lines,
        stored(data),
        {name: load(path) for name, path in screens.items()},
        {
            line.evidence: half_streamed(Path(line.evidence))
            for line in lines
            if isinstance(line, Killed)
        },
    )


class _Memory:
    """Messages and panels, as the entries of a hub's streams add up to them."""

    def __init__(self) -> None:
        self.said: dict[str, dict[str, Shown]] = {}
        self.panels: dict[str, Panel] = {}
        self.growing: dict[str, str] = {}

    def start(self, stream: str, state: dict[str, Any]) -> None:
        """Begins with a checkpoint, where older entries are gone."""
        for name, panel in state.get("panels", {}).items():
            self.panels[name] = msgspec.convert(panel, Panel)
        for message in state.get("messages", ()):
            self._say(stream, message)

    def add(self, stream: str, message: dict[str, Any]) -> None:
        """Applies one message."""
        payload = message["payload"]
        match message["type"]:
            case "message.response":
                self._say(stream, payload["message"])
                self.growing.pop(payload["message"]["id"], None)
            case "message.delta" if payload["done"]:
                self.growing.pop(payload["messageId"], None)
            case "message.delta":
                self.growing[payload["messageId"]] = stream
            case "panel.created":
                self.panels[payload["panel"]["id"]] = msgspec.convert(payload["panel"], Panel)
            case "panel.updated":
                change = payload["panel"]
                panel = self.panels[change["id"]]
                self.panels[change["id"]] = msgspec.structs.replace(panel, data=change["data"])
            case "panel.deleted":
                del self.panels[payload["panelId"]]
            case _:
                pass

    def _say(self, stream: str, message: dict[str, Any]) -> None:
        # The second copy of an id gets a key of its own, so that the verdict finds it.
        said = self.said.setdefault(stream, {})
        key = message["id"] if message["id"] not in said else f"{message['id']}#{len(said)}"
        said[key] = Shown(message["id"], message["role"], message["content"])


def _read(data: Path) -> _Memory:
    """Reads the tables of a log in a SQLite file."""
    memory = _Memory()
    with closing(_open(data)) as database:
        run = database.execute
        for stream, first in run("SELECT stream, first FROM heads ORDER BY stream").fetchall():
            if stream.startswith("_"):
                continue
            after = 0
            if first > 1:
                (after, state) = run(
                    "SELECT seq, state FROM checkpoints WHERE stream = ?", (stream,)
                ).fetchone()
                memory.start(stream, msgspec.json.decode(state))
            for (packed,) in run(
                "SELECT messages FROM entries WHERE stream = ? AND seq > ? ORDER BY seq",
                (stream, after),
            ):
                for text in msgspec.msgpack.decode(packed, type=tuple[bytes, ...]):
                    memory.add(stream, msgspec.json.decode(text))
    return memory


def stored(data: Path) -> Screen:
    """Returns the content of the log file of a hub.

    Raises:
        OSError, sqlite3.Error, msgspec.DecodeError: the file cannot be read.
    """
    memory = _read(data)
    sessions = {name: list(said.values()) for name, said in memory.said.items()}
    return Screen(sessions, list(memory.panels.values()))


def half_streamed(data: Path) -> int:
    """Returns how many answers in a hub's log file are begun and not complete.

    Raises:
        OSError, sqlite3.Error, msgspec.DecodeError: the file cannot be read.
    """
    return len(_read(data).growing)


def _open(path: Path) -> sqlite3.Connection:
    path.stat()  # SQLite would create a missing file.
    return sqlite3.connect(path)


def main(words: list[str]) -> int:
    """Runs the judge with these arguments and returns the exit code."""
    if words[:1] == ["look"] and len(words) == 3:
        asyncio.run(look(words[1], Path(words[2])))
        return 0
    if words[:1] == ["decide"] and len(words) == 5:
        record, data, client, second = map(Path, words[1:])
        found = decide(record, data, {"the client": client, "the second client": second})
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        return 0 if found.has_passed else 1
    sys.stderr.write(f"{__doc__}\n")
    return 2
