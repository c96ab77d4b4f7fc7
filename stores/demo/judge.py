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

import msgspec

from ..app import Application
from ..wire import Message, Panel
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
            await app.service.positions.select(lambda positions: "app" in positions).wait_for()
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
        data: The hub's data file.
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


def stored(data: Path) -> Screen:
    """Returns the content of the data file of a hub.

    Raises:
        OSError, sqlite3.Error, msgspec.DecodeError: the file cannot be read.
    """
    with closing(_open(data)) as database:
        sessions: dict[str, list[Shown]] = {}
        for key, value in database.execute("SELECT key, value FROM messages ORDER BY key, number"):
            message = msgspec.json.decode(value, type=Message)
            shown = Shown(message.id, message.role, message.content)
            sessions.setdefault(key, []).append(shown)
        panels = database.execute("SELECT value FROM panels ORDER BY number")
        return Screen(sessions, [msgspec.json.decode(value, type=Panel) for (value,) in panels])


def half_streamed(data: Path) -> int:
    """Returns how many answers in a hub's data file are begun and not complete.

    Raises:
        OSError, sqlite3.Error: the file cannot be read.
    """
    with closing(_open(data)) as database:
        owed = [
            msgspec.json.decode(value) for (value,) in database.execute("SELECT value FROM owed")
        ]
    return sum(0 < answer["sent"] < len(answer["text"]) for answer in owed)


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
