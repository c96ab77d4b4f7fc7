"""SIGKILL of a node in the middle of a chain: the log has the whole chain or nothing of it, and a resend completes it once.

A node is a real process. In SQLite it stops between the statement that writes the entries and those of the heads. In PostgreSQL its statement waits for a
lock that the test holds.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from postgres_server import Postgres

from reactive_ws.server import PostgresLog, SqliteLog
from reactive_ws.server.logs import Batch, CommandKey, Proposal
from reactive_ws.server.logs.postgres.driver import driver

CHAIN = [
    Proposal(CommandKey("", "c", str(number)), Batch({"s": [b"%d" % number]}, reply=b"%d" % number))
    for number in range(5)
]

NODE = """
import asyncio, sys, threading
from faults.test_chain_sigkill import CHAIN
from reactive_ws.server import log_of
from reactive_ws.server.logs.sqlite.tables import Tables

make = Tables.__init__

def stop_behind_the_entries(self, database):
    make(self, database)
    run = self._run

    def stop(sql, *arguments):
        if sql.startswith("UPDATE about SET commits"):
            print(self._database.execute("SELECT count(*) FROM entries").fetchone()[0], "entries", flush=True)
            threading.Event().wait()
        return run(sql, *arguments)

    self._run = stop

Tables.__init__ = stop_behind_the_entries

async def main():
    log = log_of(sys.argv[1])
    await log.open()
    print("open", flush=True)
    await log.append(CHAIN)
    print("appended", flush=True)

asyncio.run(main())
"""


def start(log: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", NODE, log],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[1],
    )


def line(node: subprocess.Popen[bytes]) -> bytes:
    assert node.stdout is not None
    return node.stdout.readline().strip()


def kill(node: subprocess.Popen[bytes]) -> None:
    node.kill()
    node.communicate()


async def complete(log: PostgresLog | SqliteLog) -> int:
    """Sends the chain again, as clients do; returns how many commands the log had before."""
    await log.open()
    try:
        before = len(await log.outcomes([it.key for it in CHAIN if it.key is not None]))
        left = list(CHAIN)
        while left:
            appended = await log.append(left)
            left = left[len(appended.outcomes) :]
        page = await log.read("s", None)
        known = await log.outcomes([it.key for it in CHAIN if it.key is not None])
        assert page.head.seq == 5
        assert [known[it.key].positions["s"].seq for it in CHAIN if it.key] == [1, 2, 3, 4, 5]
        return before
    finally:
        await log.close()


def test_a_node_that_is_killed_between_two_statements_of_a_chain_leaves_nothing_of_it_in_sqlite(
    tmp_path: Path,
) -> None:
    path = tmp_path / "log.db"
    node = start(str(path))
    try:
        assert line(node) == b"open"
        assert line(node) == b"5 entries"
    finally:
        kill(node)
    assert asyncio.run(complete(SqliteLog(path))) == 0


def test_a_node_that_is_killed_while_postgresql_writes_its_chain_leaves_all_or_nothing(
    postgres: Postgres,
) -> None:
    dsn = postgres.dsn()

    async def check() -> int:
        await PostgresLog(dsn).migrate()
        holder = await driver("").connect(dsn, timeout=30.0)
        holding = holder.transaction()
        await holding.start()
        await holder.execute("LOCK TABLE rws_entries IN EXCLUSIVE MODE")
        node = await asyncio.to_thread(start, dsn)
        try:
            assert await asyncio.to_thread(line, node) == b"open"
            waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'rws_entries'::regclass"
            async with asyncio.timeout(60):
                while not await holder.fetchval(waits):
                    await asyncio.sleep(0.01)
        finally:
            kill(node)
        await holding.rollback()
        await holder.close()
        return await complete(PostgresLog(dsn))

    assert asyncio.run(check()) in (0, 5)
