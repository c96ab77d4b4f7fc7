"""The chains of commands that one statement appends: how they become its arguments, and its row the results. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from ....wire import Position
from ..packing import check_batch, pack_key, pack_messages
from ..records import Appended, CommandKey, Outcome, Proposal

__all__ = [
    "CHAINS",
    "PLAIN",
    "Chain",
    "arguments_of",
    "chain_of",
    "plain_arguments_of",
    "plain_results_of",
    "results_of",
]

PLAIN: Final = "SELECT * FROM rws_plain($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
"""The statement for plain chains; `plain_arguments_of` gives what follows the first argument."""
CHAINS: Final = (
    "SELECT * FROM rws_chains($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
)
"""The statement; `arguments_of` gives what follows the first argument."""
_APPENDED: Final = 0
_KNOWN: Final = -1


class _Row(Struct, frozen=True):
    """The part that one stream has in a command."""

    name: str
    body: bytes | None
    size: int | None
    expected: Position | None
    version: int | None
    state: bytes | None


class Chain(Struct, frozen=True):
    """A checked chain, ready for a statement.

    Attributes:
        proposals: Its commands, each of another key.
        rows: The streams of each command.
        size: Bytes of all messages.
        is_plain: Whether each command has one entry, on one stream, and nothing else.
    """

    proposals: Sequence[Proposal]
    rows: Sequence[Sequence[_Row]]
    size: int
    is_plain: bool


def chain_of(proposals: Sequence[Proposal]) -> Chain:
    """Returns the chain up to the first command whose key was there before: that one has to look for the outcome of the other.

    Raises:
        UsageError: a batch that no log takes.
    """
    rows: list[list[_Row]] = []
    keys: set[CommandKey] = set()
    size, is_plain = 0, True
    for proposal in proposals:
        own = _rows_of(proposal)
        if proposal.key in keys:
            break
        if proposal.key is not None:
            keys.add(proposal.key)
        rows.append(own)
        size += sum(row.size or 0 for row in own)
        is_plain = is_plain and _is_plain(own)
    return Chain(proposals[: len(rows)], rows, size, is_plain)


def _is_plain(rows: Sequence[_Row]) -> bool:
    return (
        len(rows) == 1
        and rows[0].body is not None
        and rows[0].expected is None
        and rows[0].state is None
    )


def _rows_of(proposal: Proposal) -> list[_Row]:
    batch, rows = proposal.batch, list[_Row]()
    for name in check_batch(batch):
        messages = batch.messages.get(name)
        version, state = batch.checkpoints.get(name, (None, None))
        body = None if messages is None else pack_messages(messages)
        size = None if messages is None else sum(map(len, messages))
        rows.append(_Row(name, body, size, batch.expected.get(name), version, state))
    return rows


def arguments_of(chains: Sequence[Chain]) -> tuple[Any, ...]:
    """Returns the arguments of the statement behind the first one."""
    names = sorted(
        {row.name for chain in chains for rows in chain.rows for row in rows}, key=str.encode
    )
    places = {name: place for place, name in enumerate(names, 1)}
    proposals = [
        (number, proposal) for number, chain in enumerate(chains) for proposal in chain.proposals
    ]
    ends: list[int] = []
    flat: list[_Row] = []
    for chain in chains:
        for rows in chain.rows:
            flat += rows
            ends.append(len(flat))
    return (
        names,
        [None if one.key is None else pack_key(one.key) for _, one in proposals],
        [number for number, _ in proposals],
        ends,
        [one.batch.is_refusal for _, one in proposals],
        [one.batch.reply for _, one in proposals],
        [places[row.name] for row in flat],
        [row.body for row in flat],
        [row.size for row in flat],
        [None if row.expected is None else row.expected.epoch for row in flat],
        [None if row.expected is None else row.expected.seq for row in flat],
        [row.version for row in flat],
        [row.state for row in flat],
    )


def plain_arguments_of(chains: Sequence[Chain]) -> tuple[Any, ...]:
    """Returns the arguments of the statement for plain chains, behind the first one. First come the names of the streams."""
    counts: dict[str, int] = {}
    totals: dict[str, int] = {}
    rows: list[_Row] = []
    steps: list[int] = []
    for chain in chains:
        for (row,) in chain.rows:
            rows.append(row)
            counts[row.name] = counts.get(row.name, 0) + 1
            totals[row.name] = totals.get(row.name, 0) + (row.size or 0)
            steps.append(counts[row.name])
    names = sorted(counts, key=str.encode)
    places = {name: place for place, name in enumerate(names, 1)}
    proposals = [
        (number, proposal) for number, chain in enumerate(chains) for proposal in chain.proposals
    ]
    return (
        names,
        [counts[name] for name in names],
        [totals[name] for name in names],
        [None if one.key is None else pack_key(one.key) for _, one in proposals],
        [number for number, _ in proposals],
        [one.batch.reply for _, one in proposals],
        [places[row.name] for row in rows],
        steps,
        [row.body for row in rows],
        [row.size for row in rows],
    )


def plain_results_of(
    chains: Sequence[Chain], epoch: str, names: Sequence[str], heads: Sequence[int]
) -> list[tuple[Appended, CommandKey | None]]:
    """Returns the result of each plain chain: all of it was appended behind these numbers of the streams with these names."""
    last = dict(zip(names, heads, strict=True))
    results: list[tuple[Appended, CommandKey | None]] = []
    for chain in chains:
        outcomes: list[Outcome] = []
        for proposal, (row,) in zip(chain.proposals, chain.rows, strict=True):
            last[row.name] += 1
            at = {row.name: Position(epoch, last[row.name])}
            outcomes.append(Outcome(True, proposal.batch.reply, at))
        results.append((Appended(outcomes), None))
    return results


def results_of(
    chains: Sequence[Chain], epoch: str, seqs: Sequence[int | None], fates: Sequence[int | None]
) -> list[tuple[Appended, CommandKey | None]]:
    """Returns the result of each chain. With a key, the outcome of this command is known and comes last; it has to be looked up."""
    results: list[tuple[Appended, CommandKey | None]] = []
    command = row = 0
    for chain in chains:
        outcomes: list[Outcome] = []
        moved: str | None = None
        known: CommandKey | None = None
        for proposal, rows in zip(chain.proposals, chain.rows, strict=True):
            fate = fates[command]
            if fate == _APPENDED:
                positions = {
                    one.name: Position(epoch, seq)
                    for one, seq in zip(rows, seqs[row : row + len(rows)], strict=True)
                    if seq is not None
                }
                batch = proposal.batch
                outcomes.append(Outcome(not batch.is_refusal, batch.reply, positions))
            elif fate == _KNOWN:
                known = proposal.key
            elif fate is not None:
                moved = rows[fate - row - 1].name
            command += 1
            row += len(rows)
        results.append((Appended(outcomes, known is not None, moved), known))
    return results
