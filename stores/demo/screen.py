"""The state that a client shows at one moment, as a file: sessions with their messages, and panels.

The client writes its own at the end. The second client, which starts with an empty memory, writes what it sees, and the
judge compares the two. The state comes from the stores only, as in a user interface.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from ..app import Application
from ..wire import Panel

__all__ = ["Screen", "Shown", "load", "save", "screen_of"]


class Shown(Struct, frozen=True):
    """A message as it is shown. `is_whole` is False while its text grows."""

    id: str
    role: str
    text: str
    is_whole: bool = True


class Screen(Struct, frozen=True):
    """All that is shown: messages by session id, in order, and panels."""

    sessions: dict[str, list[Shown]]
    panels: list[Panel]


def screen_of(app: Application) -> Screen:
    """Returns what the stores of an application show."""
    return Screen(
        {
            session.id: [
                Shown(entry.id, entry.head.role, entry.content, not entry.is_growing)
                for entry in app.history.get_entries(session.id)
            ]
            for session in app.sessions.state.get().sessions
        },
        list(app.carousel.state.get().panels),
    )


def save(screen: Screen, path: Path) -> None:
    """Writes a screen to a file.

    Raises:
        OSError: it cannot be written.
    """
    path.write_bytes(msgspec.json.encode(screen))


def load(path: Path) -> Screen:
    """Returns the screen in a file.

    Raises:
        OSError, msgspec.DecodeError: it cannot be read.
    """
    return msgspec.json.decode(path.read_bytes(), type=Screen)
