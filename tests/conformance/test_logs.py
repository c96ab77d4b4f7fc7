"""Our logs keep the twelve rules of a log, and `check_log` names the rule that each planted defect breaks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
from msgspec.structs import replace
from postgres_server import Postgres

from reactive_ws.errors import Conflict
from reactive_ws.server.logs import (
    Appended,
    Batch,
    Checkpoint,
    CommandKey,
    Log,
    MemoryLog,
    Outcome,
    Page,
    PostgresLog,
    Proposal,
    Retention,
    SqliteLog,
)
from reactive_ws.server.logs.postgres.schema import STEPS
from reactive_ws.server.logs.sqlite.tables import Tables
from reactive_ws.testing import LOG_RULES, LogFaults, Unfit, check_log
from reactive_ws.wire import Position


def memory(kind: type[MemoryLog] = MemoryLog) -> Callable[..., MemoryLog]:
    shared = MemoryLog()

    def make(*, dedup_seconds: float, retention: Retention) -> MemoryLog:
        log = kind(dedup_seconds=dedup_seconds, retention=retention)
        log._memory = shared._memory
        return log

    return make


def test_the_log_in_memory_is_fit() -> None:
    asyncio.run(check_log(memory()))


def test_the_log_in_a_file_is_fit(tmp_path: Path) -> None:
    def make(*, dedup_seconds: float, retention: Retention) -> SqliteLog:
        return SqliteLog(tmp_path / "log.db", dedup_seconds=dedup_seconds, retention=retention)

    asyncio.run(check_log(make))


async def end_listening(log: Log) -> None:
    """Lets the database end the connection on which a node listens."""
    assert isinstance(log, PostgresLog)
    await log._fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ 'LISTEN|rws_plain|rws_chains' AND pid <> pg_backend_pid() "
        "AND datname = current_database()"
    )


async def end_connections(log: Log) -> None:
    """Lets the database end all connections of all nodes but the one that asks."""
    assert isinstance(log, PostgresLog)
    await log._fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE pid <> pg_backend_pid() AND datname = current_database()"
    )


def test_the_log_in_postgresql_is_fit(postgres: Postgres) -> None:
    dsn = postgres.dsn()

    def make(*, dedup_seconds: float, retention: Retention) -> PostgresLog:
        return PostgresLog(dsn, dedup_seconds=dedup_seconds, retention=retention)

    async def check() -> None:
        assert await PostgresLog(dsn).migrate()
        await check_log(make, faults=LogFaults(end_listening, end_connections))

    asyncio.run(check())


# --- planted defects --------------------------------------------------------------------------------------------------


class Holes(MemoryLog):
    """Numbers go up by two."""

    def _append(self, key: CommandKey | None, batch: Batch) -> Outcome:
        for name in batch.messages:
            if name in self._memory.streams:
                stream = self._memory.streams[name]
                stream.entries[stream.seq + 1] = stream.entries[stream.seq]
                stream.seq += 1
        return super()._append(key, batch)


class Halves(MemoryLog):
    """Appends to one stream after the other, with a pause in which all nodes read."""

    @contextlib.asynccontextmanager
    async def begin(self, key: CommandKey | None) -> AsyncIterator[Any]:
        async with super().begin(key) as transaction:
            commit = transaction.commit

            async def in_halves(batch: Batch) -> Outcome:
                names = list(batch.messages)
                if len(names) < 2 or transaction.known is not None:
                    return await commit(batch)
                for name in names[:-1]:
                    self._append(None, Batch({name: batch.messages[name]}))
                    await asyncio.sleep(0.001)
                return await commit(replace(batch, messages={names[-1]: batch.messages[names[-1]]}))

            transaction.commit = in_halves
            yield transaction


class NoExpectations(MemoryLog):
    """Checks only the streams that get something."""

    def _append(self, key: CommandKey | None, batch: Batch) -> Outcome:
        expected = {name: at for name, at in batch.expected.items() if name in batch.messages}
        return super()._append(key, replace(batch, expected=expected))


class IdsAlone(MemoryLog):
    """The id alone is the key."""

    def begin(self, key: CommandKey | None) -> Any:
        return super().begin(None if key is None else replace(key, identity="", client=""))


class ClaimsForGood(MemoryLog):
    """A key that was claimed once is taken, whatever becomes of the command."""

    @contextlib.asynccontextmanager
    async def begin(self, key: CommandKey | None) -> AsyncIterator[Any]:
        async with super().begin(key) as transaction:
            if transaction.known is None and key is not None:
                self._record(key, Outcome(True), self._clock())
            try:
                yield transaction
            finally:
                pass

    def _append(self, key: CommandKey | None, batch: Batch) -> Outcome:
        if key is not None and self._memory.outcomes[key][0] == Outcome(True):
            del self._memory.outcomes[key]
        return super()._append(key, batch)


class ForgetsRefusals(MemoryLog):
    """A refusal is said and not recorded."""

    def _refuse(self, key: CommandKey | None, reply: bytes) -> Outcome:
        return Outcome(False, reply)


class LateOutcomes(MemoryLog):
    """The outcome is written a moment after the entry."""

    def _record(self, key: CommandKey | None, outcome: Outcome, now: float) -> None:
        asyncio.get_running_loop().call_later(0.001, super()._record, key, outcome, now)


class SplitEntries(MemoryLog):
    """A page begins in the middle: entries behind retention are left out silently."""

    async def read(self, stream: str, after: Position | None, limit_bytes: int = 262_144) -> Page:
        page = await super().read(stream, after, limit_bytes)
        if page.entries is None and page.head.seq:
            found = self._memory.streams[stream]
            return await super().read(
                stream, Position(page.head.epoch, found.first - 1), limit_bytes
            )
        return page


class NoBirths(MemoryLog):
    """Streams that began just after the mark count as older."""

    async def mark(self) -> str:
        return f"{self._memory.epoch}:{self._memory.commits + 1}"


class EagerRetention(MemoryLog):
    """Retention does not know checkpoints."""

    async def prune(self, folded: Sequence[str] = ()) -> None:
        kept = {name: stream.checkpoint for name, stream in self._memory.streams.items()}
        for stream in self._memory.streams.values():
            stream.checkpoint = None
        await super().prune()
        for name, checkpoint in kept.items():
            self._memory.streams[name].checkpoint = checkpoint


class DeafToOthers(MemoryLog):
    """Hears its own commits only."""

    def _signal(self, changed: Mapping[str, Position]) -> None:
        for queue in self._followers:
            queue.put_nowait(changed)


class TellsTooEarly(MemoryLog):
    """Names the entry after the newest one."""

    def _signal(self, changed: Mapping[str, Position]) -> None:
        super()._signal({name: Position(at.epoch, at.seq + 1) for name, at in changed.items()})


class TellsOldNumbers(MemoryLog):
    """Names the entry before the newest one."""

    def _signal(self, changed: Mapping[str, Position]) -> None:
        super()._signal({name: Position(at.epoch, at.seq - 1) for name, at in changed.items()})


class Backwards(MemoryLog):
    """Appends a chain from its end."""

    async def append(self, chain: Sequence[Proposal]) -> Appended:
        appended = await super().append(chain[::-1])
        return replace(appended, outcomes=appended.outcomes[::-1])


class GoesOnBehindAConflict(MemoryLog):
    """Appends the commands behind one that met a conflict."""

    async def append(self, chain: Sequence[Proposal]) -> Appended:
        appended = await super().append(chain)
        if appended.moved is not None:
            await super().append(chain[len(appended.outcomes) + 1 :])
        return appended


class GoesOnBehindAKnownCommand(MemoryLog):
    """Appends the commands behind one that was done before."""

    async def append(self, chain: Sequence[Proposal]) -> Appended:
        appended = await super().append(chain)
        if appended.is_known:
            behind = await super().append(chain[len(appended.outcomes) :])
            outcomes = (*appended.outcomes, *behind.outcomes)
            return replace(behind, outcomes=outcomes)
        return appended


class ExpectsWhatWasBeforeTheChain(MemoryLog):
    """Compares what a command expects with the log before the chain."""

    async def append(self, chain: Sequence[Proposal]) -> Appended:
        heads = {
            name: (await self.read(name, None)).head for one in chain for name in one.batch.expected
        }
        for number, one in enumerate(chain):
            for name, at in one.batch.expected.items():
                if heads[name] != at:
                    return attrs.evolve(await super().append(chain[:number]), moved=name)
        return await super().append(chain)


class ForgetsRefusalsInChains(MemoryLog):
    """Takes a refusal for a command that is done, and records nothing."""

    async def append(self, chain: Sequence[Proposal]) -> Appended:
        return await super().append(
            [replace(one, key=None) if one.batch.is_refusal else one for one in chain]
        )


class SaysTheWholeChain(MemoryLog):
    """Says that all of a chain is there, also behind its end."""

    async def append(self, chain: Sequence[Proposal]) -> Appended:
        appended = await super().append(chain)
        missing = len(chain) - len(appended.outcomes)
        return Appended([*appended.outcomes, *[Outcome(True)] * missing])


CHAIN_DEFECTS = (
    Backwards,
    GoesOnBehindAConflict,
    GoesOnBehindAKnownCommand,
    ExpectsWhatWasBeforeTheChain,
    ForgetsRefusalsInChains,
    SaysTheWholeChain,
)

DEFECTS: Mapping[str, type[MemoryLog]] = {
    "numbers": Holes,
    "atomic": Halves,
    "expected": NoExpectations,
    "once": IdsAlone,
    "no trace": ClaimsForGood,
    "chains": GoesOnBehindAConflict,
    "refusals": ForgetsRefusals,
    "outcomes": LateOutcomes,
    "pages": SplitEntries,
    "births": NoBirths,
    "checkpoints": EagerRetention,
    "signals": DeafToOthers,
}


def test_every_rule_has_a_planted_defect() -> None:
    assert list(DEFECTS) == list(LOG_RULES)


@pytest.mark.parametrize("rule", DEFECTS)
def test_a_planted_defect_is_found_by_the_check_of_its_rule(
    rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reactive_ws.testing.conformance.log_checks._SOON", 0.2)
    with pytest.raises(Unfit) as found:
        asyncio.run(check_log(memory(DEFECTS[rule]), rules=[rule]))
    assert [name.split(" (")[0] for name in found.value.broken] == [rule]


@pytest.mark.parametrize("defect", [TellsTooEarly, TellsOldNumbers])
def test_a_planted_defect_of_signals_is_found(
    defect: type[MemoryLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reactive_ws.testing.conformance.log_checks._SOON", 0.2)
    with pytest.raises(Unfit) as found:
        asyncio.run(check_log(memory(defect), rules=["signals"]))
    assert [name.split(" (")[0] for name in found.value.broken] == ["signals"]


@pytest.mark.parametrize("defect", CHAIN_DEFECTS)
def test_a_planted_defect_of_chains_is_found(defect: type[MemoryLog]) -> None:
    with pytest.raises(Unfit) as found:
        asyncio.run(check_log(memory(defect), rules=["chains"]))
    assert [name.split(" (")[0] for name in found.value.broken] == ["chains"]


def test_defects_of_chains_in_a_file_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(*, dedup_seconds: float, retention: Retention) -> SqliteLog:
        return SqliteLog(tmp_path / "log.db", dedup_seconds=dedup_seconds, retention=retention)

    def goes_on(self: Tables, chain: Sequence[Proposal], now: float) -> Appended:
        results = [append(self, [one], now) for one in chain]
        return Appended([outcome for result in results for outcome in result.outcomes])

    append = Tables.append
    for name, defect in (("_moved", lambda _, __: None), ("append", goes_on)):
        with monkeypatch.context() as patch:
            patch.setattr(Tables, name, defect)
            with pytest.raises(Unfit):
                asyncio.run(check_log(make, rules=["chains"]))


@pytest.mark.parametrize(
    ("sound", "planted"),
    [
        ("IF fate <> 0 THEN ended := chains[c]; END IF;", ""),
        ("heads[p] := heads[p] + 1;", "heads[p] := heads[p] + 2;"),
        ("expected[r] <> heads[places[r]]", "expected[r] <> before[places[r]]"),
        ("IF NOT FOUND THEN fate := -1; END IF;", ""),
        ("NOT refusals[c], answers[c]", "true, answers[c]"),
        # The statement for chains that only publish.
        ("seq = seq + counts[i], bytes", "seq = seq + counts[i] + 1, bytes"),
        ("ARRAY[heads[c.place] + c.step]", "ARRAY[heads[c.place] + 1]"),
        ("IF n < cardinality(array_remove(keys, NULL)) THEN", "IF false THEN"),
        ("DELETE FROM rws_outcomes WHERE key = ANY (keys) AND xmin", "PERFORM 1 WHERE '1'::xid"),
        ("seq = seq - counts[i], bytes", "seq = seq, bytes"),
    ],
)
def test_defects_of_chains_in_postgresql_are_found(
    postgres: Postgres, sound: str, planted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsn = postgres.dsn()
    (place,) = [place for place, step in enumerate(STEPS) if sound in step]
    bad = (*STEPS[:place], STEPS[place].replace(sound, planted), *STEPS[place + 1 :])
    monkeypatch.setattr("reactive_ws.server.logs.postgres.postgres_log.STEPS", bad)

    def make(*, dedup_seconds: float, retention: Retention) -> PostgresLog:
        return PostgresLog(dsn, dedup_seconds=dedup_seconds, retention=retention)

    async def check() -> None:
        assert await PostgresLog(dsn).migrate()
        await check_log(make, rules=["chains"])

    with pytest.raises(Unfit):
        asyncio.run(check())


def test_a_log_that_raises_is_unfit() -> None:
    class Broken(MemoryLog):
        async def checkpoint(self, stream: str) -> Checkpoint | None:
            raise Conflict(stream)

    with pytest.raises(Unfit, match="it raised Conflict"):
        asyncio.run(check_log(memory(Broken), rules=["checkpoints"]))
