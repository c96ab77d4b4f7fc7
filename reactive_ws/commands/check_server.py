"""`reactive-ws check-server URL`: black-box conformance of a server of protocol v1, for the CI of any language."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable
from typing import Any, cast

from ..testing import SERVER_RULES, Unfit, check_server
from .command import Command, CommandFailed, token_of

__all__ = ["command"]

_EPILOG = "rules:\n" + "\n".join(f"  {name:<14} {row[0]}" for name, row in SERVER_RULES.items())


def _configure(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("url", metavar="URL", help="where the server is, such as ws://127.0.0.1:8000/live/")
    add("--channel", metavar="STREAM", help="a stream that the command appends to")
    add(
        "--command",
        metavar="JSON",
        help='a message that is accepted, such as {"type":"todo.add","payload":{"id":"$N","title":"x"}}; '
        "$N becomes a new text each time",
    )
    add("--token-file", metavar="FILE", help="send the token in this file")


def _run(arguments: argparse.Namespace) -> int:
    if (arguments.channel is None) is not (arguments.command is None):
        raise CommandFailed("give --channel and --command together", 2)
    token = None if arguments.token_file is None else token_of(arguments.token_file)
    make = None if arguments.command is None else _maker(arguments.command)
    try:
        checked = asyncio.run(
            check_server(arguments.url, token=token, channel=arguments.channel, command=make)
        )
    except Unfit as unfit:
        print(unfit)
        return 1
    left = "" if make is not None else "; give --channel and --command for the others"
    print(
        f"{arguments.url.partition('?')[0]} keeps {len(checked)} of {len(SERVER_RULES)} rules{left}"
    )
    return 0


def _maker(text: str) -> Callable[[str], tuple[str, object]]:
    def make(name: str) -> tuple[str, object]:
        message = json.loads(text.replace("$N", name))
        return message["type"], message.get("payload", {})

    try:
        message = json.loads(text)
        if not isinstance(message, dict) or not isinstance(
            cast("dict[str, Any]", message).get("type"), str
        ):
            raise CommandFailed('--command needs a JSON object with a "type"', 2)
    except ValueError as error:
        raise CommandFailed(f"--command is not JSON: {error}", 2) from error
    return make


command = Command(
    name="check-server",
    help="check a server of protocol v1 from outside",
    configure=_configure,
    run=_run,
    epilog=_EPILOG,
)
