"""The command line without processes: what is printed, where, and the exit code."""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedOK

from reactive_ws.commands import Command, CommandFailed, discovery, main, program
from reactive_ws.commands import replay as replay_command
from reactive_ws.commands.command import host_name, non_negative, port_number, whole_number
from reactive_ws.commands.recording import RecordedFrame
from reactive_ws.commands.replay import Replay
from reactive_ws.errors import FileUnusable, ListenFailed
from reactive_ws.stores.hub import command as hub_command
from reactive_ws.testing import simulate


def said(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    captured = capsys.readouterr()
    return captured.out, captured.err


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> list[Command]:
    """Makes the commands in this list the only ones; they are found like an application's."""
    found: list[Command] = []

    def entries() -> dict[str, EntryPoint]:
        return {
            one.name: EntryPoint(one.name, f"m:{one.name}", "reactive_ws.commands") for one in found
        }

    monkeypatch.setattr(program, "entries", entries)
    monkeypatch.setattr(
        program, "load", lambda entry: next(one for one in found if one.name == entry.name)
    )
    return found


def a_command(run: object, name: str = "thing") -> Command:
    def configure(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--count", type=int, default=1)

    return Command(name, "does a thing", configure, run)  # type: ignore[arg-type]


def test_a_command_gets_its_arguments_and_gives_the_exit_code(only: list[Command]) -> None:
    only.append(a_command(lambda arguments: arguments.count))
    assert main(["thing"]) == 1
    assert main(["thing", "--count", "7"]) == 7


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (CommandFailed("no\nway"), 1, "reactive-ws thing: no way\n"),
        (CommandFailed("wrong", 2), 2, "reactive-ws thing: wrong\n"),
        (FileUnusable("f", "is odd"), 1, "reactive-ws thing: 'f' is odd\n"),
        (FileNotFoundError(2, "No such file", "f"), 1, "reactive-ws thing: 'f': No such file\n"),
        (OSError("odd"), 1, "reactive-ws thing: odd\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_what_goes_wrong_is_one_line_and_a_code(
    error: BaseException,
    code: int,
    line: str,
    only: list[Command],
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run(_: argparse.Namespace) -> int:
        raise error

    only.append(a_command(run))
    assert main(["thing"]) == code
    assert said(capsys) == ("", line)


def test_mistakes_in_calling_say_where_help_is(
    only: list[Command], capsys: pytest.CaptureFixture[str]
) -> None:
    only.extend([a_command(lambda _: 0), a_command(lambda _: 0, "other")])
    for words, line in [
        (["thong"], "reactive-ws thong: there is no such command; did you mean 'thing'?\n"),
        (["zzz"], "reactive-ws zzz: there is no such command; there are thing, other\n"),
        (["-x"], "reactive-ws: unknown option '-x' (see `reactive-ws --help`)\n"),
        (
            ["thing", "--cuont", "1"],
            "reactive-ws thing: unrecognized arguments: --cuont 1; did you mean '--count'? (see `reactive-ws thing --help`)\n",
        ),
    ]:
        assert main(words) == 2
        assert said(capsys) == ("", line)


def test_help_and_version_are_printed(
    only: list[Command], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    only.append(a_command(lambda _: 0))
    overview = (
        "usage: reactive-ws COMMAND [--help] ...\n\ncommands:\n  thing  does a thing\n\n"
        "  --version  print the version\n"
    )
    assert (main(["--help"]), said(capsys)) == (0, (overview, ""))
    assert (main([]), said(capsys)) == (2, (overview, ""))
    assert main(["thing", "--help"]) == 0
    assert "--count COUNT" in said(capsys)[0]
    monkeypatch.setattr(program, "version", lambda _: "1.2.3")
    assert (main(["--version"]), said(capsys)[0]) == (0, "reactive-ws 1.2.3\n")

    def missing(_: str) -> str:
        raise program.PackageNotFoundError

    monkeypatch.setattr(program, "version", missing)
    assert (main(["-V"]), said(capsys)[0]) == (0, "reactive-ws (not installed)\n")


def test_a_command_that_cannot_be_loaded_is_listed_with_the_reason(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = EntryPoint("broken", "reactive_ws.nowhere:command", "reactive_ws.commands")
    monkeypatch.setattr(program, "entries", lambda: {"broken": broken})
    assert main(["--help"]) == 0
    assert "broken  (command 'broken' cannot be loaded: No module named" in said(capsys)[0]
    assert main(["broken"]) == 1
    assert "cannot be loaded" in said(capsys)[1]


def test_our_own_commands_are_found_without_an_installation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(discovery, "entry_points", lambda **_: [])
    found = discovery.entries()
    assert list(found) == [
        "check-server",
        "completion",
        "inspect",
        "log",
        "new",
        "record",
        "replay",
    ]
    assert [discovery.load(entry).name for entry in found.values()] == [
        "check-server",
        "completion",
        "inspect",
        "log",
        "new",
        "record",
        "replay",
    ]


def test_what_is_no_command_is_refused() -> None:
    for value, reason in [
        ("reactive_ws.errors:UsageError", "is not a reactive_ws Command"),
        ("reactive_ws.errors:nothing", "has no attribute 'nothing'"),
        ("no_such_package.x:command", "No module named"),
    ]:
        with pytest.raises(CommandFailed, match=reason):
            discovery.load(EntryPoint("x", value, "reactive_ws.commands"))


@pytest.mark.parametrize("text", ["-1", "65536", "http", "", "²"])
def test_a_port_is_a_number_up_to_65535(text: str) -> None:
    assert (port_number("0"), port_number("65535")) == (0, 65535)
    with pytest.raises(argparse.ArgumentTypeError, match="is not a port"):
        port_number(text)


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "soon"])
def test_seconds_are_finite_and_not_negative(text: str) -> None:
    assert (non_negative("0"), non_negative("1.5")) == (0.0, 1.5)
    with pytest.raises(argparse.ArgumentTypeError, match="give 0 or more"):
        non_negative(text)


@pytest.mark.parametrize("text", ["", "x", "1.5"])
def test_a_seed_is_a_whole_number(text: str) -> None:
    assert whole_number("-7") == -7
    with pytest.raises(argparse.ArgumentTypeError, match="is not a whole number"):
        whole_number(text)


def test_an_empty_host_is_not_every_address() -> None:
    assert host_name("localhost") == "localhost"
    with pytest.raises(argparse.ArgumentTypeError, match="the host is empty"):
        host_name("  ")


# --- hub --------------------------------------------------------------------------------------------------------------


def test_the_token_of_the_hub_comes_from_a_file_that_must_hold_one(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("  s3cret\n")
    authorize = hub_command._authorizer(str(file))
    assert [authorize(token) for token in ("s3cret", "other", "")] == [True, False, False]
    file.write_text(" \n")
    with pytest.raises(CommandFailed, match="is empty"):
        hub_command._authorizer(str(file))
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileUnusable, match="is not a text file"):
        hub_command._authorizer(str(file))


# --- replay -----------------------------------------------------------------------------------------------------------


FRAMES = [
    RecordedFrame(0.0, is_incoming=True, text="first"),
    RecordedFrame(1.0, is_incoming=False, text="ours"),
    RecordedFrame(4.0, is_incoming=True, text="second"),
]


@pytest.mark.parametrize(("speed", "seconds"), [(1.0, 4.0), (2.0, 2.0), (math.inf, 0.0)])
@simulate
async def test_a_replay_gives_the_incoming_frames_at_their_pace_and_closes(
    speed: float, seconds: float
) -> None:
    loop = asyncio.get_running_loop()
    async with Replay(FRAMES, speed=speed, host="server", port=80) as replay:
        assert replay.url == "ws://server:80/ws"
        for _ in range(2):
            async with connect(replay.url, proxy=None) as socket:
                began = loop.time()
                if seconds:
                    await socket.send("is ignored")
                got = [(await socket.recv(), loop.time() - began) for _ in range(2)]
                with pytest.raises(ConnectionClosedOK, match="end of the recording"):
                    await socket.recv()
            assert [text for text, _ in got] == ["first", "second"]
            assert got[1][1] == pytest.approx(seconds, abs=0.1)


@simulate
async def test_a_client_that_leaves_in_the_middle_of_a_replay_is_no_error() -> None:
    async with Replay(FRAMES, host="server", port=80) as replay:
        async with connect(replay.url, proxy=None) as socket:
            assert await socket.recv() == "first"
        await asyncio.sleep(10)


def test_a_replay_says_what_it_needs() -> None:
    with pytest.raises(ValueError, match="speed must be above 0"):
        Replay(FRAMES, speed=0)
    replay = Replay(FRAMES, speed=2)
    assert repr(replay) == "<Replay of 2 frames at speed 2>"
    with pytest.raises(RuntimeError, match="is not started"):
        _ = replay.url


def test_speeds_are_factors_or_as_fast_as_it_goes() -> None:
    assert [replay_command._speed(text) for text in ("1", "0.5", "0", "max")] == [
        1.0,
        0.5,
        math.inf,
        math.inf,
    ]
    for text in ("-1", "nan", "fast"):
        with pytest.raises(argparse.ArgumentTypeError, match="is not a speed"):
            replay_command._speed(text)


def test_a_recording_without_incoming_frames_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "r.jsonl"
    file.write_text('{"t":0,"dir":"out","frame":"x"}\n')
    assert main(["replay", str(file)]) == 1
    assert "holds no incoming frame" in said(capsys)[1]


@simulate
async def test_a_taken_port_and_a_strange_host_are_told_in_one_sentence() -> None:
    async with Replay(FRAMES, host="server", port=80):
        with pytest.raises(ListenFailed, match="it is in use"):
            async with Replay(FRAMES, host="server", port=80):
                pass


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("log", "show", "empty.db"), 2, "'empty.db' is empty, and no log"),
        (("log", "show", "missing.db"), 2, "there is no file 'missing.db'"),
        (("log", "migrate", "folder"), 1, "it is not a file"),
        (("log", "migrate", "file:x.db"), 2, "give the path alone"),
        (("log", "show", "/dev/null"), 1, "it is not a file"),
        (("log", "show", "postgresql://[::1/db"), 2, "postgresql://user@host/database"),
        (("log", "show", "postgresql://u:s3cret/x@127.0.0.1/db"), 1, "its URL cannot be read"),
        (("log", "migrate", "postgresql://127.0.0.1:99999/db"), 1, "its URL cannot be read"),
        (("log", "show", "postgresql://127.0.0.1:99999/db"), 1, "its URL cannot be read"),
        (("hub", "--types", "broken:types"), 1, "RuntimeError: boom ("),
        (("hub", "--types", "unfinished:types"), 1, "(unfinished.py, line 1)"),
        (("hub", "--types", ".broken:types"), 1, "'.broken:types' cannot be loaded"),
        (("hub", "--types", "own:types"), 2, "the hub has a type 'message.send' itself"),
        (("schema", "broken:types"), 1, "RuntimeError: boom ("),
        (("schema", "own:fails"), 1, "LookupError: no ("),
        (("check-server", "ws://x/", "--token-file", "lines"), 2, "more than one line"),
        (("check-server", "ws://x/", "--token-file", "bytes"), 1, "is not a text file"),
        (("check-server", "ws://x/", "--token-file", "missing"), 1, "cannot be read"),
        (("hub", "--token-file", "lines"), 2, "more than one line"),
        (("check-server", "http://x/"), 2, "cannot be dialled"),
    ],
)
def test_bad_input_of_the_server_half_is_one_line(
    words: tuple[str, ...],
    code: int,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.db").touch()
    (tmp_path / "lines").write_text("one\ntwo\n")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    (tmp_path / "broken.py").write_text("raise RuntimeError('boom')\n")
    (tmp_path / "unfinished.py").write_text("def f(:\n")
    (tmp_path / "own.py").write_text(
        "import attrs\nfrom reactive_ws.wire import protocol_v1\ntypes = protocol_v1()\n"
        "@types.message('message.send')\n@attrs.frozen\nclass Own:\n    x: int\n"
        "def fails():\n    raise LookupError('no')\n"
    )
    before = sorted(tmp_path.iterdir())
    assert main(list(words)) == code
    out, err = said(capsys)
    assert (out, err.count("\n")) == ("", 1)
    assert says in err
    assert "s3cret" not in err
    # It made nothing, and left an empty file empty.
    assert [one for one in sorted(tmp_path.iterdir()) if one.name != "__pycache__"] == before
    assert (tmp_path / "empty.db").stat().st_size == 0
    for name in ("broken", "unfinished", "own"):
        sys.modules.pop(name, None)
