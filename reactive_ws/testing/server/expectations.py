"""Waiting for what a client sends, and saying clearly what came instead. The inbox of a `ScriptedServer`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Container, Generator, Sequence
from typing import Any, TypeAlias

from ...wire import Envelope
from .peer import Peer

__all__ = ["Inbox", "What", "noting_absence"]

What: TypeAlias = str | type[Any] | Callable[[Envelope[Any]], bool] | object
"""A type name, a payload class, a payload, or a function of the envelope; None is any message."""


class Inbox:
    """Messages that no test has asked for yet.

    Args:
        is_skipped: Message types that an expectation skips unless it names them.
    """

    def __init__(self, is_skipped: Container[str]) -> None:
        self._is_skipped = is_skipped
        self._unread: list[Envelope[Any]] = []
        self._news = asyncio.Event()

    def add(self, message: Envelope[Any]) -> None:
        """Takes a message that arrived."""
        self._unread.append(message)
        self.notify()

    def notify(self) -> None:
        """Makes every call that waits in `until` look again."""
        self._news.set()

    async def until(
        self, condition: Callable[[], bool], timeout: float, say: Callable[[], str]
    ) -> None:
        """Waits until a condition holds that `notify` announces.

        Raises:
            AssertionError: not in time; the text is what `say` returns.
        """
        try:
            async with asyncio.timeout(timeout):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"{say()} within {timeout:g} s") from None

    async def expect(self, what: What, timeout: float) -> Envelope[Any]:
        """Returns the next message that is not skipped, and asserts what it is.

        Raises:
            AssertionError: nothing came in time, or something else came first.
        """
        found: list[Envelope[Any]] = []

        def look() -> bool:
            while self._unread and not found:
                message = self._unread.pop(0)
                if fits(message, what) or message.type not in self._is_skipped:
                    found.append(message)
            return bool(found)

        await self.until(look, timeout, lambda: f"{_say(what)} was expected, nothing came")
        if not fits(found[0], what):
            raise AssertionError(f"{_say(what)} was expected, but the client sent {found[0]!r}")
        return found[0]

    async def expect_nothing(self, seconds: float) -> None:
        """Lets time pass, and asserts that nothing that is not skipped comes, or came before and was not expected yet.

        Raises:
            AssertionError: something came.
        """
        await asyncio.sleep(seconds)
        sent = [message for message in self._unread if message.type not in self._is_skipped]
        if sent:
            raise AssertionError(f"nothing was expected, but the client sent {sent!r}")


@contextlib.contextmanager
def noting_absence(url: str, connections: Sequence[Peer]) -> Generator[None, None, None]:
    """Adds to a failed expectation that no client is connected."""
    try:
        yield
    except AssertionError as error:
        if not connections:
            error.add_note(f"no client ever connected to {url}")
        elif not any(peer.is_open for peer in connections):
            error.add_note("no client is connected now")
        raise


def fits(message: Envelope[Any], what: What) -> bool:
    """Returns whether a message is what was asked for."""
    if what is None:
        return True
    if isinstance(what, str):
        return message.type == what
    if isinstance(what, type):
        return isinstance(message.payload, what)
    if type(what) is type(message.payload):
        return bool(message.payload == what)
    return callable(what) and bool(what(message))


def _say(what: What) -> str:
    if what is None:
        return "a message"
    if isinstance(what, type):
        return what.__name__
    code = getattr(what, "__code__", None)
    if code is None:
        return repr(what)
    # The address in the repr of a function would be another one in every run.
    file = code.co_filename.replace("\\", "/").rpartition("/")[2]
    return f"a message that {code.co_name} accepts ({file}:{code.co_firstlineno})"
