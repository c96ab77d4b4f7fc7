"""Frames that no server should send and some do: a catalogue, row by row, and strategies that draw from it.

The promise of the framework for every one of them, and for every other string of bytes: the dispatcher does not raise, stores do
not change except the error counters, and the connection is not dropped by us. Some rows are legal JSON by the letter
(duplicate keys), so a codec may also accept them; `conformance.check_codec` asks for one of the two.
"""

from __future__ import annotations

import codecs
import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import msgspec
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ...wire import MessageType, Registry, protocol_v1
from .schema import json_values, sample, texts
from .strategies import wire_text

__all__ = ["GARBAGE", "Garbage", "wire_garbage", "wrong_types"]

Frame = str | bytes
_NOTHING: dict[str, Any] = {}
_NO_NAMES: tuple[Any, ...] = (None, True, 5, 1.5, [], {}, ["subscribe"])
_WRONG: tuple[Any, ...] = (None, True, -7, 1.5, "text", [], [None], {}, {"a": 1})


@attrs.frozen
class Garbage:
    """A frame that is wrong.

    Attributes:
        row: Row of the catalogue.
        frame: The frame: text or binary.
        detail: What exactly is wrong, when the row says too little.
    """

    row: str
    frame: Frame = attrs.field(repr=lambda frame: repr(frame[:200]))
    detail: str = ""


def wrong_types(registry: Registry | None = None) -> Iterator[Garbage]:
    """Yields, for every field of every message type and of the envelope, frames in which it has another type."""
    for row in registry or protocol_v1():
        valid = _sample_frame(row)
        for path in _paths(valid):
            for wrong in _WRONG:
                broken = copy.deepcopy(valid)
                _put(broken, path, wrong)
                if path[0] == "payload" and _accepts(row, broken["payload"]):
                    continue
                if path[0] != "payload" and _is_of_type(_get(valid, path), wrong):
                    continue
                where = ".".join(map(str, path))
                yield Garbage("wrong type", json.dumps(broken), f"{row.name}: {where} is {wrong!r}")


def missing_fields(registry: Registry | None = None) -> Iterator[Garbage]:
    """Yields, for every required field of every message type, a frame without it."""
    for row in registry or protocol_v1():
        valid = _sample_frame(row)
        for path in _paths(valid):
            if path[0] != "payload" or not isinstance(path[-1], str):
                continue
            broken = copy.deepcopy(valid)
            del _get(broken, path[:-1])[path[-1]]
            is_wrong = (
                row.required if path == ("payload",) else not _accepts(row, broken["payload"])
            )
            if is_wrong:
                where = ".".join(map(str, path))
                yield Garbage("missing field", json.dumps(broken), f"{row.name}: no {where}")


def _sample_frame(row: MessageType) -> dict[str, Any]:
    return {
        "type": row.name,
        "payload": sample(row.payload),
        "channel": "chan.nel",
        "id": "an-id",
        "stream": "app",
        "epoch": "e1",
        "seq": 1,
        "timestamp": "2026-01-01T00:00:00Z",
        "redelivered": True,
    }


def _accepts(row: MessageType, payload: Any) -> bool:
    if payload is None and not row.required:
        return True
    try:
        msgspec.convert(payload, row.payload)
    except msgspec.ValidationError:
        return False
    return True


def _is_of_type(valid: Any, wrong: Any) -> bool:
    if wrong is None:
        return True  # null is how many servers spell an absent field of the envelope
    return type(valid) is type(wrong)


def _paths(value: Any, before: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    elif isinstance(value, list):
        items = list(enumerate(value))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    for key, inner in items:
        yield (*before, key)
        yield from _paths(inner, (*before, key))


def _get(value: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def _put(value: Any, path: tuple[str | int, ...], new: Any) -> None:
    _get(value, path[:-1])[path[-1]] = new


# --- the catalogue ----------------------------------------------------------------------------------------------------


def _number_in_seq(number: str) -> str:
    return f'{{"type": "subscribe", "seq": {number}, "payload": {{"channel": "c"}}}}'


def _number_in_payload(number: str) -> str:
    return f'{{"type": "unknown.type", "payload": {{"n": {number}}}}}'


def _placed(place: Callable[[str], str], number: str) -> str:
    return place(number)


def _anywhere(numbers: list[str]) -> SearchStrategy[str]:
    places = st.sampled_from([_number_in_seq, _number_in_payload])
    return st.builds(_placed, places, st.sampled_from(numbers))


def _deep(depth: int, opening: str, *, is_payload: bool) -> str:
    closing = {"[": "]", '{"a":': "}"}[opening]
    nested = opening * depth + "1" + closing * depth
    return f'{{"type": "unknown.type", "payload": {nested}}}' if is_payload else nested


def _mutated(frame: str, place: int, character: str, *, is_inserted: bool) -> str:
    place %= len(frame) + 1
    return frame[:place] + character + frame[place + (0 if is_inserted else 1) :]


def _cut(frame: str, place: int) -> str:
    return frame[: place % len(frame)]


def _surrogate(surrogate: str, *, is_escaped: bool) -> str:
    inside = f"\\u{ord(surrogate):04x}" if is_escaped else surrogate
    return f'{{"type": "subscribe", "payload": {{"channel": "{inside}"}}}}'


def _retyped(frame: str, name: str) -> str:
    return f'{frame[:-1]}, "type": {json.dumps(name)}}}'


def _marked(frame: str, *, is_text: bool) -> Frame:
    return "\ufeff" + frame if is_text else codecs.BOM_UTF8 + frame.encode()


def _merged(fields: dict[str, Any], wrong: dict[str, Any]) -> str:
    return json.dumps({**fields, **wrong})


def _unknown(name: str, payload: Any) -> str:
    return json.dumps({"type": name, "payload": payload})


def _controlled(character: str) -> str:
    return _FULL.replace('"c"', f'"{character}"')


def _built(
    function: Callable[..., Frame], *parts: SearchStrategy[Any], **named: SearchStrategy[Any]
) -> SearchStrategy[Frame]:
    return st.builds(function, *parts, **named)


_PLACES = st.integers(0, 10_000)
_FULL = '{"type": "subscribe", "payload": {"channel": "c"}}'

_ROWS: dict[str, Callable[[Registry], SearchStrategy[Frame]]] = {
    "deep nesting": lambda _: _built(
        _deep,
        st.sampled_from([600, 5_000, 100_000]),
        st.sampled_from(["[", '{"a":']),
        is_payload=st.booleans(),
    ),
    "huge integer": lambda _: _anywhere(["1" * 4_301, "-" + "9" * 4_301, "1" * 100_000]),
    "not a number": lambda _: _anywhere(["NaN", "Infinity", "-Infinity", "nan"]),
    "overflowing number": lambda _: _anywhere(["1e999", "-1e999", "1e400", str(2**64), str(2**63)]),
    "lone surrogate": lambda _: _built(
        _surrogate,
        st.characters(categories=["Cs"]),
        is_escaped=st.booleans(),
    ),
    "duplicate keys": lambda registry: _built(
        _retyped,
        wire_text(registry=registry),
        st.sampled_from([row.name for row in registry]),
    ),
    "byte order mark": lambda registry: _built(
        _marked,
        wire_text(registry=registry),
        is_text=st.booleans(),
    ),
    "utf-16 or utf-32": lambda registry: _built(
        str.encode,
        wire_text(registry=registry),
        st.sampled_from(["utf-16", "utf-16-le", "utf-32", "utf-32-be"]),
    ),
    "invalid utf-8": lambda _: _built(
        bytes.__add__,
        st.sampled_from([b"", b'{"type": "', _FULL.encode()]),
        st.sampled_from([b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xc0\xaf"]),
    ),
    "binary": lambda _: st.binary(max_size=200),
    "empty": lambda _: st.sampled_from(["", " ", "\n\t", "\x00"]),
    "not an object": lambda _: (
        json_values().filter(lambda value: not isinstance(value, dict)).map(json.dumps)
    ),
    "no type": lambda _: _built(
        _merged,
        st.sampled_from([_NOTHING, {"payload": {}}, {"id": "1", "seq": 1}]),
        st.sampled_from([_NOTHING, *({"type": wrong} for wrong in _NO_NAMES)]),
    ),
    "unknown type": lambda registry: _built(
        _unknown,
        texts(min_size=1).filter(lambda name: name not in registry),
        json_values(),
    ),
    "wrong type": lambda registry: st.sampled_from([each.frame for each in wrong_types(registry)]),
    "missing field": lambda registry: st.sampled_from(
        [each.frame for each in missing_fields(registry)]
    ),
    "number for a position": lambda _: st.sampled_from(
        [_number_in_seq(number) for number in ("true", "1.5", "-1", "0", '"1"', "1e2")]
    ),
    "control character": lambda _: _built(
        _controlled,
        st.characters(max_codepoint=31),
    ),
    "trailing data": lambda registry: _built(
        str.__add__,
        wire_text(registry=registry),
        st.sampled_from(["{}", ",", "]", "}", "null", "\x00", _FULL]),
    ),
    "truncated": lambda registry: _built(_cut, wire_text(registry=registry), _PLACES),
    "mutated": lambda registry: _built(
        _mutated,
        wire_text(registry=registry),
        _PLACES,
        st.characters(exclude_categories=["Cs"]),
        is_inserted=st.booleans(),
    ),
}

GARBAGE: tuple[str, ...] = tuple(_ROWS)
"""Names of the rows."""


def wire_garbage(
    registry: Registry | None = None, *, rows: tuple[str, ...] = GARBAGE
) -> SearchStrategy[Garbage]:
    """Draws a frame that is wrong.

    Args:
        registry: The valid types, which some rows start from; protocol v1 when None.
        rows: Only these rows of `GARBAGE`.
    """
    known = registry or protocol_v1()
    strategies = {row: _ROWS[row](known) for row in rows}
    return st.sampled_from(rows).flatmap(
        lambda row: strategies[row].map(lambda frame: Garbage(row, frame))
    )
