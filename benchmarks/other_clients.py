"""The pipeline's peers that are not `websockets`: picows, and the client of python-socketio.

Each raises `ModuleNotFoundError` where its library is not installed.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from benchmarks.work import Work, check

__all__ = ["picows", "picows_recv", "socketio"]


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
    found: dict[str, list[str]] = {}
    for envelope in kept:
        message = envelope["payload"]["message"]
        found.setdefault(message["sessionId"], []).append(message["id"])
    check(found, work)
    return took
