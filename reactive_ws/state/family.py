"""`family`: one value for each key, made when the program first asks for it and let go with its last user."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar, cast

from ..engine import check_function, check_kind, fork_safe_lock, refuse_copy
from ..errors import UsageError
from .computed import Derived

__all__ = ["Family", "family"]

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Family(Generic[K, T]):
    """The derived values of a function of a key. Made by `family`; call it with a key. Any thread.

    A family keeps no value alive. A value lives while the program holds it or while it has observers. All users of one key
    share one value, and so one computation.
    """

    __slots__ = ("__weakref__", "_function", "_lock", "_values", "name")

    def __init__(self, function: Callable[[K], Derived[T]], name: str) -> None:
        self._function = function
        self._lock = fork_safe_lock()
        self._values: weakref.WeakValueDictionary[K, Derived[T]] = weakref.WeakValueDictionary()
        self.name = name

    __reduce_ex__ = refuse_copy

    def __repr__(self) -> str:
        return f"<Family {self.name!r} of {len(self)} values>"

    def __len__(self) -> int:
        """Returns how many values live now."""
        return len(self._values)

    def __call__(self, key: K) -> Derived[T]:
        """Returns the value of a key: the one that lives, or a new one.

        Raises:
            UsageError: the function returned something else than a derived value.
            TypeError: the key is not hashable.
            Exception: what the function raises.
        """
        living = self._values.get(key)
        if living is not None:
            return living
        # Without the lock, because it is the program's function. Of two threads that come at once the first one's value stays.
        made: Any = self._function(key)
        if not isinstance(made, Derived):
            raise UsageError(
                f"the function of a family returns derived(...); {self.name} returned {type(made).__name__}"
            )
        with self._lock:
            return self._values.setdefault(key, cast("Derived[T]", made))


def family(function: Callable[[K], Derived[T]], *, name: str | None = None) -> Family[K, T]:
    """Returns a family: `family(function)(key)` is the derived value that `function(key)` made.

    Args:
        function: Returns a derived value for a key, such as `lambda user: derived(orders, lambda now: total(now, user))`.
        name: For reprs and errors; the function's name when None.

    Raises:
        UsageError: `function` is not a plain function, or `name` is not a text.
    """
    check_function(function, "the function of family()", "return derived(...) at once")
    check_kind(name, str, "name=", '"totals"')
    label = getattr(function, "__qualname__", type(function).__name__) if name is None else name
    return Family(function, label)
