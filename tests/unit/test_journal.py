from __future__ import annotations

import contextlib
import gc
import os
import random
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

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
        journal.append(Stored(name, f"frame {name}"), note)
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


def test_a_file_has_a_name_of_its_own_that_it_keeps(tmp_path: Path) -> None:
    names: list[str] = []
    for file in ("one.db", "one.db", "two.db"):
        journal = Journal(tmp_path / file)
        names.append(journal.client())
        journal.close()
    assert names[0] == names[1] != names[2]
    assert all(len(bytes.fromhex(name)) == 16 for name in names)


def test_a_file_without_its_name_is_damaged(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "box.db")
    journal.close()
    with sqlite3.connect(tmp_path / "box.db") as database:
        database.execute("DELETE FROM client")
    database.close()
    journal.open()
    with pytest.raises(JournalError, match="is damaged"):
        journal.client()
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
    assert "is in use by another process" in other.stderr
    assert append(journal, "b") == [None]
    journal.close()


def test_a_process_that_died_leaves_its_entries_and_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "box.db"
    code = (
        "import os, threading; from reactive_ws.outbox.journal import Journal, Stored\n"
        f"j = Journal({str(path)!r})\n"
        "done = threading.Event()\n"
        "j.append(Stored('a', 'frame a'), lambda error: done.set())\n"
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
    with pytest.raises(JournalError, match="is not an outbox"):
        Journal(path)


def test_a_database_of_another_program_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "box.db"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE entries (number INTEGER)")
    database.commit()
    database.close()
    with pytest.raises(JournalError, match="another program"):
        Journal(path)


def test_a_missing_directory_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="check that its directory exists"):
        Journal(tmp_path / "nowhere" / "box.db")


def test_a_full_disk_fails_what_does_not_fit_and_keeps_the_rest(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "box.db")
    append(journal, "small")
    database = journal._file.database
    pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.execute(f"PRAGMA max_page_count={pages + 2}")
    results: list[JournalError | None] = []
    done = threading.Event()

    def note(error: JournalError | None) -> None:
        results.append(error)
        if len(results) == 2:
            done.set()

    journal.append(Stored("big", "x" * 100_000), note)
    journal.append(Stored("tiny", "x"), note)
    assert done.wait(5)
    assert [type(r) for r in results] == [JournalError, type(None)]
    assert "the disk is full" in str(results[0])
    assert [e.id for e in journal.entries()] == ["small", "tiny"]
    journal.close()


def removed(path: Path) -> list[str]:
    journal = Journal(path)
    try:
        return [one.id for one in journal.entries()]
    finally:
        journal.close()


def test_a_removal_from_a_closed_file_holds_and_lets_the_file_go(tmp_path: Path) -> None:
    path = tmp_path / "box.db"
    journal = Journal(path)
    append(journal, "a", "b", "c")
    journal.close()
    journal.remove("a")
    journal.remove("b")
    journal.open()
    assert [one.id for one in journal.entries()] == ["c"]
    journal.close()
    journal.remove("c")
    journal.close()
    assert removed(path) == []


def test_a_removal_while_another_owner_has_the_file_waits_for_the_next_open(tmp_path: Path) -> None:
    path = tmp_path / "box.db"
    heard: list[Exception] = []
    journal = Journal(path, heard.append)
    append(journal, "a", "b")
    journal.close()
    other = Journal(path)
    journal.remove("a")
    journal.close()
    assert ["is in use" in str(error) for error in heard] == [True]
    other.close()
    journal.open()
    assert [one.id for one in journal.entries()] == ["b"]
    journal.close()


def test_an_append_to_a_closed_file_fails_at_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "box.db")
    journal.close()
    (error,) = append(journal, "a")
    assert "is closed" in str(error)


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, ValueError, MemoryError])
def test_a_callback_that_raises_does_not_end_the_thread(
    kind: type[BaseException], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal(tmp_path / "box.db")

    def raises(_: JournalError | None) -> None:
        raise kind("an observer")

    journal.append(Stored("a", "frame"), raises)
    assert append(journal, "b") == [None]
    assert [one.id for one in journal.entries()] == ["a", "b"]
    assert "an observer raised" in caplog.text
    journal.close()


@pytest.mark.parametrize("frame", ["\ud800", {"a": 1}, None], ids=repr)
def test_a_frame_that_cannot_be_stored_fails_alone(frame: Any, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "box.db")
    results: dict[str, JournalError | None] = {}
    done = threading.Event()

    def note(name: str) -> Any:
        def told(error: JournalError | None) -> None:
            results[name] = error
            if len(results) == 3:
                done.set()

        return told

    for name, given in (("a", "frame"), ("b", frame), ("c", "frame")):
        journal.append(Stored(name, given), note(name))
    assert done.wait(5)
    assert (results["a"], results["c"]) == (None, None)
    assert "cannot take message b" in str(results["b"])
    assert [one.id for one in journal.entries()] == ["a", "c"]
    journal.close()


def test_a_thread_that_dies_fails_what_waits_and_what_comes_until_the_next_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Exception] = []
    journal = Journal(tmp_path / "box.db", heard.append)

    def dies(_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(journal, "_write", dies)
    (first,) = append(journal, "a")
    (second,) = append(journal, "b")
    assert "has no writer" in str(first)
    assert "has no writer" in str(second)
    monkeypatch.undo()
    journal.close()
    assert [type(error) for error in heard] == [JournalError]
    journal.open()
    assert append(journal, "c") == [None]
    journal.close()


def test_a_damaged_row_is_kept_aside_and_reported_and_the_others_live(tmp_path: Path) -> None:
    path = tmp_path / "box.db"
    journal = Journal(path)
    append(journal, "a", "b", "c", "d")
    journal.close()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE entries SET frame = 'frame x' WHERE id = 'b'")
        database.execute("UPDATE entries SET id = 'z' WHERE id = 'c'")
        database.execute("UPDATE entries SET frame = 7 WHERE id = 'd'")
    database.close()
    heard: list[Exception] = []
    journal = Journal(path, heard.append)
    assert [one.id for one in journal.entries()] == ["a"]
    assert ["3 damaged messages" in str(error) for error in heard] == [True]
    kept = journal._file.database.execute("SELECT id, frame FROM damaged ORDER BY number")
    assert kept.fetchall() == [("b", "frame x"), ("z", "frame c"), ("d", 7)]
    journal.close()


def test_a_file_is_private_from_its_first_byte_and_an_open_one_is_tightened(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = tmp_path / "box.db"
        journal = Journal(path)
        append(journal, "a")
        modes = {stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()}
        assert {one.name for one in tmp_path.iterdir()} == {"box.db", "box.db-wal"}
        assert modes == {0o600}
        journal.close()
        path.chmod(0o666)
        journal.open()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        journal.close()
    finally:
        os.umask(before)


@pytest.mark.parametrize("path", ["", ":memory:", "file:x?mode=memory"])
def test_a_path_that_keeps_nothing_is_refused(path: str) -> None:
    with pytest.raises(JournalError, match=r"name a file|path of the file"):
        Journal(path)


def test_a_path_is_absolute_so_that_a_changed_directory_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    journal = Journal("box.db")
    append(journal, "a")
    journal.close()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    journal.open()
    assert [one.id for one in journal.entries()] == ["a"]
    journal.close()


def test_a_path_that_is_no_file_is_refused_and_nothing_hangs(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo"):
        with pytest.raises(JournalError, match="is not a file"):
            Journal(path)


def test_two_owners_in_one_program_are_told_apart_from_two_processes(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "box.db")
    with pytest.raises(JournalError, match="another part of this program"):
        Journal(tmp_path / "box.db")
    journal.close()


def test_a_journal_that_is_dropped_frees_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reactive_ws.outbox.journal._IDLE", 0.01)
    journal = Journal(tmp_path / "box.db")
    append(journal, "a")
    thread = journal._thread
    if thread is not None:
        thread.join(5)
    del journal, thread
    gc.collect()
    assert removed(tmp_path / "box.db") == ["a"]


def test_a_random_damage_never_gives_a_message_that_was_never_stored(tmp_path: Path) -> None:
    path = tmp_path / "box.db"
    journal = Journal(path)
    append(journal, *(f"m{number}" for number in range(50)))
    journal.close()
    good = path.read_bytes()
    rng = random.Random(1)
    for _ in range(150):
        damaged = bytearray(good)
        for _ in range(rng.randint(1, 8)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged)
        try:
            journal = Journal(path, lambda error: None)
        except JournalError:
            continue
        try:
            found = journal.entries()
        except JournalError:
            continue
        finally:
            journal.close()
        assert all(one.frame == f"frame {one.id}" for one in found)


def test_a_damaged_name_of_the_client_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "box.db"
    journal = Journal(path)
    name = journal.client()
    assert len(name) == 32
    journal.close()
    journal.open()
    assert journal.client() == name
    journal.close()
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "UPDATE client SET name = ?", ("0" + name[1:] if name[0] != "0" else "1" + name[1:],)
        )
    journal.open()
    with pytest.raises(JournalError, match="is damaged"):
        journal.client()
    journal.close()


@pytest.mark.parametrize("path", ["a\0b", b"a\0b"])
def test_a_path_with_a_null_character_is_refused(path: Any) -> None:
    with pytest.raises(JournalError, match="null character") as caught:
        Journal(path)
    assert str(caught.value).isprintable()


def test_a_path_may_be_bytes(tmp_path: Path) -> None:
    path: Any = os.fsencode(tmp_path / "box.db")
    journal = Journal(path)
    assert journal.path == str(tmp_path / "box.db")
    journal.close()
