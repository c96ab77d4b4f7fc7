"""From a type to the JSON values that it accepts: the ground under `strategies` and `garbage`.

Reads what `msgspec.inspect` says about a class (`msgspec.Struct`, `attrs`, dataclass, TypedDict, NamedTuple), so the strategies of a
message type follow its definition. Wire values: field names as on the wire, dates as text, only what JSON can hold.
"""

from __future__ import annotations

import base64
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec import inspect

__all__ = ["json_values", "sample", "texts", "wire_values"]

_EXACT_INTEGER = 2**53
"""Integers up to here are exact in every JSON implementation (RFC 8259, section 6)."""


def texts(*, min_size: int = 0, max_size: int = 30) -> SearchStrategy[str]:
    """Any text that can be sent: all of Unicode except lone surrogates, which no encoding can carry."""
    return st.text(st.characters(exclude_categories=["Cs"]), min_size=min_size, max_size=max_size)


def numbers() -> SearchStrategy[float]:
    """Any number that JSON can hold."""
    return st.floats(allow_nan=False, allow_infinity=False)


def json_values() -> SearchStrategy[Any]:
    """Any JSON value, nested a few levels deep."""
    leaves = (
        st.none()
        | st.booleans()
        | st.integers(-_EXACT_INTEGER, _EXACT_INTEGER)
        | numbers()
        | texts()
    )
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts(), inner, max_size=3),
        max_leaves=5,
    )


@st.composite
def objects(
    draw: st.DrawFn,
    fixed: dict[str, SearchStrategy[Any]],
    optional: dict[str, SearchStrategy[Any]],
) -> dict[str, Any]:
    """JSON objects in which each optional field is there every second time.

    `fixed_dictionaries(optional=...)` leaves them out three times of four, and two of them together hardly ever come.
    """
    drawn = {name: draw(values) for name, values in fixed.items()}
    for name, values in optional.items():
        if draw(st.booleans()):
            drawn[name] = draw(values)
    return drawn


def wire_values(kind: Any) -> SearchStrategy[Any]:
    """Returns JSON values that are valid for a type: required fields always, each optional field present or absent.

    Raises:
        TypeError: a type that has no JSON form that this room knows.
    """
    return _Builder().values(inspect.type_info(kind))


class _Builder:
    """Builds strategies; remembers those of classes, because classes may contain themselves."""

    def __init__(self) -> None:
        self._known: dict[type[Any], SearchStrategy[Any]] = {}

    def values(self, kind: inspect.Type) -> SearchStrategy[Any]:
        match kind:
            case inspect.AnyType() | inspect.RawType():
                return json_values()
            case inspect.NoneType():
                return st.none()
            case inspect.BoolType():
                return st.booleans()
            case inspect.IntType():
                return _integers(kind)
            case inspect.FloatType():
                return _floats(kind)
            case inspect.StrType():
                return _strings(kind)
            case inspect.BytesType() | inspect.ByteArrayType():
                return st.binary(max_size=20).map(lambda data: base64.b64encode(data).decode())
            case inspect.DateTimeType():
                return _dates()
            case inspect.DateType():
                return st.dates().map(lambda day: day.isoformat())
            case inspect.UUIDType():
                return st.uuids().map(str)
            case inspect.EnumType():
                return st.sampled_from([member.value for member in kind.cls])
            case inspect.LiteralType():
                return st.sampled_from(kind.values)
            case inspect.UnionType():
                # Something is more interesting than nothing: null is drawn a third as often as the others.
                null = [kind for kind in kind.types if isinstance(kind, inspect.NoneType)]
                others = [kind for kind in kind.types if not isinstance(kind, inspect.NoneType)]
                return st.one_of(
                    [self.values(member) for member in (*others, *others, *others, *null)]
                )
            case inspect.DictType():
                return st.dictionaries(
                    self.values(kind.key_type),
                    self.values(kind.value_type),
                    min_size=kind.min_length or 0,
                    max_size=_size(kind.max_length),
                )
            case inspect.TupleType():
                return st.tuples(*map(self.values, kind.item_types)).map(list)
            case (
                inspect.ListType()
                | inspect.SetType()
                | inspect.FrozenSetType()
                | inspect.VarTupleType()
                | inspect.CollectionType()
            ):
                return st.lists(
                    self.values(kind.item_type),
                    min_size=kind.min_length or 0,
                    max_size=_size(kind.max_length),
                )
            case inspect.StructType() | inspect.DataclassType() | inspect.TypedDictType():
                return self._objects(kind)
            case _:
                raise TypeError(f"{kind!r} has no JSON form that can be drawn")

    def _objects(
        self, kind: inspect.StructType | inspect.DataclassType | inspect.TypedDictType
    ) -> SearchStrategy[Any]:
        known = self._known.get(kind.cls)
        if known is not None:
            return known
        self._known[kind.cls] = st.deferred(lambda: built)
        fixed: dict[str, SearchStrategy[Any]] = {}
        if isinstance(kind, inspect.StructType):
            if kind.array_like:
                raise TypeError(f"{kind.cls.__name__} is array-like; only objects can be drawn")
            if kind.tag_field is not None:
                fixed[kind.tag_field] = st.just(kind.tag)
        optional: dict[str, SearchStrategy[Any]] = {}
        for field in kind.fields:
            (fixed if field.required else optional)[field.encode_name] = self.values(field.type)
        built: SearchStrategy[Any] = objects(fixed, optional)
        return built


def _integers(kind: inspect.IntType) -> SearchStrategy[int]:
    low = _bound(kind.ge, kind.gt, 1, -_EXACT_INTEGER)
    high = _bound(kind.le, kind.lt, -1, _EXACT_INTEGER)
    if kind.multiple_of:
        step = kind.multiple_of
        return st.integers(-(-low // step), high // step).map(lambda count: count * step)
    return st.integers(low, high)


def _bound(inclusive: int | None, exclusive: int | None, step: int, default: int) -> int:
    if inclusive is not None:
        return inclusive
    return default if exclusive is None else exclusive + step


def _floats(kind: inspect.FloatType) -> SearchStrategy[float]:
    return st.floats(
        min_value=kind.gt if kind.ge is None else kind.ge,
        max_value=kind.lt if kind.le is None else kind.le,
        exclude_min=kind.ge is None and kind.gt is not None,
        exclude_max=kind.le is None and kind.lt is not None,
        allow_nan=False,
        allow_infinity=False,
    )


def _strings(kind: inspect.StrType) -> SearchStrategy[str]:
    if kind.pattern is not None:
        return st.from_regex(kind.pattern)
    return texts(min_size=kind.min_length or 0, max_size=_size(kind.max_length, 30))


def _dates() -> SearchStrategy[str]:
    zones = st.sampled_from(["Z", "+00:00", "+05:30", "-08:00"])
    moments = st.datetimes().map(lambda moment: moment.isoformat())
    return st.tuples(moments, zones).map("".join)


def _size(limit: int | None, usual: int = 3) -> int:
    return usual if limit is None else min(usual, limit)


def sample(kind: Any) -> Any:
    """Returns one valid wire value of a type, with every optional field present and no empty collection.

    Only a class that contains itself ends in an empty collection.
    """
    return _sample(inspect.type_info(kind), ())


def _sample(kind: inspect.Type, inside: tuple[type[Any], ...]) -> Any:
    match kind:
        case inspect.UnionType():
            return _sample(
                next(one for one in kind.types if not isinstance(one, inspect.NoneType)), inside
            )
        case inspect.DictType():
            return {_sample(kind.key_type, inside): _sample(kind.value_type, inside)}
        case inspect.TupleType():
            return [_sample(each, inside) for each in kind.item_types]
        case (
            inspect.ListType()
            | inspect.SetType()
            | inspect.FrozenSetType()
            | inspect.VarTupleType()
            | inspect.CollectionType()
        ):
            if getattr(kind.item_type, "cls", None) in inside:
                return []
            return [_sample(kind.item_type, inside)]
        case inspect.StructType() | inspect.DataclassType() | inspect.TypedDictType():
            return {
                field.encode_name: _sample(field.type, (*inside, kind.cls)) for field in kind.fields
            }
        case inspect.EnumType():
            return next(iter(kind.cls)).value
        case inspect.LiteralType():
            return kind.values[0]
        case inspect.IntType():
            return _bound(kind.ge, kind.gt, 1, 1)
        case _:
            return _PLAIN.get(type(kind))


_PLAIN: dict[type[inspect.Type], Any] = {
    inspect.AnyType: {"free": True},
    inspect.RawType: {"free": True},
    inspect.BoolType: True,
    inspect.FloatType: 1.5,
    inspect.StrType: "text",
    inspect.BytesType: "aGk=",
    inspect.DateTimeType: "2026-01-01T00:00:00Z",
    inspect.DateType: "2026-01-01",
    inspect.UUIDType: "00000000-0000-4000-8000-000000000000",
}
