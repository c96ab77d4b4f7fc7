"""The pipeline's peers that are not `websockets`: picows, the clients of aiohttp and of python-socketio.

Each raises `ModuleNotFoundError` where its library is not installed.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.work import Work, check

__all__ = ["aiohttp_again", "picows", "picows_again", "picows_recv", "socketio"]


async def picows(work: Work) -> float:
    """Takes frames with the callback of picows and does nothing with them."""
    from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

    is_over = asyncio.Event()

    class Listener(WSListener):  # type: ignore[misc, unused-ignore]
        seen = 0

        def on_ws_frame(self, _transport: WSTransport, frame: WSFrame) -> None:
            if frame.msg_type == WSMsgType.TEXT:
                frame.get_payload_as_utf8_text()
                self.seen += 1
                if self.seen == work.count:
                    is_over.set()

    transport, _ = await ws_connect(Listener, work.url)
    began = time.process_time()
    transport.send(WSMsgType.TEXT, b"go")
    await is_over.wait()
    took = time.process_time() - began
    transport.disconnect()
    await transport.wait_disconnected()
    return took


async def picows_recv(work: Work) -> float:
    """Takes frames with the interface of picows that is like that of `websockets`."""
    from picows.websockets import connect

    seen = 0
    async with connect(work.url, compression=None, ping_interval=None, proxy=None) as socket:
        began = time.process_time()
        await socket.send("go")
        async for _ in socket:
            seen += 1
            if seen == work.count:
                break
        return time.process_time() - began


_FIRST_DELAY, _LONGEST_DELAY = 0.5, 30.0


async def _again(
    receive: Callable[[list[Any]], Awaitable[float]], kept: list[Any], count: int, errors: Any
) -> float:
    """Connects until all messages came, with growing delays, as programs without a library for it do; returns the last result."""
    delay = _FIRST_DELAY
    while True:
        before = len(kept)
        try:
            took = await receive(kept)
            if len(kept) >= count:
                return took
        except errors:
            # The next connection tells.
            pass
        delay = _FIRST_DELAY if len(kept) > before else min(2 * delay, _LONGEST_DELAY)
        await asyncio.sleep(delay)


def _check_envelopes(kept: list[Any], work: Work) -> None:
    found: dict[str, list[str]] = {}
    for envelope in kept:
        message = envelope["payload"]["message"]
        found.setdefault(message["sessionId"], []).append(message["id"])
    check(found, work)


async def aiohttp_again(work: Work) -> float:
    """`json.loads` of what the client of aiohttp receives; it connects again when the connection ends."""
    from aiohttp import ClientError, ClientSession, WSMsgType

    kept: list[Any] = []
    text = WSMsgType.TEXT

    async with ClientSession() as session:

        async def receive(kept: list[Any]) -> float:
            async with session.ws_connect(work.url, compress=0, heartbeat=None) as socket:
                began = time.process_time()
                await socket.send_str("go")
                async for message in socket:
                    if message.type is text:
                        kept.append(json.loads(message.data))
                        if len(kept) == work.count:
                            break
                return time.process_time() - began

        took = await _again(receive, kept, work.count, (ClientError, OSError))
    _check_envelopes(kept, work)
    return took


async def picows_again(work: Work) -> float:
    """`json.loads` in the callback of picows; it connects again when the connection ends."""
    from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

    kept: list[Any] = []

    async def receive(kept: list[Any]) -> float:
        is_over = asyncio.Event()

        class Listener(WSListener):  # type: ignore[misc, unused-ignore]
            def on_ws_frame(self, _transport: WSTransport, frame: WSFrame) -> None:
                if frame.msg_type == WSMsgType.TEXT:
                    kept.append(json.loads(frame.get_payload_as_utf8_text()))
                    if len(kept) == work.count:
                        is_over.set()

            def on_ws_disconnected(self, _transport: WSTransport) -> None:
                is_over.set()

        transport, _ = await ws_connect(Listener, work.url)
        began = time.process_time()
        transport.send(WSMsgType.TEXT, b"go")
        await is_over.wait()
        took = time.process_time() - began
        transport.disconnect()
        await transport.wait_disconnected()
        return took

    took = await _again(receive, kept, work.count, (WSError, OSError))
    _check_envelopes(kept, work)
    return took


async def socketio(work: Work) -> float:
    """Keeps what the event handler of python-socketio is given."""
    from socketio import AsyncClient

    client: Any = AsyncClient(reconnection=False)
    kept: list[Any] = []
    is_over = asyncio.Event()

    async def came(envelope: Any) -> None:
        kept.append(envelope)
        if len(kept) == work.count:
            is_over.set()

    client.on("message.response", came)
    await client.connect(work.url.replace("ws:", "http:"), transports=["websocket"])
    began = time.process_time()
    await client.emit("go")
    await is_over.wait()
    took = time.process_time() - began
    await client.disconnect()
    _check_envelopes(kept, work)
    return took
