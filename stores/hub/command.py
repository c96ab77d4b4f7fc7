"""The command `reactive-ws hub`: runs the hub, or an echo server, until SIGTERM (exit 0) or Ctrl-C (exit 130)."""

from __future__ import annotations

import argparse
import asyncio
import hmac
import ipaddress
import logging
import sys
from collections.abc import Callable

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from reactive_ws.commands import (
    Command,
    CommandFailed,
    host_name,
    non_negative,
    port_number,
    registry_of,
    termination,
    token_of,
)
from reactive_ws.server import listen, stop_listening, url_of
from reactive_ws.stores.hub import GRAMMAR, Hub

__all__ = ["command", "exposure"]


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
        "--log",
        metavar="LOG",
        default="memory",
        help="memory, a SQLite file, or postgresql://... (default: %(default)s, which a restart forgets)",
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
        help="on SIGTERM, ask clients to connect elsewhere within this time, and serve them until then",
    )
    add(
        "--types",
        metavar="MODULE:NAME",
        help="relay the message types of this Registry too, or of one that this function returns, such as shop.messages:types",
    )
    add(
        "--origin",
        metavar="ORIGIN",
        action="append",
        help="let in pages of this origin, such as https://app.example.org, or * for all; may be repeated",
    )
    add("--echo", action="store_true", help="run a server that only sends every frame back")


def _run(arguments: argparse.Namespace) -> int:
    if arguments.echo:
        given = (arguments.token_file, arguments.goaway, arguments.types, arguments.origin)
        if arguments.log != "memory" or any(option is not None for option in given):
            raise CommandFailed("--echo takes no option but --host and --port", 2)
        asyncio.run(_serve_echo(arguments.host, arguments.port))
        return 0
    # A log that fails ends the hub with one line; the warnings of each message would come before it.
    logging.getLogger("reactive_ws.server").setLevel(logging.ERROR)
    hub = Hub(
        arguments.host,
        arguments.port,
        log=arguments.log,
        token_delay=arguments.token_delay,
        authorize=None if arguments.token_file is None else _authorizer(arguments.token_file),
        registry=None if arguments.types is None else registry_of(arguments.types),
        origins=None if arguments.origin is None else tuple(arguments.origin),
    )
    warning = exposure(arguments.host, has_token=arguments.token_file is not None)
    asyncio.run(_serve(hub, arguments.goaway, warning))
    return 0


def exposure(host: str, *, has_token: bool) -> str | None:
    """Returns what a user has to know about a hub that other machines can reach; None when none can, or a token is asked for."""
    if has_token or _is_loopback(host):
        return None
    return (
        f"reactive-ws hub: every program that reaches {host} may read and write here. The hub is for demos and tests; "
        "give --token-file, or build a server with reactive_ws.server"
    )


async def _serve(hub: Hub, goaway: float | None, warning: str | None) -> None:
    with termination() as told:
        await hub.start()
        if warning is not None:
            print(warning, file=sys.stderr, flush=True)
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


async def _serve_echo(host: str, port: int) -> None:
    with termination() as told:
        server = await listen(_echo, host, port)
        try:
            print(f"echo at {url_of(server, host)}", flush=True)
            await told.wait()
        finally:
            await stop_listening(server)


async def _echo(socket: ServerConnection) -> None:
    try:
        async for frame in socket:
            await socket.send(frame)
    except ConnectionClosed:
        return


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _authorizer(path: str) -> Callable[[str], bool]:
    expected = token_of(path).encode()
    return lambda token: hmac.compare_digest(token.encode("utf-8", "replace"), expected)


command = Command(
    name="hub",
    help="run a small chat server for demos and tests",
    configure=_configure,
    run=_run,
    epilog=GRAMMAR,
)
