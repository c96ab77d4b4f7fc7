from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from integration.scripted_server import ScriptedServer, until
from integration.test_service import chat, make

from reactive_ws.errors import JournalError
from reactive_ws.outbox.delivery import DeliveryStatus
from reactive_ws.outbox.outgoing import OutboxOptions
from reactive_ws.stores.wire.chat import Typing


def durable(path: Path) -> OutboxOptions:
    return OutboxOptions(path=path / "outbox.db")


async def test_an_accepted_message_is_stored_and_outlives_the_process(tmp_path: Path) -> None:
    code = (
        "import os, time; from integration.test_service import chat, make\n"
        "from reactive_ws.outbox.outgoing import OutboxOptions\n"
        f"s = make('ws://127.0.0.1:1/', outbox=OutboxOptions(path={str(tmp_path / 'outbox.db')!r}))\n"
        "d = [s.send(chat(n)) for n in range(3)]\n"
        "while any(x.status.value != 'stored' for x in d): time.sleep(0.01)\n"
        "os._exit(9)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    died = subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    assert died.returncode == 9
    async with ScriptedServer() as server:
        service = make(server, outbox=durable(tmp_path))
        assert [entry.id for entry in service.outbox.get().entries] == ["c0", "c1", "c2"]
        async with service:
            await service.send(chat(3))
        assert [m["id"] for m in server.received] == ["c0", "c1", "c2", "c3"]
        # The file knows that the process that died had sent none of them.
        assert [m.get("redelivered", False) for m in server.received] == [False] * 4
        again = make(server, outbox=durable(tmp_path))
        assert again.outbox.get().entries == ()
        await again.disconnect()


async def test_statuses_come_in_order_and_disconnect_keeps_what_is_stored(tmp_path: Path) -> None:
    threads = threading.active_count()
    async with ScriptedServer() as server:
        server.is_acknowledging = False
        service = make(server, outbox=durable(tmp_path))
        seen: list[DeliveryStatus] = []
        async with asyncio.timeout(60):
            await service.connect()
            await service.wait_connected()
            delivery = service.send(chat(1))
            delivery.stream.subscribe(seen.append)
            loose = service.send(Typing("c", "u"))
            await until(lambda: len(server.received) == 2)
            await service.disconnect()
            assert threading.active_count() == threads
            assert loose.is_final
            server.is_acknowledging = True
            await service.connect()
            await delivery
            await service.disconnect()
    assert seen == [
        DeliveryStatus.QUEUED,
        DeliveryStatus.STORED,
        DeliveryStatus.SENT,
        DeliveryStatus.ACKNOWLEDGED,
    ]


async def test_a_second_service_on_the_same_file_is_refused(tmp_path: Path) -> None:
    service = make("ws://127.0.0.1:1/", outbox=durable(tmp_path))
    with pytest.raises(JournalError, match="is in use by another"):
        make("ws://127.0.0.1:1/", outbox=durable(tmp_path))
    await service.disconnect()


async def test_a_restart_does_not_make_an_old_message_young(tmp_path: Path) -> None:
    async with ScriptedServer() as server:
        server.is_acknowledging = False
        server.hello["dedup"] = 3600.0
        first = make(server, outbox=durable(tmp_path))
        await first.connect()
        await first.wait_connected()
        first.send(chat(1))
        await until(lambda: len(server.received) == 1)
        await first.disconnect()
        server.is_acknowledging = True
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        again = make(server, outbox=durable(tmp_path), clock=lambda: tomorrow)
        (waiting,) = again.outbox.get().entries
        errors: list[str] = []
        again.errors.subscribe(lambda event: errors.append(str(event.exception)))
        async with again:
            await again.send(chat(2))
        assert waiting.delivery.status is DeliveryStatus.UNCERTAIN
        assert [m["id"] for m in server.received] == ["c1", "c2"]
        assert len(errors) == 1
        assert "keeps outcomes for 3600 s" in errors[0]
