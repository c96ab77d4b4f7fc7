"""Services that a program left behind: a loop that ended, a fork, a service that was never stopped or started."""

from __future__ import annotations

import asyncio
import gc
import os
import stat
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

from reactive_ws import Domain, OutboxOptions, WebSocketService
from reactive_ws.connection.record import ConnectionState
from reactive_ws.errors import UsageError
from reactive_ws.outbox.journal import Journal


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
            line = service._place.shell._line  # type: ignore[union-attr]
            numbers = [line._socket.transport.get_extra_info("socket").fileno()]  # type: ignore[union-attr]
            assert stat.S_ISSOCK(os.fstat(numbers[0]).st_mode)
            child = os.fork()
            if not child:
                problem = 1
                try:
                    service.stop()
                    assert service.state is ConnectionState.CLOSED
                    assert service.connection.get().state is ConnectionState.CLOSED
                    assert "process that made the service" in (service.connection.get().cause or "")
                    assert not service.can_send.get()
                    # The copy of the socket leads to nowhere: it can neither steal bytes nor keep the connection open.
                    assert not any(stat.S_ISSOCK(os.fstat(number).st_mode) for number in numbers)
                    for call in (
                        service.reconnect,
                        service.clear_outbox,
                        lambda: service.forget("s"),
                    ):
                        with pytest.raises(UsageError, match="before the fork"):
                            call()
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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("how", ["close", "drop", "exit"])
def test_the_end_of_a_forked_child_costs_the_outbox_of_its_parent_nothing(
    how: str, tmp_path: Path
) -> None:
    path = tmp_path / "box.db"
    code = (
        "import gc, os, shutil, sys, threading\n"
        "from reactive_ws.outbox.journal import Journal, Stored\n"
        f"path, how = {str(path)!r}, {how!r}\n"
        "def append(journal, *names):\n"
        "    for name in names:\n"
        "        done = threading.Event()\n"
        "        journal.append(Stored(name, 'frame'), lambda error: done.set())\n"
        "        assert done.wait(60)\n"
        "journal = Journal(path)\n"
        "append(journal, 'a', 'b')\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    if how == 'close': journal.close(); os._exit(0)\n"
        "    del journal; gc.collect()\n"
        "    if how == 'drop': os._exit(0)\n"
        "    sys.exit(0)\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0\n"
        "append(journal, 'c')\n"
        "os._exit(9)"
    )
    died = subprocess.run([sys.executable, "-c", code], check=False, env=dict(os.environ))
    assert died.returncode == 9
    journal = Journal(path)
    assert [one.id for one in journal.entries()] == ["a", "b", "c"]
    journal.close()


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
