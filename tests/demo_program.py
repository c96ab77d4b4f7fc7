"""The command `reactive-ws demo` as a program: what the tests run that talk to it from outside."""

from __future__ import annotations

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
