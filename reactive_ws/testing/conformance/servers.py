"""`check_server`: whether a server of protocol v1, in whatever language, keeps the rules of `server_checks`. Needs no pytest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from websockets.exceptions import InvalidURI, WebSocketException
from websockets.uri import parse_uri

from ...errors import UsageError
from .server_checks import SERVER_RULES, ServerBench
from .unfit import Unfit

__all__ = ["check_server"]

_MAX_ANSWERS = 20
"""Answers for which the check of one rule waits at most."""


async def check_server(
    url: str,
    *,
    token: str | None = None,
    channel: str | None = None,
    command: Callable[[str], tuple[str, object]] | None = None,
    rules: Sequence[str] | None = None,
    patience: float = 5.0,
) -> list[str]:
    """Checks a server that runs, over real sockets. It sends commands, so give it a server for tests.

    Args:
        url: Where the server is.
        token: Sent as `Authorization: Bearer`.
        channel: A stream that the command appends to, one entry each time.
        command: Makes type and payload of a command that is accepted, from a text that is new each time.
        rules: Names of `SERVER_RULES`; all of them when None.
        patience: Seconds that the server has for every answer.

    Returns:
        The names of the rules that were checked; without channel and command those of a connection only.

    Raises:
        Unfit: rules are broken.
        UsageError: the URL is none of a WebSocket.
    """
    # A token may be in the query.
    shown = url.partition("?")[0]
    try:
        parse_uri(url)
    except (InvalidURI, ValueError) as error:
        why = error.msg if isinstance(error, InvalidURI) else str(error)
        raise UsageError(
            f"{shown!r} cannot be dialled: {why}; give a URL such as ws://127.0.0.1:8000/live/"
        ) from None
    bench = ServerBench(url, token, channel, command, patience)
    broken: dict[str, str] = {}
    checked: list[str] = []
    for name in SERVER_RULES if rules is None else rules:
        sentence, check, needs_command = SERVER_RULES[name]
        if needs_command and not bench.has_command:
            continue
        checked.append(name)
        limit = _MAX_ANSWERS * patience
        whole = asyncio.timeout(limit)
        try:
            async with whole:
                await check(bench)
        except AssertionError as error:
            broken[f"{name} ({sentence})"] = str(error)
        except (OSError, TimeoutError, WebSocketException) as error:
            said = f"no connection: {error or type(error).__name__}"
            if whole.expired():
                said = f"frames came for {limit:g} s, and not those that end the check"
            broken[f"{name} ({sentence})"] = said
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
            broken[f"{name} ({sentence})"] = (
                f"a frame lacks a field: {type(error).__name__}: {error}"
            )
    if broken:
        raise Unfit(f"the server at {shown}", broken)
    return checked
