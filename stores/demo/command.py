"""The command: arguments, the temporary directory, the children, the summary and the exit code."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import logging
import random
import signal
import sys
import tempfile
from pathlib import Path

from reactive_ws.commands import Command, non_negative, whole_number
from reactive_ws.connection import Backoff
from reactive_ws.outbox import OutboxOptions

from ..app import Application
from .hub_child import HubChild
from .narrator import Narrator
from .outcome import Outcome
from .performance import perform
from .play import Play
from .record import Record
from .stage import why_no_screen

__all__ = ["command"]

_TERMINATED = 143
"""128 plus the number of SIGTERM, as shells have it."""
_LEFT = 130
"""What a program interrupted by its user returns; nothing was judged."""
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
    add("--seed", type=whole_number, help="repeat the random choices of another run")
    add("--plain", action="store_true", help="plain lines of text, also on a terminal")


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
                return asyncio.run(_demo(hub, record, directory, arguments, seed))
            except asyncio.CancelledError:
                return _TERMINATED


async def _demo(
    hub: HubChild, record: Record, directory: Path, arguments: argparse.Namespace, seed: int
) -> int:
    _end_when_told()
    narrator = Narrator()
    narrator.say("note", f"seed {seed}, about {arguments.seconds:g} s of talk")
    obstacle = None if arguments.plain else why_no_screen()
    if obstacle is not None:
        narrator.say("note", f"plain lines; {obstacle}")
    rng = random.Random(seed)
    await hub.start()
    narrator.say("hub", f"hub started at {hub.url}")
    app = Application.at(
        hub.url,
        backoff=Backoff(initial=0.2, cap=1.0),
        outbox=OutboxOptions(limit=10_000),
        rng=rng,
    )
    play = Play(app, hub, record, narrator, rng)
    performance = functools.partial(perform, play, directory, arguments.seconds)
    try:
        if arguments.plain or obstacle is not None:
            outcome: Outcome | None = await performance()
        else:
            from .terminal import show

            outcome = await show(play, performance)
    finally:
        await app.service.disconnect()
        app.close()
    if outcome is None:
        sys.stdout.write("left before the judge had decided\n")
        return _LEFT
    sys.stdout.write("\n".join(outcome.lines) + "\n")
    sys.stdout.flush()
    return 0 if outcome.verdict.has_passed else 1


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
