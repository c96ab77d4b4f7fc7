"""Writable parts of a store: they read as a stream and write through.

A part holds nothing. It reads by a function of the value. It writes by a function that puts a new part into the value, through
`update`. So a part does not lose what another thread writes to the rest of the value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from ..engine import Domain, Equals, Source, check_function
from ..errors import UsageError
from ..state import KeyedStore, ReadOnly, Store, derived
from .drafts import produce

__all__ = ["Part", "at", "part"]

T = TypeVar("T")
S = TypeVar("S")


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
        put: Returns the value with another part; pure.
        equals: When two parts in a row count as no change for observers; see `equality.same` for the default.
        name: For reports.
    """
    _check_store(store, "part()")
    for function, role in ((get, "get of part()"), (put, "put of part()")):
        check_function(function, role, "compute at once, and await elsewhere")
    value = derived(store, get, equals=equals, name=name or f"part of {store.name}")

    def write(function: Callable[[T], T]) -> None:
        store.update(lambda now: put(now, function(get(now))))

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
    label = "".join(f"[{step!r}]" for step in path)
    if isinstance(store, KeyedStore):
        key, rest = path[0], path[1:]
        keyed: KeyedStore[Any, Any] = store
        value = derived(
            keyed.select(key), lambda entity: _get(entity, rest), name=f"{store.name}{label}"
        )

        def write(function: Callable[[Any], Any]) -> None:
            keyed.update(key, lambda entity: _put(entity, rest, function(_get(entity, rest))))

        return Part(value, value, write)
    return part(
        store,
        lambda now: _get(now, path),
        lambda now, new: _put(now, path, new),
        name=f"{store.name}{label}",
    )


def _check_store(store: object, name: str) -> None:
    if not isinstance(store, (Store, KeyedStore, Part)):
        raise UsageError(
            f"{name} takes a store or a part of one, which can be written; got {type(store).__name__}"
        )


def _get(value: Any, path: tuple[Any, ...]) -> Any:
    found: Any = value
    for step in path:
        found = found[step] if _has_items(found) else getattr(found, step)
    return found


def _has_items(value: object) -> bool:
    return isinstance(value, (Mapping, list, tuple))


def _put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new

    def recipe(draft: Any) -> None:
        owner = value
        for step in path[:-1]:
            draft = draft[step] if _has_items(owner) else getattr(draft, step)
            owner = _get(owner, (step,))
        if _has_items(owner):
            draft[path[-1]] = new
        else:
            setattr(draft, path[-1], new)

    return produce(value, recipe)
