"""States that are folded from the entries of streams: loaded, kept up to date, and written as checkpoints.

The functions that fold are those of the application: `(state, message) -> state`. One node keeps the state of each stream that
its handlers read. A checkpoint goes into the log with the first entry of a stream, and then with every hundredth.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

import attrs
import msgspec
from msgspec import Struct

from ..errors import MessageRejected, StateUnusable, UsageError
from ..wire import Codec, Position
from .logs import Entry, Log, is_pattern, is_private, matches, name_problem

__all__ = ["Added", "Ahead", "Stated", "States"]

S = TypeVar("S")

_log = logging.getLogger("reactive_ws.server")
_ENTRIES: Final = 100
"""Entries after which a checkpoint is due."""
_BYTES: Final = 262_144
"""Bytes of messages after which a checkpoint is due."""
_MAX_LOADED: Final = 1_000
"""Streams whose state one node keeps; the longest unused is loaded again when it is read."""


class Stated(Generic[S]):
    """The declaration of a state, as `Server.state` returns it; `Context.state` takes it.

    Args:
        pattern: A stream, or a pattern of streams with a state each.
        initial: The state before the first entry.
        reducers: A function for each payload class: `(state, message) -> state`.
        version: Which reducers these are; change it when the meaning of the state changes.
        migrate: Makes a state of the bytes of an older version: `(version, bytes) -> state`.
        view: Makes of a state what clients get as a snapshot; the whole state when None.

    Raises:
        UsageError: a bad pattern, or a state that cannot be written as JSON.
    """

    def __init__(
        self,
        pattern: str,
        initial: S,
        reducers: Mapping[type[Any], Callable[[S, Any], S]],
        *,
        version: int = 1,
        migrate: Callable[[int, bytes], S] | None = None,
        view: Callable[[S], object] | None = None,
    ) -> None:
        if not is_pattern(pattern) and name_problem(pattern) is not None:
            raise UsageError(f"bad stream {pattern[:60]!r}: {name_problem(pattern)}")
        self.pattern = pattern
        self.initial = initial
        self.reducers = reducers
        self.version = version
        self.migrate = migrate
        self.view = view
        kind = type(initial)
        try:
            self._decoder: msgspec.json.Decoder[S] = msgspec.json.Decoder(kind)
            self.decode(self.encode(initial))
        except (TypeError, msgspec.MsgspecError) as error:
            raise UsageError(
                f"{kind.__name__} cannot be written as JSON and read again: {error}; "
                "use an attrs class, a dataclass or a msgspec.Struct with typed fields"
            ) from error

    def __repr__(self) -> str:
        return f"<state {type(self.initial).__name__} of {self.pattern!r}, version {self.version}>"

    def encode(self, state: S) -> bytes:
        """Returns the JSON text of a state."""
        return msgspec.json.encode(state)

    def encode_view(self, state: S) -> bytes:
        """Returns the JSON text of what clients see of a state."""
        return msgspec.json.encode(state if self.view is None else self.view(state))

    def decode(self, text: bytes) -> S:
        """Returns the state of its JSON text."""
        return self._decoder.decode(text)

    def fold(self, state: S, payloads: Sequence[Any]) -> S:
        """Returns the state after these messages."""
        for payload in payloads:
            kind: type[Any] = payload.__class__
            reduce = self.reducers.get(kind)
            if reduce is not None:
                state = reduce(state, payload)
        return state


@attrs.define
class _Loaded:
    stated: Stated[Any]
    position: Position
    state: Any
    entries: int = 0
    bytes: int = 0

    def add(self, entry: Entry, payloads: Sequence[Any]) -> None:
        self.take(entry, self.stated.fold(self.state, payloads))

    def take(self, entry: Entry, state: Any) -> None:
        self.state = state
        self.position = entry.position
        self.entries += 1
        self.bytes += sum(map(len, entry.messages))

    @property
    def is_due(self) -> bool:
        return self.position.seq == 0 or self.entries + 1 >= _ENTRIES or self.bytes >= _BYTES


class States:
    """The states that one node has loaded.

    Args:
        log: Where entries and checkpoints are.
        codec: Reads messages.
    """

    def __init__(self, log: Log, codec: Codec) -> None:
        self._log = log
        self._codec = codec
        self._declared: list[Stated[Any]] = []
        self._found: dict[str, Stated[Any] | None] = {}
        self._loaded: OrderedDict[str, _Loaded] = OrderedDict()
        self._locks: dict[str, asyncio.Lock] = {}

    @property
    def patterns(self) -> tuple[str, ...]:
        """The streams that have a state."""
        return tuple(stated.pattern for stated in self._declared)

    def declare(self, stated: Stated[Any]) -> None:
        """Adds a declaration.

        Raises:
            UsageError: the same pattern has one.
        """
        if stated.pattern in self.patterns:
            raise UsageError(f"{stated.pattern!r} has a state already; declare each pattern once")
        self._declared.append(stated)
        self._found.clear()

    def begin(self) -> None:
        """The server starts, maybe in another loop than before."""
        self._locks.clear()

    def of(self, stream: str) -> Stated[Any] | None:
        """Returns the declaration for a stream; an exact name goes before a pattern."""
        if stream in self._found:
            return self._found[stream]
        fitting = [
            stated
            for stated in self._declared
            if matches(stated.pattern, stream) and is_private(stream) == is_private(stated.pattern)
        ]
        found = min(fitting, key=lambda stated: is_pattern(stated.pattern), default=None)
        if len(self._found) >= _MAX_LOADED:
            self._found.clear()
        self._found[stream] = found
        return found

    def peek(self, stream: str) -> tuple[Any, Position] | None:
        """Returns a loaded state and its position; None when it has to be loaded first."""
        loaded = self._loaded.get(stream)
        return None if loaded is None else (loaded.state, loaded.position)

    async def load(self, stream: str) -> tuple[Any, Position]:
        """Loads a state, or brings it up to date, and returns it with its position.

        Raises:
            StateUnusable: a version without `migrate`, or entries that are gone.
            LogUnavailable: the log failed.
        """
        async with self._locks.setdefault(stream, asyncio.Lock()):
            loaded = self._loaded.get(stream)
            if loaded is None or not await self._catch_up(stream, loaded):
                loaded = await self._load(stream)
                if not await self._catch_up(stream, loaded):
                    raise StateUnusable(
                        stream,
                        "the log lacks entries after its newest checkpoint; restore a backup",
                    )
            self._loaded[stream] = loaded
            self._loaded.move_to_end(stream)
            while len(self._loaded) > _MAX_LOADED:
                oldest, _ = self._loaded.popitem(last=False)
                self._locks.pop(oldest, None)
            return loaded.state, loaded.position

    def copy(self, stream: str) -> _Loaded | None:
        """Returns a copy of a loaded state, for what is not in the log yet; None when it has to be loaded first."""
        loaded = self._loaded.get(stream)
        return None if loaded is None else attrs.evolve(loaded)

    def appended(self, entry: Entry, added: Added) -> None:
        """Takes over an own entry, when it is the next one of its stream."""
        loaded = self._loaded.get(entry.stream)
        if loaded is None:
            return
        if (loaded.position.epoch, loaded.position.seq + 1) == (
            entry.position.epoch,
            entry.position.seq,
        ):
            if loaded.state is added.before:
                loaded.take(entry, added.after)
            else:
                # What came between left the state as long as it was, and another one.
                loaded.add(entry, self._decode(entry))
            if added.is_due:
                loaded.entries = loaded.bytes = 0

    async def _load(self, stream: str) -> _Loaded:
        stated = self.of(stream)
        if stated is None:
            raise UsageError(f"stream {stream!r} has no state; declare it with server.state()")
        found = await self._log.checkpoint(stream)
        if found is None:
            head = (await self._log.read(stream, None, 1)).head
            return _Loaded(stated, Position(head.epoch, 0), stated.initial)
        if found.version == stated.version:
            try:
                state = stated.decode(found.state)
            except msgspec.MsgspecError as error:
                raise StateUnusable(
                    stream,
                    f"its checkpoint does not fit {type(stated.initial).__name__}: {error}; "
                    "raise `version` and give `migrate`",
                ) from error
        elif stated.migrate is None:
            raise StateUnusable(
                stream,
                f"its checkpoint has version {found.version} and the server has {stated.version}; "
                "give `migrate` to server.state()",
            )
        else:
            state = stated.migrate(found.version, found.state)
        return _Loaded(stated, found.position, state)

    async def _catch_up(self, stream: str, loaded: _Loaded) -> bool:
        while True:
            page = await self._log.read(stream, loaded.position)
            if page.entries is None:
                return False
            for entry in page.entries:
                # An own commit may have been taken over while the page was read.
                if entry.position.seq > loaded.position.seq:
                    loaded.add(entry, self._decode(entry))
            if not page.more:
                return True

    def _decode(self, entry: Entry) -> list[Any]:
        payloads: list[Any] = []
        for message in entry.messages:
            try:
                payloads.append(self._codec.decode(message.decode()).payload)
            except MessageRejected as error:
                raise StateUnusable(
                    entry.stream,
                    f"entry {entry.position.seq} does not fit its type any longer: {error}",
                ) from error
        return payloads


class Added(Struct, frozen=True):
    """An entry that a command adds to a state.

    Attributes:
        at: The position before it.
        before, after: The state before and after it.
        is_due: Whether a checkpoint was due.
        checkpoint: Version and state of the checkpoint that comes with it; None when none is due, or the state cannot be
            read again.
    """

    at: Position
    before: Any
    after: Any
    is_due: bool = False
    checkpoint: tuple[int, bytes] | None = None


class Ahead:
    """The states as the commands of one chain leave them, before the log has these commands.

    Args:
        states: The states of the log.
    """

    def __init__(self, states: States) -> None:
        self._states = states
        self._kept: dict[str, _Loaded] = {}
        self._drafts: dict[str, _Loaded] = {}

    def peek(self, stream: str) -> tuple[Any, Position] | None:
        """Returns a state with the position that it will have in the log; None when it has to be loaded first."""
        kept = self._kept.get(stream)
        return self._states.peek(stream) if kept is None else (kept.state, kept.position)

    def begin(self) -> None:
        """Begins the entries of the next command; those of one that failed half-way are forgotten."""
        self._drafts.clear()

    def add(self, stream: str, messages: Sequence[bytes], payloads: Sequence[Any]) -> Added:
        """Adds the command's entry to a state that is loaded."""
        kept = self._kept.get(stream)
        draft = self._states.copy(stream) if kept is None else attrs.evolve(kept)
        assert draft is not None
        at, before, is_due = draft.position, draft.state, draft.is_due
        draft.add(Entry(stream, Position(at.epoch, at.seq + 1), messages), payloads)
        self._drafts[stream] = draft
        if not is_due:
            return Added(at, before, draft.state)
        draft.entries = draft.bytes = 0
        text = draft.stated.encode(draft.state)
        try:
            draft.stated.decode(text)
        except msgspec.MsgspecError as error:
            # After a restart such a checkpoint would be the end of the stream. Without it the entries make the state.
            _log.error(
                "the state of stream %r gets no checkpoint, because a reducer made what does not fit %s: %s",
                stream,
                type(draft.stated.initial).__name__,
                error,
            )
            return Added(at, before, draft.state, is_due=True)
        return Added(at, before, draft.state, True, (draft.stated.version, text))

    def keep(self) -> None:
        """The command is complete: those behind it see its entries."""
        self._kept.update(self._drafts)
