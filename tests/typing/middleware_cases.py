"""The types of the middleware. mypy and pyright strict read this file; nothing runs it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import assert_type

import attrs
from reactivex.abc import DisposableBase

from reactive_ws.engine.domain import Domain
from reactive_ws.middleware import (
    CommitRecord,
    FileStorage,
    Inspector,
    MsgspecCodec,
    PersistFile,
    StateCodec,
    StateStorage,
    UndoEntry,
    UndoHistory,
    inspect,
    logger,
    persist,
    undo,
)
from reactive_ws.state.events import EventStream
from reactive_ws.state.keyed.keyed_store import KeyedStore
from reactive_ws.state.store import ReadOnly, Store


@attrs.frozen
class Settings:
    theme: str = "light"
    size: int = 12


settings = Store(Settings())
names: KeyedStore[int, str] = KeyedStore()


def theme_of(value: Settings) -> str:
    return value.theme


def with_theme(value: Settings, theme: str) -> Settings:
    return attrs.evolve(value, theme=theme)


def count_of(value: Mapping[int, str]) -> int:
    return len(value)


def with_count(value: Mapping[int, str], count: int) -> Mapping[int, str]:
    return value if count else {}


def persist_cases(path: Path) -> None:
    assert_type(persist(settings, path, as_type=Settings), PersistFile)
    assert_type(persist(settings, "settings.json", as_type=Settings, version=2), PersistFile)
    persist(settings, path, as_type=str, partialize=theme_of, merge=with_theme)
    persist(names, path, as_type=dict[int, str])
    persist(names, path, as_type=int, partialize=count_of, merge=with_count)

    persist(settings, path, as_type=str)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
    persist(settings, path, as_type=str, partialize=theme_of)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    persist(settings, path, as_type=int, partialize=theme_of, merge=with_theme)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    persist(names, path, as_type=dict[str, str])  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
    persist(settings.read_only, path, as_type=Settings)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]

    with PersistFile(path, delay=2.0) as file:
        assert_type(file.add(settings, as_type=Settings), None)
        file.add(names, as_type=dict[int, str], key="names")
        file.add(settings, as_type=str, partialize=theme_of, merge=with_theme)
        file.add(settings, as_type=int)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
        assert_type(file.flush(), bool)
        assert_type(file.reload(), bool)
        assert_type(file.clear(), bool)
        assert_type(file.path, Path)


class PlainJson:
    def encode(self, value: object, /) -> bytes:
        return json.dumps(value).encode()

    def decoder(self, as_type: object, /) -> Callable[[bytes], object]:
        return json.loads


def codec_and_storage_cases(path: Path) -> None:
    codec: StateCodec = PlainJson()
    msgspec_codec: StateCodec = MsgspecCodec()
    storage: StateStorage = FileStorage(path)
    persist(settings, path, as_type=Settings, codec=codec, storage=storage)
    persist(settings, path, as_type=Settings, codec=msgspec_codec)
    persist(settings, path, as_type=Settings, codec=json)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]


def undo_cases() -> None:
    history = undo(settings, limit=10)
    assert_type(history, UndoHistory)
    assert_type(history.undo(), int)
    assert_type(history.redo(2), int)
    assert_type(history.can_undo, ReadOnly[bool])
    assert_type(history.can_redo.get(), bool)
    undo(settings, partialize=theme_of, merge=with_theme, equals=str.__eq__)
    undo(names)
    assert_type(undo(settings, names, group_within=0.5), UndoHistory)
    assert_type(history.entries(), tuple[UndoEntry, ...])
    assert_type(history.jump(1), int)
    with history.transaction("name"), history.paused():
        pass

    undo(settings, partialize=theme_of)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    undo(names, partialize=count_of, merge=with_count)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    undo(settings.read_only)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    history.can_undo.set(True)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


def logger_cases(domain: Domain) -> None:
    assert_type(logger(settings), DisposableBase)
    logger(settings, show=lambda value: value.theme)
    logger(names, show=lambda value: str(len(value)))
    logger(domain, show=repr)
    logger(settings, show=str.upper)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]


def inspector_cases(domain: Domain) -> None:
    assert_type(inspect(domain), Inspector)
    with inspect(size=10) as inspector:
        assert_type(inspector.records(), tuple[CommitRecord, ...])
        assert_type(inspector.stream, EventStream[CommitRecord])
        assert_type(inspector.records()[0].stores, tuple[str, ...])
