"""The log in a file: several processes, owner-only files, foreign files, a full disk."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from reactive_ws.errors import LogUnavailable, LogUnusable, UsageError
from reactive_ws.server.logs import (
    Batch,
    CommandKey,
    Outcome,
    Proposal,
    Retention,
    SqliteLog,
    log_of,
)
from reactive_ws.wire import Position


async def put(log: SqliteLog, stream: str, text: bytes, key: CommandKey | None = None) -> Outcome:
    async with log.begin(key) as transaction:
        return transaction.known or await transaction.commit(Batch({stream: [text]}))


CHILD = """
import asyncio, sys
from reactive_ws.server.logs import Batch, CommandKey, SqliteLog
async def main():
    log = SqliteLog(sys.argv[1])
    await log.open()
    for number in range(40):
        async with log.begin(CommandKey("", "same client", f"{sys.argv[2]}-{number // 2}")) as transaction:
            if transaction.known is None:
                await transaction.commit(Batch({"ab"[number % 2]: [b"x"], "both": [b"y"]}))
    await log.close()
asyncio.run(main())
"""


def test_processes_on_one_file_number_together_and_hear_each_other(tmp_path: Path) -> None:
    async def check() -> None:
        log = SqliteLog(tmp_path / "log.db")
        await log.open()
        heard: set[str] = set()

        async def listen() -> None:
            async for changed in log.follow():
                heard.update(changed or ())

        listening = asyncio.create_task(listen())
        children = [
            await asyncio.create_subprocess_exec(
                sys.executable, "-c", CHILD, str(tmp_path / "log.db"), str(number)
            )
            for number in range(3)
        ]
        assert [await child.wait() for child in children] == [0, 0, 0]
        page = await log.read("both", None)
        assert page.entries is not None
        assert [entry.position.seq for entry in page.entries] == list(range(1, 61))
        assert len({entry.cause for entry in page.entries}) == 60
        async with asyncio.timeout(10):
            while heard != {"a", "both"}:
                await asyncio.sleep(
                    0.01
                )  # the processes have ended; their last commit is looked for every 20 ms
        await log.close()
        await listening

    asyncio.run(check())


def test_what_was_committed_is_there_after_a_restart_and_renew_begins_a_new_epoch(
    tmp_path: Path,
) -> None:
    async def check() -> None:
        key = CommandKey("i", "c", "1")
        log = SqliteLog(tmp_path / "log.db")
        await log.open()
        first = await put(log, "s", b"text", key)
        mark = await log.mark()
        await log.close()
        await log.open()
        assert await put(log, "s", b"text", key) == first
        assert set(await log.heads("*", born_after=mark)) == set()
        await log.renew()
        page = await log.read("s", first.positions["s"])
        assert page.entries is None
        assert page.head.seq == 1
        assert page.head.epoch != first.positions["s"].epoch
        assert set(await log.heads("*", born_after=mark)) == {"s"}
        await log.close()

    asyncio.run(check())


def test_only_the_owner_can_read_the_files(tmp_path: Path) -> None:
    async def check() -> None:
        log = SqliteLog(tmp_path / "log.db")
        await log.open()
        await put(log, "s", b"text")
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        assert modes == {"log.db": 0o600, "log.db-wal": 0o600, "log.db-shm": 0o600}
        await log.close()

    asyncio.run(check())


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE mine (x)")
    database.close()


def newer(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA application_id = {0x5257534C}")
        database.execute("PRAGMA user_version = 99")
        database.execute("CREATE TABLE about (x)")
    database.close()


def made(path: Path) -> None:
    async def make() -> None:
        log = SqliteLog(path)
        await log.open()
        await put(log, "s", b"text")
        await log.close()

    asyncio.run(make())


def without_table(path: Path) -> None:
    made(path)
    with sqlite3.connect(path) as database:
        database.execute("DROP TABLE heads")
    database.close()


def without_epoch(path: Path) -> None:
    made(path)
    with sqlite3.connect(path) as database:
        database.execute("DELETE FROM about")
    database.close()


def with_bad_pages(path: Path) -> None:
    made(path)
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"A" * (len(content) - 4096))


def with_bad_heads(path: Path) -> None:
    made(path)
    with sqlite3.connect(path) as database:
        row = "SELECT rootpage FROM sqlite_schema WHERE name = 'heads_changed'"
        (page,) = database.execute(row).fetchone()
    database.close()
    content = bytearray(path.read_bytes())
    content[(page - 1) * 4096 : page * 4096] = b"A" * 4096
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (without_table, "its table 'heads' is missing; restore a backup"),
        (without_epoch, "it is damaged; restore a backup"),
        (with_bad_pages, "it is damaged; restore a backup"),
        (with_bad_heads, "it is damaged; restore a backup"),
        (foreign, "database of another program; choose another file"),
        (newer, "has format 99 and this version reads 1"),
        (
            lambda path: path.write_bytes(b"no database" * 100),
            "not a SQLite file; choose another one",
        ),
        (lambda path: path.mkdir(), "it is not a file; give the path of a file that you may write"),
    ],
)
def test_a_file_that_is_no_log_is_refused_and_left_as_it_was(
    tmp_path: Path, prepare: object, says: str
) -> None:
    path = tmp_path / "file"
    assert callable(prepare)
    prepare(path)
    before = path.read_bytes() if path.is_file() else None
    threads = threading.active_count()
    with pytest.raises(LogUnusable, match=says):
        asyncio.run(SqliteLog(path).open())
    assert (path.read_bytes() if path.is_file() else None) == before
    assert threading.active_count() <= threads


def test_a_file_that_may_only_be_read_is_refused_when_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.db"
    made(path)
    path.chmod(0o400)
    if os.access(path, os.W_OK):
        # The administrator may write whatever the mode says.
        monkeypatch.setattr(os, "access", lambda *_, **__: False)
    with pytest.raises(LogUnusable, match="it cannot be written; check its permissions"):
        asyncio.run(SqliteLog(path).open())


def test_a_directory_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(LogUnusable, match="no such file or directory"):
        asyncio.run(SqliteLog(tmp_path / "missing" / "log.db").open())


@pytest.mark.parametrize("path", ["", ":memory:"])
def test_a_path_that_is_no_file_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match="MemoryLog"):
        SqliteLog(path)


def test_a_log_of_another_kind_is_refused() -> None:
    with pytest.raises(UsageError, match="no log speaks 'redis'"):
        log_of("redis://127.0.0.1")


def test_a_full_disk_fails_the_command_and_loses_nothing(tmp_path: Path) -> None:
    async def check() -> None:
        log = SqliteLog(tmp_path / "log.db")
        await log.open()
        await put(log, "s", b"kept")
        await log._submit(lambda tables: tables._run("PRAGMA max_page_count = 1").fetchall())
        key = CommandKey("i", "c", "large")
        with pytest.raises(LogUnavailable, match="the disk is full; free some space"):
            await put(log, "s", b"x" * 1_000_000, key)
        assert (await log.read("s", None)).head.seq == 1
        await log._submit(lambda tables: tables._run("PRAGMA max_page_count = 100000").fetchall())
        assert (await put(log, "s", b"x" * 1_000_000, key)).positions["s"].seq == 2
        await log.close()

    asyncio.run(check())


def test_a_log_that_is_closed_says_so(tmp_path: Path) -> None:
    async def check() -> None:
        log = SqliteLog(tmp_path / "log.db")
        with pytest.raises(LogUnavailable, match="call open\\(\\) first"):
            await log.mark()
        with pytest.raises(LogUnavailable, match="call open\\(\\) first"):
            await log.renew()
        await log.close()

    asyncio.run(check())


@pytest.mark.parametrize(
    ("batch", "says"),
    [
        (Batch({"a*": [b"x"]}), "no '\\*'"),
        (Batch({"a\nb": [b"x"]}), "no control characters"),
        (Batch({"x" * 201: [b"x"]}), "1 to 200 bytes, not 201"),
        (Batch({"\ud800": [b"x"]}), "lone surrogate"),
        (Batch({"a": []}), "has no message; leave the stream out"),
        (Batch({"a": [b"x"]}, checkpoints={"b": (1, b"")}), "comes with an entry of it"),
    ],
)
def test_a_batch_that_no_log_takes_is_refused_beside_good_ones(
    tmp_path: Path, batch: Batch, says: str
) -> None:
    async def check() -> None:
        log = SqliteLog(tmp_path / "log.db")
        await log.open()

        async def bad() -> None:
            async with log.begin(None) as transaction:
                await transaction.commit(batch)

        results = await asyncio.gather(
            put(log, "good", b"1"), bad(), put(log, "good", b"2"), return_exceptions=True
        )
        with pytest.raises(UsageError, match=says):
            raise results[1] if isinstance(results[1], BaseException) else AssertionError
        assert set(await log.heads("*")) == {"good"}
        await log.close()

    asyncio.run(check())


def test_retention_by_age_and_by_size(tmp_path: Path) -> None:
    async def check() -> None:
        now = 1000.0
        log = SqliteLog(
            tmp_path / "log.db",
            retention=Retention(max_age=60.0, max_bytes=250),
            clock=lambda: now,
        )
        await log.open()
        for number in range(6):
            now = 1000.0 + 20 * number
            await put(log, "old", b"x")
            await put(log, "large", b"x" * 100)
        await log.prune()
        head = (await log.read("old", None)).head
        kept = await log.read("old", Position(head.epoch, 2))
        assert kept.entries is not None
        assert len(kept.entries) == 4
        assert (await log.read("old", Position(head.epoch, 1))).entries is None
        head = (await log.read("large", None)).head
        kept = await log.read("large", Position(head.epoch, 4))
        assert kept.entries is not None
        assert len(kept.entries) == 2
        assert (await log.read("large", Position(head.epoch, 3))).entries is None
        await log.close()

    asyncio.run(check())


def test_the_command_creates_shows_and_renews_a_log(tmp_path: Path) -> None:
    path = tmp_path / "log.db"

    def run(*words: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "reactive_ws", "log", *words],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    assert run("show", str(path)) == (
        2,
        f"reactive-ws log: there is no file {str(path)!r}; create it with `migrate`\n",
    )
    assert run("migrate", str(path)) == (0, f"SqliteLog({str(path)!r}): ready\n")
    assert run("renew", str(path)) == (
        0,
        f"SqliteLog({str(path)!r}): 0 streams, 0 entries so far; a new epoch began\n",
    )
    assert run("show", "memory")[0] == 2


def test_a_command_takes_seven_statements_and_a_further_one_two(tmp_path: Path) -> None:
    async def check() -> None:
        # No look for other processes, which is a statement, too.
        log = SqliteLog(tmp_path / "log.db", poll_interval=3_600.0)
        await log.open()
        statements: list[str] = []
        await log._submit(lambda tables: tables._database.set_trace_callback(statements.append))
        names = iter(range(1_000))

        async def count(length: int, chains: int = 1) -> int:
            statements.clear()
            made = [
                [
                    Proposal(CommandKey("", "c", str(next(names))), Batch({"s": [b"x"]}))
                    for _ in range(length)
                ]
                for _ in range(chains)
            ]
            appended = await asyncio.gather(*map(log.append, made))
            assert [len(one.outcomes) for one in appended] == [length] * chains
            return len(statements)

        # The number of the stream is read once, and kept.
        assert await count(1) == 8
        assert await count(1) == 7
        assert await count(11) == 7 + 2 * 10
        # What several connections ask for in one turn of the loop is one transaction.
        assert await count(1, chains=4) == 7 + 2 * 3
        await log.close()

    asyncio.run(check())


def test_numbers_that_are_kept_are_read_again_once_another_process_wrote(tmp_path: Path) -> None:
    async def check() -> None:
        one, two = SqliteLog(tmp_path / "log.db"), SqliteLog(tmp_path / "log.db")
        await one.open()
        await two.open()
        assert [(await put(one, "s", b"x")).positions["s"].seq for _ in range(2)] == [1, 2]
        assert (await put(two, "s", b"x")).positions["s"].seq == 3
        last = (await put(one, "s", b"x")).positions["s"]
        assert last.seq == 4
        await two.renew()
        after = (await put(one, "s", b"x")).positions["s"]
        assert after.seq == 5
        assert after.epoch != last.epoch
        page = await one.read("s", Position(after.epoch, 0))
        assert page.entries is not None
        assert [entry.position.seq for entry in page.entries] == [1, 2, 3, 4, 5]
        await one.close()
        await two.close()

    asyncio.run(check())


def test_a_command_that_was_done_before_ends_its_chain_and_no_other_one(tmp_path: Path) -> None:
    async def check() -> None:
        log = SqliteLog(tmp_path / "log.db")
        await log.open()

        def say(name: str) -> Proposal:
            return Proposal(CommandKey("", "c", name), Batch({"s": [name.encode()]}))

        first = (await log.append([say("1")])).outcomes[0]
        ended, whole, twice = await asyncio.gather(
            log.append([say("2"), say("1"), say("3")]),
            log.append([say("4"), say("5")]),
            # The same command in the same transaction, from another connection.
            log.append([say("5"), say("6")]),
        )
        assert ended.is_known
        assert ended.outcomes[1:] == (first,)
        assert not whole.is_known
        assert twice.is_known
        assert twice.outcomes == (whole.outcomes[1],)
        page = await log.read("s", None)
        assert page.entries is not None
        assert [entry.messages[0] for entry in page.entries] == [b"1", b"2", b"4", b"5"]
        await log.close()

    asyncio.run(check())


def test_a_command_waits_for_another_process_and_the_loop_goes_on(tmp_path: Path) -> None:
    async def check() -> None:
        log = SqliteLog(tmp_path / "log.db")
        await log.open()
        other = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        writing = asyncio.create_task(put(log, "s", b"x"))
        for _ in range(20):
            await asyncio.sleep(0.002)
        assert not writing.done()
        other.execute("ROLLBACK")
        other.close()
        assert (await writing).positions["s"].seq == 1
        await log.close()

    asyncio.run(check())
