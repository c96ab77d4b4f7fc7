"""The demo as a program: it passes, says what happened, and leaves no process however it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from demo_program import PROGRAM, processes_of

ROOT = Path(__file__).parents[2]
SUMMARY = re.compile(
    r"accepted (\d+), acknowledged (\d+), lost (\d+), duplicated (\d+), out of order (\d+), "
    r"reconnects (\d+), longest outage ([\d.]+) s"
)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and process groups")


def _let_ctrl_c_through() -> None:
    # A shell that runs tests in the background has its children ignore it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _leave_little_room() -> None:
    import resource

    # What grows beyond it fails like on a full disk: the hub's data, long before anything else.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


@pytest.fixture
def demos(tmp_path: Path) -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def start(
    demos: list[subprocess.Popen[str]],
    directory: Path,
    *words: str,
    prepare: Callable[[], None] = _let_ctrl_c_through,
) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(directory)},
        start_new_session=True,
        preexec_fn=prepare,
    )
    demos.append(process)
    return process


def left_behind(process: subprocess.Popen[str]) -> list[str]:
    """Returns the processes that still live a minute after the end of the demo; a killed one needs a moment."""
    until = time.monotonic() + 60
    while (found := processes_of(process.pid)) and time.monotonic() < until:
        time.sleep(0.02)
    return found


def test_nothing_is_lost_when_the_hub_is_killed(
    demos: list[subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = start(demos, tmp_path, "--seconds", "2", "--seed", "1", "--plain")
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, ""), out[-3000:]
    lines = out.splitlines()
    assert lines[-1] == "passed"
    found = SUMMARY.fullmatch(lines[-2])
    assert found is not None
    accepted, acknowledged, lost, duplicated, out_of_order, reconnects = map(
        int, found.groups()[:-1]
    )
    assert accepted == acknowledged == sum(" -> " in line for line in lines)
    assert (lost, duplicated, out_of_order) == (0, 0, 0)
    assert reconnects >= 1
    kill = re.search(r"hub killed \(SIGKILL\): (\d+) messages unacknowledged", out)
    assert kill is not None
    assert int(kill[1]) >= 20
    states = [line.split(" ** ")[1].partition(":")[0] for line in lines if " ** " in line]
    assert states[:4] == ["closed", "connecting", "connected", "disconnected"]
    assert states[-2:] == ["connected", "closed"]
    assert not left_behind(process)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["-> ", "SIGKILL"])
def test_it_can_be_interrupted_at_any_time_and_leaves_nothing(
    demos: list[subprocess.Popen[str]], tmp_path: Path, number: signal.Signals, moment: str
) -> None:
    process = start(demos, tmp_path, "--seconds", "5")
    assert process.stdout is not None
    for line in process.stdout:
        if moment in line:
            break
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (130 if number == signal.SIGINT else 143, "")
    assert not left_behind(process)
    assert list(tmp_path.iterdir()) == []


def test_a_warning_that_is_an_error_does_not_fail_the_demo(
    demos: list[subprocess.Popen[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    process = start(demos, tmp_path, "--seconds", "1")
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err, out.splitlines()[-1]) == (0, "", "passed")


def test_a_hub_that_ends_by_itself_ends_the_demo_with_one_line(
    demos: list[subprocess.Popen[str]], tmp_path: Path
) -> None:
    words = ("--seconds", "5", "--plain")
    process = start(demos, tmp_path, *words, prepare=_leave_little_room)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert re.fullmatch(
        r"demo: the hub ended by itself: log '.*hub\.db' is not available: the disk .*free some space.*\n",
        err,
    )
    assert not left_behind(process)
    assert list(tmp_path.iterdir()) == []
