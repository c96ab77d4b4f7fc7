"""`reactive-ws demo` on a real terminal: the screen comes, the verdict is the exit code, and the terminal is left as it was."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from demo_program import PROGRAM, processes_of
from missing_parts import skip_or_fail

from .test_toolkits import missing

ROOT = Path(__file__).parents[2]
PATIENCE = 240.0
"""Seconds; only a broken demo needs them."""
_ESCAPES = re.compile(
    r"\x1b(\[[0-9;?<>=$]*[ -/]*[@-~]|[()].|[=>78]|P[^\x1b]*\x1b\\|\].*?(\x07|\x1b\\))"
)


class Terminal:
    """A terminal with a program in it."""

    def __init__(self, directory: Path, *words: str, code: str = PROGRAM) -> None:
        self.ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.before = termios.tcgetattr(theirs)
        self._theirs = theirs
        self._shown = b""

        def take_the_terminal() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)

        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code, *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=directory,
            # The size of the terminal counts, not what the parent's shell exported.
            env={
                **{
                    name: value
                    for name, value in os.environ.items()
                    if name not in ("COLUMNS", "LINES")
                },
                "PYTHONPATH": str(ROOT),
                "TMPDIR": str(directory),
                "TERM": "xterm-256color",
            },
            start_new_session=True,
            preexec_fn=take_the_terminal,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                more = os.read(self.ours, 65_536)
            except OSError:
                return
            if not more:
                return
            self._shown += more

    @property
    def raw(self) -> str:
        return self._shown.decode("utf-8", "replace")

    @property
    def text(self) -> str:
        """All that was ever shown, without colours and places."""
        return _ESCAPES.sub("", self.raw)

    def press(self, keys: str) -> None:
        os.write(self.ours, keys.encode())

    def hang_up(self) -> None:
        """Closes the terminal, as its window does. The kernel sends SIGHUP to the programs in it."""
        theirs, self._theirs = self._theirs, os.open(os.devnull, os.O_RDONLY)
        os.close(theirs)
        ours, self.ours = self.ours, os.dup(self._theirs)
        os.close(ours)

    def until(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, self.text[-3000:]
            time.sleep(0.02)

    def wait(self) -> int:
        self.until(lambda: self.process.poll() is not None)
        assert self.process.returncode is not None
        return self.process.returncode

    def is_clean(self) -> bool:
        """Whether the terminal is as it was: its modes, the usual page, the cursor, no mouse reports."""
        modes = termios.tcgetattr(self._theirs) == self.before
        return modes and all(
            self.raw.rfind(f"\x1b[?{mode}{off}") >= self.raw.rfind(f"\x1b[?{mode}{on}")
            for mode, on, off in ((1049, "h", "l"), (25, "l", "h"), (1000, "h", "l"))
        )

    def close(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self._theirs)
        self._reader.join(10.0)
        os.close(self.ours)


Start = Callable[..., Terminal]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    reason = missing("textual", None)
    if reason is not None:
        skip_or_fail(reason)
    started: list[Terminal] = []

    def begin(*words: str, code: str = PROGRAM) -> Terminal:
        started.append(Terminal(tmp_path, *words, code=code))
        return started[-1]

    yield begin
    for terminal in started:
        terminal.close()


def test_the_screen_shows_the_outage_and_the_verdict_and_is_gone_afterwards(start: Start) -> None:
    terminal = start("--seconds", "3")
    terminal.until(lambda: "\x1b[?1049h" in terminal.raw)
    terminal.until(lambda: "hub killed (SIGKILL)" in terminal.text)
    terminal.press("hello there\r")
    terminal.until(lambda: "PASSED: nothing was lost" in terminal.text)
    terminal.press("q")
    assert terminal.wait() == 0
    terminal.until(terminal.is_clean)
    # A thread reads what the program wrote before it ended.
    terminal.until(lambda: terminal.text.endswith("passed\r\n"))
    afterwards = terminal.text.splitlines()
    assert re.fullmatch(r"accepted \d+, .*lost 0, duplicated 0, out of order 0, .*", afterwards[-2])
    assert "hello there" in terminal.text
    terminal.until(lambda: processes_of(terminal.process.pid) == [])


@pytest.mark.parametrize("keys", ["q", "\x03", "hi\x03"], ids=["q", "Ctrl+C", "Ctrl+C in the line"])
def test_leaving_in_the_middle_leaves_the_terminal_clean_and_no_process(
    start: Start, tmp_path: Path, keys: str
) -> None:
    terminal = start("--seconds", "8")
    terminal.until(lambda: "hub killed (SIGKILL)" in terminal.text)
    terminal.press(keys)
    assert terminal.wait() == 130
    terminal.until(terminal.is_clean)
    terminal.until(lambda: "left before the judge had decided" in terminal.text)
    terminal.until(lambda: processes_of(terminal.process.pid) == [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_the_terminal_clean_and_no_process(
    start: Start, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    terminal = start("--seconds", "8")
    terminal.until(lambda: "hub killed (SIGKILL)" in terminal.text)
    terminal.process.send_signal(number)
    assert terminal.wait() == code
    terminal.until(terminal.is_clean)
    terminal.until(lambda: processes_of(terminal.process.pid) == [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("moment", ["hub started", "hub killed (SIGKILL)"])
def test_a_closed_terminal_ends_the_program_and_its_hub(
    start: Start, tmp_path: Path, moment: str
) -> None:
    terminal = start("--seconds", "8")
    terminal.until(lambda: moment in terminal.text)
    terminal.hang_up()
    assert terminal.wait() == -signal.SIGHUP
    terminal.until(lambda: processes_of(terminal.process.pid) == [])
    assert list(tmp_path.iterdir()) == []


def test_plain_lines_on_a_terminal_are_plain(start: Start) -> None:
    terminal = start("--seconds", "1", "--plain")
    assert terminal.wait() == 0
    terminal.until(lambda: terminal.text.endswith("passed\r\n"))
    assert "\x1b" not in terminal.raw
    assert "plain lines;" not in terminal.text


def test_without_textual_there_are_plain_lines_and_a_word_about_the_screen(start: Start) -> None:
    hidden = "import sys\nsys.modules['textual'] = None\n"
    terminal = start("--seconds", "1", code=hidden + PROGRAM)
    assert terminal.wait() == 0
    terminal.until(lambda: terminal.text.endswith("passed\r\n"))
    assert "\x1b" not in terminal.raw
    assert "the screen needs Textual: pip install 'reactive-ws[textual]'" in terminal.text
