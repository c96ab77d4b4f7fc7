"""`produce`: code changes a draft as if it were mutable, and gets a new immutable value.

A draft looks like the value it stands for. It copies nothing until something is written, and then only the objects on the way
to what was written; all others are shared with the original, which does not change. Records (attrs classes, dataclasses,
msgspec structs, named tuples), mappings, lists, tuples and sets have drafts. Other containers of the standard library, such as a deque or a
subclass of dict, are copied whole when a recipe reads them. Every other object is a leaf and is used as it is.

An object that stands in two places of a value has two drafts: a change of one place does not change the other.

The module is long because a session makes the four kinds of drafts, and each draft asks its session for the drafts below it.

`attrs.evolve` and its like need a call for each level, and the evolvers of pyrsistent need its collections.
"""

# The classes of this module share names with an underscore.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import operator
import types
from collections import deque
from collections.abc import (
    Callable,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    MutableSequence,
    MutableSet,
)
from collections.abc import Set as AbstractSet
from typing import Any, TypeVar, cast

import attrs
import msgspec

from ..engine import check_function, check_result
from ..errors import UsageError
from ..state import Map

__all__ = ["produce"]

T = TypeVar("T")

_NOTHING = object()


def produce(value: T, recipe: Callable[[Any], None]) -> T:
    """Returns a value as `recipe` changes it; the value itself stays as it is.

    `store.update(lambda now: produce(now, recipe))` changes a store. The recipe may run more than once then.

    Args:
        value: A record, a mapping, a list, a tuple or a set, of any depth. Keys and members of sets are leaves.
        recipe: Changes the draft that it gets, and returns None.

    Returns:
        A new value of the same type, which shares all unchanged parts; the same object when nothing changed.

    Raises:
        UsageError: the value is a leaf or a draft, the recipe returns something, a draft is used after its recipe ended, a
            value was put into itself, or the recipe changes a field that its class computes.
        Exception: what the recipe raises, or what a class raises for the new values of its fields.
    """
    check_function(
        recipe, "the recipe of produce()", "await first, and change the draft afterwards"
    )
    if type(value) in _DRAFTS:
        raise UsageError(
            "produce() takes a value, not a draft; change the draft, and the outer produce() returns it"
        )
    session = _Session()
    draft = session.draft_of(value)
    if type(draft) not in _DRAFTS:
        raise UsageError(
            f"produce() takes a record, a mapping, a list, a tuple or a set; a {type(value).__name__} has no parts"
        )
    run: Callable[[Any], object] = recipe
    try:
        returned = run(draft)
        if returned is not None:
            check_result(returned, recipe)
            kind = _kind_of(returned)
            what = "its draft" if kind in _DRAFTS else f"a value of class {kind.__name__}"
            raise UsageError(
                f"the recipe of produce() returned {what}, and a recipe changes its draft and"
                " returns None; write `def recipe(draft): ...` without a return, or leave out produce() for a new value"
            )
        return cast("T", session.finished(draft))
    finally:
        session.end()


class _Session:
    """One run of `produce`: its drafts, and whether they may still be used."""

    def __init__(self) -> None:
        self.is_open = True
        # Those that are being finished, to find one inside itself.
        self._path: set[int] = set()
        # By the id of each copy of a container that has no draft: the copy, and its original.
        self._copies: dict[int, tuple[Any, Any]] = {}

    def draft_of(self, value: Any) -> Any:
        """Returns the draft of a value; a copy of a container without drafts; the value itself when it is a leaf."""
        kind = _kind_of(value)
        if kind in _LEAVES or kind in _DRAFTS or id(value) in self._copies:
            return value
        if kind is dict or isinstance(value, Map):
            return _MappingDraft(self, value)
        if kind is list or kind is tuple:
            return _SequenceDraft(self, value)
        if kind is set or kind is frozenset:
            return _SetDraft(self, value)
        if _fields_of(kind) is not None:
            return _RecordDraft(self, value)
        if issubclass(kind, _COPIED):
            made = copy.deepcopy(value)
            self._copies[id(made)] = made, value
            return made
        return value

    def finished(self, value: Any) -> Any:
        """Returns what a value is without drafts; the same object when there are none in it."""
        kind = _kind_of(value)
        finish = _FINISH.get(kind)
        if finish is None:
            if kind in _LEAVES:
                return value
            if id(value) in self._copies:
                finish = _Session._finished_copy
            elif issubclass(kind, Map):
                finish = _Session._finished_map
            elif _fields_of(kind) is not None:
                finish = _Session._finished_record
            else:
                return value
        if id(value) in self._path:
            raise UsageError("a value was put into itself; a value cannot contain itself")
        self._path.add(id(value))
        try:
            return finish(self, value)
        finally:
            self._path.discard(id(value))

    def _finished_draft(self, draft: Any) -> Any:
        return draft._finish_()

    def _finished_items(self, value: Any) -> Any:
        items = [self.finished(item) for item in value]
        return value if _are_same(items, value) else type(value)(items)

    def _finished_map(self, value: Any) -> Any:
        made = {key: self.finished(item) for key, item in value.items()}
        if _are_same(made.values(), value.values()):
            return value
        return Map(made) if issubclass(_kind_of(value), Map) else made

    def _finished_record(self, record: Any) -> Any:
        """Finishes a record that the recipe made, perhaps of drafts."""
        changes: dict[str, Any] = {}
        for name in _fields_of(_kind_of(record)) or ():
            value = getattr(record, name, None)
            finished = self.finished(value)
            if finished is not value:
                changes[name] = finished
        return _replaced(record, changes) if changes else record

    def _finished_copy(self, value: Any) -> Any:
        _, original = self._copies[id(value)]
        kind = _kind_of(value)
        if issubclass(kind, dict):
            for key, item in list(value.items()):
                value[key] = self.finished(item)
        elif issubclass(kind, (list, deque)):
            for index, item in enumerate(value):
                value[index] = self.finished(item)
        try:
            is_same = bool(value == original)
        except Exception:  # noqa: BLE001 - the program's comparison; what cannot be compared counts as changed
            is_same = False
        return original if is_same else value

    def end(self) -> None:
        """Makes all drafts of this run unusable."""
        self.is_open = False

    def check(self) -> None:
        if not self.is_open:
            raise UsageError(
                "this draft ended with its recipe; keep the value that produce() returns"
            )


def _are_same(left: Iterable[Any], right: Iterable[Any]) -> bool:
    return all(a is b for a, b in zip(left, right, strict=True))


def _kind_of(value: object) -> type[Any]:
    """Returns the class of a value; of a draft the class of drafts, not what it says."""
    return type(value)


def _fields_of(kind: type) -> tuple[str, ...] | None:
    """Returns the names of the fields of a record class; None for any other class."""
    if attrs.has(kind):
        return tuple(field.name for field in attrs.fields(kind))
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_fields__
    if issubclass(kind, tuple):
        # A named tuple; other subclasses of tuple are leaves.
        return cast("tuple[str, ...] | None", getattr(cast("Any", kind), "_fields", None))
    return None


def _computed_of(kind: type) -> frozenset[str]:
    """Returns the names of the fields that a record class computes, so that its constructor does not take them."""
    if attrs.has(kind):
        return frozenset(field.name for field in attrs.fields(kind) if not field.init)
    if dataclasses.is_dataclass(kind):
        return frozenset(field.name for field in dataclasses.fields(kind) if not field.init)
    return frozenset()


def _refuse_computed(kind: type, name: str) -> None:
    raise UsageError(
        f"the class {kind.__name__} computes its field {name!r} (init=False), so a draft cannot change it;"
        " change the fields that it is computed from"
    )


def _replaced(record: Any, changes: dict[str, Any]) -> Any:
    kind = _kind_of(record)
    for name in changes.keys() & _computed_of(kind):
        _refuse_computed(kind, name)
    if attrs.has(kind):
        # An argument has the field's alias, which has no leading underscore.
        aliases = {field.name: field.alias or field.name for field in attrs.fields(kind)}
        return attrs.evolve(record, **{aliases[name]: value for name, value in changes.items()})
    if isinstance(record, msgspec.Struct):
        return msgspec.structs.replace(record, **changes)
    if issubclass(kind, tuple):
        return record._replace(**changes)
    return dataclasses.replace(record, **changes)


class _RecordDraft:
    """The draft of a record: the fields can be read and assigned."""

    __slots__ = ("_original_", "_session_", "_values_")

    _original_: Any
    _session_: _Session
    _values_: dict[str, Any]

    def __init__(self, session: _Session, original: Any) -> None:
        object.__setattr__(self, "_session_", session)
        object.__setattr__(self, "_original_", original)
        object.__setattr__(self, "_values_", {})

    @property  # type: ignore[misc]
    def __class__(self) -> type[Any]:  # pyright: ignore[reportIncompatibleMethodOverride] - read only
        # So that `isinstance`, `match` and `attrs.evolve` take the draft for the record.
        return _kind_of(self._original_)

    def __repr__(self) -> str:
        return f"<draft of {type(self._original_).__name__}>"

    def __copy__(self) -> Any:
        return self._session_.finished(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return copy.deepcopy(self._session_.finished(self), memo)

    def __getattr__(self, name: str) -> Any:
        self._session_.check()
        values = self._values_
        kind = _kind_of(self._original_)
        if name in (_fields_of(kind) or ()):
            value = values[name] if name in values else getattr(self._original_, name)
            draft = self._session_.draft_of(value)
            if draft is not value:
                values[name] = draft
            return draft
        # A method or a property works on the draft, so that it sees what was assigned.
        found: Any = inspect.getattr_static(kind, name, _NOTHING)
        if issubclass(_kind_of(found), (property, functools.cached_property)):
            compute: Any = getattr(found, "fget", None) or getattr(found, "func", None)
            if compute is not None:
                return compute(self)
        if inspect.isfunction(found):
            return found.__get__(self)
        if found is _NOTHING or isinstance(found, types.MemberDescriptorType):
            # Such as what a class with slots computes once: of the value as it is now.
            return getattr(self._session_.finished(self), name)
        return getattr(kind, name)

    def __eq__(self, other: object) -> bool:
        finished = self._session_.finished
        return bool(finished(self) == finished(other))

    __hash__ = None  # type: ignore[assignment]

    def __setattr__(self, name: str, value: Any) -> None:
        self._session_.check()
        kind = _kind_of(self._original_)
        fields = _fields_of(kind) or ()
        if name not in fields:
            setter = getattr(inspect.getattr_static(kind, name, None), "fset", None)
            if setter is not None:
                # A property assigns fields of the draft.
                setter(self, value)
                return
            raise AttributeError(
                f"{kind.__name__} has no field {name!r}; its fields are {', '.join(fields)}"
            )
        if name in _computed_of(kind):
            _refuse_computed(kind, name)
        self._values_[name] = value

    def _special_(self, name: str, *arguments: Any) -> Any:
        """Calls a special method of the class with the draft in place of the record."""
        self._session_.check()
        kind = _kind_of(self._original_)
        found: Any = inspect.getattr_static(kind, name, None)
        if not inspect.isfunction(found):
            raise TypeError(f"{kind.__name__} has no {name}()")
        return found(self, *arguments)

    def _named_(self) -> tuple[str, ...]:
        """Returns the fields of a named tuple, whose items they are; else nothing."""
        fields = _fields_of(_kind_of(self._original_)) or ()
        return fields if issubclass(_kind_of(self._original_), tuple) else ()

    def __iter__(self) -> Iterator[Any]:
        names = self._named_()
        return iter([getattr(self, it) for it in names]) if names else self._special_("__iter__")

    def __getitem__(self, index: Any) -> Any:
        names = self._named_()
        return [*self][index] if names else self._special_("__getitem__", index)

    def __setitem__(self, index: Any, value: Any) -> None:
        self._special_("__setitem__", index, value)

    def __delitem__(self, index: Any) -> None:
        self._special_("__delitem__", index)

    def __call__(self, *arguments: Any) -> Any:
        return self._special_("__call__", *arguments)

    def __contains__(self, item: object) -> bool:
        return self._session_.finished(item) in self._session_.finished(self)

    def __len__(self) -> int:
        return len(self._session_.finished(self))

    def __bool__(self) -> bool:
        return bool(self._session_.finished(self))

    def __str__(self) -> str:
        own: object = _kind_of(self._original_).__str__
        if own is object.__str__:
            return repr(self)
        return str(self._session_.finished(self))

    def __delattr__(self, name: str) -> None:
        self._session_.check()
        kind = _kind_of(self._original_)
        raise AttributeError(
            f"a field of {kind.__name__} cannot be deleted; assign {name!r} another value"
        )

    def _finish_(self) -> Any:
        changes: dict[str, Any] = {}
        for name, value in self._values_.items():
            finished = self._session_.finished(value)
            if finished is not getattr(self._original_, name):
                changes[name] = finished
        return _replaced(self._original_, changes) if changes else self._original_


def _of_values(operator_: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the special method that applies an operator to a record as it is now."""

    def method(self: _RecordDraft, *others: Any) -> Any:
        finished = self._session_.finished
        return operator_(finished(self), *map(finished, others))

    return method


def _of_values_turned(operator_: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: _RecordDraft, other: Any) -> Any:
        finished = self._session_.finished
        return operator_(finished(other), finished(self))

    return method


for _name in ("lt", "le", "gt", "ge", "neg", "pos", "abs", "invert"):
    setattr(_RecordDraft, f"__{_name}__", _of_values(getattr(operator, _name)))
for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor"):
    _operator = getattr(operator, f"{_name}_" if _name in {"and", "or"} else _name)
    setattr(_RecordDraft, f"__{_name}__", _of_values(_operator))
    setattr(_RecordDraft, f"__r{_name}__", _of_values_turned(_operator))


class _MappingDraft(MutableMapping[Any, Any]):
    """The draft of a dict or a persistent map."""

    def __init__(self, session: _Session, original: Any) -> None:
        self._session = session
        self._original: Mapping[Any, Any] = original
        # Drafts of values, and what was assigned; a copy of all pairs once the keys may differ.
        self._values: dict[Any, Any] = {}
        self._gone: set[Any] = set()

    def __repr__(self) -> str:
        return f"<draft of {dict(self)!r}>"

    def __copy__(self) -> Any:
        return self._session.finished(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return copy.deepcopy(self._session.finished(self), memo)

    def copy(self) -> dict[Any, Any]:
        """Returns a dict of the pairs, as a dict does."""
        return dict(self)

    def __reversed__(self) -> Iterator[Any]:
        yield from reversed(list(self))

    def popitem(self) -> tuple[Any, Any]:
        """Removes the pair that came last, as a dict does."""
        for key in reversed(self):
            return key, self.pop(key)
        raise KeyError("popitem(): the mapping is empty")

    def __or__(self, other: Any) -> Any:
        return self._merged(self, other)

    def __ror__(self, other: Any) -> Any:
        return self._merged(other, self)

    def _merged(self, first: Any, second: Any) -> Any:
        if not all(isinstance(it, Mapping) for it in (first, second)):
            return NotImplemented
        made = {**first, **second}
        return made if isinstance(self._original, dict) else Map(made)

    def __ior__(self, other: Any) -> Any:
        self.update(other)
        return self

    def __getitem__(self, key: Any) -> Any:
        self._session.check()
        if key in self._gone and key not in self._values:
            raise KeyError(key)
        value = self._values[key] if key in self._values else self._original[key]
        draft = self._session.draft_of(value)
        if draft is not value:
            self._values[key] = draft
        return draft

    def __setitem__(self, key: Any, value: Any) -> None:
        self._session.check()
        self._values[key] = value

    def __delitem__(self, key: Any) -> None:
        self._session.check()
        if key not in self:
            raise KeyError(key)
        self._values.pop(key, None)
        if key in self._original:
            self._gone.add(key)

    def __contains__(self, key: object) -> bool:
        self._session.check()
        return key in self._values or (key in self._original and key not in self._gone)

    def __iter__(self) -> Iterator[Any]:
        self._session.check()
        # A key that went and came again is where it came last, as in a dict.
        original, gone = self._original, self._gone
        # All keys at once, so that a loop over the draft may change it.
        yield from [
            *(key for key in original if key not in gone),
            *(key for key in self._values if key not in original or key in gone),
        ]

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _finish_(self) -> Any:
        original = self._original
        made = {
            key: self._session.finished(self._values[key]) if key in self._values else original[key]
            for key in self
        }
        if list(made) == list(original) and _are_same(made.values(), original.values()):
            return original
        return made if isinstance(original, dict) else Map(made)


class _SequenceDraft(MutableSequence[Any]):
    """The draft of a list or a tuple."""

    def __init__(self, session: _Session, original: Any) -> None:
        self._session = session
        self._original: list[Any] | tuple[Any, ...] = original
        self._items: list[Any] = list(original)

    def __repr__(self) -> str:
        return f"<draft of {self._items!r}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (list, tuple, _SequenceDraft)):
            return NotImplemented
        finished = self._session.finished
        others = cast("list[Any]", other)
        return len(self) == len(others) and all(
            finished(a) == finished(b) for a, b in zip(self, others, strict=True)
        )

    __hash__ = None  # type: ignore[assignment]

    def __copy__(self) -> Any:
        return self._session.finished(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return copy.deepcopy(self._session.finished(self), memo)

    def copy(self) -> list[Any]:
        """Returns a list of the items, as a list does."""
        return list(self)

    def __mul__(self, count: int) -> Any:
        return _kind_of(self._original)([*self] * count)

    __rmul__ = __mul__

    def __imul__(self, count: int) -> Any:
        self._items = [*self] * count
        return self

    def __lt__(self, other: Any) -> bool:
        return bool(self._plain(self) < self._plain(other))

    def __le__(self, other: Any) -> bool:
        return bool(self._plain(self) <= self._plain(other))

    def __gt__(self, other: Any) -> bool:
        return bool(self._plain(self) > self._plain(other))

    def __ge__(self, other: Any) -> bool:
        return bool(self._plain(self) >= self._plain(other))

    def _plain(self, value: Any) -> Any:
        return self._session.finished(value)

    def __add__(self, other: Any) -> Any:
        return self._joined([*self], other, is_first=True)

    def __radd__(self, other: Any) -> Any:
        return self._joined([*self], other, is_first=False)

    def _joined(self, items: list[Any], other: Any, *, is_first: bool) -> Any:
        kind = _kind_of(self._original)
        others = _kind_of(other._original if isinstance(other, _SequenceDraft) else other)
        if others is not kind:
            # As a list and a tuple have no sum.
            return NotImplemented
        return kind([*items, *other] if is_first else [*other, *items])

    def __getitem__(self, index: Any) -> Any:
        self._session.check()
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self._items)))]
        # From here on the place has the draft, which finishes as the value when nothing is written.
        draft = self._items[index] = self._session.draft_of(self._items[index])
        return draft

    def __setitem__(self, index: Any, value: Any) -> None:
        self._session.check()
        self._items[index] = value

    def __delitem__(self, index: Any) -> None:
        self._session.check()
        del self._items[index]

    def __len__(self) -> int:
        self._session.check()
        return len(self._items)

    def insert(self, index: int, value: Any) -> None:
        """Puts a value before an index."""
        self._session.check()
        self._items.insert(index, value)

    def sort(self, *, key: Callable[[Any], Any] | None = None, reverse: bool = False) -> None:
        """Sorts the items, as a list does."""
        self._session.check()
        items: Any = [self[at] for at in range(len(self._items))]
        items.sort(key=key, reverse=reverse)
        self._items = items

    def _finish_(self) -> Any:
        original = self._original
        # What came from the original has no drafts in it.
        kept = set(map(id, original))
        items = [item if id(item) in kept else self._session.finished(item) for item in self._items]
        if len(items) == len(original) and _are_same(items, original):
            return original
        return type(original)(items)


class _SetDraft(MutableSet[Any]):
    """The draft of a set or a frozenset; its members are leaves."""

    def __init__(self, session: _Session, original: Any) -> None:
        self._session = session
        self._original: AbstractSet[Any] = original
        self._members: set[Any] = set(original)

    @classmethod
    def _from_iterable(cls, iterable: Iterable[Any]) -> Any:
        return set(iterable)

    def __copy__(self) -> Any:
        return self._session.finished(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return copy.deepcopy(self._session.finished(self), memo)

    def __contains__(self, member: object) -> bool:
        self._session.check()
        return member in self._members

    def __iter__(self) -> Iterator[Any]:
        self._session.check()
        return iter(self._members)

    def __len__(self) -> int:
        self._session.check()
        return len(self._members)

    def add(self, value: Any) -> None:
        """Adds a member."""
        self._session.check()
        self._members.add(value)

    def discard(self, value: Any) -> None:
        """Removes a member, if it is there."""
        self._session.check()
        self._members.discard(value)

    def __getattr__(self, name: str) -> Any:
        # The named methods of a set; members are leaves, so a plain set does them.
        if name.startswith("_"):
            raise AttributeError(name)
        self._session.check()
        return getattr(self._members, name)

    def _finish_(self) -> Any:
        original: Any = self._original
        return original if self._members == original else type(original)(self._members)


_DRAFTS = frozenset({_RecordDraft, _MappingDraft, _SequenceDraft, _SetDraft})
_LEAVES = frozenset({str, int, float, bool, bytes, type(None)})
"""The most common leaves, to ask less about them."""
_COPIED = (dict, list, set, deque, bytearray)
"""Containers that change in place. Those that are not exactly a dict, a list or a set have no drafts."""
_FINISH: dict[type, Callable[[_Session, Any], Any]] = {
    **dict.fromkeys(_DRAFTS, _Session._finished_draft),
    list: _Session._finished_items,
    tuple: _Session._finished_items,
    dict: _Session._finished_map,
}
