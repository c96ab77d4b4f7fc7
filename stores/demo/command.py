"""The command: arguments, the temporary directory, the children, the summary and the exit code."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import random
import signal
import sys
import tempfile
from pathlib import Path

import msgspec

from reactive_ws.backoff import Backoff
from reactive_ws.commands import Command, CommandFailed
from reactive_ws.commands.command import non_negative
from reactive_ws.outbox_entry import OutboxOptions

from ..app import Application
from .hub_child import HubChild, python
from .narrator import Narrator
from .play import Play
from .record import Record
from .screen import save, screen_of
from .verdict import MINIMUM, Verdict

__all__ = ["command"]

_TERMINATED = 143
"""128 plus the number of SIGTERM, as shells have it."""
_TOKEN_DELAY = 0.008
"""Seconds before each word of an answer: slow enough to be caught in the middle, fast enough to be done soon."""


def _configure(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--seconds",
        type=non_negative,
        default=10.0,
        help="how long to talk, one kill of the hub for each ten (default: %(default)s)",
    )
    add("--seed", type=int, help="repeat the random choices of another run")
    add("--plain", action="store_true", help="plain lines of text (there is nothing else yet)")


def _run(arguments: argparse.Namespace) -> int:
    # What the library would log, the narrator tells.
    logging.getLogger("reactive_ws").addHandler(logging.NullHandler())
    seed = random.randrange(1_000_000) if arguments.seed is None else arguments.seed
    with tempfile.TemporaryDirectory(prefix="reactive-ws-demo-") as name:
        directory = Path(name)
        with (
            HubChild(directory, token_delay=_TOKEN_DELAY) as hub,
            Record(directory / "record.jsonl") as record,
        ):
            try:
                return asyncio.run(_demo(hub, record, directory, arguments.seconds, seed))
            except asyncio.CancelledError:
                return _TERMINATED


async def _demo(hub: HubChild, record: Record, directory: Path, seconds: float, seed: int) -> int:
    _end_when_told()
    narrator = Narrator()
    narrator.say("note", f"seed {seed}, about {seconds:g} s of talk")
    rng = random.Random(seed)
    await hub.start()
    narrator.say("hub", f"hub started at {hub.url}")
    app = Application.at(
        hub.url,
        backoff=Backoff(initial=0.2, cap=1.0),
        outbox=OutboxOptions(limit=10_000),
        rng=rng,
    )
    client, second = directory / "client.json", directory / "second-client.json"
    try:
        with narrator.follow(app):
            await app.service.connect()
            await app.service.wait_connected()
            await Play(app, hub, record, narrator, rng).perform(seconds)
            save(screen_of(app), client)
            narrator.say("note", "a second client connects afresh")
            await _judge("look", hub.url, str(second))
            reconnects = app.service.metrics.get().reconnects
            await app.service.disconnect()
            await hub.stop()
    finally:
        await app.service.disconnect()
        app.close()
    said = await _judge("decide", *map(str, (directory / "record.jsonl", hub.data, client, second)))
    verdict = msgspec.json.decode(said, type=Verdict)
    return _sum_up(verdict, reconnects, narrator.longest_outage)


def _sum_up(verdict: Verdict, reconnects: int, longest_outage: float) -> int:
    lines = [f"judge: {finding}" for finding in verdict.findings[:20]]
    if len(verdict.findings) > len(lines):
        lines.append(f"judge: and {len(verdict.findings) - len(lines)} findings more")
    lines += [
        f"judge: killed with {kill.unacknowledged} messages unacknowledged and "
        f"{kill.half_streamed} answers half streamed"
        for kill in verdict.kills
    ]
    if not any(kill.counts for kill in verdict.kills):
        lines.append(f"judge: no kill met {MINIMUM} unacknowledged messages and half an answer")
    lines.append(
        f"accepted {verdict.accepted}, acknowledged {verdict.acknowledged}, lost {verdict.lost}, "
        f"duplicated {verdict.duplicated}, out of order {verdict.out_of_order}, "
        f"reconnects {reconnects}, longest outage {longest_outage:.2f} s"
    )
    lines.append("passed" if verdict.has_passed else "FAILED")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
    return 0 if verdict.has_passed else 1


async def _judge(*words: str) -> bytes:
    """Runs the judge in a process of its own and returns what it prints."""
    line, environment = python("-m", "stores.demo.judge", *words)
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


def _end_when_told() -> None:
    """SIGTERM and a closed terminal end the demo like Ctrl-C does, so that no child is left."""
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and task is not None:
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(number, task.cancel)


command = Command(
    name="demo",
    help="kill a chat server in the middle of its work and see that nothing gets lost",
    configure=_configure,
    run=_run,
)
