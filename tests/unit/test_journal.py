from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from reactive_ws.errors import JournalError
from reactive_ws.outbox.journal import Journal, Stored

# The child finds the package where this process found it.
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def append(journal: Journal, *names: str) -> list[JournalError | None]:
    results: list[JournalError | None] = []
    done = threading.Event()

    def note(error: JournalError | None) -> None:
        results.append(error)
        if len(results) == len(names):
            done.set()

    for name in names:
        journal.append(name, f"frame {name}", note)
    assert done.wait(5)
    return results


def test_what_was_stored_is_there_after_reopening_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "box.db")
    assert append(journal, "a", "b", "c") == [None, None, None]
    journal.remove("b")
    journal.close()
    assert not journal.is_open
    again = Journal(tmp_path / "box.db")
    assert again.entries() == [Stored("a", "frame a"), Stored("c", "frame c")]
    again.close()
    journal.open()
    assert len(journal.entries()) == 2
    journal.close()


def test_nothing_is_left_after_close(tmp_path: Path) -> None:
    before = threading.active_count()
    journal = Journal(tmp_path / "box.db")
    append(journal, "a")
    journal.close()
    assert threading.active_count() == before


def test_a_second_process_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "box.db"
    journal = Journal(path)
    append(journal, "a")
    code = f"from reactive_ws.outbox.journal import Journal; Journal({str(path)!r})"
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert other.returncode == 1
    assert "another process has it open" in other.stderr
    assert append(journal, "b") == [None]
    journal.close()


def test_a_process_that_died_leaves_its_entries_and_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "box.db"
    code = (
        "import os, threading; from reactive_ws.outbox.journal import Journal\n"
        f"j = Journal({str(path)!r})\n"
        "done = threading.Event()\n"
        "j.append('a', 'frame a', lambda error: done.set())\n"
        "done.wait(5); os._exit(9)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], check=False, env=ENVIRONMENT).returncode == 9
    )
    journal = Journal(path)
    assert journal.entries() == [Stored("a", "frame a")]
    journal.close()


def test_a_corrupt_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "box.db"
    path.write_bytes(b"this is no database at all, but it is long enough to be read as one" * 20)
    with pytest.raises(JournalError, match="it is corrupt"):
        Journal(path)


def test_somebody_elses_database_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "box.db"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE entries (number INTEGER)")
    database.commit()
    database.close()
    with pytest.raises(JournalError, match="something else"):
        Journal(path)


def test_a_missing_directory_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="does the directory exist"):
        Journal(tmp_path / "nowhere" / "box.db")


def test_a_full_disk_fails_what_does_not_fit_and_keeps_the_rest(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "box.db")
    append(journal, "small")
    assert journal._database is not None
    pages = journal._database.execute("PRAGMA page_count").fetchone()[0]
    journal._database.execute(f"PRAGMA max_page_count={pages + 2}")
    results: list[JournalError | None] = []
    done = threading.Event()

    def note(error: JournalError | None) -> None:
        results.append(error)
        if len(results) == 2:
            done.set()

    journal.append("big", "x" * 100_000, note)
    journal.append("tiny", "x", note)
    assert done.wait(5)
    assert [type(r) for r in results] == [JournalError, type(None)]
    assert "the disk is full" in str(results[0])
    assert [e.id for e in journal.entries()] == ["small", "tiny"]
    journal.close()
