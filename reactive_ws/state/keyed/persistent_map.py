"""`Map`: the persistent map of stores, in C where there is a wheel and in Python elsewhere.

`immutables.Map` is a hash trie in C. It has no wheel for Python 3.14 and none for WebAssembly, and an installation there must not
need a compiler. `PureMap` has the same methods over `pyrsistent.PMap`. No other module imports either library.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

__all__ = ["Map", "PureMap", "PureMutation"]

K = TypeVar("K")
V = TypeVar("V")


class PureMap(Mapping[K, V]):
    """An immutable mapping in Python, with the methods of `immutables.Map` that this package uses.

    Args:
        values: The first content, a mapping or pairs.
    """

    __slots__ = ("_content",)

    def __init__(self, values: Mapping[K, V] | Iterable[tuple[K, V]] = ()) -> None:
        if isinstance(values, PureMap):
            self._content: Any = values._content
        else:
            self._content = importlib.import_module("pyrsistent").pmap(dict(values))

    def __getitem__(self, key: K) -> V:
        return self._content[key]  # type: ignore[no-any-return]

    def __contains__(self, key: object) -> bool:
        return key in self._content

    def __iter__(self) -> Iterator[K]:
        return iter(self._content)

    def __len__(self) -> int:
        return len(self._content)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PureMap):
            return NotImplemented
        return bool(self._content == other._content)

    def __hash__(self) -> int:
        return hash(self._content)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict(self)!r})"

    def set(self, key: K, value: V) -> PureMap[K, V]:
        """Returns a map with this value under the key."""
        return _with(self._content.set(key, value))

    def delete(self, key: K) -> PureMap[K, V]:
        """Returns a map without the key.

        Raises:
            KeyError: the key is missing.
        """
        return _with(self._content.remove(key))

    def update(self, values: Mapping[K, V] | Iterable[tuple[K, V]]) -> PureMap[K, V]:
        """Returns a map with these values added or replaced."""
        mutation = self.mutate()
        for key, value in dict(values).items():
            mutation[key] = value
        return mutation.finish()

    def mutate(self) -> PureMutation[K, V]:
        """Returns a copy that can be changed."""
        return PureMutation(self._content.evolver())


class PureMutation(Generic[K, V]):
    """A changing copy of a `PureMap`. `finish` returns the map."""

    __slots__ = ("_evolver",)

    def __init__(self, evolver: Any) -> None:
        self._evolver = evolver

    def __setitem__(self, key: K, value: V) -> None:
        self._evolver[key] = value

    def __delitem__(self, key: K) -> None:
        del self._evolver[key]

    def finish(self) -> PureMap[K, V]:
        """Returns the map with all changes."""
        return _with(self._evolver.persistent())


def _with(content: Any) -> PureMap[Any, Any]:
    made: PureMap[Any, Any] = PureMap.__new__(PureMap)  # pyright: ignore[reportUnknownVariableType]
    made._content = content
    return made


if TYPE_CHECKING:
    from immutables import Map
else:
    try:
        from immutables import Map
    except ImportError:
        Map = PureMap
