"""The twelve rules of a log, and one check for each; `check_log` runs them. Nodes share one store; each rule has its own streams.

The module is long because it has one check for each of twelve rules.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import attrs

from ...errors import Conflict, LogError
from ...server.logs import (
    Appended,
    Batch,
    CommandKey,
    Entry,
    Log,
    Outcome,
    Page,
    Proposal,
    Retention,
)
from ...wire import Position

__all__ = ["LOG_RULES", "LogBench", "LogFaults", "MakeLog"]

_SOON = 10.0
"""Seconds within which a changed stream must be named; a second is promised, the machine may be busy."""


class MakeLog(Protocol):
    """Makes a node of the log that is checked: a new object on the same store, not open yet."""

    def __call__(self, *, dedup_seconds: float, retention: Retention) -> Log: ...


@attrs.frozen
class LogFaults:
    """Faults that only the engine's owner can make. Each gets an open node.

    Attributes:
        lose_signals: Breaks the way by which the node hears of commits of others, and lets it find out itself.
        cut: Breaks all connections of the node to the store at once; the node stays in use.
    """

    lose_signals: Callable[[Log], Awaitable[None]] | None = None
    cut: Callable[[Log], Awaitable[None]] | None = None


class LogBench:
    """The bench of one check: nodes, names of its own, and short ways to write.

    Args:
        make: Makes a node.
        faults: What else can be broken.
    """

    def __init__(self, make: MakeLog, faults: LogFaults) -> None:
        self.faults = faults
        self._make = make
        self._name = uuid.uuid4().hex[:12]
        self._nodes: list[Log] = []

    async def node(
        self, *, dedup_seconds: float = 86_400.0, retention: Retention | None = None
    ) -> Log:
        """Returns another open node."""
        log = self._make(dedup_seconds=dedup_seconds, retention=retention or Retention())
        await log.open()
        self._nodes.append(log)
        return log

    async def close(self) -> None:
        """Closes all nodes."""
        for log in self._nodes:
            await log.close()

    def stream(self, name: str) -> str:
        """Returns a stream name that no other check uses."""
        return f"check/{self._name}/{name}"

    def key(self, name: str, *, identity: str = "i", client: str = "c") -> CommandKey:
        """Returns a key that no other check uses."""
        return CommandKey(identity, f"{client}-{self._name}", name)

    async def put(
        self,
        log: Log,
        messages: Mapping[str, Sequence[bytes]],
        *,
        key: CommandKey | None = None,
        expected: Mapping[str, Position] | None = None,
        checkpoints: Mapping[str, tuple[int, bytes]] | None = None,
        reply: bytes | None = None,
    ) -> Outcome:
        """Runs a command that appends these messages."""
        async with log.begin(key) as transaction:
            if transaction.known is not None:
                return transaction.known
            batch = Batch(messages, expected or {}, checkpoints or {}, reply)
            return await transaction.commit(batch)

    async def put_all(self, log: Log, chain: Sequence[Proposal]) -> list[Outcome]:
        """Appends a chain, again from where it ended, until all of it is there."""
        outcomes: list[Outcome] = []
        for _ in range(2 * len(chain)):
            if len(outcomes) < len(chain):
                appended = await log.append(chain[len(outcomes) :])
                _want("a conflict without expectations", None, appended.moved)
                outcomes += appended.outcomes
        _want("outcomes of a chain that was appended again and again", len(chain), len(outcomes))
        return outcomes

    async def numbers(self, log: Log, stream: str) -> list[int]:
        """Returns the numbers of all entries of a stream."""
        return [entry.position.seq for entry in await self.entries(log, stream)]

    async def entries(self, log: Log, stream: str) -> list[Entry]:
        """Returns all entries of a stream, page by page."""
        found: list[Entry] = []
        at: Position | None = None
        while True:
            page = await log.read(stream, at)
            if page.entries is None:
                raise AssertionError(
                    f"reading on after {at} gave no entries; the head is {page.head}"
                )
            found += page.entries
            if not page.more:
                return found
            at = found[-1].position


def _want(what: str, wanted: object, got: object) -> None:
    if wanted != got:
        raise AssertionError(f"{what}: wanted {wanted!r}, got {got!r}")


async def _numbers(bench: LogBench) -> None:
    one, two = await bench.node(), await bench.node()
    stream = bench.stream("n")
    keys = [bench.key(str(number)) for number in range(16)]
    outcomes = await asyncio.gather(
        *(
            bench.put(one if n % 2 else two, {stream: [b"%d" % n, b"and"]}, key=key)
            for n, key in enumerate(keys)
        )
    )
    given = sorted(outcome.positions[stream].seq for outcome in outcomes)
    _want("numbers that sixteen commands of two nodes got", list(range(1, 17)), given)
    for log in (one, two):
        entries = await bench.entries(log, stream)
        _want("numbers that a node reads", list(range(1, 17)), [e.position.seq for e in entries])
        _want("epochs of a stream", 1, len({entry.position.epoch for entry in entries}))
        by_key = {key: (b"%d" % n, b"and") for n, key in enumerate(keys)}
        for entry in entries:
            _want("messages and cause", by_key.get(entry.cause or keys[0]), tuple(entry.messages))
        at = {entry.cause: entry.position for entry in entries}
        for key, outcome in zip(keys, outcomes, strict=True):
            _want("position in the outcome", at.get(key), outcome.positions[stream])


async def _atomic(bench: LogBench) -> None:
    writer, reader = await bench.node(), await bench.node()
    first, second = bench.stream("a"), bench.stream("b")
    seen: list[tuple[int, int]] = []
    is_done = asyncio.Event()

    async def look() -> None:
        while not is_done.is_set():
            before = (await reader.read(first, None)).head.seq
            seen.append((before, (await reader.read(second, None)).head.seq))
            before = (await reader.read(second, None)).head.seq
            seen.append((before, (await reader.read(first, None)).head.seq))
            await asyncio.sleep(0)

    looking = asyncio.create_task(look())
    try:
        for number in range(10):
            await bench.put(writer, {first: [b"x"], second: [b"y"]}, key=bench.key(f"t{number}"))
    finally:
        is_done.set()
        await looking
    halves = [pair for pair in seen if pair[1] < pair[0]]
    _want("reads that saw half of a batch", [], halves)
    stale = (await writer.read(second, None)).head
    await bench.put(writer, {second: [b"y"]})
    with contextlib.suppress(Conflict):
        await bench.put(writer, {first: [b"x"]}, expected={second: stale})
        raise AssertionError("a batch was accepted although an expected stream had moved")
    _want("the other stream of a refused batch", 10, (await reader.read(first, None)).head.seq)


async def _expected(bench: LogBench) -> None:
    one, two = await bench.node(), await bench.node()
    read_only, target, new = (bench.stream(name) for name in ("read", "target", "new"))
    await bench.put(one, {read_only: [b"1"]})
    old = (await two.read(read_only, None)).head
    await bench.put(one, {read_only: [b"2"]})
    now = (await two.read(read_only, None)).head
    for what, position in {
        "an old number of a stream that gets nothing": old,
        "a number that does not exist yet": Position(now.epoch, now.seq + 1),
        "another epoch": Position(f"{now.epoch}-", now.seq),
    }.items():
        key = bench.key(what)
        try:
            await bench.put(two, {target: [b"x"]}, key=key, expected={read_only: position})
        except Conflict:
            pass
        else:
            raise AssertionError(f"expected {what}: no Conflict")
        _want(f"after a conflict ({what})", 0, (await one.read(target, None)).head.seq)
        _want(f"outcome after a conflict ({what})", {}, dict(await one.outcomes([key])))
    empty = (await two.read(new, None)).head
    _want("head of a stream without entries", 0, empty.seq)
    await bench.put(two, {target: [b"x"]}, expected={read_only: now, new: empty})
    await bench.put(one, {new: [b"x"]}, expected={new: empty})
    try:
        await bench.put(two, {target: [b"x"]}, expected={new: empty})
    except Conflict:
        pass
    else:
        raise AssertionError("expected an empty stream that has an entry: no Conflict")
    await _count_up(bench, one, two)


async def _count_up(bench: LogBench, one: Log, two: Log) -> None:
    """Two nodes write the number that they read: none may be there twice."""
    stream = bench.stream("count")

    async def count(log: Log) -> None:
        for _ in range(6):
            for _ in range(200):
                head = (await log.read(stream, None)).head
                try:
                    await bench.put(log, {stream: [b"%d" % head.seq]}, expected={stream: head})
                except Conflict:
                    continue
                break
            else:
                raise AssertionError("a command met 200 conflicts in a row")

    await asyncio.gather(count(one), count(two))
    said = [entry.messages[0] for entry in await bench.entries(one, stream)]
    _want("what two nodes read before they wrote", [b"%d" % n for n in range(12)], said)


async def _once(bench: LogBench) -> None:
    one, two = await bench.node(), await bench.node()
    stream = bench.stream("once")
    key = bench.key("k")
    first = await bench.put(one, {stream: [b"x"]}, key=key, reply=b'"r"')
    async with two.begin(key) as transaction:
        _want("what the second node knows of the command", first, transaction.known)
    _want("the answer to a resend", first, await bench.put(two, {stream: [b"x"]}, key=key))
    others = [bench.key("k", identity="j"), bench.key("k", client="d"), bench.key("l")]
    for other in others:
        await bench.put(one, {stream: [b"x"]}, key=other)
    _want("entries of four different keys", [1, 2, 3, 4], await bench.numbers(two, stream))
    silent = bench.key("silent")
    nothing = await bench.put(one, {}, key=silent)
    _want("an empty batch", (True, 0), (nothing.accepted, len(nothing.positions)))
    _want("the outcome of an empty batch", {silent: nothing}, dict(await two.outcomes([silent])))
    for number in range(6):
        both = bench.key(f"both{number}")
        answers = await asyncio.gather(
            *(bench.put(log, {stream: [b"x"]}, key=both) for log in (one, two, one))
        )
        _want("answers to three runs at one moment", 1, len({str(answer) for answer in answers}))
    causes = [entry.cause for entry in await bench.entries(one, stream)]
    _want("commands that counted twice", 0, len(causes) - len(set(causes)))


async def _no_trace(bench: LogBench) -> None:
    log, other = await bench.node(), await bench.node()
    stream = bench.stream("trace")
    key = bench.key("left")
    async with log.begin(key):
        pass
    with contextlib.suppress(KeyError):
        async with log.begin(key):
            raise KeyError(key)
    _want("entries of commands that were left", 0, (await other.read(stream, None)).head.seq)
    _want("outcomes of commands that were left", {}, dict(await other.outcomes([key])))
    async with other.begin(key) as transaction:
        _want("what is known of a command that was left", None, transaction.known)
    await _cancel_everywhere(bench, log, other)
    if bench.faults.cut is not None:
        await _cut_everywhere(bench, bench.faults.cut)


async def _cancel_everywhere(bench: LogBench, log: Log, other: Log) -> None:
    """Cancels a command after each number of steps of the loop, then runs it again on another node."""
    stream = bench.stream("cancel")
    for steps in range(24):
        key = bench.key(f"cancel{steps}")
        task = asyncio.create_task(bench.put(log, {stream: [b"x"]}, key=key))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        async with asyncio.timeout(_SOON):
            await bench.put(other, {stream: [b"x"]}, key=key)
    causes = [entry.cause for entry in await bench.entries(other, stream)]
    _want("entries of 24 commands that were cancelled and sent again", 24, len(causes))
    _want("commands among them", 24, len(set(causes)))


async def _cut_everywhere(bench: LogBench, cut: Callable[[Log], Awaitable[None]]) -> None:
    """Breaks the connections in the middle of a command, then runs it again."""
    stream = bench.stream("cut")
    other = await bench.node()
    for when in ("before the append", "at the append"):
        log = await bench.node()
        key = bench.key(when)
        try:
            async with log.begin(key) as transaction:
                batch = Batch({stream: [b"x"]})
                if when == "before the append":
                    await cut(log)
                    await transaction.commit(batch)
                else:
                    await asyncio.gather(transaction.commit(batch), cut(log))
        except LogError:
            pass
        async with asyncio.timeout(_SOON):
            while True:
                with contextlib.suppress(LogError):
                    await bench.put(log, {stream: [b"x"]}, key=key)
                    break
                await asyncio.sleep(0.01)
    causes = [entry.cause for entry in await bench.entries(other, stream)]
    _want("entries of two commands that were cut and sent again", 2, len(causes))


async def _chains(bench: LogBench) -> None:
    one, two = await bench.node(), await bench.node()
    await _chain_in_order(bench, one, two)
    await _chain_that_publishes(bench, one, two)
    await _chain_with_conflict(bench, one, two)
    await _chain_with_known(bench, one, two)
    await _chain_with_refusals(bench, one, two)
    await _chains_at_one_moment(bench, one, two)


async def _chain_in_order(bench: LogBench, one: Log, two: Log) -> None:
    """Each command of a chain expects what those before it append."""
    stream, other = bench.stream("chain"), bench.stream("beside")
    epoch = (await one.read(stream, None)).head.epoch
    keys = [bench.key(f"chain{number}") for number in range(4)]
    chain = [
        Proposal(
            key,
            Batch(
                {stream: [b"%d" % n], **({other: [b"x"]} if n % 2 else {})},
                expected={stream: Position(epoch, n), other: Position(epoch, n // 2)},
                checkpoints={stream: (1, b"%d" % n)} if n == 2 else {},
                reply=b"%d" % n,
            ),
        )
        for n, key in enumerate(keys)
    ]
    appended = await one.append(chain)
    outcomes = list(appended.outcomes)
    _want("outcomes of a chain", (4, False, None), (len(outcomes), *_end(appended)))
    _want("numbers of a chain", [1, 2, 3, 4], [it.positions[stream].seq for it in outcomes])
    _want("replies of a chain", [b"0", b"1", b"2", b"3"], [it.reply for it in outcomes])
    entries = await bench.entries(two, stream)
    _want("messages of a chain", [b"0", b"1", b"2", b"3"], [it.messages[0] for it in entries])
    _want("causes of a chain", keys, [it.cause for it in entries])
    _want("the other stream of a chain", [1, 2], await bench.numbers(two, other))
    known = await two.outcomes(keys)
    _want("recorded outcomes of a chain", outcomes, [known.get(key) for key in keys])
    found = await two.checkpoint(stream)
    at = None if found is None else (found.position.seq, found.state)
    _want("the checkpoint in a chain", (3, b"2"), at)
    _want("an empty chain", (0, False, None), (0, *_end(await one.append([]))))


async def _chain_that_publishes(bench: LogBench, one: Log, two: Log) -> None:
    """Each command publishes once and reads nothing, as most do: a log may have a shorter way for that."""
    streams = [bench.stream("plain"), bench.stream("also plain")]
    keys = [bench.key(f"plain{number}") for number in range(5)]
    appended = await one.append(
        [
            Proposal(key, Batch({streams[n % 2]: [b"%d" % n, b"more"]}, reply=b"%d" % n))
            for n, key in enumerate(keys)
        ]
    )
    outcomes = list(appended.outcomes)
    _want("outcomes of a plain chain", (5, False, None), (len(outcomes), *_end(appended)))
    numbers = [it.positions[streams[n % 2]].seq for n, it in enumerate(outcomes)]
    _want("numbers of a plain chain", [1, 1, 2, 2, 3], numbers)
    known = await two.outcomes(keys)
    _want("recorded outcomes of a plain chain", outcomes, [known.get(key) for key in keys])
    for first, stream in enumerate(streams):
        entries = await bench.entries(two, stream)
        wanted = [(keys[n], [b"%d" % n, b"more"]) for n in range(first, 5, 2)]
        _want("entries of a plain chain", wanted, [(it.cause, [*it.messages]) for it in entries])


async def _chain_with_conflict(bench: LogBench, one: Log, two: Log) -> None:
    """Nothing behind a conflict is written, even where the next command expects what is there by chance."""
    stream, other = bench.stream("moved"), bench.stream("unmoved")
    await bench.put(two, {stream: [b"foreign"]})
    epoch = (await one.read(stream, None)).head.epoch
    keys = [bench.key(f"moved{number}") for number in range(3)]
    chain = [
        Proposal(keys[0], Batch({other: [b"0"]})),
        Proposal(keys[1], Batch({stream: [b"1"]}, expected={stream: Position(epoch, 0)})),
        Proposal(keys[2], Batch({stream: [b"2"]}, expected={stream: Position(epoch, 1)})),
    ]
    appended = await one.append(chain)
    _want(
        "a chain with a conflict at its second command",
        (1, False, stream),
        (len(appended.outcomes), *_end(appended)),
    )
    _want("entries before the conflict", [1], await bench.numbers(two, other))
    _want("entries behind a conflict", [1], await bench.numbers(two, stream))
    _want("outcomes of the chain", {keys[0]}, set(await two.outcomes(keys)))
    appended = await one.append(chain[1:])
    _want("a conflict at once", (0, False, stream), (len(appended.outcomes), *_end(appended)))
    _want("entries after it", [1], await bench.numbers(two, stream))


async def _chain_with_known(bench: LogBench, one: Log, two: Log) -> None:
    """Nothing behind a command that was done before is written: it was decided on another effect of that command."""
    stream = bench.stream("known")
    key, behind = bench.key("known"), bench.key("behind")
    first = await bench.put(two, {stream: [b"first"]}, key=key, reply=b'"first"')
    chain = [
        Proposal(bench.key("fresh"), Batch({stream: [b"fresh"]})),
        Proposal(key, Batch({stream: [b"again"]}, expected={stream: first.positions[stream]})),
        Proposal(behind, Batch({stream: [b"behind"]})),
    ]
    appended = await one.append(chain)
    _want(
        "a chain with a known command",
        (2, True, None),
        (len(appended.outcomes), *_end(appended)),
    )
    _want("the outcome of the known command", first, appended.outcomes[1])
    _want("entries up to the known command", [1, 2], await bench.numbers(two, stream))
    _want("outcomes behind it", {}, dict(await two.outcomes([behind])))
    twice = [Proposal(bench.key("twice"), Batch({stream: [b"%d" % n]})) for n in range(2)]
    outcomes = await bench.put_all(one, [*twice, chain[2]])
    _want("outcomes of a key that is twice in a chain", outcomes[0], outcomes[1])
    _want("entries of it and of the next", [1, 2, 3, 4], await bench.numbers(two, stream))


async def _chain_with_refusals(bench: LogBench, one: Log, two: Log) -> None:
    stream = bench.stream("refusals")
    epoch = (await one.read(stream, None)).head.epoch
    no, late = bench.key("chain no"), bench.key("chain late")
    chain = [
        Proposal(None, Batch({stream: [b"0"]})),
        Proposal(no, Batch(expected={stream: Position(epoch, 1)}, reply=b'"no"', is_refusal=True)),
        Proposal(bench.key("chain yes"), Batch({stream: [b"2"]})),
        # Decided on an old state.
        Proposal(late, Batch(expected={stream: Position(epoch, 1)}, is_refusal=True)),
    ]
    appended = await one.append(chain)
    _want(
        "a chain with a refusal, and with one on an old state",
        ([True, False, True], False, stream),
        ([it.accepted for it in appended.outcomes], *_end(appended)),
    )
    _want("the refusal", {no: Outcome(False, b'"no"')}, dict(await two.outcomes([no, late])))
    _want("entries beside a refusal", [1, 2], await bench.numbers(two, stream))


async def _chains_at_one_moment(bench: LogBench, one: Log, two: Log) -> None:
    """Chains of two nodes meet, and are cancelled and sent again: each is there once and in order."""
    stream = bench.stream("chains")
    chains = [
        [
            Proposal(bench.key(f"{chain}-{n}"), Batch({stream: [b"%d-%d" % (chain, n)]}))
            for n in range(3)
        ]
        for chain in range(24)
    ]

    async def run(number: int, chain: Sequence[Proposal]) -> None:
        cancelled = asyncio.create_task(one.append(chain))
        for _ in range(number):
            await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.wait([cancelled])
        async with asyncio.timeout(_SOON):
            await bench.put_all(two if number % 2 else one, chain)

    await asyncio.gather(*(run(number, chain) for number, chain in enumerate(chains)))
    said = [entry.messages[0] for entry in await bench.entries(two, stream)]
    for number in range(24):
        own = [text for text in said if text.startswith(b"%d-" % number)]
        _want("one chain among others", [b"%d-%d" % (number, n) for n in range(3)], own)


def _end(appended: Appended) -> tuple[bool, str | None]:
    return appended.is_known, appended.moved


async def _refusals(bench: LogBench) -> None:
    one, two = await bench.node(), await bench.node()
    stream, key = bench.stream("refused"), bench.key("no")
    async with one.begin(key) as transaction:
        refused = await transaction.refuse(b'{"code":"full"}')
    wanted = Outcome(False, b'{"code":"full"}')
    _want("a refusal", wanted, refused)
    _want("the outcome of a refusal", {key: wanted}, dict(await two.outcomes([key])))
    _want("the answer to a resend", wanted, await bench.put(two, {stream: [b"x"]}, key=key))
    _want("entries of a refused command", 0, (await two.read(stream, None)).head.seq)
    done = bench.key("done")
    accepted = await bench.put(one, {stream: [b"x"]}, key=done)
    async with one.begin(done) as transaction:
        if transaction.known is None:
            _want("a late refusal", accepted, await transaction.refuse(b'"late"'))
    _want("an outcome after a late refusal", {done: accepted}, dict(await two.outcomes([done])))


async def _outcomes(bench: LogBench) -> None:
    writer, reader = await bench.node(), await bench.node()
    stream = bench.stream("outcomes")
    keys = [bench.key(f"o{number}") for number in range(12)]
    missing: list[CommandKey] = []
    is_done = asyncio.Event()

    async def look() -> None:
        while not is_done.is_set():
            causes = [entry.cause for entry in await bench.entries(reader, stream)]
            known = await reader.outcomes(keys)
            missing.extend(cause for cause in causes if cause is not None and cause not in known)
            await asyncio.sleep(0)

    looking = asyncio.create_task(look())
    try:
        for key in keys:
            await bench.put(writer, {stream: [b"x"]}, key=key)
    finally:
        is_done.set()
        await looking
    _want("commands whose entry was read before their outcome was known", [], missing)
    await writer.prune()
    _want("outcomes that are kept", set(keys), set(await reader.outcomes(keys)))
    _want("outcomes of unknown keys", {}, dict(await reader.outcomes([bench.key("never")])))
    short = await bench.node(dedup_seconds=0.0)
    await asyncio.sleep(0.01)
    await short.prune()
    _want("outcomes after their time", {}, dict(await reader.outcomes(keys)))


def _seqs(page: Page) -> list[int] | None:
    return None if page.entries is None else [entry.position.seq for entry in page.entries]


async def _pages(bench: LogBench) -> None:
    log = await bench.node(retention=Retention(max_entries=4))
    stream = bench.stream("pages")
    nothing = await log.read(stream, None)
    _want(
        "a stream without entries",
        (0, "[]", False),
        (nothing.head.seq, str(_seqs(nothing)), nothing.more),
    )
    for number in range(8):
        await bench.put(log, {stream: [b"x" * 60, b"y" * 40] if number != 2 else [b"z" * 500]})
    whole = await log.read(stream, None)
    head = whole.head
    _want("all entries", (list(range(1, 9)), 8, False), (_seqs(whole), head.seq, whole.more))
    part = await log.read(stream, None, 150)
    _want("a page of 150 bytes", ([1, 2], True), (_seqs(part), part.more))
    large = await log.read(stream, Position(head.epoch, 2), 150)
    _want("an entry larger than a page", ([3], True), (_seqs(large), large.more))
    _want("after the head", [], _seqs(await log.read(stream, head)))
    for what, position in {
        "another epoch": Position(f"{head.epoch}-", 3),
        "ahead of the head": Position(head.epoch, 9),
    }.items():
        page = await log.read(stream, position)
        _want(f"entries after a position of {what}", (None, head), (_seqs(page), page.head))
    await log.prune()
    _want("behind retention", None, _seqs(await log.read(stream, Position(head.epoch, 3))))
    _want("within retention", [5, 6, 7, 8], _seqs(await log.read(stream, Position(head.epoch, 4))))


async def _births(bench: LogBench) -> None:
    one, two = await bench.node(), await bench.node()
    names = [bench.stream(name) for name in ("p", "p/1", "p/2/3", "p.4", "q")]
    for name in names:
        await bench.put(one, {name: [b"x"]})
    below = bench.stream("p/*")
    _want("streams below a pattern", {names[1], names[2]}, set(await two.heads(below)))
    _want("streams of a dotted pattern", {names[3]}, set(await two.heads(bench.stream("p.*"))))
    _want("an exact name", {names[0]}, set(await two.heads(names[0])))
    _want("all streams", set(names), set(names) & set(await two.heads("*")))
    _want("a head", 1, (await two.heads(names[4]))[names[4]].seq)
    key = bench.key("under way")
    late, later = bench.stream("p/late"), bench.stream("p/later")
    async with one.begin(key) as transaction:
        mark = await two.mark()
        await transaction.commit(Batch({late: [b"x"]}))
    await bench.put(two, {later: [b"x"]})
    born = set(await one.heads(below, born_after=mark))
    _want("streams that began after a mark", {late, later}, {late, later} & born)
    _want(
        "streams after a foreign mark",
        set(names[1:3]) | {late, later},
        set(await one.heads(below, "?")),
    )
    # A client may send any text for a mark.
    for nonsense in (
        "\0",
        "\0:1",
        ":",
        f"{mark}x",
        f"{mark}{'9' * 30}",
        f"{mark.rpartition(':')[0]}:\u0663",
    ):
        found = set(await one.heads(below, nonsense))
        _want(f"streams after the mark {nonsense!r}", found, found & {*names, late, later})


async def _checkpoints(bench: LogBench) -> None:
    log = await bench.node(retention=Retention(max_entries=1, max_bytes=1))
    stream, folded = bench.stream("state"), bench.stream("folded")
    _want("a stream without checkpoint", None, await log.checkpoint(stream))
    for number in range(1, 9):
        states = {stream: (number, b"state %d" % number)} if number in (2, 5) else {}
        await bench.put(log, {stream: [b"x"]}, checkpoints=states)
        await bench.put(log, {folded: [b"x"]})
    found = await log.checkpoint(stream)
    at = None if found is None else (found.position.seq, found.version, found.state)
    _want("the newest checkpoint", (5, 5, b"state 5"), at)
    stale = Position((await log.read(stream, None)).head.epoch, 1)
    with contextlib.suppress(Conflict):
        await bench.put(
            log, {stream: [b"x"]}, checkpoints={stream: (9, b"no")}, expected={stream: stale}
        )
    _want("a checkpoint of a batch with a conflict", found, await log.checkpoint(stream))
    await log.prune([folded])
    after = None if found is None else found.position
    _want("entries after the checkpoint", [6, 7, 8], _seqs(await log.read(stream, after)))
    _want("entries that no checkpoint covers", list(range(1, 9)), await bench.numbers(log, folded))
    await log.prune()
    newest = await log.read(folded, Position(stale.epoch, 7))
    _want("the newest entry of a stream without state", [8], _seqs(newest))


async def _signals(bench: LogBench) -> None:
    one, two = await bench.node(), await bench.node()
    heard: asyncio.Queue[Mapping[str, Position] | None] = asyncio.Queue()

    async def listen(signals: AsyncIterator[Mapping[str, Position] | None]) -> None:
        async for changed in signals:
            await heard.put(changed)

    async def until_named(entries: Mapping[str, Position]) -> None:
        """Returns once all are named; None names everything that was committed before."""
        left = dict(entries)
        try:
            async with asyncio.timeout(_SOON):
                while left:
                    changed = await heard.get()
                    if changed is None:
                        return
                    for stream, at in changed.items():
                        head = (await two.read(stream, None, 1)).head
                        if head.epoch != at.epoch or head.seq < at.seq:
                            raise AssertionError(
                                f"{stream!r} is at {head}, and {at} was named already"
                            )
                        own = left.get(stream)
                        if own is not None and (at.epoch, own.seq) == (
                            own.epoch,
                            min(own.seq, at.seq),
                        ):
                            del left[stream]
        except TimeoutError:
            raise AssertionError(f"not named within {_SOON} s: {sorted(left)}") from None

    listening = asyncio.create_task(listen(two.follow()))
    try:
        await asyncio.sleep(0)
        for log, name in ((one, "other"), (two, "own"), (one, "other")):
            stream = bench.stream(name)
            outcome = await bench.put(log, {stream: [b"x"], f"{stream}/2": [b"x"]})
            await until_named(outcome.positions)
        if bench.faults.lose_signals is not None:
            await bench.faults.lose_signals(two)
            for name in ("lost", "again"):
                outcome = await bench.put(one, {bench.stream(name): [b"x"]})
                await until_named(outcome.positions)
        await two.close()
        try:
            async with asyncio.timeout(_SOON):
                await asyncio.shield(listening)
        except TimeoutError:
            raise AssertionError("follow() does not end when the log is closed") from None
    finally:
        listening.cancel()
        await asyncio.wait([listening])


LOG_RULES: Mapping[str, tuple[str, Callable[[LogBench], Awaitable[None]]]] = {
    "numbers": ("entries have numbers from 1 without holes, whichever node appends", _numbers),
    "atomic": ("a batch on several streams is there as a whole, or not at all", _atomic),
    "expected": (
        "a stream that moved since it was read raises Conflict; nothing is written",
        _expected,
    ),
    "once": ("a command counts once under its whole key; every run gets the same outcome", _once),
    "no trace": (
        "a command that was left, cancelled or cut may run again, and then counts once",
        _no_trace,
    ),
    "chains": (
        "commands of a chain are appended in order, and none behind one that was decided on something else",
        _chains,
    ),
    "refusals": ("a refusal is recorded, and never replaces another outcome", _refusals),
    "outcomes": (
        "a reader of an entry finds its outcome; outcomes live as long as said",
        _outcomes,
    ),
    "pages": (
        "pages hold whole entries in order, and say when a position cannot be continued",
        _pages,
    ),
    "births": ("heads know patterns, and every stream that began after a mark", _births),
    "checkpoints": (
        "a checkpoint comes with its entry, and no entry after it is removed",
        _checkpoints,
    ),
    "signals": ("every changed stream is named soon, also after a signal was lost", _signals),
}
"""Sentence and check of each rule, by name."""
