"""The usual answers of the hub: it repeats the question, so that every answer can be predicted.

An answer is a pure function of the message and of what came of its orders: the hub may ask twice and must get the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from ..wire import Message

__all__ = ["Reply", "assistant"]

Reply: TypeAlias = Callable[[Message, tuple[str, ...]], str]
"""Returns the whole answer to a message, given one sentence for each order in it. Pure; runs on the hub's loop."""

_MAX_ECHO = 1_000
"""Characters that are repeated; an echo of everything would double a message at the size limit."""


def assistant(message: Message, outcomes: tuple[str, ...]) -> str:
    """Returns what came of the orders, or else what was said and how many words it had."""
    if outcomes:
        return " ".join(outcomes)
    said = " ".join(message.content.split())
    words = len(said.split())
    if not words:
        return "You said nothing."
    if len(said) > _MAX_ECHO:
        said = said[:_MAX_ECHO] + "…"
    return f"You said: {said} ({words} {'word' if words == 1 else 'words'})"
