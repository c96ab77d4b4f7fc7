"""Plays the server's side of a transcript again, to look at a failure, or to keep it from coming back."""

from __future__ import annotations

import asyncio

from .server import ScriptedServer
from .transcript import Transcript

__all__ = ["replay"]


async def replay(transcript: Transcript, server: ScriptedServer) -> None:
    """Sends the frames that the server of a transcript sent, at their times after each connection was opened.

    The server says nothing else. Waits for the client where the transcript has a new connection, and closes where the
    transcript has a close. Start it beside the client: `asyncio.create_task(replay(transcript, server))`.

    Raises:
        AssertionError: the client did not connect where it did in the transcript, within a minute of the loop's time.
    """
    server.be_silent()
    loop = asyncio.get_running_loop()
    offset = 0.0
    for frame in transcript.frames:
        if frame.what == "open":
            await server.connected(frame.connection)
            offset = loop.time() - frame.time
            continue
        await asyncio.sleep(max(0.0, offset + frame.time - loop.time()))
        peer = server.connections[frame.connection - 1]
        if frame.what == "down":
            peer.send_raw(frame.data)
        elif frame.what == "closed" and peer.is_open:
            code, _, reason = frame.text.partition(" ")
            if code == "1006":
                peer.abort()
            else:
                await peer.close(int(code), reason)
