"""The command `reactive-ws inspect`: shows a running program, or an exported record, in the terminal."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..commands import Command, CommandFailed, why_no_screen
from ..errors import UsageError
from .feed import read_document
from .values import Shown

__all__ = ["command"]

_EPILOG = """\
In the program:

    from reactive_ws.devtools import inspect_program
    with inspect_program(app.service) as tools:
        print(tools.url)

The same address opens a page in a browser. Keys: / filter, p pause, j jump to the chosen commit, b back, e export, q quit.
"""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        metavar="URL|FILE",
        help="the address that the program printed, or an exported record",
    )


def _run(arguments: argparse.Namespace) -> int:
    what: str = arguments.what
    document: Shown | None = None
    if "://" not in what:
        try:
            document = read_document(Path(what).read_text("utf-8"))
        except UnicodeDecodeError:
            raise UsageError("the file is not a record of reactive-ws: it is not text") from None
    reason = why_no_screen()
    if reason is not None:
        raise CommandFailed(f"{reason}, or open the address in a browser", 1)
    # Textual is an extra, and the list of commands must not need it.
    from .terminal import InspectScreen

    InspectScreen(None if document is not None else what, document=document).run()
    return 0


command = Command(
    "inspect",
    help="show the stores, commits and messages of a running program",
    configure=_configure,
    run=_run,
    epilog=_EPILOG,
)
