"""The command `reactive-ws demo` as a program for tests from outside, and the processes that it leaves."""

from __future__ import annotations

from pathlib import Path

PROGRAM = """
import argparse, sys
from reactive_ws.commands import CommandFailed
from reactive_ws.stores.demo import command
parser = argparse.ArgumentParser()
command.configure(parser)
try:
    sys.exit(command.run(parser.parse_args()))
except KeyboardInterrupt:
    sys.exit(130)
except CommandFailed as error:
    sys.exit(f"demo: {error}")
"""


def processes_of(session: int) -> list[str]:
    """Returns the living processes of a session, by the process id of its leader."""
    found: list[str] = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(path.parent.name)
    return found
