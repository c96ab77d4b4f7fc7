"""One performance: connect, play, write down what is shown, look again as a second client, and ask the judge.

The same with and without a screen; `command` calls it, or the screen does.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from reactive_ws.commands import CommandFailed

from .hub_child import python
from .outcome import Outcome
from .play import Play
from .ruling import Ruling
from .screen import save, screen_of

__all__ = ["perform"]

_JUDGE = "import sys; from reactive_ws.stores.demo.judge import main; sys.exit(main(sys.argv[1:]))"
"""Not `python -m`: the face of the package imports the module first, and Python then warns about a second copy."""


async def perform(play: Play, directory: Path, seconds: float) -> Outcome:
    """Runs a play from the first connection to the ruling and returns how it ended.

    Args:
        play: Not connected yet; its hub runs.
        directory: Where the record and the hub's data are, and where the screens go.
        seconds: How long to talk, about.

    Raises:
        CommandFailed: a child does not do its part.
    """
    app, hub, narrator = play.app, play.hub, play.narrator
    client, second = directory / "client.json", directory / "second-client.json"
    with narrator.follow(app):
        await app.service.connect()
        await app.service.wait_connected()
        await play.perform(seconds)
        save(screen_of(app), client)
        narrator.say("note", "a second client connects with an empty memory")
        await _judge("look", hub.url, str(second))
        reconnects = app.service.metrics.get().reconnects
        await app.service.disconnect()
        await hub.stop()
    said = await _judge("decide", *map(str, (directory / "record.jsonl", hub.data, client, second)))
    ruling = msgspec.json.decode(said, type=Ruling)
    return Outcome(ruling, reconnects, narrator.longest_outage)


async def _judge(*words: str) -> bytes:
    """Runs the judge in a process of its own and returns its output."""
    line, environment = python("-c", _JUDGE, *words)
    process = await asyncio.create_subprocess_exec(
        *line,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        said, complained = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode not in (0, 1) or not (said or words[0] == "look"):
        reason = complained.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise CommandFailed(f"the judge cannot {words[0]}: {reason or process.returncode}")
    return said
