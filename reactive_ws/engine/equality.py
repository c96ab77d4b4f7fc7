"""Decides whether a new value counts as a change: the default rule `same`, and `shallow` for containers and records.

Pure functions. Stores call them before a commit, selections and derived values during delivery, never under a lock.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import fractions
import math
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
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
    return _is_plain_tuple(kind) and unchanged(_same_items, old, new)


def _same_items(old: Any, new: Any) -> bool:
    if len(old) != len(new) or len(new) > _LONGEST_TUPLE:
        return False
    for left, right in zip(old, new, strict=True):
        if left is right:
            continue
        kind: type[Any] = right.__class__
        if type(left) is not kind:
            return False
        if kind in _EXACT:
            if not _EXACT[kind](left, right):
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
    classes, dataclasses and msgspec structs. Other values are compared with `same`.
    """
    if same(old, new):
        return True
    if type(old) is not type(new):
        return False
    return _same_parts(old, new)


def _same_parts(old: Any, new: Any) -> bool:
    kind: type[Any] = new.__class__
    names = _fields_of(kind)
    if names is not None:
        if not all(_same_field(old, new, name) for name in names):
            return False
        # A class with fields may be a container, too.
        return not issubclass(kind, _CONTAINERS) or _same_items_of(old, new)
    before, now = getattr(old, "__dict__", None), getattr(new, "__dict__", None)
    # A subclass of a container may have attributes beside its items.
    return (
        _same_items_of(old, new)
        and (now is None or _same_attributes(before, now))
        and all(_same_field(old, new, name) for name in _slots_of(kind))
    )


def _same_items_of(old: Any, new: Any) -> bool:
    kind: type[Any] = new.__class__
    if issubclass(kind, Mapping):
        if len(old) != len(new):
            return False
        if not all(key in old and same(old[key], value) for key, value in new.items()):
            return False
        if issubclass(kind, OrderedDict) or getattr(new, "_keeps_order", False):
            return all(map(same, old, new))
        return _same_members(old, new)
    if issubclass(kind, AbstractSet):
        return _same_members(old, new)
    if issubclass(kind, (bytearray, memoryview)):
        return bool(old == new)
    if issubclass(kind, Sequence) and not issubclass(kind, (str, bytes)):
        return len(old) == len(new) and all(map(same, old, new))
    return False


def _same_members(old: Any, new: Any) -> bool:
    """Whether two sets, or the keys of two mappings, are the same: 1 and True are equal, and not the same."""
    if len(old) != len(new):
        return False
    return {(type(it), it) for it in old} == {(type(it), it) for it in new}


def _slots_of(kind: type[Any]) -> list[str]:
    """Returns the names of the slots that a subclass of a container adds."""
    found: list[str] = []
    if not issubclass(kind, _CONTAINERS):
        return found
    for base in kind.__mro__:
        slots = base.__dict__.get("__slots__", ())
        names = (slots,) if isinstance(slots, str) else tuple(slots)
        found += [name for name in names if not name.startswith("__")]
    return found


def _same_attributes(old: Any, new: Any) -> bool:
    return old.keys() == new.keys() and all(shallow(old[name], new[name]) for name in new)


def _fields_of(kind: type[Any]) -> Sequence[str] | None:
    """Returns the names of the fields of a class that declares them, or None."""
    if attrs.has(kind):
        return [field.name for field in attrs.fields(kind)]
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    names: Sequence[str] | None = getattr(kind, "__struct_fields__", None)
    return names


def _same_field(old: Any, new: Any, name: str) -> bool:
    left, right = getattr(old, name, _NONE_SUCH), getattr(new, name, _NONE_SUCH)
    return same(left, right)
