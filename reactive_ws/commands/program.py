"""Runs the command line `reactive-ws`: finds the command, runs it, and turns errors into one line.

Exit codes: 0 done, 1 failed, 2 called wrongly, 130 interrupted with Ctrl-C.
"""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint, PackageNotFoundError, version
from typing import NoReturn

from ..errors import ReactiveWSError, UsageError
from .command import CommandFailed
from .discovery import entries, load

__all__ = ["main"]

_PROGRAM = "reactive-ws"
_INTERRUPTED = 130
"""128 plus the number of SIGINT, as shells have it."""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line instead of a usage dump."""

    def error(self, message: str) -> NoReturn:
        known = [option for action in self._actions for option in action.option_strings]
        for word in message.removeprefix("unrecognized arguments: ").split():
            near = difflib.get_close_matches(word.partition("=")[0], known, 1, 0.6)
            if near and word.startswith("--") and message.startswith("unrecognized"):
                message += f"; did you mean {near[0]!r}?"
                break
        raise CommandFailed(f"{message} (see `{self.prog} --help`)", 2)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit code. Never raises for a user's mistake.

    Args:
        argv: The arguments after the program's name; `sys.argv[1:]` when None.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    _open_missing_outputs()
    label = _PROGRAM
    try:
        if words and not words[0].startswith("-"):
            label = f"{_PROGRAM} {words[0]}"
        code = _run(words)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader of the output went away; flushing again at exit would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except CommandFailed as failed:
        return _complain(label, failed.reason, failed.exit_code)
    except ReactiveWSError as error:
        return _complain(label, str(error), 2 if isinstance(error, UsageError) else 1)
    except OSError as error:
        return _complain(label, _describe(error), 1)
    return code


def _open_missing_outputs() -> None:
    """Gives a program that was started with a closed output, as by `>&-`, a place to write to."""
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for the whole process
    if sys.stderr is None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115


def _run(words: list[str]) -> int:
    found = entries()
    if not words or words[0] in ("-h", "--help"):
        print(_overview(found.values()))
        return 0 if words else 2
    if words[0] in ("-V", "--version"):
        print(f"{_PROGRAM} {_version()}")
        return 0
    name = words[0]
    if name.startswith("-"):
        raise CommandFailed(f"unknown option {name!r} (see `{_PROGRAM} --help`)", 2)
    if name not in found:
        near = difflib.get_close_matches(name, found, 1, 0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(found)}"
        raise CommandFailed(f"there is no such command; {hint}", 2)
    command = load(found[name])
    parser = _Parser(
        prog=f"{_PROGRAM} {name}",
        description=command.help,
        epilog=command.epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.configure(parser)
    try:
        arguments = parser.parse_args(words[1:])
    except SystemExit:  # --help was printed
        return 0
    return command.run(arguments)


def _overview(found: Iterable[EntryPoint]) -> str:
    lines = [f"usage: {_PROGRAM} COMMAND [--help] ...", "", "commands:"]
    found = list(found)
    width = max(len(entry.name) for entry in found) if found else 0
    for entry in found:
        try:
            summary = load(entry).help
        except CommandFailed as failed:
            summary = f"({failed})"
        lines.append(f"  {entry.name:<{width}}  {summary}")
    return "\n".join([*lines, "", f"  {'--version':<{width}}  print the version"])


def _version() -> str:
    try:
        return version("reactive-ws")
    except PackageNotFoundError:
        return "(not installed)"


def _describe(error: OSError) -> str:
    what = error.strerror or str(error) or type(error).__name__
    return f"{error.filename!r}: {what}" if error.filename is not None else what


def _complain(label: str, reason: str, exit_code: int) -> int:
    print(f"{label}: {' '.join(reason.split())}", file=sys.stderr)
    return exit_code
