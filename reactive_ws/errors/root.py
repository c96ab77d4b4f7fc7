"""The base class of all exceptions of this package, and how a text of others becomes one line."""

from __future__ import annotations

import unicodedata
from typing import Any, ClassVar

__all__ = ["ReactiveWSError", "one_line"]


class ReactiveWSError(Exception):
    """Base class of every exception that this package raises on purpose.

    `str` gives one line without control characters: a server that chose a part of the text forges no line of a log and
    sends no escape sequence to a terminal. The attributes keep the text as it came. `copy` and `pickle` give an equal exception.
    """

    text: ClassVar[str] = ""
    """The template of `str`. The attributes fill it in."""

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception is copied by calling its class with `args`, which no class with keyword arguments takes.
        return _without_init, (type(self), self.args), self.__dict__

    def __str__(self) -> str:
        return one_line(self.text.format_map(vars(self)) if self.text else super().__str__())


def _without_init(kind: type[ReactiveWSError], args: tuple[Any, ...]) -> ReactiveWSError:
    error = kind.__new__(kind, *args)
    # The base class of `TimeoutError` leaves it to `__init__`.
    error.args = args
    return error


def one_line(text: str) -> str:
    """Returns a text with its control characters, line ends and invisible characters written as escapes."""
    if text.isprintable():
        return text
    return "".join(
        c
        if c.isprintable() or unicodedata.category(c) == "Zs"
        else c.encode("unicode_escape").decode()
        for c in text
    )
