"""A command of `reactive-ws`, and the exception that says that it failed.

Commands are found through the entry point group `reactive_ws.commands`; each entry names a `Command`. A user's mistake
is a `CommandFailed` or any of the package's own errors: one line on stderr, no traceback.
"""

from __future__ import annotations

import argparse
import traceback
from collections.abc import Callable
from pathlib import Path

import attrs

from ..errors import FileUnusable

__all__ = [
    "Command",
    "CommandFailed",
    "host_name",
    "non_negative",
    "port_number",
    "token_of",
    "what_failed",
    "whole_number",
]


@attrs.frozen
class Command:
    """One command.

    Attributes:
        name: What the user types after `reactive-ws`.
        help: One line for the list of commands.
        configure: Adds the command's arguments to its parser.
        run: Does it and returns the exit code: 0 done, 1 failed, 2 wrong usage.
        epilog: What `--help` shows after the arguments, printed as it is.
    """

    name: str
    help: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    epilog: str = ""


class CommandFailed(Exception):
    """The command cannot do what was asked. The text says why and what to do, in one line.

    Attributes:
        reason: What the user reads.
        exit_code: 1 when it failed, 2 when it was called wrongly.
    """

    def __init__(self, reason: str, exit_code: int = 1) -> None:
        super().__init__(reason, exit_code)
        self.reason = reason
        self.exit_code = exit_code

    def __str__(self) -> str:
        return self.reason


def host_name(text: str) -> str:
    """Returns the host that was typed, for `add_argument(type=...)`.

    Raises:
        argparse.ArgumentTypeError: it is empty, which would mean every address of this machine.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError("the host is empty; give 127.0.0.1, or 0.0.0.0 for all")
    return text


def port_number(text: str) -> int:
    """Returns the TCP port of a typed text, for `add_argument(type=...)`.

    Raises:
        argparse.ArgumentTypeError: the text is not a number from 0 to 65535.
    """
    if not text.isascii() or not text.isdigit() or int(text[:6]) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; give a number from 0 to 65535")
    return int(text)


def whole_number(text: str) -> int:
    """Returns the whole number that was typed, for `add_argument(type=...)`.

    Raises:
        argparse.ArgumentTypeError: the text is not a whole number.
    """
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a whole number; give one such as 7"
        ) from None


def non_negative(text: str) -> float:
    """Returns the number of seconds that was typed, for `add_argument(type=...)`.

    Raises:
        argparse.ArgumentTypeError: the number is negative or not finite.
    """
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds; give 0 or more")
    return value


def token_of(path: str) -> str:
    """Returns the token in a file.

    Raises:
        FileUnusable: it cannot be read, or it is not a text.
        CommandFailed: it is empty, or no header can have it.
    """
    try:
        token = Path(path).read_text("utf-8").strip()
    except UnicodeDecodeError as error:
        raise FileUnusable(path, "is not a text file; write the token into it") from error
    except OSError as error:
        what = (error.strerror or str(error)).lower()
        raise FileUnusable(
            path, f"cannot be read: {what}; give the path of a file with the token"
        ) from error
    if not token:
        raise CommandFailed(f"token file {path!r} is empty; write the token into it", 2)
    if not token.isprintable():
        raise CommandFailed(f"token file {path!r} has more than one line; write the token alone", 2)
    return token


def what_failed(error: Exception) -> str:
    """Returns an exception of the user's own module as one line, with its file and line."""
    if isinstance(error, ImportError | AttributeError | SyntaxError):
        # Their texts say what is missing, or where.
        return str(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({place.filename}, line {place.lineno})"
