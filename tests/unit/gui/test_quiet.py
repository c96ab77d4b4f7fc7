"""An outage writes nothing to stderr, which may be the screen of a terminal program."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import logging, socket, sys, time
from reactive_ws import WebSocketService

if sys.argv[1:] == ["log"]:
    logging.basicConfig(format="%(message)s")
free = socket.create_server(("127.0.0.1", 0))
url = f"ws://127.0.0.1:{free.getsockname()[1]}/ws"
free.close()
service = WebSocketService(url, max_attempts=1)
service.start()

while service.connection.get().error is None:
    time.sleep(0.01)
service.stop()
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True
    )


def test_an_outage_is_silent_unless_the_program_logs() -> None:
    assert run().stderr == ""
    assert "127.0.0.1" in run("log").stderr
