"""Finds the commands: entry points of the group `reactive_ws.commands`, so that the framework imports no application."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from .command import Command, CommandFailed

__all__ = ["entries", "load"]

_GROUP = "reactive_ws.commands"
_BUILT_IN = {
    "check-server": "reactive_ws.commands.check_server:command",
    "completion": "reactive_ws.commands.completion:command",
    "new": "reactive_ws.commands.new:command",
    "record": "reactive_ws.commands.record:command",
    "inspect": "reactive_ws.devtools.command:command",
    "log": "reactive_ws.commands.log:command",
    "replay": "reactive_ws.commands.replay:command",
}
"""The framework's own commands, for a source tree that was never installed."""


def entries() -> dict[str, EntryPoint]:
    """Returns the entry points of all commands by name, sorted by name. Nothing is imported."""
    found = {name: EntryPoint(name, value, _GROUP) for name, value in _BUILT_IN.items()}
    found |= {entry.name: entry for entry in entry_points(group=_GROUP)}
    return dict(sorted(found.items()))


def load(entry: EntryPoint) -> Command:
    """Returns the command of an entry point.

    Raises:
        CommandFailed: the import fails, or the object is not a `Command`.
    """
    try:
        command = entry.load()
    except (ImportError, AttributeError) as error:
        raise CommandFailed(f"command {entry.name!r} cannot be loaded: {error}") from error
    if not isinstance(command, Command):
        raise CommandFailed(
            f"command {entry.name!r} cannot be loaded: {entry.value} is not a reactive_ws Command"
        )
    return command
