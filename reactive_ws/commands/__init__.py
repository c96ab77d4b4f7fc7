"""The command line `reactive-ws`: finds commands by their entry points and runs them.

It knows no application: the chat's commands `hub` and `demo` belong to `reactive_ws.stores`. The console script and
`python -m reactive_ws` call `main`; packages with commands of their own import `Command`.

    command      Command: a name, its options, its function; CommandFailed
    discovery    finds commands: entry points of the group `reactive_ws.commands`
    running      runs an asynchronous command until it ends or is interrupted
    terminal     tells whether a command can show a screen
    recording    reads and writes recorded traffic
    replay       the command `reactive-ws replay`
    record       the command `reactive-ws record`
    new          the command `reactive-ws new`
    completion   the command `reactive-ws completion`
    log          the command `reactive-ws log`
    check_server the command `reactive-ws check-server`
    schema       the command `reactive-ws schema`; registry_of: imports the Registry that a command names
    program      main: parses the command line, runs one command, turns errors into exit codes
"""

from .command import (
    Command,
    CommandFailed,
    host_name,
    non_negative,
    port_number,
    token_of,
    what_failed,
    whole_number,
)
from .program import main
from .running import termination
from .schema import registry_of
from .terminal import why_no_screen

__all__ = [
    "Command",
    "CommandFailed",
    "host_name",
    "main",
    "non_negative",
    "port_number",
    "registry_of",
    "termination",
    "token_of",
    "what_failed",
    "whole_number",
    "why_no_screen",
]
