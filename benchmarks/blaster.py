"""A raw WebSocket server in a process of its own: sends prepared frames as fast as the socket takes them.

    python benchmarks/blaster.py COUNT SIZE SESSIONS

It prints its port and serves one client at a time until its standard input ends. A client that offers the subprotocol
gets it and a `hello`. Every client gets the frames after it has sent a text frame that holds `go`. A client of the path
/socket.io/ gets the same messages as events of Engine.IO 4 and Socket.IO 5. The server uses nothing of `reactive_ws`,
parses no JSON and builds all frames before it listens, so that it never limits a measurement.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["blasting", "frame_of", "prepared", "session_of"]

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CHUNK = 1 << 16
SUBPROTOCOL = "reactive-ws.v1"


def session_of(number: int, sessions: int) -> str:
    """Returns the session of message `number`: they take turns."""
    return f"session-{number % sessions}"


def frame_of(number: int, size: int, sessions: int) -> bytes:
    """Returns message `number` as JSON text of exactly `size` bytes."""
    session = session_of(number, sessions)
    sequence = number // sessions + 1
    message = {
        "id": f"m{number:08d}",
        "sessionId": session,
        "role": "assistant",
        "content": "",
        "timestamp": 1767225600000 + number,
        "sequence": sequence,
    }
    envelope = {
        "type": "message.response",
        "stream": session,
        "epoch": "e1",
        "seq": sequence,
        "payload": {"sessionId": session, "message": message},
    }
    bare = len(json.dumps(envelope, separators=(",", ":")))
    message["content"] = "x" * (size - bare)
    text = json.dumps(envelope, separators=(",", ":")).encode()
    if len(text) != size:
        raise ValueError(f"a message needs at least {bare} bytes, and {size} were asked for")
    return text


def prepared(count: int, size: int, sessions: int, *, is_socketio: bool = False) -> bytes:
    """Returns all messages as WebSocket text frames, one after the other."""
    head, tail = (b'42["message.response",', b"]") if is_socketio else (b"", b"")
    return b"".join(
        _framed(head + frame_of(number, size, sessions) + tail) for number in range(count)
    )


def _framed(payload: bytes) -> bytes:
    if len(payload) < 126:
        return bytes((0x81, len(payload))) + payload
    if len(payload) < 1 << 16:
        return bytes((0x81, 126)) + len(payload).to_bytes(2, "big") + payload
    return bytes((0x81, 127)) + len(payload).to_bytes(8, "big") + payload


@contextlib.contextmanager
def blasting(count: int, size: int, sessions: int) -> Iterator[str]:
    """Runs the server in a process of its own; gives its URL."""
    with subprocess.Popen(
        [sys.executable, str(Path(__file__)), str(count), str(size), str(sessions)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        try:
            yield f"ws://127.0.0.1:{int(server.stdout.readline())}/"
        finally:
            assert server.stdin is not None
            server.stdin.close()
            server.wait(10)


async def _serve(count: int, size: int, sessions: int) -> None:
    plain = prepared(count, size, sessions)

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            is_socketio = await _shake_hands(reader, writer)
            if is_socketio:
                frames = memoryview(prepared(count, size, sessions, is_socketio=True))
                await _open_socketio(reader, writer)
            else:
                frames = memoryview(plain)
            await _await_go(reader)
            for start in range(0, len(frames), _CHUNK):
                writer.write(frames[start : start + _CHUNK])
                await writer.drain()
            while (await _read_frame(reader))[0] != 8:
                pass
            writer.write(b"\x88\x02\x03\xe8")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(client, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


async def _shake_hands(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Opens the connection; returns whether it is one of Socket.IO."""
    request = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in request.split("\r\n")[1:])
    }
    digest = hashlib.sha1((headers["sec-websocket-key"] + _GUID).encode()).digest()
    answer = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}",
    ]
    is_ours = SUBPROTOCOL in headers.get("sec-websocket-protocol", "")
    if is_ours:
        answer.append(f"Sec-WebSocket-Protocol: {SUBPROTOCOL}")
    writer.write(("\r\n".join(answer) + "\r\n\r\n").encode())
    if is_ours:
        writer.write(_framed(b'{"type":"hello","payload":{"epoch":"e1","resume":false}}'))
    await writer.drain()
    return request.startswith("GET /socket.io/")


async def _open_socketio(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    limits = b'"upgrades":[],"pingInterval":600000,"pingTimeout":600000,"maxPayload":1000000'
    writer.write(_framed(b'0{"sid":"one",' + limits + b"}"))
    while (await _read_frame(reader))[1][:2] != b"40":
        pass
    writer.write(_framed(b'40{"sid":"two"}'))
    await writer.drain()


async def _await_go(reader: asyncio.StreamReader) -> None:
    while True:
        opcode, payload = await _read_frame(reader)
        if opcode == 8:
            raise ConnectionResetError
        if opcode == 1 and b"go" in payload:
            return


async def _read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    first, second = await reader.readexactly(2)
    length = second & 127
    if length == 126:
        length = int.from_bytes(await reader.readexactly(2), "big")
    elif length == 127:
        length = int.from_bytes(await reader.readexactly(8), "big")
    mask = await reader.readexactly(4)
    masked = await reader.readexactly(length)
    return first & 15, bytes(byte ^ mask[at % 4] for at, byte in enumerate(masked))


if __name__ == "__main__":
    asyncio.run(_serve(*map(int, sys.argv[1:4])))
