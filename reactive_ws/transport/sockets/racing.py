"""Opens a TCP connection to the first address of a name that answers: "happy eyeballs", RFC 8305.

A dead address costs 250 ms, not the timeout of the dial. asyncio has the same as an option of `create_connection`. But there
a dial that is cancelled leaves a socket open, and uvloop does not know the option. Here no socket is left, whatever ends the race.

`connect` of `websockets` and of `picows` calls it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import itertools
import socket
from collections import deque
from typing import Any, TypeAlias

__all__ = ["NEXT_ADDRESS_AFTER", "open_socket"]

NEXT_ADDRESS_AFTER = 0.25
"""Seconds until the next address is tried beside the first, as RFC 8305 section 8 recommends."""

_Address: TypeAlias = tuple[int, int, int, str, Any]


async def open_socket(host: str, port: int) -> socket.socket | None:
    """Returns a socket that is connected to the first address that answers; None when the host is an address itself.

    Raises:
        OSError: no address answered, or the name has none; the error of the first address.
    """
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host.partition("%")[0])
        return None
    loop = asyncio.get_running_loop()
    found: list[Any] = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = _in_turns([(one[0], one[1], one[2], one[3], one[4]) for one in found])
    if len(addresses) == 1:
        return await _attempt(addresses[0])
    return await _race(deque(addresses))


def _in_turns(addresses: list[_Address]) -> list[_Address]:
    """Returns the addresses with their families in turns, so that a dead family costs one delay."""
    first = addresses[0][0] if addresses else None
    ours = [one for one in addresses if one[0] == first]
    others = [one for one in addresses if one[0] != first]
    turns = itertools.zip_longest(ours, others)
    return [one for pair in turns for one in pair if one is not None]


async def _race(waiting: deque[_Address]) -> socket.socket:
    tasks: list[asyncio.Task[socket.socket]] = []
    errors: list[BaseException] = []
    try:
        while waiting or tasks:
            if waiting:
                tasks.append(asyncio.ensure_future(_attempt(waiting.popleft())))
            delay = NEXT_ADDRESS_AFTER if waiting else None
            done, _ = await asyncio.wait(tasks, timeout=delay, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                tasks.remove(task)
                error = task.exception()
                if error is None:
                    return task.result()
                errors.append(error)
        raise errors[0] if errors else OSError("the name has no address")
    finally:
        for task in tasks:
            task.cancel()
        for late in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(late, socket.socket):
                late.close()


async def _attempt(address: _Address) -> socket.socket:
    family, kind, protocol, _, place = address
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setblocking(False)
        await asyncio.get_running_loop().sock_connect(opened, place)
    except BaseException:
        opened.close()
        raise
    return opened
