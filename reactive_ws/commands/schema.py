"""`reactive-ws schema`: the JSON Schema of a program's messages, for the authors of a server or of another client.

Also imports the `Registry` that a command names as MODULE:NAME.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys

from ..wire import Registry, protocol_v1, schema_of
from .command import Command, CommandFailed, what_failed

__all__ = ["command", "registry_of"]


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "registry",
        nargs="?",
        metavar="MODULE:NAME",
        help="a Registry, or a function that returns one, such as shop.messages:types; "
        "the control messages of protocol v1 without it",
    )


def _run(arguments: argparse.Namespace) -> int:
    found = protocol_v1() if arguments.registry is None else registry_of(arguments.registry)
    print(json.dumps(schema_of(found), indent=2, ensure_ascii=False))
    return 0


def registry_of(place: str) -> Registry:
    """Returns the registry of a program.

    Args:
        place: MODULE:NAME of a `Registry`, or of a function without arguments that returns one, such as `shop.messages:types`.

    Raises:
        CommandFailed: the text is not of this form, the module or the function raises, or there is no registry.
    """
    module, _, name = place.partition(":")
    if not (module and name):
        raise CommandFailed(f"{place!r} is not MODULE:NAME; write it as shop.messages:types", 2)
    # A console script does not look into the current folder, where the user's program is.
    folder = os.getcwd()
    sys.path.insert(0, folder)
    try:
        found = getattr(importlib.import_module(module), name)
        if callable(found):
            found = found()
    except Exception as error:  # a module of the user may raise anything
        raise CommandFailed(f"{place!r} cannot be loaded: {what_failed(error)}") from error
    finally:
        # The module may have changed the list.
        if folder in sys.path:
            sys.path.remove(folder)
    if not isinstance(found, Registry):
        raise CommandFailed(f"{place!r} is not a Registry, but {type(found).__name__}")
    return found


command = Command(
    name="schema",
    help="print the JSON Schema of a program's messages",
    configure=_configure,
    run=_run,
)
