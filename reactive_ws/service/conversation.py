"""Keeps the dialect of a service, the session of the moment, and what a session leaves to the next one.

It performs no step; `shell` does.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..dialects import Capabilities, Dialect, Session

__all__ = ["Conversation"]

_NO_ABILITY = Capabilities()


class Conversation:
    """The conversation with a server over all connections. Loop only.

    Args:
        dialect: The language of the server.

    Attributes:
        dialect: The same.
        session: The session of this connection; None while there is none.
        is_ready: Whether the session may carry messages.
    """

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.session: Session | None = None
        self.is_ready = False
        self._memory: Mapping[str, str] = {}
        self._said: set[str] = set()

    @property
    def memory(self) -> Mapping[str, str]:
        """Facts that the last session left."""
        return self._memory if self.session is None else self.session.memory

    @property
    def capabilities(self) -> Capabilities:
        """The abilities of this server; none while there is no session."""
        return _NO_ABILITY if self.session is None else self.session.capabilities

    def begin(self) -> Session:
        """Begins a session for a new connection."""
        self.end()
        self.session = self.dialect.session()
        return self.session

    def end(self) -> None:
        """The connection ended."""
        self._memory = self.memory
        self.session = None
        self.is_ready = False

    def is_first(self, topic: str) -> bool:
        """Whether nothing was said about this topic yet; from now on it was."""
        is_new = topic not in self._said
        self._said.add(topic)
        return is_new
