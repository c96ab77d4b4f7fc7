"""Calls a function of the program that gives a token or a URL, sync or async, and keeps its secrets.

An exception of such a function may quote a token in its text. So only its type and the line that raised it are shown.
`Tokens` and `Dialer` call it on every dial.
"""

from __future__ import annotations

import asyncio
import inspect
import traceback
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import attrs

from ...errors import DialFailed, Unauthorized

__all__ = ["Answer", "Provider", "ask"]

Provider: TypeAlias = Callable[..., str | Awaitable[str]]
"""A function of the program that returns a token or a URL, at once or later."""


@attrs.frozen
class Answer:
    """The answer of a provider. asyncio shows the results of tasks in their reprs; this one shows nothing.

    Attributes:
        text: The token or URL.
        refused: The reason of `Unauthorized`, which ends the retries.
        failed: Any other failure, in words; the next dial asks again.
    """

    text: str = attrs.field(default="", repr=False)
    refused: str | None = None
    failed: str | None = None

    def get(self) -> str:
        """Returns the text.

        Raises:
            Unauthorized: the provider raised it.
            DialFailed: the provider raised something else, or returned no string.
        """
        if self.refused is not None:
            raise Unauthorized(self.refused)
        if self.failed is not None:
            raise DialFailed(self.failed)
        return self.text


async def ask(provider: Callable[[], Any], what: str) -> Answer:
    """Calls a provider and awaits its answer; `what` names it in errors."""
    try:
        answer: Any = provider()
        if inspect.isawaitable(answer):
            answer = await answer
    except Unauthorized as error:
        return Answer(refused=error.reason)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        # What the provider awaited was cancelled; the dial was not.
        return Answer(failed=f"the {what} provider raised CancelledError")
    except Exception as error:  # noqa: BLE001 - a provider is foreign code; the next dial asks it again
        kind = type(error).__name__
        return Answer(failed=f"the {what} provider raised {kind}{_place(error)}")
    if not isinstance(answer, str):
        return Answer(failed=f"the {what} provider returned {type(answer).__name__}, not a string")
    return Answer(answer)


def _place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
