"""The command: arguments, the temporary directory, the children, the summary and the exit code."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import logging
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Generator
from pathlib import Path

from reactive_ws.commands import Command, non_negative, whole_number, why_no_screen
from reactive_ws.connection import Backoff
from reactive_ws.outbox import OutboxOptions

from ..app import Application
from .hub_child import HubChild
from .narrator import Narrator
from .outcome import Outcome
from .performance import perform
from .play import Play
from .record import Record

__all__ = ["command"]

_TERMINATED = 143
"""128 plus the number of SIGTERM, as shells have it."""
_LEFT = 130
"""The exit code after Ctrl-C; nothing was judged."""
_TOKEN_DELAY = 0.008
"""Seconds before each word of an answer: slow enough to be caught in the middle, fast enough to be done soon."""


def _configure(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--seconds",
        type=non_negative,
        default=10.0,
        help="how long to talk, with one kill of the hub for each ten seconds; a kill that meets no answer is repeated (default: %(default)s)",
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
            _ending_with_the_terminal(hub, directory),
        ):
            try:
                return asyncio.run(_demo(hub, record, directory, arguments, seed))
            except asyncio.CancelledError:
                return _TERMINATED


async def _demo(
    hub: HubChild, record: Record, directory: Path, arguments: argparse.Namespace, seed: int
) -> int:
    _end_on_sigterm()
    narrator = Narrator()
    narrator.say("note", f"seed {seed}, messages for about {arguments.seconds:g} s")
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
    return 0 if outcome.ruling.has_passed else 1


def _end_on_sigterm() -> None:
    """Makes SIGTERM end the demo like Ctrl-C, so that no child process stays."""
    task = asyncio.current_task()
    if task is not None:
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


@contextlib.contextmanager
def _ending_with_the_terminal(hub: HubChild, directory: Path) -> Generator[None, None, None]:
    """Ends the process, its hub and its files when the terminal is closed (SIGHUP).

    The event loop cannot do that: with the terminal gone, the main thread waits in Textual for a screen that takes no more
    output. Python runs this handler in the main thread also then.
    """
    number = getattr(signal, "SIGHUP", None)
    is_main = threading.current_thread() is threading.main_thread()
    if number is None or not is_main or signal.getsignal(number) is signal.SIG_IGN:
        yield
        return

    def end(*_: object) -> None:
        hub.kill()
        shutil.rmtree(directory, ignore_errors=True)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    before = signal.signal(number, end)
    try:
        yield
    finally:
        signal.signal(number, before)


command = Command(
    name="demo",
    help="kill a chat server in the middle of its work and see that nothing gets lost",
    configure=_configure,
    run=_run,
)
"""The command `reactive-ws demo`."""
