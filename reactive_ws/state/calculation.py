"""One run of a derived value's function: whether it is needed, and what came of it, a value or a failure.

Does not know when to run it nor who is told; `computed` does, and nobody else calls this room.

The traceback of a failure holds the frames of everybody who was calling, with their variables. So whoever may be calling
lets go of failures before it returns, or the two would hold each other, and the derived value, until the collector runs.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from operator import is_
from typing import Any

from ..engine import UNSET

__all__ = ["Failure", "calculate", "has_gap", "is_same_input", "value_or_error"]


class Failure:
    """Stands where the value would be when the function raised."""

    __slots__ = ("error", "traceback")

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.traceback = error.__traceback__

    def began_here(self, arguments: tuple[Any, ...]) -> bool:
        """Whether it began at the value with these arguments and not below it, where it was reported."""
        return all(argument is not self for argument in arguments)


def calculate(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Returns the value, or the failure of the function or of the first argument that is one."""
    for argument in arguments:
        if argument.__class__ is Failure:
            return argument
    try:
        return function(*arguments)
    except Exception as error:  # noqa: BLE001 - kept as the value, raised by get(), reported by the caller
        return Failure(error)


def value_or_error(result: Any) -> Any:
    """Returns what was calculated.

    Raises:
        Exception: what the function raised.
    """
    if result.__class__ is not Failure:
        return result
    try:
        # With the traceback that it had, or each read would make it longer.
        raise result.error.with_traceback(result.traceback)
    finally:
        del result


def is_same_input(left: tuple[Any, ...], right: tuple[Any, ...]) -> bool:
    """Whether these are the same objects, so that there is nothing to calculate."""
    return all(map(is_, left, right))


def has_gap(arguments: tuple[Any, ...]) -> bool:
    """Whether one of these is not known yet. `in` would ask user values whether they are equal."""
    return any(map(is_, arguments, repeat(UNSET)))
