"""A log that is open while the process forks stays with the parent: the child gets an error at once, and opens one of its own."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import attrs
import pytest
from forked import in_child
from postgres_server import Postgres

from reactive_ws.errors import LogUnusable
from reactive_ws.server import (
    Batch,
    CommandKey,
    MemoryLog,
    PostgresLog,
    Proposal,
    Publisher,
    Server,
    SqliteLog,
)
from reactive_ws.wire import Registry, protocol_v1

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

T = TypeVar("T")
AnyLog: TypeAlias = MemoryLog | SqliteLog | PostgresLog
Run: TypeAlias = Callable[[Coroutine[Any, Any, Any]], Any]


@attrs.frozen
class Added:
    """A message with a number."""

    number: int


def registry() -> Registry:
    types = protocol_v1()
    types.message("added")(Added)
    return types


@contextmanager
def loop_in_thread() -> Iterator[Run]:
    """A loop that runs in a thread of its own, as that of a background service does."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield lambda body: asyncio.run_coroutine_threadsafe(body, loop).result(60)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], AnyLog]:
    """Returns what makes another log object, on the same file or database."""
    if request.param == "memory":
        return MemoryLog
    if request.param == "sqlite":
        return lambda: SqliteLog(tmp_path / "log.db")
    postgres: Postgres = request.getfixturevalue("postgres")
    dsn = postgres.dsn()
    asyncio.run(PostgresLog(dsn).migrate())
    return lambda: PostgresLog(dsn)


def test_a_child_cannot_use_it_and_can_make_one_of_its_own(make: Callable[[], AnyLog]) -> None:
    log = make()
    server = Server(registry(), log=log)
    chain = [Proposal(None, Batch({"s": [b'{"type":"added","payload":{"number":9}}']}))]

    async def attempt(body: Coroutine[Any, Any, object]) -> str:
        try:
            async with asyncio.timeout(5):
                await body
        except LogUnusable as error:
            return error.reason
        return "no error"

    async def publish_of_its_own() -> int:
        async with Publisher(registry(), make()) as publisher:
            return (await publisher.publish("s", Added(3))).seq

    def work() -> list[Any]:
        said = [
            asyncio.run(attempt(body))
            for body in (
                server.publish("s", Added(9)),
                log.append(chain),
                log.read("s", None),
                log.heads("*"),
                log.outcomes([CommandKey("", "", "1")]),
            )
        ]
        asyncio.run(log.close())
        return [*said, asyncio.run(publish_of_its_own())]

    with loop_in_thread() as run:
        run(server.start())
        run(server.publish("s", Added(1)))
        run(server.publish("s", Added(2)))
        *said, own = in_child(work)
        assert len(said) == 5
        for reason in said:
            assert "make another log in the child" in reason
        is_shared = not isinstance(log, MemoryLog)
        assert own == (3 if is_shared else 1)
        # The parent goes on.
        assert run(server.publish("s", Added(4))).seq == (4 if is_shared else 3)
        page = run(log.read("s", None))
        assert b'"number":4' in page.entries[-1].messages[0]
        run(server.stop())
