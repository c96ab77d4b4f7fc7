"""Hypothesis strategies for everything that a program on a WebSocket can meet.

They follow definitions instead of repeating them: the strategy of a message type is derived from its class and the registry, so
your own types work the same way. Wrong frames are in `garbage`, and can be drawn from here too.
"""

from __future__ import annotations

import copy
import fnmatch
import json
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ...connection import Backoff, Jitter
from ...wire import Envelope, MessageType, Registry, protocol_v1
from ..server import Delay, DieAfter, Drop, Duplicate, Mischief, Mute, Reorder
from ..simulation import (
    Bandwidth,
    BlackHole,
    Buffers,
    Direction,
    Fault,
    FaultPlan,
    Hang,
    Heal,
    Latency,
    Refuse,
    Reset,
    Split,
    Stall,
    Timed,
    Truncate,
)
from .schema import objects, sample, texts, wire_values

__all__ = [
    "backoff_settings",
    "close_codes",
    "envelopes",
    "fault_plans",
    "faults",
    "latencies",
    "messages",
    "mischiefs",
    "payloads",
    "seeds",
    "wire_bytes",
    "wire_objects",
    "wire_text",
]

T = TypeVar("T")


def seeds() -> SearchStrategy[int]:
    """Seeds for `Simulation`."""
    return st.integers(0, 2**32 - 1)


# --- messages ---------------------------------------------------------------------------------------------------------


def payloads(payload: type[T]) -> SearchStrategy[T]:
    """Draws instances of a payload class: required fields always, each optional field present or absent."""
    return wire_values(payload).map(lambda value: msgspec.convert(value, payload))


def messages(types: str = "*", registry: Registry | None = None) -> SearchStrategy[Any]:
    """Draws payloads of the registered types.

    Args:
        types: Only types whose name fits this pattern, such as "message.*".
        registry: The types; protocol v1 when None.

    Raises:
        ValueError: no type fits.
    """
    return st.one_of([payloads(row.payload) for row in _rows(types, registry)])


def wire_objects(
    types: str = "*", registry: Registry | None = None
) -> SearchStrategy[dict[str, Any]]:
    """Draws valid messages as the JSON objects that they are on the wire, each optional part present or absent.

    Args:
        types: Only types whose name fits this pattern.
        registry: The types; protocol v1 when None.
    """
    rows = _rows(types, registry)
    any_of_them = st.sampled_from([_wire_object(row) for row in rows]).flatmap(lambda drawn: drawn)
    # Hypothesis repeats and varies what it drew before, so that a rare field of a rare type may never come. But it does
    # not repeat a whole example: every second message is from a short list in which each field is there and is missing.
    corners = [corner for row in rows for corner in _corner_cases(row)]
    return st.booleans().flatmap(
        lambda is_corner: st.sampled_from(corners).map(copy.deepcopy) if is_corner else any_of_them
    )


def _corner_cases(row: MessageType) -> Iterator[dict[str, Any]]:
    """Yields a message with everything, and for each depth one without the optional fields that are so deep."""
    full = {"type": row.name, "payload": sample(row.payload)}
    yield full
    optional = [path for path in _fields(full["payload"]) if _is_valid(row, _without(full, [path]))]
    for depth in sorted({len(path) for path in optional}):
        yield _without(full, [path for path in optional if len(path) == depth])


def _is_valid(row: MessageType, message: dict[str, Any]) -> bool:
    try:
        msgspec.convert(message["payload"], row.payload)
    except msgspec.ValidationError:
        return False
    return True


def _without(message: dict[str, Any], paths: list[tuple[Any, ...]]) -> dict[str, Any]:
    changed = copy.deepcopy(message)
    for path in paths:
        inside: Any = changed["payload"]
        for step in path[:-1]:
            inside = inside[step]
        del inside[path[-1]]
    return changed


def _fields(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yields the path of every field of every object, at any depth."""
    inside: Any = value
    if isinstance(value, dict):
        for key in inside:
            yield (*before, key)
            yield from _fields(inside[key], (*before, key))
    elif isinstance(value, list):
        for place, item in enumerate(inside):
            yield from _fields(item, (*before, place))


def _wire_object(row: MessageType) -> SearchStrategy[dict[str, Any]]:
    fixed: dict[str, SearchStrategy[Any]] = {"type": st.just(row.name)}
    optional: dict[str, SearchStrategy[Any]] = {
        "channel": texts(min_size=1),
        "id": st.uuids().map(str),
        "timestamp": wire_values(float) | st.just("2026-01-01T00:00:00Z"),
        "redelivered": st.booleans(),
    }
    (fixed if row.required else optional)["payload"] = wire_values(row.payload)
    nowhere: dict[str, Any] = {}
    position: SearchStrategy[dict[str, Any]] = st.just(nowhere) | st.fixed_dictionaries(
        {"stream": texts(min_size=1), "epoch": texts(min_size=1), "seq": st.integers(1, 2**53)}
    )
    message = objects(fixed, optional)
    return st.tuples(message, position).map(lambda parts: {**parts[0], **parts[1]})


def wire_text(types: str = "*", registry: Registry | None = None) -> SearchStrategy[str]:
    """Draws valid messages as JSON text, compact or with spaces, escaped or not."""
    return st.builds(
        _dump, wire_objects(types, registry), is_ascii=st.booleans(), is_compact=st.booleans()
    )


def wire_bytes(types: str = "*", registry: Registry | None = None) -> SearchStrategy[bytes]:
    """Draws valid messages as the UTF-8 bytes of their JSON text."""
    return wire_text(types, registry).map(str.encode)


def _dump(message: dict[str, Any], *, is_ascii: bool, is_compact: bool) -> str:
    separators = (",", ":") if is_compact else None
    return json.dumps(message, ensure_ascii=is_ascii, separators=separators)


def envelopes(types: str = "*", registry: Registry | None = None) -> SearchStrategy[Envelope[Any]]:
    """Draws messages as a codec returns them: typed payload, `channel` filled in."""
    known = registry or protocol_v1()

    def typed(message: dict[str, Any]) -> Envelope[Any]:
        row = known.get(message["type"])
        assert row is not None
        payload = (
            msgspec.convert(message["payload"], row.payload)
            if "payload" in message
            else row.payload()
        )
        fields = {
            name: message[name]
            for name in ("id", "stream", "epoch", "seq", "redelivered")
            if name in message
        }
        return Envelope(row.name, payload, message.get("channel", row.name), **fields)

    return wire_objects(types, registry).map(typed)


def _rows(types: str, registry: Registry | None) -> list[MessageType]:
    rows = [row for row in registry or protocol_v1() if fnmatch.fnmatchcase(row.name, types)]
    if not rows:
        raise ValueError(f"no message type fits {types!r}")
    return rows


# --- the connection ---------------------------------------------------------------------------------------------------

_NAMED_CODES = (
    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014,
    3000, 3003, 3008, 4000, 4001, 4003, 4008, 4401, 4403, 4429, 4499, 4500, 4999,
)  # fmt: skip


def close_codes() -> SearchStrategy[int]:
    """Draws close codes that may stand in a close frame (RFC 6455, section 7.4), the ones with a meaning more often."""
    return st.sampled_from(_NAMED_CODES) | st.integers(3000, 3999) | st.integers(4000, 4999)


def latencies() -> SearchStrategy[Latency]:
    """Draws delays from none to worse than any satellite."""
    return st.builds(Latency, st.floats(0, 3), st.just(0.0) | st.floats(0, 2), _DIRECTIONS)


_DIRECTIONS = st.sampled_from(Direction)
_TIMES = st.integers(1, 3)


def faults() -> SearchStrategy[Fault]:
    """Draws one byte-level fault of any kind, `Heal` too."""
    return st.one_of(
        latencies(),
        st.builds(Bandwidth, st.none() | st.floats(100, 1e6), _DIRECTIONS),
        st.builds(Buffers, st.integers(0, 4_000_000), _DIRECTIONS),
        st.builds(Split, st.none() | st.integers(1, 64), _DIRECTIONS),
        st.builds(Stall, st.floats(0.1, 60), _DIRECTIONS),
        st.builds(BlackHole, _DIRECTIONS),
        st.just(Reset()),
        st.builds(Truncate, st.integers(0, 300), st.booleans(), _DIRECTIONS),
        st.builds(Refuse, _TIMES),
        st.builds(Hang, _TIMES),
        st.just(Heal()),
    )


def mischiefs(types: str = "*") -> SearchStrategy[Mischief]:
    """Draws one message-level mischief of any kind.

    Args:
        types: Which outgoing messages it is done to.
    """
    times, chosen = _TIMES, st.just(types)
    return st.one_of(
        st.builds(Drop, times, chosen),
        st.builds(Duplicate, times, chosen),
        st.builds(Delay, st.floats(0.1, 60), times, chosen),
        st.builds(Reorder, st.integers(2, 4), chosen),
        st.builds(Mute, st.none() | st.floats(0.1, 60)),
        st.builds(DieAfter, times),
    )


def backoff_settings() -> SearchStrategy[Backoff]:
    """Draws backoffs: every kind of jitter, caps below the first delay too, growth from none to steep."""
    seconds = st.floats(0.001, 3_600)
    return st.builds(Backoff, seconds, st.floats(1, 10), seconds, st.sampled_from(Jitter))


def fault_plans(*, max_faults: int = 6, duration: float = 120.0) -> SearchStrategy[FaultPlan]:
    """Draws plans of byte-level faults, earliest first. They need not end in `Heal`.

    Args:
        max_faults: Length of the longest plan.
        duration: Seconds in which all faults begin.
    """
    timed = st.builds(Timed, st.floats(0, duration), faults())
    return st.lists(timed, max_size=max_faults).map(
        lambda plan: tuple(sorted(plan, key=lambda step: step.at))
    )
