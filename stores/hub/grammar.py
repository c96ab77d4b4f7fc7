"""The commands that a chat message may hold for the hub: one on each line. The hub answers any other line.

    panel create TITLE          a new text panel
    panel update TITLE: TEXT    a new text for that panel
    panel close TITLE           closes the panel
    notify TITLE: TEXT          a notification; the text may be left out
    refuse TEXT                 the whole message is refused with an `error` and has no effect

Key words in any case, titles compared without regard to case. This module only reads; `state` performs.
"""

from __future__ import annotations

import re
from typing import TypeAlias

import attrs

__all__ = [
    "GRAMMAR",
    "ClosePanel",
    "CreatePanel",
    "Notify",
    "Order",
    "RefuseMessage",
    "UpdatePanel",
    "orders",
]

GRAMMAR = """\
Commands in a chat message, one on each line. The hub answers any other line with text:
  panel create TITLE          a new text panel
  panel update TITLE: TEXT    a new text for that panel
  panel close TITLE           the panel goes away
  notify TITLE: TEXT          a notification; the text may be left out
  refuse TEXT                 the whole message is refused with an error"""
"""The grammar as the command line shows it."""

_MAX_TITLE = 200
"""Characters; a title is one line in a user interface."""


@attrs.frozen
class CreatePanel:
    """A new panel is wanted."""

    title: str


@attrs.frozen
class UpdatePanel:
    """A panel gets a new text."""

    title: str
    text: str


@attrs.frozen
class ClosePanel:
    """A panel goes away."""

    title: str


@attrs.frozen
class Notify:
    """A notification is wanted."""

    title: str
    text: str


@attrs.frozen
class RefuseMessage:
    """The message wants to be refused."""

    reason: str


Order: TypeAlias = CreatePanel | UpdatePanel | ClosePanel | Notify | RefuseMessage

_LINE = re.compile(
    r"""\s*(?:
        panel\s+(?P<verb>create|close)\s+(?P<title>\S.*)
      | panel\s+update\s+(?P<changed>[^:\s][^:]*):\s*(?P<text>.*)
      | notify\s+(?P<notice>[^:\s][^:]*)(?::\s*(?P<body>.*))?
      | refuse\s+(?P<reason>\S.*)
    )""",
    re.IGNORECASE | re.VERBOSE,
)


def orders(content: str) -> tuple[Order, ...]:
    """Returns the orders in a message's text, in order; empty for mere talk."""
    return tuple(order for line in content.splitlines() if (order := _order(line)) is not None)


def _order(line: str) -> Order | None:
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    found = match.groupdict(default="")
    if found["reason"]:
        return RefuseMessage(found["reason"].strip())
    if found["notice"]:
        return Notify(_title(found["notice"]), found["body"].strip())
    if found["changed"]:
        return UpdatePanel(_title(found["changed"]), found["text"].strip())
    title = _title(found["title"])
    return CreatePanel(title) if found["verb"].lower() == "create" else ClosePanel(title)


def _title(text: str) -> str:
    return text.strip()[:_MAX_TITLE]
