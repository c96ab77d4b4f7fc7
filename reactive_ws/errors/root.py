"""The base class of all exceptions of this package, and how a text of others becomes one line."""

from __future__ import annotations

import unicodedata
from typing import ClassVar

__all__ = ["ReactiveWSError", "one_line"]


class ReactiveWSError(Exception):
    """Base class of every exception that this package raises on purpose.

    `str` gives one line without control characters: a server that chose a part of the text forges no line of a log and
    sends no escape sequence to a terminal. The attributes keep the text as it came.
    """

    text: ClassVar[str] = ""
    """The template of `str`. The attributes fill it in."""

    def __str__(self) -> str:
        return one_line(self.text.format_map(vars(self)) if self.text else super().__str__())


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
