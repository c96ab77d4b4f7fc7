"""Finds the commands: entry points of the group `reactive_ws.commands`, so that the framework imports no application.

An entry of our own distribution must come from beside this package. Otherwise a module of the user that happens to
have the name of one of our packages would be run instead, or fail in a way that nobody understands.
"""

from __future__ import annotations

import importlib.util
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from reactive_ws import __file__ as _package_file

from .command import Command, CommandFailed

__all__ = ["entries", "load"]

_GROUP = "reactive_ws.commands"
_DISTRIBUTION = "reactive-ws"
_BUILT_IN = {
    "hub": "reactive_ws.commands.hub:command",
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
        CommandFailed: its package is shadowed by another one of the same name, or cannot be imported.
    """
    if entry.dist is None or entry.dist.name == _DISTRIBUTION:
        _check_is_ours(entry)
    try:
        command = entry.load()
    except (ImportError, AttributeError) as error:
        raise CommandFailed(f"command {entry.name!r} cannot be loaded: {error}") from error
    if not isinstance(command, Command):
        raise CommandFailed(
            f"command {entry.name!r} cannot be loaded: {entry.value} is no reactive_ws Command"
        )
    return command


def _check_is_ours(entry: EntryPoint) -> None:
    package = entry.module.partition(".")[0]
    ours = Path(_package_file).resolve().parent.parent / package
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError) as error:
        raise CommandFailed(f"command {entry.name!r} cannot be loaded: {error}") from error
    if spec is None:
        raise CommandFailed(
            f"command {entry.name!r} needs the package {package!r}, which is missing at {ours}; install reactive-ws again"
        )
    places = [*(spec.submodule_search_locations or ()), *([spec.origin] if spec.origin else ())]
    found = Path(places[0]).resolve()
    if found != ours:
        raise CommandFailed(
            f"command {entry.name!r} needs our package {package!r}, but Python finds {places[0]!r} first; "
            f"rename that one or start from another directory"
        )
