"""Asks the server for what was said in sessions that are not loaded yet.

The service itself resumes the streams that it knows, and replicas ask for sessions, panels and notices. This module holds only the requests under way: it asks once for the
missing beginning of an answer, not with every piece, and again when no snapshot comes for a while. `Application` calls it.
"""

from __future__ import annotations

from collections.abc import Callable

from reactive_ws.wire import Envelope

from .outside import AskForState, Handlers
from .sessions import SessionsState
from .wire import ChatSnapshot, SessionCreated

__all__ = ["CatchingUp"]

_PATIENCE = 10.0
"""Seconds after which a snapshot that did not come is requested again; a server under load may need some."""


class CatchingUp:
    """The questions to the server. Made by `Application`.

    Args:
        ask: Asks for a snapshot of a stream, without looking whether it was asked for already.
        is_loaded: Whether what was said in a session is here.
        sessions: Returns the sessions.
        now: Seconds of the service's clock.
    """

    def __init__(
        self,
        *,
        ask: AskForState,
        is_loaded: Callable[[str], bool],
        sessions: Callable[[], SessionsState],
        now: Callable[[], float],
    ) -> None:
        self._ask = ask
        self._is_loaded = is_loaded
        self._sessions = sessions
        self._now = now
        self._asked: dict[str, float] = {}

    @property
    def handlers(self) -> Handlers:
        """Handlers for the server's messages, by type name; `Application` calls them after those of the stores."""
        return {"snapshot": self._came, "session.created": self._created}

    def connected(self, is_connected: bool) -> None:  # noqa: FBT001 - a stream gives one argument
        """A connection began or ended; what was asked on an earlier one will not be answered."""
        self._asked.clear()
        if not is_connected:
            return
        state = self._sessions()
        for session in state.sessions:
            if session.id not in state.known.unconfirmed:
                self._load(session.id)

    def sync(self, stream: str) -> None:
        """Asks for a snapshot of a stream, unless one is on its way."""
        now = self._now()
        asked = self._asked.get(stream)
        if asked is None or now - asked >= _PATIENCE:
            self._asked[stream] = now
            self._ask(stream)

    def _came(self, envelope: Envelope[ChatSnapshot]) -> None:
        snapshot = envelope.payload
        self._asked.pop(snapshot.stream, None)
        for session in snapshot.sessions or ():
            self._load(session.id)

    def _created(self, envelope: Envelope[SessionCreated]) -> None:
        # Also when it comes late, with a resume: what was said in it meanwhile is in a stream that we did not know.
        self._load(envelope.payload.session_id)

    def _load(self, session_id: str) -> None:
        if not self._is_loaded(session_id):
            self.sync(session_id)
