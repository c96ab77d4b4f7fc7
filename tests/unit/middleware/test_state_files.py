"""The files of persisted stores: their lock, other programs that change them, planted files, damage, other places."""

from __future__ import annotations

import gc
import json
import os
import random
import signal
import stat
import subprocess
import sys
import textwrap
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from reactivex.scheduler import VirtualTimeScheduler

from reactive_ws import Domain, KeyedStore, Store, batch
from reactive_ws.errors import FileUnusable, UsageError
from reactive_ws.middleware import FileStorage, PersistFile, PersistReport, persist
from reactive_ws.middleware.persistence.storage import write_atomically

ROOT = Path(__file__).parents[3]


class Files:
    """A folder with one state file and what was reported about it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "state.json"
        self.reports: list[PersistReport] = []
        self.time = VirtualTimeScheduler()
        self._open: list[PersistFile] = []

    def open(
        self, store: Store[Any] | None = None, **options: Any
    ) -> tuple[PersistFile, Store[Any]]:
        used: Store[Any] = Store(0, domain=Domain(strict=True)) if store is None else store
        adding = {
            name: options.pop(name) for name in ("codec", "version", "migrate") if name in options
        }
        file = PersistFile(self.path, on_report=self.reports.append, scheduler=self.time, **options)
        self._open.append(file)
        file.add(used, key="state", as_type=int, **adding)
        return file, used

    def rows(self) -> Any:
        return {
            key: row["state"] for key, row in json.loads(self.path.read_bytes())["stores"].items()
        }

    def names(self) -> list[str]:
        return sorted(entry.name for entry in self.path.parent.iterdir() if entry.suffix != ".lock")

    def kinds(self) -> list[str]:
        return [report.kind for report in self.reports]

    def close(self) -> None:
        for file in self._open:
            file.close()


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    files = Files(tmp_path)
    yield files
    files.close()


HANGUPS_END_IT = (
    "import signal\nsignal.signal(getattr(signal, 'SIGHUP', signal.SIGTERM), signal.SIG_DFL)\n"
)
"""The program ends by SIGHUP also when the tests run under `nohup`, which their children inherit."""


def started(program: str, *arguments: str) -> subprocess.Popen[str]:
    code = HANGUPS_END_IT + textwrap.dedent(program)
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


HOLDER = """
    import sys
    from reactive_ws import Domain, Store
    from reactive_ws.middleware import persist
    store = Store(0, domain=Domain())
    file = persist(store, sys.argv[1], as_type=int)
    store.set(7)
    print("up", flush=True)
    sys.stdin.readline()
"""


# --- one process at a time ------------------------------------------------------------------------------------------------


def test_a_second_process_is_refused_while_the_first_one_runs_and_then_finds_its_state(
    files: Files,
) -> None:
    with started(HOLDER, str(files.path)) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "up\n"
        with pytest.raises(FileUnusable, match=f"in use by process {holder.pid}; end that program"):
            files.open()
        holder.communicate("\n", timeout=30)
    _, store = files.open()
    assert store.get() == 7


def test_a_process_that_was_killed_leaves_no_lock(files: Files) -> None:
    with started(HOLDER, str(files.path)) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        holder.kill()
        holder.communicate(timeout=30)
    assert files.path.with_name(".state.json.lock").exists()
    file, store = files.open()
    store.set(1)
    assert (file.close(), files.names()) == (True, ["state.json"])
    assert not files.path.with_name(".state.json.lock").exists()


def test_the_lock_of_a_folder_that_comes_later_is_taken_with_the_first_write(
    files: Files,
) -> None:
    folder = files.path.parent / "later"
    files.path = folder / "state.json"
    file, store = files.open()
    store.set(1)
    assert (file.flush(), files.kinds()) == (False, ["unwritable"])
    folder.mkdir()
    with started(HOLDER, str(files.path)) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert file.flush() is False
        holder.communicate("\n", timeout=30)
    # The other program's state was never loaded here; it is kept and reported.
    assert (file.flush(), files.rows(), files.kinds()) == (
        True,
        {"state": 1},
        ["unwritable", "changed"],
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_leaves_the_file_to_its_parent(files: Files) -> None:
    program = """
        import os, sys, warnings
        from reactive_ws import Domain, Store
        from reactive_ws.middleware import persist
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork in a program with threads
        store = Store(0, domain=Domain())
        file = persist(store, sys.argv[1], as_type=int, delay=60)
        store.set(1)
        child = os.fork()
        if child == 0:
            store.set(2)
            assert file.close()
            try:
                persist(Store(0, domain=Domain()), sys.argv[1], as_type=int)
            except Exception as error:
                sys.exit(0 if "in use by process" in str(error) else 4)
            sys.exit(5)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert not os.path.exists(sys.argv[1])
        # A signal for a child is none for its parent.
        child = os.fork()
        if child == 0:
            import signal
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(6)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -15
        print("parent lives", flush=True)
    """
    with started(program, str(files.path)) as parent:
        out, _ = parent.communicate(timeout=30)
        assert (out, parent.returncode) == ("parent lives\n", 0)
    assert files.rows() == {"state": 1}


# --- signals and ends -------------------------------------------------------------------------------------------------------

WRITES = """
    import os, signal, sys, threading, time
    from reactive_ws import Domain, Store
    from reactive_ws.middleware import persist
    store = Store(0, domain=Domain())
    file = persist(store, sys.argv[1], as_type=int, delay=60)
    store.set(7)
"""


def ended(program: str, path: Path) -> int:
    with started(textwrap.dedent(WRITES) + textwrap.dedent(program), str(path)) as process:
        process.communicate(timeout=300)
        return process.returncode


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_that_ends_the_program_saves_first_and_then_ends_it(
    files: Files, name: str
) -> None:
    number = getattr(signal, name)
    status = ended(f"os.kill(os.getpid(), signal.{name})\ntime.sleep(60)", files.path)
    assert (status, files.rows()) == (-number, {"state": 7})


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_signal_during_a_write_finds_the_lock_of_the_domain_held_and_saves_all_the_same(
    files: Files,
) -> None:
    program = """
        with store.domain._lock:
            os.kill(os.getpid(), signal.SIGTERM)
            for _ in range(1000):
                pass
        time.sleep(60)
    """
    assert (ended(program, files.path), files.rows()) == (-signal.SIGTERM, {"state": 7})


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_main_thread_that_is_inside_a_c_function_is_saved_and_ended_too(files: Files) -> None:
    program = """
        import hashlib
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
        hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000_000)
    """
    assert (ended(program, files.path), files.rows()) == (128 + signal.SIGTERM, {"state": 7})


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_handler_of_the_program_is_left_alone_and_a_normal_end_saves(files: Files) -> None:
    program = """
        file.close()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
        file = persist(store, sys.argv[1], as_type=int, delay=60)
        store.set(8)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    """
    assert (ended(program, files.path), files.rows()) == (3, {"state": 8})


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("waits", ["time.sleep(60)", "asyncio.run(asyncio.sleep(60))"])
def test_a_signal_of_another_process_waits_for_a_slow_save(
    tmp_path: Path, name: str, waits: str
) -> None:
    # The thread begins to save before the main thread handles the same signal.
    program = f"""
        import asyncio, sys, time
        from pathlib import Path
        from reactive_ws.middleware.persistence.endings import save_before_signals

        def save():
            time.sleep(0.5)
            Path(sys.argv[1]).write_text("saved")

        save_before_signals(save)
        print("ready", flush=True)
        {waits}
    """
    target = tmp_path / "saved"
    with started(textwrap.dedent(program), str(target)) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        process.send_signal(getattr(signal, name))
        process.communicate(timeout=300)
    assert (process.returncode, target.exists()) == (-getattr(signal, name), True)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_the_last_file_that_closes_gives_the_signals_back(files: Files) -> None:
    # In a program of its own: another test's file may still hold the signals of this one.
    program = """
        handler = signal.getsignal(signal.SIGTERM)
        other = persist(Store(0), sys.argv[1] + ".other", as_type=int)
        file.close()
        assert signal.getsignal(signal.SIGTERM) is handler is not signal.SIG_DFL
        other.close()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert signal.set_wakeup_fd(-1) == -1
    """
    assert ended(program, files.path) == 0


# --- what other programs do with the file -----------------------------------------------------------------------------------


def test_a_file_that_another_program_changed_is_kept_before_it_is_replaced(files: Files) -> None:
    file, store = files.open()
    store.set(1)
    file.flush()
    files.path.write_text('{"format": 1, "stores": {"state": {"version": 1, "state": 50}}}')
    store.set(2)
    assert (file.flush(), file.flush(), files.rows()) == (True, True, {"state": 2})
    assert [(it.kind, it.text, it.aside) for it in files.reports] == [
        (
            "changed",
            "another program changed it; it is kept as state.json.changed-1, and this program's state replaces it",
            files.path.with_name("state.json.changed-1"),
        )
    ]
    kept = json.loads(files.path.with_name("state.json.changed-1").read_text())
    assert kept["stores"]["state"]["state"] == 50


def test_a_file_that_was_only_touched_or_removed_is_written_without_a_report(files: Files) -> None:
    file, store = files.open()
    store.set(1)
    file.flush()
    files.path.write_bytes(files.path.read_bytes())
    store.set(2)
    assert (file.flush(), files.reports) == (True, [])
    files.path.unlink()
    store.set(3)
    assert (file.flush(), files.rows(), files.reports) == (True, {"state": 3}, [])


def test_reload_gives_the_stores_what_the_file_has_in_one_commit(files: Files) -> None:
    domain = Domain(strict=True)
    a, b = Store(0, name="a", domain=domain), Store(0, name="b", domain=domain)
    file = PersistFile(files.path, on_report=files.reports.append, scheduler=files.time)
    with file:
        file.add(a, as_type=int)
        file.add(b, as_type=int)
        a.set(1)
        b.set(1)
        file.flush()
        a.set(99)
        row = '{"version": 1, "state": %d}'
        files.path.write_text(f'{{"format": 1, "stores": {{"a": {row % 5}, "b": {row % 6}}}}}')
        seen: list[tuple[int, int]] = []
        a.select().subscribe(lambda value: seen.append((value, b.get())))
        number = domain.number
        assert file.reload() is True
        assert (a.get(), b.get(), domain.number - number) == (5, 6, 1)
        assert seen == [(99, 1), (5, 6)]
        # This program has read the change, so it is not foreign now.
        a.set(7)
    assert (files.rows(), files.reports) == ({"a": 7, "b": 6}, [])


def test_reload_of_a_bad_file_sets_it_aside_and_leaves_the_values(files: Files) -> None:
    file, store = files.open()
    store.set(1)
    file.flush()
    files.path.write_text("garbage")
    assert (file.reload(), store.get(), files.kinds()) == (False, 1, ["corrupt"])
    # The value is in no file now, so the next save writes it.
    assert (file.flush(), files.rows()) == (True, {"state": 1})
    assert files.names() == ["state.json", "state.json.corrupt-1"]
    with batch(), pytest.raises(UsageError, match="outside of batch"):
        file.reload()
    file.close()
    with pytest.raises(UsageError, match="closed"):
        file.reload()


def test_clear_removes_the_rows_and_the_next_change_saves_all_stores_again(files: Files) -> None:
    domain = Domain(strict=True)
    a, b = Store(0, name="a", domain=domain), KeyedStore[str, int](name="b", domain=domain)
    files.path.write_text('{"format": 1, "stores": {"plugin": {"version": 1, "state": 9}}}')
    with PersistFile(files.path, on_report=files.reports.append, scheduler=files.time) as file:
        file.add(a, as_type=int)
        file.add(b, as_type=dict[str, int])
        a.set(1)
        b.upsert("x", 2)
        file.flush()
        assert (file.clear(), files.rows()) == (True, {"plugin": 9})
        files.time.advance_by(10)
        assert (file.flush(), files.rows(), a.get()) == (True, {"plugin": 9}, 1)
        a.set(3)
        files.time.advance_by(10)
        assert files.rows() == {"plugin": 9, "a": 3, "b": {"x": 2}}
    assert files.reports == []


def test_a_file_that_is_cleared_of_everything_is_gone_and_stays_gone(files: Files) -> None:
    file, store = files.open()
    store.set(1)
    file.flush()
    assert (file.clear(), file.close(), files.names()) == (True, True, [])
    with pytest.raises(UsageError, match="closed"):
        file.clear()


def test_a_migrated_state_is_written_and_migrate_runs_once(files: Files) -> None:
    files.path.write_text('{"format": 1, "stores": {"state": {"version": 1, "state": 1}}}')
    runs: list[int] = []

    def migrate(data: int, version: int) -> int:
        runs.append(version)
        return data + 1

    for _ in range(3):
        file, store = files.open(version=2, migrate=migrate)
        files.time.advance_by(10)
        assert store.get() == 2
        file.close()
    assert runs == [1]
    assert json.loads(files.path.read_bytes())["stores"]["state"]["version"] == 2


# --- planted files, damage --------------------------------------------------------------------------------------------------


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")
def test_only_the_owner_reads_the_content_whatever_was_planted(tmp_path: Path) -> None:
    path, temporary = tmp_path / "state", tmp_path / ".state.tmp"
    old = os.umask(0)
    try:
        write_atomically(path, b"1")
        assert mode(path) == 0o600
        temporary.touch(0o666)
        with temporary.open("rb") as planted:
            write_atomically(path, b"2")
            assert (mode(path), planted.read()) == (0o600, b"")
        victim = tmp_path / "victim"
        victim.write_bytes(b"precious")
        temporary.symlink_to(victim)
        write_atomically(path, b"3")
    finally:
        os.umask(old)
    assert (victim.read_bytes(), path.read_bytes(), path.is_symlink()) == (b"precious", b"3", False)
    assert not temporary.exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_reported_and_neither_waited_for_nor_replaced(files: Files) -> None:
    os.mkfifo(files.path)
    file, store = files.open()
    store.set(1)
    assert (file.flush(), files.kinds(), stat.S_ISFIFO(files.path.stat().st_mode)) == (
        False,
        ["unwritable"],
        True,
    )


@pytest.mark.parametrize("path", ["", ":memory:", "a\0b", "folder/"])
def test_a_path_that_names_no_file_is_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="names no file; give the path of one"):
        PersistFile(path)
    with pytest.raises(UsageError, match="not bytes"):
        PersistFile(b"state.json")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="delay="):
        PersistFile(tmp_path / "state.json", delay=-1)


def test_a_relative_path_stays_where_it_was_made(
    files: Files, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    files.path = Path("state.json")
    file, store = files.open()
    monkeypatch.chdir(tmp_path / "elsewhere")
    store.set(1)
    assert (file.close(), file.path) == (True, (tmp_path / "state.json").resolve())
    assert (tmp_path / "state.json").exists()


def test_no_damage_is_taken_for_a_value(files: Files) -> None:
    store: Store[str] = Store("", domain=Domain())
    with persist(store, files.path, as_type=str):
        store.set("x" * 200)
    good, chance = files.path.read_bytes(), random.Random(1)
    for number in range(150):
        damaged = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path = files.path.with_name(f"damaged-{number}")
        path.write_bytes(damaged)
        reports: list[PersistReport] = []
        store = Store("", domain=Domain())
        with persist(store, path, as_type=str, on_report=reports.append):
            is_whole = store.get() == "x" * 200
            kept = path.with_name(f"{path.name}.{reports[0].kind}-1") if reports else path
        assert is_whole or (store.get() == "" and kept.read_bytes() == damaged)


def test_a_row_without_a_checksum_was_edited_by_hand_and_is_read(files: Files) -> None:
    file, store = files.open()
    store.set(1)
    file.close()
    content = json.loads(files.path.read_bytes())
    content["stores"]["state"]["state"] = 2
    files.path.write_text(json.dumps(content))
    file, store = files.open()
    assert (store.get(), files.kinds()) == (0, ["corrupt"])
    assert "to edit a row by hand, remove its check" in files.reports[0].text
    file.close()
    del content["stores"]["state"]["check"]
    files.path.write_text(json.dumps(content, indent=2))
    _, store = files.open()
    assert store.get() == 2


# --- other codecs and places ------------------------------------------------------------------------------------------------


class Hex:
    """A codec that writes numbers as hexadecimal text."""

    def encode(self, value: Any, /) -> bytes:
        return json.dumps(f"{value:x}").encode()

    def decoder(self, as_type: Any, /) -> Callable[[bytes], Any]:
        if as_type is not int:
            raise TypeError(as_type)
        return lambda content: int(json.loads(content), 16)


def test_another_codec_reads_and_writes_the_state(files: Files) -> None:
    file, store = files.open(codec=Hex())
    store.set(255)
    file.close()
    assert files.rows() == {"state": "ff"}
    assert files.open(codec=Hex())[1].get() == 255
    with pytest.raises(TypeError):
        persist(Store("", domain=Domain()), files.path.with_name("x"), as_type=str, codec=Hex())


def test_text_that_a_codec_cannot_read_is_set_aside_without_quoting_it(files: Files) -> None:
    files.path.write_text('{"format": 1, "stores": {"state": {"version": 1, "state": "hunter2"}}}')
    _, store = files.open(codec=Hex())
    assert (store.get(), files.kinds(), "hunter2" in files.reports[0].text) == (
        0,
        ["corrupt"],
        False,
    )


def test_a_codec_that_returns_no_json_changes_nothing_in_the_file(files: Files) -> None:
    class Broken(Hex):
        def encode(self, value: Any, /) -> bytes:
            return b'"cut off'

    file, store = files.open(codec=Broken())
    store.set(1)
    assert (file.flush(), files.kinds(), files.names()) == (False, ["unencodable"], [])


class Memory:
    """A storage in a dict."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.is_closed = False

    def read(self, name: str) -> bytes | None:
        return self.contents.get(name)

    def write(self, name: str, content: bytes) -> None:
        self.contents[name] = content

    def delete(self, name: str) -> None:
        self.contents.pop(name, None)

    def close(self) -> None:
        self.is_closed = True


def test_another_storage_gets_the_content_under_the_name_of_the_file(files: Files) -> None:
    memory = Memory()
    file, store = files.open(storage=memory)
    store.set(5)
    assert (file.close(), memory.is_closed, files.names()) == (True, True, [])
    assert list(memory.contents) == ["state.json"]
    assert files.open(storage=memory)[1].get() == 5
    memory.contents["state.json"] = b"garbage"
    assert files.open(storage=memory)[1].get() == 0
    assert memory.contents == {"state.json.corrupt-1": b"garbage"}


@pytest.mark.parametrize("error", [ValueError("bad"), KeyError("k"), RuntimeError()])
@pytest.mark.parametrize("method", ["read", "write", "delete"])
def test_whatever_a_storage_raises_is_reported_and_tried_again(
    files: Files, method: str, error: Exception
) -> None:
    memory, is_down = Memory(), True
    memory.contents["state.json"] = b"garbage" if method == "delete" else b""
    works = getattr(memory, method)

    def failing(*arguments: Any) -> Any:
        if is_down:
            raise error
        return works(*arguments)

    setattr(memory, method, failing)
    file, store = files.open(storage=memory)
    store.set(1)
    assert file.flush() is False
    assert (files.kinds(), files.reports[0].error) == (["unwritable"], error)
    is_down = False
    assert file.close()
    assert json.loads(memory.contents["state.json"])["stores"]["state"]["state"] == 1


def test_a_storage_that_cannot_be_read_is_written_only_after_its_content_was_kept(
    files: Files,
) -> None:
    memory, is_down = Memory(), True
    memory.contents["state.json"] = b"precious"
    read = memory.read

    def failing(name: str) -> bytes | None:
        if is_down:
            raise PermissionError(13, "Permission denied")
        return read(name)

    memory.read = failing  # type: ignore[method-assign]
    file, store = files.open(storage=memory)
    store.set(1)
    assert (file.flush(), files.kinds()) == (False, ["unwritable"])
    is_down = False
    assert (file.flush(), memory.contents["state.json.changed-1"]) == (True, b"precious")


def test_the_thread_that_writes_survives_what_the_programs_functions_raise(files: Files) -> None:
    def part(value: int) -> int:
        if value == 1:
            raise SystemExit
        return value

    store: Store[int] = Store(0, domain=Domain())
    with PersistFile(files.path, on_report=files.reports.append, scheduler=files.time) as file:
        file.add(store, as_type=int, partialize=part, merge=lambda _, part: part, key="state")
        store.set(1)
        files.time.advance_by(1)
        store.set(2)
        files.time.advance_by(1)
        assert (files.kinds(), files.rows()) == (["unencodable"], {"state": 2})


def test_file_storage_can_be_wrapped(tmp_path: Path) -> None:
    storage = FileStorage(tmp_path / "a.json")
    storage.write("a.json", b"x")
    assert (storage.read("a.json"), storage.read("b.json")) == (b"x", None)
    storage.delete("a.json")
    storage.delete("a.json")
    assert storage.read("a.json") is None
    storage.close()
    assert list(tmp_path.iterdir()) == []


def test_a_value_that_could_not_be_loaded_again_is_not_written(tmp_path: Path) -> None:
    # JSON has no NaN and no infinity: both would be null, and the next start would set the whole row aside.
    path = tmp_path / "state.json"
    reports: list[PersistReport] = []
    zoom = Store(1.0, name="zoom", domain=Domain(strict=True))
    count: Store[Any] = Store(0, name="count", domain=zoom.domain)
    with PersistFile(path, on_report=reports.append, scheduler=VirtualTimeScheduler()) as file:
        file.add(zoom, as_type=float)
        file.add(count, as_type=int)
        zoom.set(2.0)
        count.set(1)
        assert file.flush() is True
        zoom.set(float("inf"))
        count.set("of another type")
        assert file.flush() is False
    assert [report.kind for report in reports] == ["unencodable", "unencodable"]
    assert not any("another type" in report.text for report in reports)
    again = Store(1.0, name="zoom", domain=Domain())
    with PersistFile(path, on_report=reports.append, scheduler=VirtualTimeScheduler()) as file:
        file.add(again, as_type=float)
    assert (again.get(), len(reports)) == (2.0, 2)


def test_reload_writes_nothing_of_a_store_that_never_changed(files: Files) -> None:
    file, store = files.open()
    assert (file.reload(), file.flush(), files.path.exists()) == (True, True, False)
    store.set(1)
    file.flush()
    file.clear()
    assert (file.reload(), file.flush(), files.path.exists()) == (True, True, False)
    store.set(2)
    assert (file.flush(), files.rows()) == (True, {"state": 2})


def test_a_closed_store_does_not_keep_the_others_from_being_loaded_again(files: Files) -> None:
    domain = Domain(strict=True)
    shut, other = Store(0, name="shut", domain=domain), Store(0, name="other", domain=domain)
    with PersistFile(files.path, on_report=files.reports.append, scheduler=files.time) as file:
        file.add(shut, as_type=int)
        file.add(other, as_type=int)
        shut.close()
        row = '{"version": 1, "state": %d}'
        files.path.write_text(
            f'{{"format": 1, "stores": {{"shut": {row % 5}, "other": {row % 6}}}}}'
        )
        assert (file.reload(), shut.get(), other.get()) == (True, 0, 6)
    assert (files.rows(), files.reports) == ({"shut": 5, "other": 6}, [])


def test_a_closed_file_keeps_neither_its_stores_nor_their_values(tmp_path: Path) -> None:
    class Size:
        """A value whose end can be seen."""

    store: Store[Any] = Store(0, domain=Domain())
    file = persist(
        store,
        tmp_path / "state.json",
        as_type=bool,
        partialize=lambda value: isinstance(value, Size),
        merge=lambda value, _: value,
        scheduler=VirtualTimeScheduler(),
    )
    store.set(Size())
    value = weakref.ref(store.get())
    file.close()
    store.set(1)
    gc.collect()
    assert value() is None
    alive = weakref.ref(store)
    del store
    gc.collect()
    assert alive() is None
    assert file.close() is True


def test_a_report_may_close_the_file_in_the_middle_of_a_save(tmp_path: Path) -> None:
    reports: list[str] = []

    def end(report: PersistReport) -> None:
        reports.append(report.kind)
        file.close()

    store: Store[Any] = Store(0, domain=Domain())
    file = persist(
        store, tmp_path / "state.json", as_type=int, on_report=end, scheduler=VirtualTimeScheduler()
    )
    store.set(object())
    assert (file.flush(), reports) == (False, ["unencodable"])


def test_saves_of_two_signal_handlers_in_one_write_are_not_taken_for_another_program(
    files: Files,
) -> None:
    contents: dict[str, bytes] = {}

    class Interrupted:
        """A storage in whose first write a handler saves before the content is there, and another one after it."""

        def read(self, name: str) -> bytes | None:
            return contents.get(name)

        def write(self, name: str, content: bytes) -> None:
            handle()
            contents[name] = content
            handle()

        def delete(self, name: str) -> None:
            contents.pop(name, None)

        def close(self) -> None: ...

    left = 0

    def handle() -> None:
        nonlocal left
        if left:
            left -= 1
            store.update(lambda value: value + 1)
            file.flush()

    file, store = files.open(storage=Interrupted())
    for handlers in (2, 3, 4, 5):
        left = handlers
        store.update(lambda value: value + 1)
        assert (file.flush(), left) == (True, 0)
    assert (list(contents), files.reports) == (["state.json"], [])
    assert json.loads(contents["state.json"])["stores"]["state"]["state"] == store.get()
