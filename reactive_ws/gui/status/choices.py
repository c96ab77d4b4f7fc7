"""`Corner` and `Detail`: the choices that the connection widgets of all toolkits offer, and the check of what a program wrote."""

from __future__ import annotations

import difflib
from typing import Literal, get_args

from ...errors import UsageError

__all__ = ["Corner", "Detail", "check_corner", "check_detail"]

Corner = Literal["top-left", "top-right", "bottom-left", "bottom-right"]
"""Where a widget floats over another one."""

Detail = Literal["full", "compact", "metrics"]
"""How much a status shows: all words, words in a tooltip, or a panel of numbers below."""


def check_corner(option: str, given: str | None) -> None:
    """Refuses another word than those of `Corner`; None is none.

    Args:
        option: The name of the argument.
        given: What the program wrote.

    Raises:
        UsageError: there is no such corner.
    """
    if given is not None:
        _check(option, given, get_args(Corner))


def check_detail(given: str) -> None:
    """Refuses another word than those of `Detail`.

    Raises:
        UsageError: there is no such detail.
    """
    _check("detail", given, get_args(Detail))


def _check(option: str, given: str, choices: tuple[str, ...]) -> None:
    if given in choices:
        return
    meant = difflib.get_close_matches(str(given), choices, 1)
    hint = f"; did you mean {meant[0]!r}?" if meant else ""
    raise UsageError(f"{option} is one of {', '.join(map(repr, choices))}, not {given!r}{hint}")
