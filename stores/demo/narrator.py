"""Tells what happens: one line per state change of the connection and per message. Decides nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from reactivex import abc
from reactivex.disposable import CompositeDisposable

from reactive_ws.connection import ConnectionState
from reactive_ws.wire import Envelope

from ..app import Application
from ..carousel import CarouselState
from ..wire import MessageResponse

__all__ = ["Narrator"]

_MARGIN = {"state": "**", "sent": "->", "answer": "<-", "hub": "!!", "panels": "[]", "note": "--"}


class Narrator:
    """Tells lines with the seconds since it was made.

    Attributes:
        tell: Called with the seconds, the kind and the text of each line; prints unless you say otherwise.
        longest_outage: Seconds without a connection at a stretch, after the first one.
    """

    def __init__(self) -> None:
        self.tell: Callable[[float, str, str], object] = _print
        self.longest_outage = 0.0
        self._began = time.monotonic()
        self._lost_at: float | None = None

    def say(self, kind: str, text: str) -> None:
        """Tells a line."""
        self.tell(time.monotonic() - self._began, kind, text)

    def follow(self, app: Application) -> abc.DisposableBase:
        """Tells of the connection, the panels and each whole answer until the returned disposable is disposed."""

        def answer(envelope: Envelope[MessageResponse]) -> None:
            response = envelope.payload
            if response.message.role == "user":
                return
            session = app.sessions.state.get().get(response.session_id)
            self.say("answer", f"{session.title if session else '?'}: {response.message.content}")

        def panels(titles: tuple[str, ...]) -> None:
            self.say("panels", f"panels: {', '.join(titles) or 'none'}")

        def titles(state: CarouselState) -> tuple[str, ...]:
            return tuple(panel.title for panel in state.panels)

        return CompositeDisposable(
            app.service.connection.select(lambda it: (it.state, it.cause)).subscribe(self._turned),
            app.service.messages("message.response").subscribe(answer),
            app.carousel.state.select(titles).subscribe(panels),
        )

    def _turned(self, now: tuple[ConnectionState, str | None]) -> None:
        state, cause = now
        self.say("state", f"{state.value}{f': {cause}' if cause else ''}")
        if state is ConnectionState.CONNECTED and self._lost_at is not None:
            outage = time.monotonic() - self._lost_at
            self._lost_at = None
            self.longest_outage = max(self.longest_outage, outage)
        elif state is ConnectionState.DISCONNECTED and self._lost_at is None:
            self._lost_at = time.monotonic()


def _print(seconds: float, kind: str, text: str) -> None:
    sys.stdout.write(f"{seconds:8.3f} {_MARGIN[kind]} {text}\n")
    sys.stdout.flush()
