"""A listener that closes leaves no socket open, and a handshake that fails leaves nothing in the server."""

from __future__ import annotations

import asyncio
import gc
import socket
import warnings
import weakref
from urllib.parse import urlsplit

import pytest

from reactive_ws.server import MemoryLog, Server, listen, stop_listening
from reactive_ws.server import server as server_module
from reactive_ws.server.access import Request
from reactive_ws.wire import protocol_v1


class LateLog(MemoryLog):
    """A log at whose close a client dials, some turns of the loop before the listener closes."""

    turns = 0
    port = 0
    has_dialled = False

    async def close(self) -> None:
        if not self.has_dialled:
            self.has_dialled = True
            # The system takes the connection at once; asyncio accepts it in the next turn.
            socket.create_connection(("127.0.0.1", self.port)).close()
        await super().close()
        for _ in range(self.turns):
            await asyncio.sleep(0)


@pytest.mark.parametrize("turns", range(5))
def test_a_connection_that_comes_while_the_server_ends_is_closed(turns: int) -> None:
    log = LateLog()
    log.turns = turns

    async def run() -> None:
        async with Server(protocol_v1(), log=log).serve(port=0) as url:
            log.port = urlsplit(url).port or 0

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asyncio.run(run())
        gc.collect()
    assert log.has_dialled
    assert [str(one.message) for one in caught] == []


def test_the_same_without_a_server() -> None:
    async def run(turns: int) -> None:
        async def handle(_: object) -> None: ...

        listener = await listen(handle, "127.0.0.1", 0)
        port = next(iter(listener.sockets)).getsockname()[1]
        socket.create_connection(("127.0.0.1", port)).close()
        for _ in range(turns):
            await asyncio.sleep(0)
        await stop_listening(listener)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for turns in range(5):
            asyncio.run(run(turns))
        gc.collect()
    assert [str(one.message) for one in caught] == []


def test_a_handshake_that_fails_after_the_check_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    requests: list[weakref.ref[Request]] = []
    make = server_module.request_of

    def noted(*given: object) -> Request:
        request = make(*given)  # type: ignore[arg-type]
        requests.append(weakref.ref(request))
        return request

    monkeypatch.setattr(server_module, "request_of", noted)

    async def run() -> None:
        async with Server(protocol_v1()).serve(port=0) as url:
            for _ in range(5):
                reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
                # It passes the check, and asks for no upgrade.
                writer.write(
                    b"GET /?token=secret HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Protocol: reactive-ws.v1\r\n\r\n"
                )
                assert b"426" in await reader.readline()
                await reader.read()
                writer.close()
                await writer.wait_closed()
            # The last handshake may be about to end.
            async with asyncio.timeout(60):
                while any(one() is not None for one in requests):
                    await asyncio.sleep(0)
                    gc.collect()

    asyncio.run(run())
    assert len(requests) == 5
