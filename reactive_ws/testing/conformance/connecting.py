"""A check of a socket library, as `WebSocketService(connect=...)` takes it, against the rules in `connect_checks`.

    asyncio.run(check_connect(websockets.asyncio.client.connect))

It runs a server on loopback and breaks connections in the ways that servers and networks do. It does not measure speed, and
asks for nothing that the service does not use. The test of a factory of your own, or of a wrapper around a faster library, calls it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from .connect_bench import Bench, CheckFailed
from .connect_checks import CHECKS, ConnectRule
from .unfit import Unfit

__all__ = ["ConnectRule", "check_connect"]


async def check_connect(connect: Callable[..., Awaitable[Any]], *, timeout: float = 2.0) -> None:
    """Checks a factory with the interface of `websockets.asyncio.client.connect`; run it in a real loop.

    Args:
        connect: Called with a URL and keyword arguments as the service does; awaiting the result opens a socket.
        timeout: Seconds for each rule; loopback needs milliseconds.

    Raises:
        Unfit: with the sentence of each `ConnectRule` that it broke.
    """
    broken: dict[str, str] = {}
    for rule, check in CHECKS.items():
        async with Bench.open(connect) as bench:
            try:
                async with asyncio.timeout(timeout):
                    await check(bench)
            except CheckFailed as error:
                broken[rule.value] = str(error)
            except TimeoutError:
                broken[rule.value] = f"nothing happened within {timeout:g} s"
            except Exception as error:  # noqa: BLE001 - whatever foreign code does is the finding
                kind = type(error)
                broken[rule.value] = f"raised {kind.__module__}.{kind.__qualname__}: {error}"
    if broken:
        raise Unfit("the socket library", broken)
