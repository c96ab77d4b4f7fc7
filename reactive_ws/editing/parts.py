"""Writable parts of a store: they read as a stream and write through.

A part holds nothing. It reads by a function of the value. It writes by a function that puts a new part into the value, through
`update`. So a part does not lose what another thread writes to the rest of the value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar, cast

from ..engine import Domain, Equals, Source, check_function
from ..errors import UsageError
from ..state import KeyedStore, ReadOnly, Store, derived
from .drafts import produce

__all__ = ["Part", "at", "part"]

T = TypeVar("T")
S = TypeVar("S")

_NOTHING: Any = object()


class Part(ReadOnly[T], Generic[T]):
    """A part of a store's value. Made by `part` and `at`. All methods: any thread, also inside a batch."""

    __slots__ = ("__weakref__", "_value", "_write")

    def __init__(
        self,
        value: ReadOnly[T],
        origin: Source,
        write: Callable[[Callable[[T], T]], None],
    ) -> None:
        self._value = (value, origin)
        self._write = write

    def __repr__(self) -> str:
        return f"<Part {self.name!r} = {self.get()!r}>"

    @property
    def _origin(self) -> Source:
        return self._value[1]

    @property
    def name(self) -> str:
        """The name of the part, for reports."""
        return self._value[1].name

    @property
    def domain(self) -> Domain:
        """The domain of the store."""
        return self._value[1].domain

    def get(self) -> T:
        """Returns the part; inside a batch the batch's.

        Raises:
            Exception: the store has no such part now.
        """
        return self._value[0].get()

    def set(self, value: T) -> None:
        """Writes the part; the rest of the value stays.

        Raises:
            StoreClosed, FeedbackLoop: as `Store.update`.
            Exception: the store has no such part now; nothing is changed then.
        """
        self._write(lambda _: value)

    def update(self, function: Callable[[T], T]) -> None:
        """Replaces the part by `function` of it; runs again when another thread wrote meanwhile.

        Args:
            function: Pure.

        Raises:
            StoreClosed, FeedbackLoop: as `Store.update`.
            Exception: what `function` raises, or the store has no such part now; nothing is changed then.
        """
        self._write(function)


def part(
    store: Store[S] | Part[S],
    get: Callable[[S], T],
    put: Callable[[S, T], S],
    *,
    equals: Equals[T] | None = None,
    name: str | None = None,
) -> Part[T]:
    """Returns a part of a store, or of another part, by two functions.

    Args:
        store: What has the part.
        get: Returns the part of a value; pure.
        put: Returns the value with another part; pure. What `get` or `put` raises has a note that names the part.
        equals: When two parts in a row count as no change for observers; see `equality.same` for the default.
        name: For reports.
    """
    _check_store(store, "part()")
    for function, role in ((get, "get of part()"), (put, "put of part()")):
        check_function(function, role, "compute at once, and await elsewhere")
    label = name or f"part of {store.name}"

    def read(now: S) -> T:
        try:
            return get(now)
        except Exception as error:
            _note(error, label)
            raise

    def write(function: Callable[[T], T]) -> None:
        def change(now: S) -> S:
            new = function(read(now))
            try:
                return put(now, new)
            except Exception as error:
                _note(error, label)
                raise

        store.update(change)

    value = derived(store, read, equals=equals, name=label)
    return Part(value, value, write)


def at(store: Store[Any] | KeyedStore[Any, Any] | Part[Any], *path: Any) -> Part[Any]:
    """Returns the part at a path: `at(store, "user", "emails", 0)`.

    Args:
        store: What has the part. Of a keyed store the path begins with a key.
        path: Names of fields of records, keys of mappings, indexes of lists and tuples.

    Raises:
        UsageError: the path is empty.
    """
    if not path:
        raise UsageError("at() takes a path, such as at(store, 'user', 'name')")
    _check_store(store, "at()")
    label = f"{store.name}{_text_of(path)}"
    if isinstance(store, KeyedStore):
        key, rest = path[0], path[1:]
        keyed: KeyedStore[Any, Any] = store
        owner = f"{store.name}{_text_of((key,))}"
        value = derived(keyed.select(key), lambda entity: _get(entity, rest, owner), name=label)

        def write(function: Callable[[Any], Any]) -> None:
            def change(entity: Any) -> Any:
                if entity is _NOTHING:
                    raise KeyError(f"the part {label} is not there: {owner} has no entity")
                return _put(entity, rest, function(_get(entity, rest, owner)), owner)

            keyed.update(key, change, default=_NOTHING)

        return Part(value, value, write)
    name = store.name
    value = derived(store, lambda now: _get(now, path, name), name=label)
    whole: Store[Any] | Part[Any] = store
    return Part(
        value,
        value,
        lambda function: whole.update(
            lambda now: _put(now, path, function(_get(now, path, name)), name)
        ),
    )


def _check_store(store: object, name: str) -> None:
    if not isinstance(store, (Store, KeyedStore, Part)):
        raise UsageError(
            f"{name} takes a store or a part of one, which can be written; got {type(store).__name__}"
        )


def _note(error: Exception, label: str) -> None:
    """Adds the name of the part to what a function of a part raised, once."""
    note = f"in {label}"
    if note not in getattr(error, "__notes__", ()):
        error.add_note(note)


def _text_of(path: tuple[Any, ...]) -> str:
    return "".join(f"[{step!r:.80}]" for step in path)


def _get(value: Any, path: tuple[Any, ...], owner: str) -> Any:
    """Returns what is at the end of a path.

    Args:
        value: Where the path begins.
        path: The steps.
        owner: What `value` is called in errors.
    """
    found: Any = value
    for number, step in enumerate(path):
        try:
            found = found[step] if _has_items(found, step) else getattr(found, step)
        except (LookupError, AttributeError, TypeError) as error:
            kind = next((it for it in _MISSING if isinstance(error, it)), LookupError)
            label, where = owner + _text_of(path), owner + _text_of(path[:number])
            raise kind(f"the part {label} is not there: {where} {_has_not(found, step)}") from error
    return found


_MISSING = (KeyError, IndexError, AttributeError, TypeError)
"""The kinds of errors of a step that is not there, beside other kinds of `LookupError`."""


def _has_not(value: object, step: Any) -> str:
    """Returns why a value has no such step, for errors. It shows no values, because they may be secrets."""
    if value is None:
        return "is None"
    kind = type(value).__name__
    if isinstance(value, Mapping):
        return f"({kind}) has no such key"
    if isinstance(value, (list, tuple)):
        return f"({kind}) has no such index"
    return f"({kind}) has no field {step!r:.80}"


def _has_items(value: object, step: Any) -> bool:
    """Returns whether a step from a value is a key or an index, not the name of a field."""
    if not isinstance(value, (Mapping, list, tuple)):
        return False
    # A named tuple has both.
    kind: type[Any] = type(cast("object", value))
    return not (isinstance(step, str) and step in getattr(kind, "_fields", ()))


def _put(value: Any, path: tuple[Any, ...], new: Any, owner: str) -> Any:
    """Returns a value with something else at the end of a path that is there."""
    if not path:
        return new

    def recipe(draft: Any) -> None:
        below = value
        for step in path[:-1]:
            draft = draft[step] if _has_items(below, step) else getattr(draft, step)
            below = _get(below, (step,), owner)
        if draft is below:
            # A write to a leaf would change the original in place.
            where = owner + _text_of(path[:-1])
            raise UsageError(
                f"the part {owner}{_text_of(path)} cannot be written: {where} ({type(below).__name__}) has no draft;"
                " write it whole, or take part() with a function that puts the new part in"
            )
        if _has_items(below, path[-1]):
            draft[path[-1]] = new
        else:
            setattr(draft, path[-1], new)

    try:
        return produce(value, recipe)
    except UsageError:
        raise
    except Exception as error:
        _note(error, owner + _text_of(path))
        raise
