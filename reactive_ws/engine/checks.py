"""Checks of what a program passes in: functions, options, copies. Each refusal says what to write instead.

It knows no stores. All modules of `engine` and `state` may use it.
"""

from __future__ import annotations

import inspect
import math
import sys
import warnings
from collections.abc import Callable, Iterable
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from types import (
    AsyncGeneratorType,
    BuiltinFunctionType,
    CoroutineType,
    FunctionType,
    GeneratorType,
    MethodType,
)
from typing import Any, NoReturn, TypeVar

from reactivex.disposable import Disposable

from ..errors import UsageError

__all__ = [
    "Registration",
    "advise_names",
    "check_comparer",
    "check_count",
    "check_function",
    "check_iterable",
    "check_kind",
    "check_methods",
    "check_result",
    "check_seconds",
    "check_valid",
    "refuse_copy",
    "warn_without_gil",
]

_C = TypeVar("_C")

_RUNS_LATER = CO_COROUTINE | CO_GENERATOR | CO_ASYNC_GENERATOR
"""Flags of functions whose call runs nothing of their body."""
_MARK = "_is_coroutine_mark"
"""The attribute that `inspect.markcoroutinefunction` sets; new in Python 3.12."""


def check_function(given: Any, role: str, instead: str) -> None:
    """Refuses what cannot be called, and an `async def` or a generator function, whose body a store would never run.

    Args:
        given: What the program passed.
        role: What the function is for, such as "an observer".
        instead: What to write in its place.

    Raises:
        UsageError: it is not a plain function.
    """
    # The usual kinds first, because to ask `inspect` costs as much as the rest of a subscription.
    function = given.__func__ if given.__class__ is MethodType else given
    if function.__class__ is FunctionType:
        if not function.__code__.co_flags & _RUNS_LATER and not hasattr(function, _MARK):
            return
    elif function.__class__ is BuiltinFunctionType:
        return
    if not callable(given):
        raise UsageError(
            f"{role} is a function, such as `lambda value: value.name`; got {given!r:.80}"
        )
    call = getattr(type(given), "__call__", None)  # noqa: B004 - an object may have an async one
    name = getattr(given, "__qualname__", type(given).__qualname__)
    for called in (given, call):
        if inspect.iscoroutinefunction(called) or inspect.isasyncgenfunction(called):
            raise UsageError(
                f"{role} is a plain function, and {name} is an `async def`, which would never run; {instead}"
            )
        if inspect.isgeneratorfunction(called):
            raise UsageError(
                f"{role} is a plain function, and {name} has a `yield`, so it would never run; {instead}"
            )


def check_result(value: Any, function: object) -> None:
    """Refuses the coroutine, the async generator or the generator that a function returned in place of a value.

    Raises:
        UsageError: the value is one of these.
    """
    if value.__class__ is CoroutineType or value.__class__ is AsyncGeneratorType:
        if value.__class__ is CoroutineType:
            value.close()
        name = getattr(function, "__qualname__", type(function).__qualname__)
        raise UsageError(
            f"{name} is an `async def`, and a store computes at once; await first, and then write the result with set()"
        )
    if value.__class__ is GeneratorType:
        name = getattr(function, "__qualname__", type(function).__qualname__)
        raise UsageError(
            f"{name} returned a generator, and a store computes at once; return the value in place of each `yield`,"
            " or the items of a generator as a tuple: `return tuple(...)`"
        )


def check_methods(
    given: Any,
    names: tuple[str, ...],
    option: str,
    example: str,
    *,
    is_required: bool = False,
) -> None:
    """Refuses an object that lacks a method of a protocol.

    Args:
        given: What the program passed.
        names: The methods.
        option: Name of the option, such as "codec=".
        example: What to write.
        is_required: Whether None is refused, too.

    Raises:
        UsageError: a method is missing, or it is a class and no object.
    """
    if given is None and not is_required:
        return
    missing = [name for name in names if not callable(getattr(given, name, None))]
    if missing or isinstance(given, type):
        raise UsageError(
            f"{option} takes an object with the methods {', '.join(names)}, such as {example}; got {given!r:.80}"
        )


def check_comparer(given: Any) -> None:
    """Refuses an `equals=` that is not a plain function; None is the default rule.

    Raises:
        UsageError: it is none.
    """
    if given is not None:
        check_function(given, "equals=", "compare at once, such as `operator.eq` or `shallow`")


def check_iterable(given: Any, role: str, example: str) -> None:
    """Refuses what cannot be iterated, and a text, whose items are letters.

    Raises:
        UsageError: it is one of these.
    """
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise UsageError(f"{role} takes several things, such as {example}; got {given!r:.80}")


def check_kind(
    given: Any,
    kind: type[Any] | tuple[type[Any], ...],
    option: str,
    example: str,
    *,
    is_required: bool = False,
) -> None:
    """Refuses an option of another type.

    Args:
        given: What the program passed.
        kind: The type, or several.
        option: Name of the option, such as "name=".
        example: A right value, as it is written.
        is_required: Whether None is refused, too.

    Raises:
        UsageError: it is not an instance of `kind`.
    """
    if given is None and not is_required:
        return
    # A bool is an int in Python, and never a number that a program meant to pass.
    if not isinstance(given, kind) or (isinstance(given, bool) and kind is not bool):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        name = " or a ".join(it.__name__ for it in kinds)
        raise UsageError(
            f"{option} takes a {name}, such as {example}; got {type(given).__name__} {given!r:.80}"
        )


def check_count(given: Any, option: str, *, least: int = 0) -> None:
    """Refuses what is not a whole number, and one that is too small.

    Args:
        given: What the program passed.
        option: Name of the option, such as "count=".
        least: The smallest number that is allowed.

    Raises:
        UsageError: it is one of these.
    """
    if not isinstance(given, int) or isinstance(given, bool) or given < least:
        raise UsageError(
            f"{option} takes a whole number, {least} or more, such as {max(least, 10)}; got {given!r:.80}"
        )


def check_seconds(given: Any, option: str) -> None:
    """Refuses a number of seconds that is negative, endless or no number.

    Raises:
        UsageError: it is one of these.
    """
    is_number = isinstance(given, (int, float)) and not isinstance(given, bool)
    if not is_number or not math.isfinite(given) or given < 0:
        raise UsageError(f"{option} takes seconds, 0 or more, such as 0.5; got {given!r:.80}")


def check_valid(validate: Callable[[Any], object], value: Any, store: str) -> None:
    """Calls the `validate=` of a store.

    Raises:
        Exception: what it raises.
        UsageError: it returned False instead.
    """
    if validate(value) is False:
        raise UsageError(
            f"validate= of store {store!r} returned False; raise an exception that says what is wrong with the value instead"
        )


_INSTEAD_OF = {
    "subscribe": "write select().subscribe(...)",
    "pipe": "write select().pipe(...)",
    "on_next": "write set(value)",
    "value": "write get()",
    "state": "write get()",
    "wait_for": "write select().wait_for(...)",
}


class _Absent:
    """A name that streams of other libraries have and a class of stores has not; reading it raises with advice.

    A `__getattr__` would say the same, but CPython 3.11 caches no attribute of a class that has one: each write would cost
    a third more (row `store_write_1`).
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, thing: object, owner: type) -> NoReturn:
        advice = _INSTEAD_OF[self._name]
        raise AttributeError(
            f"a {owner.__name__} has no attribute {self._name!r}; {advice}",
            name=self._name,
            obj=thing,
        )


def advise_names(owner: type[_C]) -> type[_C]:
    """Decorates a class of stores: for `subscribe`, `value` and the like an AttributeError says what to write instead."""
    for name in _INSTEAD_OF:
        setattr(owner, name, _Absent(name))
    return owner


def refuse_copy(thing: Any, _protocol: object = None) -> NoReturn:
    """Stands as `__reduce_ex__` in classes whose instances are not their values: stores, streams, files, registrations.

    `copy`, `deepcopy` and `pickle` all ask for it.

    Raises:
        UsageError: always.
    """
    advice = "pass the object itself on"
    if callable(getattr(thing, "get", None)):
        advice = "copy the value: Store(store.get()), or pickle store.get()"
    raise UsageError(
        f"a {type(thing).__name__} cannot be copied or pickled, because other parts of the program hold this very object;"
        f" {advice}"
    )


class Registration(Disposable):
    """Stands for a function that a program registered. `dispose()` removes the function; a second call changes nothing."""

    __reduce_ex__ = refuse_copy


def warn_without_gil() -> None:
    """Warns when the interpreter runs without its global lock, on which the store engine relies."""
    is_gil_enabled = getattr(sys, "_is_gil_enabled", None)
    if is_gil_enabled is not None and not is_gil_enabled():
        warnings.warn(
            "reactive_ws does not support free-threaded Python: observers may see values out of order or twice."
            " Run it with PYTHON_GIL=1 or with a build that has the global interpreter lock.",
            RuntimeWarning,
            stacklevel=2,
        )
