"""The data file: what was committed is there again, and what cannot be used says why."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from reactive_ws.errors import FileUnusable
from reactive_ws.stores.hub.draft import Rules
from reactive_ws.stores.hub.reactions import advance, apply
from reactive_ws.stores.hub.state import State
from reactive_ws.stores.hub.storage import Storage
from reactive_ws.stores.wire.chat import Message, MessageSend, SessionClose, agent_chat
from reactive_ws.wire.codec import JsonCodec
from reactive_ws.wire.envelope import Envelope

RULES = Rules(max_log=4)


def said(storage: Storage, state: State, identity: str, content: str, pieces: int = 0) -> State:
    """Says something, gives the first pieces of the answer, commits it all."""
    message = MessageSend("s1", Message(identity, "s1", "user", content, 1.0))
    return written(
        storage, state, Envelope("message.send", message, "message.send", identity), pieces
    )


def written(storage: Storage, state: State, envelope: Envelope[Any], pieces: int = 0) -> State:
    step = apply(state, envelope, 1, RULES, 5.0)
    storage.commit(step.changes)
    for _ in range(pieces):
        more = advance(step.state, "s1", RULES, 6.0)
        if more is None:
            break
        step = more
        storage.commit(step.changes)
    return step.state


def test_a_new_file_is_an_empty_hub_that_keeps_its_epoch(tmp_path: Path) -> None:
    first = Storage(tmp_path / "hub.db", JsonCodec(agent_chat()))
    epoch = first.load().epoch
    first.close()
    second = Storage(tmp_path / "hub.db", JsonCodec(agent_chat()))
    assert second.load() == State(epoch=epoch)
    second.close()


def test_what_was_committed_is_loaded_as_it_was(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "hub.db", JsonCodec(agent_chat()))
    state = storage.load()
    state = said(storage, state, "m1", "panel create A\npanel create B\nnotify N: n", pieces=99)
    state = said(storage, state, "m2", "panel update A: text\npanel close B", pieces=99)
    state = said(storage, state, "m3", "half an answer", pieces=2)
    storage.close()
    again = Storage(tmp_path / "hub.db", JsonCodec(agent_chat()))
    loaded = again.load()
    again.close()
    assert loaded.sessions == state.sessions
    assert loaded.panels == state.panels
    assert loaded.streams == state.streams
    assert loaded.seen == state.seen
    was, now = state.conversation("s1"), loaded.conversation("s1")
    assert (now.messages, now.length) == (was.messages, was.length)
    assert list(now.owed.values()) == list(was.owed.values())
    assert list(loaded.owing()) == ["s1"]
    assert loaded.streams["s1"].first > 1, "the trimmed part of the log is gone from the file too"


def test_a_closed_session_stays_closed(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "hub.db", JsonCodec(agent_chat()))
    state = said(storage, storage.load(), "m1", "hello")
    written(storage, state, Envelope("session.close", SessionClose("s1"), "session.close", "c1"))
    storage.close()
    again = Storage(tmp_path / "hub.db", JsonCodec(agent_chat()))
    assert list(again.load().closed) == ["s1"]
    again.close()


def test_a_second_hub_is_refused_while_the_first_has_the_file(tmp_path: Path) -> None:
    first = Storage(tmp_path / "hub.db", JsonCodec(agent_chat()))
    with pytest.raises(FileUnusable, match="is in use by another part of this program"):
        Storage(tmp_path / "hub.db", JsonCodec(agent_chat()))
    first.close()
    Storage(tmp_path / "hub.db", JsonCodec(agent_chat())).close()


def test_a_commit_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "hub.db", JsonCodec(agent_chat()))
    state = storage.load()
    message = MessageSend("s1", Message("m1", "s1", "user", "hello", 1.0))
    step = apply(state, Envelope("message.send", message, "message.send", "m1"), 1, RULES, 5.0)

    class Unwritable:
        """No column value."""

    bad = step.changes[0].__class__("seen", "x", 0, Unwritable())  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        storage.commit([*step.changes, bad])
    assert storage.load() == state
    storage.commit(step.changes)
    assert list(storage.load().seen) == ["m1"]
    storage.close()


def test_files_that_cannot_be_used_say_why(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no database at all, but long enough to be looked at\n" * 30)
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as database:
        database.execute("CREATE TABLE theirs (x)")
    database.close()
    newer = tmp_path / "newer.db"
    Storage(newer, JsonCodec(agent_chat())).close()
    with sqlite3.connect(newer) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    said_so = []
    for path in (text, foreign, newer, tmp_path, tmp_path / "missing" / "hub.db"):
        with pytest.raises(FileUnusable) as caught:
            Storage(path, JsonCodec(agent_chat()))
        said_so.append(caught.value.reason)
    assert said_so == [
        "is not a data file of a hub; choose another file",
        "is the database of another program; choose another file",
        "has format 99 and this release reads format 1; use the release that wrote it",
        "is not a file; choose another path",
        "cannot be opened; check that its directory exists and that you may write there",
    ]


def test_a_damaged_row_is_reported_as_damage(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "hub.db", JsonCodec(agent_chat()))
    said(storage, storage.load(), "m1", "hello")
    storage.close()
    with sqlite3.connect(tmp_path / "hub.db") as database:
        database.execute("UPDATE messages SET value = '{}'")
    database.close()
    again = Storage(tmp_path / "hub.db", JsonCodec(agent_chat()))
    with pytest.raises(FileUnusable, match="is damaged"):
        again.load()
    again.close()
