"""Stream names and patterns: what is allowed, and what a pattern matches. Pure functions."""

from __future__ import annotations

from typing import Final

from ...errors import UsageError
from ...wire import MAX_STREAM_SIZE

__all__ = ["check_stream", "is_pattern", "is_private", "matches", "name_problem", "prefix_of"]


_MAX_KNOWN: Final = 1_024
_good: Final[dict[str, None]] = {}
"""Names that were looked at and are good, so that a second look costs nothing."""


def name_problem(name: object) -> str | None:
    """Returns what is wrong with a stream name, None when nothing is.

    A name has 1 to 200 bytes of UTF-8, no control characters and no `*`.
    """
    if not isinstance(name, str):
        return f"a stream name is text, not {type(name).__name__}"
    if (
        name.isascii()
        and name.isprintable()
        and 1 <= len(name) <= MAX_STREAM_SIZE
        and "*" not in name
    ):
        # Nearly every name; the way below says what is wrong.
        return None
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "a stream name is text that UTF-8 can write; this one has a lone surrogate"
    if not 1 <= size <= MAX_STREAM_SIZE:
        return f"a stream name has 1 to {MAX_STREAM_SIZE} bytes, not {size}"
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        return "a stream name has no control characters"
    if "*" in name:
        return "a stream name has no '*'; only patterns do"
    return None


def check_stream(name: str) -> str:
    """Returns the name.

    Raises:
        UsageError: it cannot be the name of a stream.
    """
    # A program without types may give anything, also what no dict takes.
    if name.__class__ is str and name in _good:
        return name
    problem = name_problem(name)
    if problem is not None:
        raise UsageError(f"bad stream name {name!r:.60}: {problem}")
    if len(_good) >= _MAX_KNOWN:
        _good.clear()
    _good[name] = None
    return name


def is_pattern(name: str) -> bool:
    """Tells whether this is `*`, or ends in `.*` or `/*` behind a valid name."""
    return name == "*" or (name[-2:] in (".*", "/*") and name_problem(name[:-1]) is None)


def is_private(name: str) -> bool:
    """Tells whether a stream belongs to the server alone: its name begins with `_`, and no client hears it."""
    return name.startswith("_")


def prefix_of(pattern: str) -> str | None:
    """Returns the beginning that all names of a pattern have; None when it is an exact name."""
    return pattern[:-1] if is_pattern(pattern) else None


def matches(pattern: str, name: str) -> bool:
    """Tells whether a pattern, or an exact name, means this stream."""
    prefix = prefix_of(pattern)
    return name == pattern if prefix is None else name.startswith(prefix) and name != prefix
