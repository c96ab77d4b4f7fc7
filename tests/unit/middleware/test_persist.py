"""Persisted stores: loading, when and what is written, bad files, versions, many stores in one file."""

from __future__ import annotations

import gc
import json
import logging
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

import attrs
import pytest
from reactivex.scheduler import VirtualTimeScheduler

from reactive_ws.engine.batch import batch
from reactive_ws.engine.domain import Domain
from reactive_ws.errors import UsageError
from reactive_ws.middleware import MsgspecCodec, PersistFile, PersistReport, persist
from reactive_ws.state.keyed.keyed_store import KeyedStore
from reactive_ws.state.store import Store


@attrs.frozen
class Settings:
    theme: str = "light"
    size: int = 12


class Asleep:
    """A home that never delivers."""

    def post(self, function: object) -> None: ...

    def is_current(self) -> bool:
        return False


class Bench:
    """A domain, virtual time, and a file with one store of settings."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "settings.json"
        self.domain = Domain(strict=True)
        self.time = VirtualTimeScheduler()
        self.store = Store(Settings(), name="settings", domain=self.domain)
        self.reports: list[PersistReport] = []
        self.file: PersistFile | None = None

    def open(self, **options: Any) -> PersistFile:
        self.file = persist(
            self.store,
            self.path,
            as_type=Settings,
            scheduler=self.time,
            on_report=self.reports.append,
            **options,
        )
        return self.file

    def group(self, **options: Any) -> PersistFile:
        self.file = PersistFile(
            self.path, scheduler=self.time, on_report=self.reports.append, **options
        )
        return self.file

    def content(self) -> Any:
        """Returns the rows of the file without their checksums, which must be right."""
        content = json.loads(self.path.read_bytes())
        for key, row in content["stores"].items():
            state = json.dumps(row["state"], separators=(",", ":")).encode()
            expected = crc32(state, crc32(f"{row['version']} {key}".encode()))
            assert int(row.pop("check"), 16) == expected
        return content

    def state(self) -> Any:
        return self.content()["stores"]["state"]["state"]

    def put(self, **stores: tuple[int, Any]) -> None:
        entries = {key: {"version": v, "state": state} for key, (v, state) in stores.items()}
        content = json.dumps({"format": 1, "stores": entries}, separators=(",", ":"))
        self.path.write_text(content)

    def names(self) -> list[str]:
        """The files beside the lock."""
        names = (entry.name for entry in self.path.parent.iterdir())
        return sorted(name for name in names if name != f".{self.path.name}.lock")

    def kinds(self) -> list[str]:
        return [report.kind for report in self.reports]


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    bench = Bench(tmp_path)
    yield bench
    if bench.file is not None:
        bench.file.close()


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that files got by being renamed."""
    found: list[str] = []
    replace = os.replace

    def recorded(source: Path, target: Path) -> None:
        replace(source, target)
        found.append(Path(target).name)

    monkeypatch.setattr(os, "replace", recorded)
    return found


# --- when and what is written ---------------------------------------------------------------------------------------------


def test_nothing_is_written_before_something_changed(bench: Bench) -> None:
    with bench.open():
        bench.time.advance_by(10)
    assert bench.names() == []


def test_a_change_is_written_after_the_delay_and_loaded_by_the_next_program(bench: Bench) -> None:
    bench.open(delay=2.0)
    bench.store.set(Settings("dark", 14))
    bench.time.advance_by(1.9)
    assert bench.names() == []
    bench.time.advance_by(0.2)
    assert bench.content() == {
        "format": 1,
        "stores": {"state": {"version": 1, "state": {"theme": "dark", "size": 14}}},
    }
    assert bench.file is not None
    bench.file.close()

    bench.store = Store(Settings(), domain=Domain(strict=True))
    seen: list[Settings] = []
    bench.store.select().subscribe(seen.append)
    bench.open()
    assert seen == [Settings(), Settings("dark", 14)]


def test_many_changes_in_one_delay_are_one_write(bench: Bench, writes: list[str]) -> None:
    bench.open(delay=1.0)
    for size in range(20, 30):
        bench.store.set(Settings(size=size))
        bench.time.advance_by(0.05)
    bench.time.advance_by(10)
    assert (writes, bench.state()["size"]) == (["settings.json"], 29)


def test_a_flood_is_written_once_per_delay_and_not_put_off_for_ever(
    bench: Bench, writes: list[str]
) -> None:
    bench.open(delay=1.0)
    for size in range(100):
        bench.store.set(Settings(size=size + 100))
        bench.time.advance_by(0.25)
    assert 19 <= len(writes) <= 25


def test_a_batch_is_one_write_with_both_stores_as_they_were_together(
    bench: Bench, writes: list[str]
) -> None:
    a, b = Store(0, name="a", domain=bench.domain), Store(0, name="b", domain=bench.domain)
    with bench.group() as file:
        file.add(a, as_type=int)
        file.add(b, as_type=int)
        with batch(bench.domain):
            a.set(1)
            b.set(-1)
        bench.time.advance_by(1)
    assert writes == ["settings.json"]
    assert bench.content()["stores"] == {
        "a": {"version": 1, "state": 1},
        "b": {"version": 1, "state": -1},
    }


def test_flush_writes_at_once_and_the_timer_then_finds_nothing(
    bench: Bench, writes: list[str]
) -> None:
    file = bench.open()
    bench.store.set(Settings("dark"))
    assert file.flush() is True
    assert bench.state()["theme"] == "dark"
    bench.time.advance_by(10)
    assert writes == ["settings.json"]


def test_close_writes_what_is_left_and_lets_go(bench: Bench) -> None:
    file = bench.open()
    bench.store.set(Settings("dark"))
    assert (file.close(), file.close()) == (True, True)
    bench.store.set(Settings("pink"))
    bench.time.advance_by(10)
    assert bench.state()["theme"] == "dark"
    with pytest.raises(UsageError, match="closed"):
        file.add(Store(0, domain=bench.domain), as_type=int)


def test_a_closed_file_is_held_by_nobody(bench: Bench) -> None:
    file = bench.open()
    file.close()
    assert bench.domain._hooks == ()
    bench.file, gone = None, weakref.ref(file)
    del file
    gc.collect()
    assert gone() is None


def test_a_program_that_just_ends_has_saved(bench: Bench) -> None:
    program = """
import sys
from reactive_ws.middleware import persist
from reactive_ws.state.store import Store
store = Store(0)
persist(store, sys.argv[1], as_type=int)
store.set(7)
"""
    root = str(Path(__file__).parents[3])
    subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(bench.path)],
        env={**os.environ, "PYTHONPATH": root},
        timeout=30,
        check=True,
    )
    assert bench.state() == 7


def test_flush_saves_a_write_that_no_observer_was_told_of_yet(bench: Bench) -> None:
    file = bench.open()
    bench.domain.set_home(Asleep())
    bench.store.set(Settings("dark"))
    file.flush()
    assert bench.state()["theme"] == "dark"


def _rewritten_in_place(store: Store[list[int]], how: str) -> None:
    """Changes the list of a store inside and announces it."""
    if how == "batch":
        with batch(store.domain):
            store.get().append(2)
            store.trigger()
    else:
        store.get().append(2)
        if how == "trigger":
            store.trigger()
        else:
            store.set(store.get())


@pytest.mark.parametrize("how", ["trigger", "batch", "set"])
@pytest.mark.parametrize("where", ["here", "asleep", "hook"])
def test_a_value_that_changed_inside_is_saved_when_a_commit_says_so(
    bench: Bench, how: str, where: str
) -> None:
    is_never_equal = how == "set"
    store = Store(
        [0], domain=bench.domain, equals=(lambda _old, _new: False) if is_never_equal else None
    )
    flushes: list[bool] = []
    if where == "hook":
        # It runs before the hook of the file.
        bench.domain.on_commit(lambda _: flushes.append(bench.file is not None and file.flush()))
    file = bench.group()
    file.add(store, as_type=list[int], key="list")
    store.set([1])
    file.flush()
    if where == "asleep":
        bench.domain.set_home(Asleep())
    _rewritten_in_place(store, how)
    if where != "hook":
        assert file.flush()
    assert bench.content()["stores"]["list"]["state"] == [1, 2]


def test_the_timer_saves_what_was_triggered(bench: Bench) -> None:
    store = Store([0], domain=bench.domain)
    file = bench.group()
    file.add(store, as_type=list[int], key="list")
    store.get().append(1)
    store.trigger()
    bench.time.advance_by(1)
    assert bench.content()["stores"]["list"]["state"] == [0, 1]


@pytest.mark.parametrize("is_asleep", [False, True])
def test_a_save_encodes_only_the_stores_of_which_there_was_a_commit(
    bench: Bench, is_asleep: bool
) -> None:
    encoded: list[str] = []

    class Noted(MsgspecCodec):
        def encode(self, value: Any, /) -> bytes:
            encoded.append(value)
            return super().encode(value)

    one, other = Store("one", domain=bench.domain), Store("other", domain=bench.domain)
    file = bench.group()
    for key, store in (("one", one), ("other", other)):
        file.add(store, as_type=str, key=key, codec=Noted())
    file.flush()
    assert encoded == []
    other.set("first")
    file.flush()
    if is_asleep:
        bench.domain.set_home(Asleep())
    for value in ("a", "b"):
        one.set(value)
        file.flush()
        file.flush()
    assert encoded == ["first", "a", "b"]


def test_a_change_back_and_forth_is_not_written(bench: Bench, writes: list[str]) -> None:
    bench.open()
    bench.store.set(Settings("dark"))
    bench.time.advance_by(1)
    bench.store.set(Settings("light"))
    bench.store.set(Settings("dark"))
    bench.time.advance_by(1)
    assert writes == ["settings.json"]


def test_other_stores_of_the_domain_start_no_write(bench: Bench) -> None:
    bench.open()
    Store(0, domain=bench.domain).set(1)
    assert bench.time.clock == 0
    bench.time.start()
    assert bench.time.clock == 0


def test_encoding_and_writing_happen_away_from_the_writer(tmp_path: Path) -> None:
    store = Store(0, domain=Domain(strict=True))
    encoded = threading.Event()
    threads: list[int] = []

    def part(value: int) -> int:
        threads.append(threading.get_ident())
        encoded.set()
        return value

    with persist(
        store,
        tmp_path / "state.json",
        as_type=int,
        partialize=part,
        merge=lambda _, part: part,
        delay=0.001,
    ) as file:
        store.set(1)
        assert encoded.wait(10)
        file.flush()
    assert threads != [threading.get_ident()]
    assert threads[0] != threading.get_ident()


def test_only_the_owner_may_read_the_file(bench: Bench) -> None:
    file = bench.open()
    bench.store.set(Settings("dark"))
    file.flush()
    assert bench.path.stat().st_mode & 0o777 == 0o600


def test_a_link_stays_a_link(bench: Bench) -> None:
    (bench.path.parent / "real").mkdir()
    real = bench.path.parent / "real" / "state.json"
    bench.path.symlink_to(real)
    file = bench.open()
    bench.store.set(Settings("dark"))
    file.flush()
    assert bench.path.is_symlink()
    assert json.loads(real.read_bytes())["stores"]["state"]["state"]["theme"] == "dark"


# --- parts, keyed stores, groups ----------------------------------------------------------------------------------------


def test_a_part_is_saved_and_merged_into_what_is_there(bench: Bench) -> None:
    def add(file: PersistFile) -> None:
        file.add(
            bench.store,
            as_type=str,
            partialize=lambda settings: settings.theme,
            merge=lambda settings, theme: attrs.evolve(settings, theme=theme),
        )

    with bench.group() as file:
        add(file)
        bench.store.set(Settings("dark", 99))
    assert bench.content()["stores"] == {"settings": {"version": 1, "state": "dark"}}

    bench.store = Store(Settings(size=7), name="settings", domain=bench.domain)
    with bench.group() as file:
        add(file)
        assert bench.store.get() == Settings("dark", 7)


def test_a_change_outside_of_the_part_is_not_written(bench: Bench, writes: list[str]) -> None:
    file = bench.group()
    file.add(
        bench.store,
        as_type=str,
        partialize=lambda settings: settings.theme,
        merge=lambda settings, theme: attrs.evolve(settings, theme=theme),
    )
    bench.store.set(Settings("dark", 1))
    bench.time.advance_by(1)
    bench.store.set(Settings("dark", 2))
    bench.time.advance_by(1)
    assert writes == ["settings.json"]


def test_a_keyed_store_comes_back_in_its_order(bench: Bench) -> None:
    keyed: KeyedStore[int, Settings] = KeyedStore(name="themes", domain=bench.domain)
    with bench.group() as file:
        file.add(keyed, as_type=dict[int, Settings])
        keyed.upsert(2, Settings("b"))
        keyed.upsert(1, Settings("a"))
    again: KeyedStore[int, Settings] = KeyedStore({9: Settings()}, domain=bench.domain)
    with bench.group() as file:
        file.add(again, as_type=dict[int, Settings], key="themes")
        assert list(again.get_all().items()) == [(2, Settings("b")), (1, Settings("a"))]


def test_a_keyed_store_that_was_only_loaded_is_not_written(bench: Bench, writes: list[str]) -> None:
    bench.put(themes=(1, {"a": 1}))
    before = bench.path.read_bytes()
    keyed: KeyedStore[str, int] = KeyedStore(name="themes", domain=bench.domain)
    with bench.group() as file:
        file.add(keyed, as_type=dict[str, int])
        bench.time.advance_by(10)
    assert (writes, bench.path.read_bytes()) == ([], before)


def test_what_an_observer_adds_while_a_keyed_store_is_loaded_is_saved(bench: Bench) -> None:
    bench.put(themes=(1, {"a": 1}))
    keyed: KeyedStore[str, int] = KeyedStore(name="themes", domain=bench.domain)
    keyed.select("a").subscribe(lambda value: keyed.upsert("b", 2) if value else None)
    bench.group().add(keyed, as_type=dict[str, int])
    bench.time.advance_by(1)
    assert bench.content()["stores"]["themes"]["state"] == {"a": 1, "b": 2}


def test_merge_of_a_keyed_store_sees_the_mapping(bench: Bench) -> None:
    bench.put(themes=(1, {"a": 1}))
    keyed: KeyedStore[str, int] = KeyedStore({"a": 0, "b": 2}, name="themes", domain=bench.domain)

    def merge(now: Mapping[str, int], loaded: dict[str, int]) -> Mapping[str, int]:
        return {**now, **loaded}

    with bench.group() as file:
        file.add(keyed, as_type=dict[str, int], merge=merge)
        assert dict(keyed.get_all()) == {"a": 1, "b": 2}


def test_entries_of_stores_that_are_not_there_are_kept(bench: Bench) -> None:
    bench.put(plugin=(3, {"x": [1, 2]}), settings=(1, {"theme": "dark"}))
    with bench.group() as file:
        file.add(bench.store, as_type=Settings)
        bench.store.set(Settings("pink"))
    assert bench.content()["stores"] == {
        "plugin": {"version": 3, "state": {"x": [1, 2]}},
        "settings": {"version": 1, "state": {"theme": "pink", "size": 12}},
    }


def test_stores_of_two_domains_share_a_file(bench: Bench) -> None:
    other = Store(0, name="other", domain=Domain(strict=True))
    with bench.group() as file:
        file.add(bench.store, as_type=Settings)
        file.add(other, as_type=int)
        other.set(5)
        bench.time.advance_by(1)
        assert bench.content()["stores"] == {"other": {"version": 1, "state": 5}}


def test_a_file_has_one_owner_and_a_store_one_key(bench: Bench) -> None:
    file = bench.open()
    with pytest.raises(UsageError, match="open already"):
        persist(bench.store, bench.path, as_type=Settings)
    with pytest.raises(UsageError, match="give another key="):
        file.add(bench.store, as_type=Settings, key="again")
    with pytest.raises(UsageError, match="give another key="):
        file.add(Store(0, domain=bench.domain), as_type=int, key="state")
    file.close()
    bench.open()


def test_persist_says_what_it_cannot_do_and_then_holds_no_file(bench: Bench) -> None:
    with batch(), pytest.raises(UsageError, match="outside of batch"):
        bench.open()
    with pytest.raises(UsageError, match="needs merge="):
        persist(bench.store, bench.path, as_type=str, partialize=str)  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        persist(bench.store, bench.path, as_type=dict[object, 1])  # type: ignore[arg-type,misc,valid-type]
    bench.open()


# --- versions -----------------------------------------------------------------------------------------------------------


def test_an_earlier_version_is_migrated(bench: Bench) -> None:
    bench.put(state=(1, {"dark": True}))
    calls: list[tuple[Any, int]] = []

    def migrate(data: Any, version: int) -> Any:
        calls.append((data, version))
        return {"theme": "dark" if data["dark"] else "light", "size": 10}

    with bench.open(version=2, migrate=migrate):
        assert (calls, bench.store.get()) == ([({"dark": True}, 1)], Settings("dark", 10))
        bench.store.set(Settings("pink"))
    assert bench.content()["stores"]["state"]["version"] == 2


def test_a_newer_version_is_set_aside_and_not_overwritten(bench: Bench) -> None:
    bench.put(state=(7, {"theme": "neon"}))
    original = bench.path.read_bytes()
    with bench.open(version=2):
        assert bench.store.get() == Settings()
        bench.store.set(Settings("dark"))
    aside = bench.path.with_name("settings.json.newer-1")
    assert bench.names() == ["settings.json", "settings.json.newer-1"]
    assert aside.read_bytes() == original
    assert bench.reports == [
        PersistReport(
            "newer",
            bench.path,
            "store 'state': its state is of version 7, this program has 2; it is kept as"
            " settings.json.newer-1, and the state starts from its initial value",
            aside,
        )
    ]


def test_a_file_of_a_later_format_is_set_aside(bench: Bench) -> None:
    bench.path.write_text('{"format": 2, "stores": []}')
    with bench.open():
        bench.store.set(Settings("dark"))
    assert (bench.kinds(), bench.names()) == (["newer"], ["settings.json", "settings.json.newer-1"])


@pytest.mark.parametrize(
    ("migrate", "why"),
    [
        (None, "no migrate= was given"),
        (lambda data, version: data["gone"], "migrate raised KeyError"),
        (
            lambda data, version: {"size": "big"},
            "what migrate returned does not fit the type, at $.size",
        ),
    ],
)
def test_a_state_that_cannot_be_migrated_is_set_aside(bench: Bench, migrate: Any, why: str) -> None:
    bench.put(state=(1, {"secret": "hunter2"}))
    bench.open(version=2, migrate=migrate)
    assert (bench.kinds(), bench.names()) == (["corrupt"], ["settings.json.corrupt-1"])
    assert why in bench.reports[0].text
    assert "hunter2" not in bench.reports[0].text


# --- bad files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        b"[]",
        b"\xff\xfe",
        b"{}",
        b'{"format": 1}',
        b'{"format": 1, "stores": {"state": 5}}',
        b'{"format": 1, "stores": {"state": {"version": 1, "state": {"theme": 5}}}}',
        b'{"format": 1, "stores": {"state": {"version": 1, "state": {"theme": "\xff"}}}}',
        b'{"format": 1, "stores": ' + b"[" * 100_000,
    ],
)
def test_a_corrupt_file_is_set_aside_and_reported(bench: Bench, content: bytes) -> None:
    bench.path.write_bytes(content)
    with bench.open():
        assert bench.store.get() == Settings()
        assert bench.names() == ["settings.json.corrupt-1"]
        bench.store.set(Settings("dark"))
    assert bench.path.with_name("settings.json.corrupt-1").read_bytes() == content
    assert (bench.kinds(), bench.state()["theme"]) == (["corrupt"], "dark")


def check_theme(settings: Settings) -> None:
    if settings.theme not in ("light", "dark"):
        raise ValueError(f"no such theme: {settings.theme}")


@pytest.mark.parametrize("merge", [None, lambda now, saved: attrs.evolve(saved, size=now.size)])
def test_a_state_that_the_store_does_not_accept_is_set_aside(bench: Bench, merge: Any) -> None:
    bench.store = Store(Settings(), name="settings", domain=bench.domain, validate=check_theme)
    bench.put(state=(1, {"theme": "hunter2", "size": 1}))
    content = bench.path.read_bytes()
    with bench.open(merge=merge):
        assert (bench.store.get(), bench.domain.number) == (Settings(), 0)
        assert bench.names() == ["settings.json.corrupt-1"]
        bench.store.set(Settings("dark"))
    assert bench.path.with_name("settings.json.corrupt-1").read_bytes() == content
    assert (bench.kinds(), bench.state()["theme"]) == (["corrupt"], "dark")
    assert "the store does not accept its state (ValueError)" in bench.reports[0].text
    assert "hunter2" not in bench.reports[0].text
    with bench.open(merge=merge):
        assert bench.store.get() == Settings("dark")
    assert bench.kinds() == ["corrupt"]


@pytest.mark.parametrize("is_reloaded", [False, True])
def test_one_entity_that_is_not_accepted_keeps_the_others_from_loading(
    bench: Bench, *, is_reloaded: bool
) -> None:
    def check(entity: int) -> None:
        if entity < 0:
            raise ValueError

    keyed = KeyedStore({"first": 1}, name="keyed", domain=bench.domain, validate=check)
    other = Store(0, name="other", domain=bench.domain)
    bad = {"keyed": (1, {"a": 1, "b": -1}), "other": (1, 5)}
    if not is_reloaded:
        bench.put(**bad)
    file = bench.group()
    file.add(keyed, as_type=dict[str, int])
    file.add(other, as_type=int)
    if is_reloaded:
        bench.put(**bad)
        assert file.reload()
    assert (dict(keyed.get_all()), other.get()) == ({"first": 1}, 5)
    assert bench.kinds() == ["corrupt"]
    bench.time.advance_by(1)
    assert bench.names() == ["settings.json", "settings.json.corrupt-1"]
    assert bench.content()["stores"]["other"] == {"version": 1, "state": 5}


def test_what_a_codec_returns_that_a_keyed_store_cannot_hold_is_set_aside(bench: Bench) -> None:
    class Lists(MsgspecCodec):
        def decoder(self, _as_type: Any, /) -> Any:
            return lambda _content: [1, 2]

    bench.put(keyed=(1, {"a": 1}))
    keyed = KeyedStore({"first": 1}, name="keyed", domain=bench.domain)
    bench.group().add(keyed, as_type=dict[str, int], codec=Lists())
    assert (dict(keyed.get_all()), bench.kinds()) == ({"first": 1}, ["corrupt"])


def test_setting_aside_never_overwrites(bench: Bench) -> None:
    for number in range(3):
        bench.path.write_text(f"garbage {number}")
        bench.open().close()
    assert [
        bench.path.with_name(f"settings.json.corrupt-{number}").read_text() for number in (1, 2, 3)
    ] == ["garbage 0", "garbage 1", "garbage 2"]


def test_one_bad_entry_costs_the_others_nothing(bench: Bench) -> None:
    bench.put(a=(1, "no number"), b=(9, 5), c=(1, 3), d=(1, 4))
    original = bench.path.read_bytes()
    stores = {name: Store(0, name=name, domain=bench.domain) for name in "abc"}
    file = bench.group()
    for store in stores.values():
        file.add(store, as_type=int)
    assert [store.get() for store in stores.values()] == [0, 0, 3]
    assert bench.kinds() == ["corrupt", "newer"]
    # The copy holds all of the old file; the file itself is replaced soon, so that this happens once.
    bench.time.advance_by(1)
    assert bench.names() == ["settings.json", "settings.json.corrupt-1"]
    assert bench.path.with_name("settings.json.corrupt-1").read_bytes() == original
    assert sorted(bench.content()["stores"]) == ["c", "d"]
    bench.path.unlink()
    stores["c"].set(4)
    stores["c"].set(3)
    bench.time.advance_by(1)
    assert bench.names() == ["settings.json.corrupt-1"]


def test_a_bad_entry_that_is_found_after_the_file_was_replaced_leaves_it_too(bench: Bench) -> None:
    bench.put(a=(1, "bad"), b=(1, "bad"), c=(1, 3))
    file = bench.group()
    for name in "ab":
        file.add(Store(0, name=name, domain=bench.domain), as_type=int)
        bench.time.advance_by(1)
    assert sorted(bench.content()["stores"]) == ["c"]
    assert bench.names() == ["settings.json", "settings.json.corrupt-1"]


def test_a_file_that_cannot_be_set_aside_is_left_alone_until_it_can(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.path.write_text("garbage")
    replace = os.replace

    def refuse(source: object, target: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    file = bench.open()
    bench.store.set(Settings("dark"))
    bench.time.advance_by(1)
    assert (file.flush(), bench.kinds(), bench.path.read_text()) == (
        False,
        ["unwritable"],
        "garbage",
    )
    assert bench.names() == ["settings.json"]
    monkeypatch.setattr(os, "replace", replace)
    bench.store.set(Settings("pink"))
    bench.time.advance_by(1)
    assert (bench.kinds(), bench.state()["theme"]) == (["unwritable", "corrupt"], "pink")
    assert bench.path.with_name("settings.json.corrupt-1").read_text() == "garbage"


def test_a_path_that_is_a_folder_is_reported_and_stays(bench: Bench) -> None:
    bench.path.mkdir()
    file = bench.open()
    bench.store.set(Settings("dark"))
    assert (file.flush(), bench.kinds(), bench.path.is_dir()) == (False, ["unwritable"], True)


# --- a disk that fails --------------------------------------------------------------------------------------------------


def test_a_full_disk_is_reported_once_and_the_next_change_tries_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.open()
    bench.store.set(Settings("first"))
    bench.time.advance_by(1)
    fsync = os.fsync
    tries: list[int] = []

    def full(descriptor: int) -> None:
        tries.append(descriptor)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for theme in ("second", "third"):
        bench.store.set(Settings(theme))
        bench.time.advance_by(1)
    assert (len(tries), bench.state()["theme"]) == (2, "first")
    assert bench.names() == ["settings.json"]
    assert [report.text for report in bench.reports] == [
        "it cannot be written (No space left on device); the next change tries again"
    ]
    monkeypatch.setattr(os, "fsync", fsync)
    bench.store.set(Settings("fourth"))
    bench.time.advance_by(1)
    assert bench.state()["theme"] == "fourth"
    monkeypatch.setattr(os, "fsync", full)
    bench.store.set(Settings("fifth"))
    bench.time.advance_by(1)
    assert bench.kinds() == ["unwritable", "unwritable"]
    monkeypatch.setattr(os, "fsync", fsync)


def test_a_folder_that_is_not_there_is_reported_and_used_once_it_is(bench: Bench) -> None:
    bench.path = bench.path.parent / "later" / "settings.json"
    file = bench.open()
    bench.store.set(Settings("dark"))
    assert (file.flush(), bench.kinds()) == (False, ["unwritable"])
    bench.path.parent.mkdir()
    assert (file.flush(), bench.state()["theme"]) == (True, "dark")


def test_a_value_that_is_no_json_keeps_its_last_state_and_stops_nobody_else(bench: Bench) -> None:
    loose: Store[object] = Store(1, name="loose", domain=bench.domain)
    file = bench.group()
    file.add(loose, as_type=object)
    file.add(bench.store, as_type=Settings)
    loose.set(2)
    file.flush()
    loose.set(object())
    bench.store.set(Settings("dark"))
    assert (file.flush(), file.flush(), bench.kinds()) == (False, False, ["unencodable"])
    assert bench.content()["stores"] == {
        "loose": {"version": 1, "state": 2},
        "settings": {"version": 1, "state": {"theme": "dark", "size": 12}},
    }
    loose.set(3)
    assert (file.flush(), bench.content()["stores"]["loose"]["state"]) == (True, 3)


def test_a_big_file_is_reported_once(bench: Bench) -> None:
    file = bench.open()
    for letter in "abc":
        bench.store.set(Settings(letter * 1_000_001))
        file.flush()
    bench.store.set(Settings("small"))
    file.flush()
    bench.store.set(Settings("d" * 1_000_001))
    file.flush()
    assert bench.kinds() == ["big", "big"]


def test_reports_go_to_the_log_without_the_content(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.put(state=(1, {"size": "hunter2"}))
    with persist(bench.store, bench.path, as_type=Settings):
        pass
    assert [(record.levelno, record.message) for record in caplog.records] == [
        (
            logging.ERROR,
            (
                f"persisted stores in {bench.path}: store 'state': its state does not fit the type, at $.size;"
                " it is kept as settings.json.corrupt-1, and the state starts from its initial value"
            ),
        )
    ]


def test_an_on_report_that_fails_is_logged_and_stops_nothing(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.path.write_text("garbage")

    def fail(report: PersistReport) -> None:
        raise RuntimeError

    with persist(bench.store, bench.path, as_type=Settings, on_report=fail) as file:
        bench.store.set(Settings("dark"))
        assert file.flush() is True
    assert len(caplog.records) == 2


def test_threads_that_write_and_flush_leave_the_newest_value_and_never_half_a_file(
    tmp_path: Path,
) -> None:
    path = tmp_path / "state.json"
    store = Store(0, domain=Domain(strict=True))
    done = threading.Event()
    read: list[int] = []
    reports: list[PersistReport] = []

    def write() -> None:
        for _ in range(200):
            store.update(lambda value: value + 1)

    def look() -> None:
        while not done.is_set():
            if path.exists():
                read.append(json.loads(path.read_bytes())["stores"]["state"]["state"])

    def flush() -> None:
        for _ in range(30):
            assert file.flush()

    with persist(store, path, as_type=int, delay=0.001, on_report=reports.append) as file:
        threads = [threading.Thread(target=work) for work in (write, write, write, flush, flush)]
        reader = threading.Thread(target=look)
        for thread in (reader, *threads):
            thread.start()
        for thread in threads:
            thread.join(30)
        done.set()
        reader.join(30)
    assert json.loads(path.read_bytes())["stores"]["state"]["state"] == 600
    assert (read, reports) == (sorted(read), [])
