"""`reactive-ws hub`: the hub as a program, until SIGTERM (exit 0) or Ctrl-C (exit 130)."""

from __future__ import annotations

import argparse
import asyncio
import hmac
from collections.abc import Callable
from pathlib import Path

from reactive_ws.commands import (
    Command,
    CommandFailed,
    host_name,
    non_negative,
    port_number,
    termination,
)
from reactive_ws.errors import FileUnusable
from reactive_ws.stores.hub import GRAMMAR, Hub

__all__ = ["command"]


def _configure(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--host",
        type=host_name,
        default="127.0.0.1",
        help="address to listen on (default: %(default)s)",
    )
    add("--port", type=port_number, default=8000, help="TCP port, 0 for a free one (default: 8000)")
    add(
        "--data",
        metavar="FILE",
        help="keep everything in this SQLite file; without it a restart forgets",
    )
    add(
        "--token-delay",
        metavar="SECONDS",
        type=non_negative,
        default=0.05,
        help="pause before each word of an answer (default: %(default)s)",
    )
    add("--token-file", metavar="FILE", help="let in only clients that know the token in this file")
    add(
        "--goaway",
        metavar="SECONDS",
        type=non_negative,
        help="when told to end, ask clients to come back after this time",
    )


def _run(arguments: argparse.Namespace) -> int:
    hub = Hub(
        arguments.host,
        arguments.port,
        data=arguments.data,
        token_delay=arguments.token_delay,
        authorize=None if arguments.token_file is None else _authorizer(arguments.token_file),
    )
    asyncio.run(_serve(hub, arguments.goaway))
    return 0


async def _serve(hub: Hub, goaway: float | None) -> None:
    with termination() as told:
        await hub.start()
        try:
            print(f"hub at {hub.url}", flush=True)
            tasks = [asyncio.create_task(told.wait()), asyncio.create_task(hub.wait_failed())]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    await task
            finally:
                for task in tasks:
                    task.cancel()
        finally:
            await hub.close(goaway=goaway)


def _authorizer(path: str) -> Callable[[str], bool]:
    try:
        expected = Path(path).read_text("utf-8").strip().encode()
    except UnicodeDecodeError as error:
        raise FileUnusable(path, "is no text file; write the token into it") from error
    except OSError as error:
        what = (error.strerror or str(error)).lower()
        raise FileUnusable(
            path, f"cannot be read: {what}; give the path of a file with the token"
        ) from error
    if not expected:
        raise CommandFailed(f"token file {path!r} is empty; write the token into it", 2)
    return lambda token: hmac.compare_digest(token.encode("utf-8", "replace"), expected)


command = Command(
    name="hub",
    help="run a small chat server for demos and tests",
    configure=_configure,
    run=_run,
    epilog=GRAMMAR,
)
