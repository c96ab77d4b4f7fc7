"""When a new value counts as no change: the default rule, and `shallow` for those who want more.

Pure functions, called by stores before a commit and by selections during delivery, never under a lock.
"""

from __future__ import annotations

import datetime as dt
import decimal
import fractions
import operator
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

import attrs

__all__ = ["COMPARED", "Equals", "is_compared_by_identity", "same", "shallow", "unchanged"]

T = TypeVar("T")

Equals = Callable[[T, T], object]
"""Tells whether two values are equal. Anything but True or False, and any exception, counts as different; an exception is also reported."""

COMPARED: frozenset[type] = frozenset(
    {
        int, float, complex, bool, str, bytes, fractions.Fraction, uuid.UUID,
        dt.date, dt.datetime, dt.time, dt.timedelta,
    }
)  # fmt: skip
"""Types whose `==` is cheap, means what it says and never raises."""
_LONGEST_TUPLE = 8


def is_compared_by_identity(kind: type[Any]) -> bool:
    """Whether `same` looks at nothing but identity for values of this class."""
    return not (kind in COMPARED or kind is decimal.Decimal or issubclass(kind, tuple))


def same(old: object, new: object) -> bool:
    """The default rule: identity, then `==` for small plain values of the same type.

    Plain are numbers, str, bytes, dates, times, UUIDs, and tuples of at most 8 items whose items have the same types one
    by one. Enum members are identical when equal. So 1 and True differ, a new list is always a change, and the `==` of
    arrays or of user classes is not asked, except inside such a tuple.
    """
    if old is new:
        return True
    kind = type(new)
    if type(old) is not kind:
        return False
    if kind in COMPARED:
        return bool(old == new)
    if kind is decimal.Decimal:
        return unchanged(operator.eq, old, new)
    return issubclass(kind, tuple) and unchanged(_same_items, old, new)


def _same_items(old: Any, new: Any) -> bool:
    if len(old) != len(new) or len(new) > _LONGEST_TUPLE:
        return False
    for left, right in zip(old, new, strict=True):
        if left is right:
            continue
        kind: type[Any] = right.__class__
        if type(left) is not kind:
            return False
        if not (_same_items(left, right) if issubclass(kind, tuple) else (left == right) is True):
            return False
    return True


class _Reporting(Protocol):
    """Whoever takes what a comparer raised."""

    def _comparer_failed(self, equals: Equals[Any], error: BaseException, /) -> None: ...


def unchanged(
    equals: Equals[Any], old: object, new: object, asking: _Reporting | None = None
) -> bool:
    """Asks a comparer; one that raises, or that answers with no bool (an array, say), found a change.

    Args:
        equals: The comparer.
        old, new: What it compares.
        asking: Who reports what it raises; None: nobody, and what is no Exception goes on.
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
    """Compares two containers item by item with `same`: sequences, mappings, and attrs instances of one class."""
    if same(old, new):
        return True
    if type(old) is not type(new):
        return False
    return _same_parts(old, new)


def _same_parts(old: Any, new: Any) -> bool:
    kind: type[Any] = new.__class__
    if issubclass(kind, Mapping):
        return len(old) == len(new) and all(
            key in old and same(old[key], value) for key, value in new.items()
        )
    if issubclass(kind, (list, tuple)):
        return len(old) == len(new) and all(map(same, old, new))
    if attrs.has(kind):
        names = [field.name for field in attrs.fields(kind)]
        return all(same(getattr(old, name), getattr(new, name)) for name in names)
    return False
