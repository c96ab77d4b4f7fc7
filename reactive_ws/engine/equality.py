"""Decides whether a new value counts as a change: the default rule `same`, and `shallow` for containers and records.

Pure functions. Stores call them before a commit, selections and derived values during delivery, never under a lock.
"""

from __future__ import annotations

import datetime as dt
import decimal
import fractions
import math
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable, ItemsView, Mapping, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from functools import cached_property
from typing import Any, Protocol, TypeVar

import attrs

__all__ = ["COMPARED", "Equals", "is_compared_by_identity", "same", "shallow", "unchanged"]

T = TypeVar("T")

Equals = Callable[[T, T], object]
"""A function that says whether two values are equal.

Stores, selections and derived values call it for every new value, also when it is the identical object. Any answer but True
counts as different. An exception counts as different, too, and is reported.
"""

COMPARED: frozenset[type] = frozenset(
    {int, bool, str, bytes, fractions.Fraction, uuid.UUID, dt.date, dt.timedelta}
)
"""Types whose `==` is cheap, never raises, and is True only for values that look the same."""
_CONTAINERS = (list, tuple, dict, set, frozenset, deque)
_IN_ORDER = (
    OrderedDict,
    type(OrderedDict[Any, Any]().keys()),
    type(OrderedDict[Any, Any]().items()),
)
_RECORD_MARKS = frozenset({"__attrs_attrs__", "__dataclass_fields__", "__struct_fields__"})
"""Attributes of the classes that declare fields."""
_LONGEST_TUPLE = 8
_NONE_SUCH = object()


def _same_float(old: float, new: float) -> bool:
    if old == new:
        return old != 0.0 or math.copysign(1.0, old) == math.copysign(1.0, new)
    return old != old and new != new


def _same_complex(old: complex, new: complex) -> bool:
    return _same_float(old.real, new.real) and _same_float(old.imag, new.imag)


def _same_decimal(old: decimal.Decimal, new: decimal.Decimal) -> bool:
    return old.as_tuple() == new.as_tuple()


def _same_time(old: Any, new: Any) -> bool:
    return (old == new and old.fold == new.fold and old.tzinfo == new.tzinfo) is True


_EXACT: dict[type, Callable[[Any, Any], bool]] = {
    float: _same_float,
    complex: _same_complex,
    decimal.Decimal: _same_decimal,
    dt.datetime: _same_time,
    dt.time: _same_time,
}
"""Types whose `==` is True for values that a screen shows differently: 0.0 and -0.0, 1.0 and 1.00, two time zones."""


def is_compared_by_identity(kind: type[Any]) -> bool:
    """Whether `same` looks at nothing but identity for values of this class."""
    return not (kind in COMPARED or kind in _EXACT or _is_plain_tuple(kind))


def _is_plain_tuple(kind: type[Any]) -> bool:
    """Whether it is a tuple or a named tuple; a subclass with attributes may differ where its items do not."""
    return kind is tuple or (issubclass(kind, tuple) and kind.__dictoffset__ == 0)


def same(old: object, new: object) -> bool:
    """The default rule: identity, then equality for small plain values of the same type.

    Plain are numbers, str, bytes, dates, times, UUIDs, and tuples of at most 8 items whose items have the same types one
    by one. Enum members are identical when equal. Values that look different are different: 1 and True, 0.0 and -0.0,
    Decimal 1.0 and 1.00, one instant in two time zones. A NaN is the same as another NaN. A new list is always a change.
    The rule does not call the `==` of arrays or of user classes, except inside such a tuple.
    """
    if old is new:
        return True
    kind: type[Any] = type(new)
    if type(old) is not kind:
        return False
    if kind in COMPARED:
        return bool(old == new)
    exact = _EXACT.get(kind)
    if exact is not None:
        return unchanged(exact, old, new)
    # Most values are records, which are spared a call.
    if kind is not tuple and not (isinstance(new, tuple) and _is_plain_tuple(kind)):
        return False
    try:
        return _same_items(old, new)
    except Exception:  # noqa: BLE001 - as for every comparer
        return False


def _same_items(old: Any, new: Any) -> bool:
    if len(old) != len(new) or len(new) > _LONGEST_TUPLE:
        return False
    place = -1
    for right in new:
        # Not `zip`, which takes as long as the rest of a small tuple.
        place += 1
        left = old[place]
        if left is right:
            continue
        kind: type[Any] = right.__class__
        if type(left) is not kind:
            return False
        if kind in COMPARED:
            if left != right:
                return False
        elif kind in _EXACT:
            # Most are floats that are not 0.0 and have one sign.
            is_same = kind is float and left == right and left
            if not is_same and not _EXACT[kind](left, right):
                return False
        elif _is_plain_tuple(kind):
            if not _same_items(left, right):
                return False
        elif issubclass(kind, tuple) or (left == right) is not True:
            return False
    return True


class _Reporting(Protocol):
    """Takes what a comparer raised."""

    def _comparer_failed(self, equals: Equals[Any], error: BaseException, /) -> None: ...


def unchanged(
    equals: Equals[Any], old: object, new: object, asking: _Reporting | None = None
) -> bool:
    """Calls a comparer. One that raises, or that does not answer with a bool (an array, say), found a change.

    Args:
        equals: The comparer.
        old, new: The values that it compares.
        asking: Reports what the comparer raises. None: an Exception is ignored and any other BaseException propagates.
    """
    if old is new and equals is same:
        return True
    try:
        return equals(old, new) is True
    except BaseException as error:
        if asking is not None:
            asking._comparer_failed(equals, error)
        elif not isinstance(error, Exception):
            raise
        return False


def shallow(old: object, new: object) -> bool:
    """Compares two values of one class part by part with `same`.

    Parts are the items of sequences (deques too), the members of sets, the entries of mappings, and the fields of attrs
    classes, dataclasses and msgspec structs. The views of a mapping (`keys()`, `values()`, `items()`) have what they show.
    A subclass of one of these may have attributes beside them, which are parts too. Other values are compared with `same`.
    """
    if same(old, new):
        return True
    if type(old) is not type(new):
        return False
    return _same_parts(old, new)


def _same_parts(old: Any, new: Any) -> bool:
    kind: type[Any] = new.__class__
    names = _fields_of(kind)
    fields: Sequence[str] = () if names is None else names
    if not all(_same_field(old, new, name) for name in fields):
        return False
    # A class with fields may be a container, too.
    if (names is None or _is_container(kind)) and not _same_items_of(old, new):
        return False
    # A subclass may have attributes beside its fields and items.
    return kind in _CONTAINERS or _same_attributes(old, new, frozenset(fields))


def _same_items_of(old: Any, new: Any) -> bool:
    kind: type[Any] = new.__class__
    if issubclass(kind, Mapping):
        return _same_entries(old, new, keeps_order=_keeps_order(new))
    if issubclass(kind, ItemsView):
        return _same_entries(dict(old), dict(new), keeps_order=_keeps_order(new))
    if issubclass(kind, AbstractSet) and not _keeps_order(new):
        return _same_members(old, new)
    if issubclass(kind, (bytearray, memoryview)):
        return bool(old == new)
    is_in_order = issubclass(kind, (Sequence, ValuesView, AbstractSet))
    if is_in_order and not issubclass(kind, (str, bytes)):
        return len(old) == len(new) and all(map(same, old, new))
    return False


def _keeps_order(thing: Any) -> bool:
    """Whether a change of the order is a change of a mapping, or of a view of one."""
    whole = getattr(thing, "_mapping", thing)
    return isinstance(whole, _IN_ORDER) or getattr(whole, "_keeps_order", False) is True


def _same_entries(old: Any, new: Any, *, keeps_order: bool) -> bool:
    if len(old) != len(new):
        return False
    if not all(key in old and same(old[key], value) for key, value in new.items()):
        return False
    return all(map(same, old, new)) if keeps_order else _same_members(old, new)


def _same_members(old: Any, new: Any) -> bool:
    """Whether two sets, or the keys of two mappings, are the same: 1 and True are equal, and not the same."""
    if len(old) != len(new):
        return False
    return {(type(it), it) for it in old} == {(type(it), it) for it in new}


def _same_attributes(old: Any, new: Any, fields: frozenset[str]) -> bool:
    """Whether two values have the same attributes beside these fields. What a `cached_property` keeps is none."""
    kind: type[Any] = new.__class__
    is_record = bool(fields)
    # Other containers may keep their items in slots.
    names: set[str] = set(_slots_of(kind)) if is_record or _is_container(kind) else set()
    for thing in (old, new):
        names.update(getattr(thing, "__dict__", ()))
    # A container may keep its items in an attribute, as UserList does.
    equals = same if is_record else shallow
    return all(
        _same_field(old, new, name, equals)
        for name in names - fields
        if not isinstance(getattr(kind, name, None), cached_property)
    )


def _is_container(kind: type[Any]) -> bool:
    return issubclass(kind, _CONTAINERS)


def _slots_of(kind: type[Any]) -> list[str]:
    """Returns the names of the slots of a class and its bases, without those of classes that declare fields."""
    found: list[str] = []
    for base in kind.__mro__:
        if not _RECORD_MARKS.isdisjoint(base.__dict__):
            # They are its fields, or what its library keeps there.
            continue
        slots = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else tuple(slots):
            if not name.startswith("__"):
                found.append(name)
            elif not name.endswith("__"):
                # Python stores a private name under another one.
                found.append(f"_{base.__name__.lstrip('_')}{name}")
    return found


def _fields_of(kind: type[Any]) -> Sequence[str] | None:
    """Returns the names of the fields of a class that declares them, or None."""
    if attrs.has(kind):
        return [field.name for field in attrs.fields(kind)]
    if hasattr(kind, "__dataclass_fields__"):
        # The program that declares one has imported it. The import of this package does not need it.
        import dataclasses

        return [field.name for field in dataclasses.fields(kind)]
    names: Sequence[str] | None = getattr(kind, "__struct_fields__", None)
    return names


def _same_field(
    old: Any, new: Any, name: str, equals: Callable[[object, object], bool] = same
) -> bool:
    return equals(getattr(old, name, _NONE_SUCH), getattr(new, name, _NONE_SUCH))
