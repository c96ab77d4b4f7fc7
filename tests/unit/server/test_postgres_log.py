"""The log in PostgreSQL: the handler's own rows, missing tables, restarts, secrets."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import logging
import types
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from functools import partial
from typing import Any

import msgspec
import pytest
from postgres_server import Postgres

from reactive_ws.commands import main
from reactive_ws.engine import Domain
from reactive_ws.errors import (
    Conflict,
    LogError,
    LogUnavailable,
    LogUnusable,
    Refused,
    RequestFailed,
    UsageError,
)
from reactive_ws.server import Context, Server, SnapshotContext
from reactive_ws.server.logs import Batch, CommandKey, Outcome, PostgresLog, Proposal
from reactive_ws.server.logs.postgres.driver import Connection, driver
from reactive_ws.server.logs.postgres.outage import Outage
from reactive_ws.server.logs.postgres.postgres_log import _named
from reactive_ws.server.logs.postgres.schema import FORMAT, STEPS
from reactive_ws.service import WebSocketService
from reactive_ws.wire import Guarantee, JsonCodec, Position, protocol_v1


def rows(connection: object) -> Connection:
    assert connection is not None
    return connection  # type: ignore[return-value]


@contextlib.asynccontextmanager
async def opened(dsn: str) -> AsyncIterator[PostgresLog]:
    log = PostgresLog(dsn)
    await log.migrate()
    await log.open()
    try:
        yield log
    finally:
        await log.close()


async def stock(log: PostgresLog) -> int:
    return int((await log._fetch("SELECT n FROM stock"))[0][0])


def test_rows_of_the_handler_are_committed_with_the_entry_or_not_at_all(postgres: Postgres) -> None:
    async def check() -> None:
        async with opened(postgres.dsn()) as log:
            await log._fetch("CREATE TABLE stock (n integer)")
            await log._fetch("INSERT INTO stock VALUES (3)")
            take = "UPDATE stock SET n = n - 1"
            async with log.begin(CommandKey("", "c", "1")) as transaction:
                await rows(transaction.connection).execute(take)
                await transaction.commit(Batch({"s": [b"x"]}))
            assert await stock(log) == 2
            async with log.begin(CommandKey("", "c", "2")) as transaction:
                await rows(transaction.connection).execute(take)
                assert await transaction.refuse(b'"no"') == Outcome(False, b'"no"')
            with pytest.raises(KeyError):
                async with log.begin(CommandKey("", "c", "3")) as transaction:
                    await rows(transaction.connection).execute(take)
                    raise KeyError
            head = (await log.read("s", None)).head
            await log._fetch("SELECT 1")
            async with log.begin(None) as transaction:
                await transaction.commit(Batch({"s": [b"x"]}))
            with pytest.raises(Conflict):
                async with log.begin(CommandKey("", "c", "4")) as transaction:
                    await rows(transaction.connection).execute(take)
                    await transaction.commit(Batch({}, expected={"s": head}))
            assert await stock(log) == 2

    asyncio.run(check())


def test_what_a_handler_changes_in_its_session_is_gone_for_the_next_one(
    postgres: Postgres,
) -> None:
    async def check() -> None:
        dsn = postgres.dsn()
        await PostgresLog(dsn).migrate()
        log = PostgresLog(dsn, max_connections=1)
        await log.open()
        seen: list[str] = []
        for _ in range(2):
            async with log.begin(None) as transaction:
                connection = rows(transaction.connection)
                seen.append(await connection.fetchval("SHOW application_name"))
                await connection.execute("SET application_name = 'changed'")
                await transaction.commit(Batch({"s": [b"{}"]}))
        assert seen == ["", ""]
        await log.close()

    asyncio.run(check())


def test_a_deadlock_in_the_rows_of_a_handler_runs_the_command_again(postgres: Postgres) -> None:
    async def check() -> None:
        async with opened(postgres.dsn()) as log:
            await log._fetch("CREATE TABLE pair (id integer PRIMARY KEY, n integer)")
            await log._fetch("INSERT INTO pair VALUES (1, 0), (2, 0)")
            both = asyncio.Barrier(2)
            conflicts: list[Conflict] = []

            async def command(first: int, second: int) -> None:
                try:
                    async with log.begin(CommandKey("", "c", str(first))) as transaction:
                        connection = rows(transaction.connection)
                        await connection.execute("UPDATE pair SET n = n + 1 WHERE id = $1", first)
                        await both.wait()
                        await connection.execute("UPDATE pair SET n = n + 1 WHERE id = $1", second)
                        await transaction.commit(Batch({"s": [b"x"]}))
                except Conflict as conflict:
                    conflicts.append(conflict)

            await asyncio.gather(command(1, 2), command(2, 1))
            assert len(conflicts) == 1
            assert (await log.read("s", None)).head.seq == 1

    asyncio.run(check())


def test_a_resend_on_another_node_waits_for_the_first_run(postgres: Postgres) -> None:
    async def check() -> None:
        dsn = postgres.dsn()
        async with opened(dsn) as one, opened(dsn) as two:
            key = CommandKey("", "c", "1")
            async with one.begin(key) as transaction:
                second = two.begin(key)
                resent = asyncio.create_task(second.__aenter__())
                while not await one._fetch(
                    "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                ):
                    assert not resent.done()
                outcome = await transaction.commit(Batch({"s": [b"x"]}))
            assert (await resent).known == outcome
            await second.__aexit__(None, None, None)

    asyncio.run(check())


def test_a_database_without_tables_says_which_command_makes_them(postgres: Postgres) -> None:
    with pytest.raises(LogUnusable, match="run `reactive-ws log migrate URL` once"):
        asyncio.run(PostgresLog(postgres.dsn()).open())


def test_tables_of_an_older_version_are_refused_until_the_command_brings_them_up_to_date(
    postgres: Postgres, capsys: pytest.CaptureFixture[str]
) -> None:
    dsn = postgres.dsn()
    proposal = Proposal(CommandKey("", "c", "1"), Batch({"s": [b"new"]}))

    async def made_by_the_first_version() -> None:
        connection = await driver("").connect(dsn, timeout=10.0)
        await connection.execute(STEPS[0])
        await connection.execute(
            "INSERT INTO rws_heads VALUES ('s', 7, 8, 0, pg_current_xact_id())"
        )
        await connection.close()

    async def use() -> int:
        async with opened(dsn) as log:
            [outcome] = (await log.append([proposal])).outcomes
            return outcome.positions["s"].seq

    asyncio.run(made_by_the_first_version())
    with pytest.raises(LogUnusable, match=r"format 1 and .* 4; run `reactive-ws log migrate URL`"):
        asyncio.run(PostgresLog(dsn).open())
    assert main(["log", "migrate", dsn]) == 0
    assert "up to date" in capsys.readouterr().out
    assert asyncio.run(use()) == 8, "what the log had is still there"
    assert main(["log", "migrate", dsn]) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_tables_of_a_newer_version_are_refused_and_left_as_they_are(postgres: Postgres) -> None:
    async def check() -> None:
        log = PostgresLog(postgres.dsn())
        assert await log.migrate()
        assert not await log.migrate()
        connection = await driver("").connect(log._dsn, timeout=10.0)
        await connection.execute("UPDATE rws_about SET format = 7")
        for act in (log.open, log.migrate):
            with pytest.raises(LogUnusable, match=r"format 7 and .* install the newer version"):
                await act()
        assert await connection.fetchval("SELECT format FROM rws_about") == 7
        await connection.close()

    asyncio.run(check())


def test_a_server_that_is_not_there_and_a_database_that_does_not_exist(postgres: Postgres) -> None:
    with pytest.raises(LogUnavailable):
        asyncio.run(PostgresLog("postgresql://postgres@127.0.0.1:1/x").open())
    url = f"postgresql://postgres@127.0.0.1:{postgres.port}/missing"
    with pytest.raises(LogUnusable, match="the database does not exist; create it"):
        asyncio.run(PostgresLog(url).open())


def test_no_secret_of_the_url_is_in_a_repr_or_an_error() -> None:
    log = PostgresLog("postgresql://me:secret@127.0.0.1:1/x?sslmode=disable")
    assert repr(log) == "PostgresLog('postgresql://127.0.0.1:1/x')"
    with pytest.raises(LogUnavailable) as raised:
        asyncio.run(log.open())
    assert "secret" not in f"{raised.value} {raised.value!r}"


@pytest.mark.parametrize("password", ["se/cret", "se@x/cret", "se?cret", "12?x", "se#cret", "12/x"])
def test_a_password_that_is_not_encoded_is_in_no_name(password: str) -> None:
    name = PostgresLog(f"postgresql://me:{password}@127.0.0.1:1/x").name
    assert name == "postgresql"


def test_a_url_of_another_kind_is_refused() -> None:
    with pytest.raises(UsageError, match="postgresql://user@host/database"):
        PostgresLog("mysql://x")


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_restart_of_the_database_fails_commands_and_loses_none(
    postgres: Postgres, mode: str
) -> None:
    async def check() -> None:
        async with opened(postgres.dsn()) as log:
            signals = log.follow()
            first = asyncio.ensure_future(anext(signals))
            await asyncio.sleep(0)
            await asyncio.to_thread(postgres.stop, mode)
            with pytest.raises(LogError):
                async with log.begin(CommandKey("", "c", "1")) as transaction:
                    await transaction.commit(Batch({"s": [b"x"]}))
            assert await first is None
            await asyncio.to_thread(postgres.start)
            async with log.begin(CommandKey("", "c", "1")) as transaction:
                await transaction.commit(Batch({"s": [b"x"]}))
            head = (await log.read("s", None)).head
            assert head.seq == 1
            while (changed := await anext(signals)) is not None:
                assert changed == {"s": head}
            await signals.aclose()  # type: ignore[attr-defined]

    asyncio.run(check())


def test_renew_makes_every_old_position_one_that_cannot_be_continued(postgres: Postgres) -> None:
    async def check() -> None:
        async with opened(postgres.dsn()) as log:
            async with log.begin(None) as transaction:
                outcome = await transaction.commit(Batch({"s": [b"x"]}))
            mark = await log.mark()
            await log.renew()
            page = await log.read("s", outcome.positions["s"])
            assert (page.entries, page.head.seq) == (None, 1)
            assert set(await log.heads("*", born_after=mark)) == {"s"}

    asyncio.run(check())


class Put(msgspec.Struct, frozen=True):
    """Puts a thing into stock."""

    thing: str


def test_a_snapshot_of_own_tables_fits_to_its_position_while_handlers_write(
    postgres: Postgres,
) -> None:
    types = protocol_v1()
    types.message("put", guarantee=Guarantee.AT_LEAST_ONCE)(Put)
    types.message("put.done")(msgspec.defstruct("PutDone", [("thing", str)]))
    done = types.get("put.done")
    assert done is not None

    async def check() -> None:
        dsn = postgres.dsn()
        async with opened(dsn) as setup:
            await setup._fetch("CREATE TABLE stock (n serial, thing text)")
        server = Server(types, log=PostgresLog(dsn))

        @server.command(Put)
        async def put(command: Put, context: Context) -> None:
            await rows(context.connection).execute(
                "INSERT INTO stock (thing) VALUES ($1)", command.thing
            )
            if command.thing == "bad":
                raise Refused("bad", "not this one")
            context.publish("stock", done.payload(command.thing))

        @server.snapshot("stock")
        async def stock(context: SnapshotContext) -> object:
            found = await context.connection.fetch("SELECT thing FROM stock ORDER BY n")
            await asyncio.sleep(0.01)  # others commit meanwhile; this transaction does not see it
            again = await context.connection.fetch("SELECT count(*) FROM stock")
            assert again[0][0] == len(found)
            return {"things": [row[0] for row in found]}

        async with server.serve(port=0) as url:
            service = WebSocketService(url, codec=JsonCodec(types), domain=Domain("stock"))
            async with service:

                async def write() -> None:
                    for number in range(20):
                        thing = "bad" if number % 5 == 4 else str(number)
                        with contextlib.suppress(RequestFailed):
                            await service.send(Put(thing))

                writing = asyncio.create_task(write())
                while not writing.done():
                    state = await server.make_state("stock")
                    assert state is not None
                    things = msgspec.json.decode(state.state)["things"]
                    assert "bad" not in things
                    assert len(things) == state.position.seq
                await writing
            state = await server.make_state("stock")
            assert state is not None
            assert state.position.seq == 16

    asyncio.run(check())


@types.coroutine
def cancelled_at(coroutine: Coroutine[Any, Any, object], count: int) -> Generator[Any, Any, bool]:
    """Awaits a coroutine, and cancels the task when it waits for the time number `count`; returns False when it never did so."""
    waits_for = coroutine.send(None)
    for number in itertools.count(1):
        if number == count:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        try:
            sent = yield waits_for
        except BaseException as error:
            step = partial(coroutine.throw, error)
        else:
            step = partial(coroutine.send, sent)
        try:
            waits_for = step()
        except StopIteration:
            return number >= count
    raise AssertionError


async def cancelled_everywhere(act: Callable[[], Coroutine[Any, Any, object]]) -> int:
    """Runs an act again and again, each time cancelled one wait later, until it ends before; returns how many waits it has."""

    async def run(count: int) -> bool:
        return await cancelled_at(act(), count)

    for count in itertools.count(1):
        task = asyncio.create_task(run(count))
        await asyncio.wait([task])
        if not task.cancelled() and not task.result():
            return count - 1
    raise AssertionError


def test_whatever_is_cancelled_where_leaves_no_connection(postgres: Postgres) -> None:
    async def check() -> None:
        dsn = postgres.dsn()
        asyncio.get_running_loop().set_exception_handler(lambda _, __: None)
        async with opened(dsn) as watching:
            logs: list[PostgresLog] = []

            async def live() -> None:
                log = PostgresLog(dsn, max_connections=2)
                logs.append(log)
                await log.open()
                key = CommandKey("", "c", str(len(logs)))
                await log.append([Proposal(key, Batch({"s": [b"x"]}))])
                async with log.begin(CommandKey("", "d", str(len(logs)))) as transaction:
                    await transaction.commit(Batch({"s": [b"x"]}))
                await log.read("s", None)
                await log.close()

            assert await cancelled_everywhere(live) > 10
            for log in logs:
                await log.close()
            gc.collect()
            async with asyncio.timeout(20):
                # The database notices the end of a connection in its own time.
                while (
                    await watching._fetch(
                        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                    )
                )[0][0] > 2:
                    await asyncio.sleep(0.01)
            causes = [entry.cause for entry in (await watching.read("s", None)).entries or ()]
            assert len(causes) == len(set(causes))

    asyncio.run(check())


def test_a_database_that_ends_connections_while_a_node_begins_to_listen_leaves_none(
    postgres: Postgres,
) -> None:
    async def check() -> None:
        async with opened(postgres.dsn()) as log:
            for _ in range(5):
                await log._fetch(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE pid <> pg_backend_pid() AND datname = current_database()"
                )
                with contextlib.suppress(LogError):
                    await log.mark()
            with contextlib.suppress(LogError):
                await log.mark()
        gc.collect()

    asyncio.run(check())


def test_a_database_that_takes_a_node_no_longer_is_one_error_and_one_line_when_it_is_back(
    postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    def lines() -> list[tuple[str, str]]:
        return [
            (it.levelname, it.getMessage())
            for it in caplog.records
            if it.name == "reactive_ws.server"
        ]

    async def check() -> None:
        dsn = postgres.dsn().replace("postgres@", "postgres:secret@")
        log = PostgresLog(dsn, look_interval=0.05)
        await log.migrate()
        await log.open()
        try:
            old = await log._fetch("UPDATE rws_about SET format = 99 RETURNING format")
            assert len(old) == 1
            assert log._listener is not None
            await log._fetch("SELECT pg_terminate_backend($1)", log._listener.get_server_pid())
            async with asyncio.timeout(30):
                while not lines():
                    await asyncio.sleep(0.01)
            # It is tried some times more without a further line.
            listeners = {log._listener}
            async with asyncio.timeout(30):
                while len(listeners) < 4:
                    listeners.add(log._listener)
                    await asyncio.sleep(0.01)
            assert [level for level, _ in lines()] == ["ERROR"]
            await log._fetch(f"UPDATE rws_about SET format = {FORMAT} RETURNING format")
            async with asyncio.timeout(30):
                while len(lines()) < 2:
                    await asyncio.sleep(0.01)
        finally:
            await log.close()

    with caplog.at_level(logging.INFO, "reactive_ws.server"):
        asyncio.run(check())
    (first, text), (last, back) = lines()
    assert (first, last) == ("ERROR", "WARNING")
    assert "format 99" in text
    assert "install the newer version" in text
    assert "works again after" in back
    assert "secret" not in text + back


def test_an_outage_is_one_line_of_each_kind_and_a_short_one_is_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = [0.0]
    with caplog.at_level(logging.INFO, "reactive_ws.server"):
        Outage("db", lambda: now[0]).ended()
        outage = Outage("db", lambda: now[0])
        for error in (
            LogUnavailable("db", "refused"),
            LogUnavailable("db", "it starts"),
            LogUnusable("db", "the password is wrong"),
            LogUnavailable("db", "refused"),
            LogUnusable("db", "the password is wrong"),
        ):
            outage.failed(error)
        now[0] = 12.0
        outage.ended()
    assert [(it.levelname, it.getMessage()) for it in caplog.records] == [
        (
            "WARNING",
            "the log is tried until its database is back: log 'db' is not available: refused",
        ),
        (
            "ERROR",
            "the log is tried until its database is repaired: log 'db' cannot be used: the password is wrong",
        ),
        ("WARNING", "log 'db' works again after 12.0 s"),
    ]


def test_a_chain_that_the_database_refuses_fails_alone(postgres: Postgres) -> None:
    async def check() -> None:
        async with opened(postgres.dsn()) as log:
            # The number of a version has 32 bits in the database.
            bad = Batch({"bad": [b"x"]}, checkpoints={"bad": (2**40, b"")})
            results = await asyncio.gather(
                log.append([Proposal(CommandKey("", "c", "1"), Batch({"s": [b"x"]}))]),
                log.append([Proposal(CommandKey("", "c", "2"), bad)]),
                log.append([Proposal(CommandKey("", "c", "3"), Batch({"s": [b"x"]}))]),
                return_exceptions=True,
            )
            assert isinstance(results[1], LogUnavailable)
            assert (await log.read("s", None)).head.seq == 2
            assert set(await log.heads("*")) == {"s"}

    asyncio.run(check())


KILLS = (
    "CREATE SEQUENCE kills",
    (
        "CREATE FUNCTION kill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF nextval('kills') = 1 THEN "
        "PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(10); END IF; RETURN NEW; END $$"
    ),
    "CREATE TABLE stock (n integer)",
    "INSERT INTO stock VALUES (3)",
)
"""A trigger that ends its own connection once. A sequence counts on where a transaction is rolled back."""
PHASES = {
    "claim": "CREATE TRIGGER dies BEFORE INSERT ON rws_outcomes",
    "rows": "CREATE TRIGGER dies BEFORE UPDATE ON stock",
    "append": "CREATE TRIGGER dies AFTER INSERT ON rws_entries",
    "commit": "CREATE CONSTRAINT TRIGGER dies AFTER INSERT ON rws_entries DEFERRABLE INITIALLY DEFERRED",
}


@pytest.mark.parametrize(
    ("phase", "has_rows"),
    [*((phase, True) for phase in PHASES), ("claim", False), ("append", False), ("commit", False)],
)
def test_a_database_that_goes_away_in_a_phase_of_a_command_counts_it_once(
    postgres: Postgres, phase: str, has_rows: bool
) -> None:
    key = CommandKey("", "c", "1")

    async def attempt(log: PostgresLog) -> Outcome:
        if not has_rows:
            return (await log.append([Proposal(key, Batch({"s": [b"x"]}))])).outcomes[0]
        async with log.begin(key) as transaction:
            if transaction.known is None:
                await rows(transaction.connection).execute("UPDATE stock SET n = n - 1")
            return await transaction.commit(Batch({"s": [b"x"]}))

    async def check() -> None:
        async with opened(postgres.dsn()) as log:
            for statement in KILLS:
                await log._fetch(statement)
            await log._fetch(f"{PHASES[phase]} FOR EACH ROW EXECUTE FUNCTION kill()")
            with pytest.raises(LogUnavailable):
                await attempt(log)
            assert (await log.read("s", None)).head.seq == 0
            first, again = await attempt(log), await attempt(log)
            assert first == again
            assert first.positions["s"].seq == (await log.read("s", None)).head.seq == 1
            assert await stock(log) == (2 if has_rows else 3)

    asyncio.run(check())


def test_a_full_disk_fails_the_command_and_it_comes_again(postgres: Postgres) -> None:
    """The database reports its error 53100 in the middle of the statement, after an entry was written."""
    proposal = Proposal(CommandKey("", "c", "1"), Batch({"s": [b"x"]}))

    async def check() -> None:
        async with opened(postgres.dsn()) as log:
            await log._fetch(
                "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                "RAISE EXCEPTION 'could not extend file: No space left' USING ERRCODE = '53100'; END $$"
            )
            await log._fetch(
                "CREATE TRIGGER no_room AFTER INSERT ON rws_entries EXECUTE FUNCTION full_disk()"
            )
            with pytest.raises(LogUnavailable, match="No space left"):
                await log.append([proposal])
            assert (await log.read("s", None)).head.seq == 0
            await log._fetch("DROP TRIGGER no_room ON rws_entries")
            [outcome] = (await log.append([proposal])).outcomes
            assert outcome.positions["s"].seq == 1

    asyncio.run(check())


def test_a_node_names_what_it_committed_itself_without_a_signal(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal of a connection is passed over while the connection appends: it may be the one of an earlier command."""
    monkeypatch.setattr(PostgresLog, "_hear", lambda *_: None)

    async def check() -> None:
        async with opened(postgres.dsn()) as log:
            signals = log.follow()
            named = asyncio.ensure_future(anext(signals))
            await asyncio.sleep(0)
            (outcome,) = (await log.append([Proposal(None, Batch({"s": [b"x"]}))])).outcomes
            assert await named == outcome.positions
            async with log.begin(CommandKey("", "c", "1")) as transaction:
                outcome = await transaction.commit(Batch({"s": [b"y"], "t": [b"z"]}))
            assert await anext(signals) == outcome.positions

    asyncio.run(check())


def test_what_others_append_is_noticed_while_an_append_waits_for_a_lock(postgres: Postgres) -> None:
    """An append waits on the connection that listens, so no signal comes meanwhile."""

    async def check() -> None:
        dsn = postgres.dsn()
        async with opened(dsn) as two:
            one = PostgresLog(dsn, look_interval=3_600.0)
            await one.open()
            await one.append([Proposal(None, Batch({"s": [b"x"]}))])
            other = await driver("").connect(dsn, timeout=10.0)
            transaction = other.transaction()
            await transaction.start()
            await other.execute("SELECT 1 FROM rws_heads WHERE stream = 's' FOR UPDATE")
            signals = one.follow()
            heard = asyncio.ensure_future(anext(signals))
            await asyncio.sleep(0)
            waiting = asyncio.create_task(one.append([Proposal(None, Batch({"s": [b"y"]}))]))
            await two.append([Proposal(None, Batch({"t": [b"z"]}))])
            async with asyncio.timeout(30):
                assert await heard is None
            assert not waiting.done()
            await transaction.rollback()
            assert (await waiting).outcomes[0].positions["s"].seq == 2
            await other.close()
            await one.close()

    asyncio.run(check())


@pytest.mark.parametrize(
    "payload", ["", "s", "e s", "e -1 s", "e 1", "e 1 ", f"e {'9' * 20} s", "e \u0661 s", "e 1 a*"]
)
def test_a_signal_that_no_node_sent_says_that_anything_may_have_changed(payload: str) -> None:
    assert _named(payload) is None
    assert _named("e.1 7 a stream") == {"a stream": Position("e.1", 7)}


class Mail(msgspec.Struct, frozen=True):
    """A mail is to be sent."""

    number: int


def test_a_consumer_of_several_nodes_is_called_once_for_each_message(postgres: Postgres) -> None:
    registry = protocol_v1()
    registry.message("mail")(Mail)
    sent: list[int] = []

    def node(dsn: str) -> Server:
        one = Server(registry, log=PostgresLog(dsn))

        @one.consumer("mailer", "mails", Mail)
        async def send(mail: Mail, _: Context) -> None:
            sent.append(mail.number)
            await asyncio.sleep(0.05)  # the mail server takes its time

        return one

    async def check() -> None:
        dsn = postgres.dsn()
        async with opened(dsn) as log:
            nodes = [node(dsn) for _ in range(3)]
            for one in nodes:
                await one.start()
            while not (await log.read("_consumer/mailer", None)).head.seq:
                await asyncio.sleep(0.01)
            for number in range(5):
                await nodes[0].publish("mails", Mail(number))
            async with asyncio.timeout(60):
                while (await log.read("_consumer/mailer", None)).head.seq < 6:
                    await asyncio.sleep(0.01)
            for one in nodes:
                await one.stop()

    asyncio.run(check())
    # The claim of the key lets the other nodes wait, and then they know the outcome.
    assert sent == list(range(5))


@pytest.mark.parametrize(
    ("damage", "lacks"),
    [
        ("DROP TABLE rws_entries", "rws_entries"),
        ("DROP TABLE rws_heads, rws_checkpoints", "rws_heads, rws_checkpoints"),
        ("DROP FUNCTION rws_prune", "rws_prune"),
        ("DELETE FROM rws_about", "the row of rws_about"),
    ],
)
def test_a_part_that_is_missing_is_named(postgres: Postgres, damage: str, lacks: str) -> None:
    async def check() -> None:
        dsn = postgres.dsn()
        async with opened(dsn) as log:
            await log._fetch(damage)
        # `migrate` has nothing to do, and cannot help.
        for attempt in (PostgresLog(dsn).open, PostgresLog(dsn).migrate):
            with pytest.raises(LogUnusable, match=f"it lacks {lacks}; restore a backup"):
                await attempt()

    asyncio.run(check())


def test_a_user_who_may_not_make_tables_reads_which_right_is_missing(postgres: Postgres) -> None:
    async def check() -> None:
        dsn = postgres.dsn()
        async with opened(dsn) as log:
            await log._fetch("DROP SCHEMA public CASCADE")
            await log._fetch("CREATE SCHEMA public")
            await log._fetch("CREATE ROLE plain LOGIN")
            await log._fetch("GRANT USAGE ON SCHEMA public TO plain")
            try:
                with pytest.raises(LogUnusable, match="permission denied for schema public; grant"):
                    await PostgresLog(dsn.replace("postgres@", "plain@")).migrate()
            finally:
                await log._fetch("DROP OWNED BY plain")
                await log._fetch("DROP ROLE plain")

    asyncio.run(check())
