"""The README as a reader follows it: each block of Python alone, and the shell blocks one after the other in one shell."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from printed import check_printed
from raw_client import ROOT

README = (ROOT / "README.md").read_text("utf-8")
PROGRAMS = re.findall(
    r"^```python\n(.*?)^```\n\nIt prints:\n\n```\n(.*?)^```$", README, re.MULTILINE | re.DOTALL
)
SHELL = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_every_program_says_what_it_prints() -> None:
    assert len(PROGRAMS) == README.count("```python") == 3


@pytest.mark.parametrize(("program", "output"), PROGRAMS, ids=["store", "service", "interface"])
def test_a_program_runs_alone_and_prints_what_the_page_shows(
    program: str, output: str, tmp_path: Path
) -> None:
    check_printed(program, output, tmp_path)


LISTENS = """
until_it_listens() {
    for _ in $(seq 200); do (: < /dev/tcp/127.0.0.1/$1) 2> /dev/null && return; sleep 0.1; done
    echo "nothing listens on port $1"; exit 1
}
"""


PRICE = r"BAND-BTC.*\d\.\d{3}"
UNTIL_IT_SHOWS = f"""
import re, signal, subprocess, sys
with subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True) as program:
    for line in program.stdout:
        print(line, end="")
        if re.search(r"{PRICE}", line):
            program.send_signal(signal.SIGINT)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the README is for a POSIX shell")
def test_the_shell_blocks_run_one_after_the_other_in_one_shell() -> None:
    script = "\n".join(SHELL)
    # A reader closes the window, and ends the market with Ctrl-C when it shows a price.
    chat, market = (f".venv/bin/python examples/{name}" for name in ("chat_qt", "market"))
    script = script.replace(chat, f"timeout -s TERM 4 {chat}")
    script = script.replace(market, f".venv/bin/python -c '{UNTIL_IT_SHOWS}' {market}")
    # A server needs a moment before it listens, and the reader too.
    script, servers = re.subn(r"--port (\d+) &$", r"--port \1 & until_it_listens \1", script, flags=re.MULTILINE)  # fmt: skip
    assert servers == 3
    script = script.replace(".venv/bin/python", sys.executable)
    script = script.replace(".venv/bin/reactive-ws", f"{sys.executable} -m reactive_ws")
    with subprocess.Popen(
        ["bash", "-c", LISTENS + script],
        cwd=ROOT,
        env={
            **os.environ,
            "QT_QPA_PLATFORM": "offscreen",
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as shell:
        try:
            out, _ = shell.communicate(timeout=300)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
    assert "Traceback" not in out, out
    assert "in use" not in out, out
    echoes = [line for line in out.splitlines() if " echoes" in line]
    assert (echoes[0], echoes[-1]) == ("0 echoes", "3 echoes"), out
    assert re.search(PRICE, out), out
