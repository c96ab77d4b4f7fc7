"""`reactive-ws log`: creates, shows and renews the log of a server. Run it where a node would run; it needs no node."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from ..errors import UsageError
from ..server import MemoryLog, PostgresLog, SqliteLog, log_of
from .command import Command, CommandFailed

__all__ = ["command"]

_EPILOG = """\
what to do:
  migrate   creates the tables, or brings them to the newest format
  show      counts streams and entries
  renew     begins a new numbering: run it after a backup was restored and before the nodes start,
            so that clients see that entries are gone and ask for the state again"""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("migrate", "show", "renew"), help="see below")
    parser.add_argument(
        "log", metavar="LOG", help="a SQLite file, or postgresql://user@host/database"
    )


def _run(arguments: argparse.Namespace) -> int:
    log = log_of(arguments.log)
    if isinstance(log, MemoryLog):
        raise UsageError("a log in memory ends with its process; give a file or postgresql://...")
    if isinstance(log, SqliteLog) and arguments.what != "migrate":
        path = Path(arguments.log)
        if not path.exists():
            raise CommandFailed(f"there is no file {arguments.log!r}; create it with `migrate`", 2)
        # Opening an empty file makes a log of it.
        if path.is_file() and not path.stat().st_size:
            raise CommandFailed(
                f"{arguments.log!r} is empty, and no log; make it one with `migrate`", 2
            )
    print(asyncio.run(_perform(arguments.what, log)))
    return 0


async def _perform(what: str, log: SqliteLog | PostgresLog) -> str:
    if what == "migrate":
        if isinstance(log, PostgresLog):
            was_older = await log.migrate()
            return (
                f"{log!r}: {'its tables are made and up to date' if was_older else 'nothing to do'}"
            )
        await log.open()
        await log.close()
        return f"{log!r}: ready"
    await log.open()
    try:
        if what == "renew":
            await log.renew()
        heads = await log.heads("*")
        entries = sum(position.seq for position in heads.values())
        said = f"{log!r}: {len(heads)} streams, {entries} entries so far"
        return f"{said}; a new epoch began" if what == "renew" else said
    finally:
        await log.close()


command = Command(
    name="log",
    help="create, show or renew the log of a server",
    configure=_configure,
    run=_run,
    epilog=_EPILOG,
)
