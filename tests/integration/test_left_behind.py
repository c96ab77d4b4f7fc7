"""Services that a program left behind: a loop that ended, a fork, a service that was never stopped or started."""

from __future__ import annotations

import asyncio
import gc
import os
import warnings
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

from reactive_ws import Domain, OutboxOptions, WebSocketService
from reactive_ws.connection.record import ConnectionState
from reactive_ws.errors import UsageError


async def echo(socket: ServerConnection) -> None:
    async for message in socket:
        await socket.send(message)


def test_the_end_of_the_loop_is_noticed_when_it_happens() -> None:
    states: list[ConnectionState] = []

    async def main() -> WebSocketService:
        server = await serve(echo, "127.0.0.1", 0)
        port = next(iter(server.sockets)).getsockname()[1]
        service = WebSocketService(f"ws://127.0.0.1:{port}", domain=Domain(), proxy=None)
        await service.connect()
        await service.wait_connected(30)
        service.connection.select(lambda it: it.state).subscribe(states.append)
        server.close()
        return service

    service = asyncio.run(main())
    assert states[-1] is ConnectionState.CLOSED
    assert service.state is ConnectionState.CLOSED


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_leaves_the_service_to_its_parent() -> None:
    async def main() -> None:
        server = await serve(echo, "127.0.0.1", 0)
        port = next(iter(server.sockets)).getsockname()[1]
        service = WebSocketService(f"ws://127.0.0.1:{port}", domain=Domain(), proxy=None)
        async with service:
            await service.wait_connected(30)
            child = os.fork()
            if not child:
                problem = 1
                try:
                    service.stop()
                    assert service.state is ConnectionState.CLOSED
                    with pytest.raises(UsageError, match="before the fork"):
                        service.send("note", 1)
                    with pytest.raises(UsageError, match="before the fork"):
                        service.start()
                    problem = 0
                finally:
                    os._exit(problem)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            assert service.is_connected
            assert (await service.send("note", 2)).value == "sent"
        server.close()
        await server.wait_closed()

    asyncio.run(main())


def test_a_service_that_nobody_stopped_says_so() -> None:
    service = WebSocketService("ws://127.0.0.1:1", domain=Domain(), proxy=None)
    service.start()
    thread = service._place.thread
    runtime = service._runtime
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del service
        gc.collect()
    assert ["was not stopped" in str(it.message) for it in caught] == [True]
    runtime.stop(0.0)
    assert thread is not None
    assert thread.is_over


def test_a_durable_service_that_was_never_started_lets_its_file_go(tmp_path: Path) -> None:
    options = OutboxOptions(path=tmp_path / "outbox.db")
    service = WebSocketService("ws://127.0.0.1:1", domain=Domain(), outbox=options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del service
        gc.collect()
    again = WebSocketService("ws://127.0.0.1:1", domain=Domain(), outbox=options)
    again.stop()
