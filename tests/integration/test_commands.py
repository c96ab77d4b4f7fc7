"""The command line as a user meets it: real processes, one line for each mistake, the promised exit codes."""

import asyncio
import gzip
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from missing_parts import skip_or_fail
from raw_client import PATIENCE, ROOT, answer_to, command, outcome, raw_client, serving
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from reactive_ws.commands.recording import read_recording
from reactive_ws.stores.hub.command import exposure

GOOD_LINE = b'{"t":0,"dir":"in","frame":{"type":"tick"}}\n'


def complaint(*words: str, code: int, **options: object) -> str:
    """Runs a command that must fail with this exit code; returns the one line that it says."""
    exit_code, out, err = outcome(*words, **options)
    assert (exit_code, out, err.count("\n")) == (code, "", 1), (exit_code, out, err)
    return err.strip()


def test_the_overview_lists_the_commands() -> None:
    code, out, _ = outcome("--help")
    assert code == 0
    # The summaries begin in one column, whatever the longest name.
    assert "  hub           run a small chat server for demos and tests\n" in out
    assert "  check-server  check a server of protocol v1 from outside\n" in out
    assert outcome()[:2] == (2, out)


def test_the_version_is_printed() -> None:
    code, out, err = outcome("--version")
    assert (code, err) == (0, "")
    assert re.fullmatch(r"reactive-ws (\d+\.\d+\.\d+\S*|\(not installed\))\n", out)


async def test_the_hub_lets_in_pages_of_the_origins_that_it_is_given() -> None:
    page = "https://app.example.org"
    with serving("hub", "--port", "0", "--origin", page, "--origin", "http://other") as (_, url):
        async with connect(url, origin=Origin(page)), connect(url, origin=Origin("http://other")):
            pass
        with pytest.raises(InvalidStatus, match="403"):
            await connect(url, origin=Origin("https://evil.example.org"))


def test_help_of_the_hub_shows_the_grammar() -> None:
    code, out, err = outcome("hub", "--help")
    assert (code, err) == (0, "")
    assert "panel update TITLE: TEXT" in out


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("hbu",), 2, "reactive-ws hbu: there is no such command; did you mean 'hub'?"),
        (("rePlay",), 2, "did you mean 'replay'?"),
        (("zzz",), 2, "there are check-server, completion, demo, hub"),
        (("--verbose",), 2, "unknown option '--verbose' (see `reactive-ws --help`)"),
        (("hub", "--prot", "1"), 2, "unrecognized arguments: --prot 1; did you mean '--port'?"),
        (
            ("demo", "--secnds=3"),
            2,
            "unrecognized arguments: --secnds=3; did you mean '--seconds'?",
        ),
        (("hub", "--zzzzz"), 2, "unrecognized arguments: --zzzzz (see"),
        (
            ("new", "my-app"),
            2,
            "'my-app' cannot be the name of a package; use letters, digits and _",
        ),
        (("new", "class"), 2, "'class' cannot be the name of a package"),
        (("new", "tests"), 2, "the name 'tests' is taken; choose another one"),
        (("new", "asyncio"), 2, "the name 'asyncio' is taken; choose another one"),
        (
            ("record", "ws://127.0.0.1:1/ws", "/nowhere/x"),
            1,
            "'/nowhere/x' cannot be written: no such file",
        ),
        (("record", "ws://127.0.0.1:1/ws", str(ROOT / "README.md")), 1, "exists already"),
        (("record", "ws://x", "x.jsonl", "--send", "{"), 2, "--send takes JSON"),
        (("completion", "csh"), 2, "invalid choice: 'csh'"),
        (("hub", "--port", "65536"), 2, "'65536' is not a port; give a number from 0 to 65535"),
        (("hub", "--port", "-1"), 2, "--port"),
        (("hub", "--port", "http"), 2, "'http' is not a port"),
        (("hub", "--token-delay", "-1"), 2, "give 0 or more"),
        (("hub", "--token-delay", "nan"), 2, "give 0 or more"),
        (("hub", "--host", ""), 2, "the host is empty; give 127.0.0.1"),
        (("hub", "--host", "x" * 300), 1, "no such host; use 127.0.0.1"),
        (("hub", "--log", ""), 2, "is not a file for a log; give a path"),
        (("hub", "--log", "redis://x"), 2, "no log speaks 'redis'; give memory, a file name"),
        (("hub", "--host", "no.such.host.invalid"), 1, "no such host; use 127.0.0.1"),
        (("hub", "--host", "192.0.2.1"), 1, "this machine does not have that address"),
        (
            ("hub", "--token-file", "/nowhere/token"),
            1,
            "'/nowhere/token' cannot be read: no such file",
        ),
        (("hub", "--token-file", "/dev/null"), 2, "is empty; write the token into it"),
        (("hub", "--log", "/nowhere/at/all.db"), 1, "give the path of a file that you may write"),
        (("hub", "--log", "/"), 1, "it is not a file; give the path of a file that you may write"),
        (
            ("hub", "--log", str(ROOT / "pyproject.toml")),
            1,
            "it is not a SQLite file; choose another one",
        ),
        (("hub", "--echo", "--log", "x.db"), 2, "--echo takes no option but --host and --port"),
        (("hub", "--types", "messages"), 2, "'messages' is not MODULE:NAME"),
        (
            ("hub", "--types", "no.such.module:registry"),
            1,
            "'no.such.module:registry' cannot be loaded: No module named",
        ),
        (
            ("hub", "--types", "json:registry"),
            1,
            "'json:registry' cannot be loaded: module 'json' has no attribute",
        ),
        (
            ("hub", "--types", "json:dumps"),
            1,
            "'json:dumps' cannot be loaded: TypeError: dumps() missing 1 required",
        ),
        (("inspect", "http://127.0.0.1:9/#x"), 1, "run it on a terminal, without redirection"),
        (("replay",), 2, "the following arguments are required: FILE"),
        (("replay", "/nowhere"), 1, "'/nowhere' cannot be read: no such file or directory"),
        (("replay", str(ROOT)), 1, "cannot be read: is a directory"),
        (("replay", str(ROOT / "README.md")), 1, "is not a recording: line 1"),
        (("replay", "/dev/zero"), 1, "is not a recording: line 1 is longer than 64 MiB"),
        (("replay", "/dev/null"), 1, "holds no incoming frame"),
        (("replay", "/dev/null", "--speed", "-1"), 2, "'-1' is not a speed"),
        (("replay", "/dev/null", "--speed=fast"), 2, "'fast' is not a speed"),
        (("replay", "/dev/null", "--speed", "nan"), 2, "'nan' is not a speed"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(
    words: tuple[str, ...], code: int, says: str
) -> None:
    assert says in complaint(*words, code=code)


def test_a_taken_port_is_said_by_both_servers(tmp_path: Path) -> None:
    recording = tmp_path / "r.jsonl"
    recording.write_bytes(GOOD_LINE)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for words in (("hub",), ("replay", str(recording))):
            said = complaint(*words, "--port", port, code=1)
            assert f"cannot listen on '127.0.0.1' port {port}: it is in use" in said


def test_a_truncated_recording_is_refused_before_anything_is_served(tmp_path: Path) -> None:
    recording = tmp_path / "r.jsonl.gz"
    recording.write_bytes(gzip.compress(GOOD_LINE * 100)[:-10])
    assert "is cut off or damaged" in complaint("replay", str(recording), code=1)


def test_two_hubs_on_one_file_are_one_chat(tmp_path: Path) -> None:
    async def talk(first: str, second: str) -> None:
        async with raw_client(first) as one, raw_client(second) as two:
            await two.send("sync", {"streams": ["app"]})
            await two.until("snapshot")
            await one.say("m1", "panel create A")
            await two.until(answer_to("m1"))
            await two.say("m1", "panel create A")
            received = await two.until("message.received")
            assert received["payload"]["positions"]["s1"]["seq"] == 1

    words = ("hub", "--port", "0", "--log", str(tmp_path / "hub.db"))
    with serving(*words) as (_, first), serving(*words) as (_, second):
        asyncio.run(talk(first, second))


@pytest.mark.skipif(sys.platform == "win32", reason="signals are of POSIX")
def test_a_hub_beyond_loopback_without_a_token_warns() -> None:
    with serving("hub", "--port", "0", "--host", "0.0.0.0") as (program, _):
        program.send_signal(signal.SIGTERM)
        _, err = program.communicate(timeout=PATIENCE)
    assert err.count("\n") == 1
    assert "every program that reaches 0.0.0.0 may read and write here" in err
    assert "for demos and tests; give --token-file" in err
    assert exposure("0.0.0.0", has_token=True) is None
    for host in ("localhost", "127.0.0.1", "127.0.0.2", "::1"):
        assert exposure(host, has_token=False) is None
    for host in ("::", "192.168.1.7", "hub.example"):
        assert exposure(host, has_token=False) is not None


@pytest.mark.skipif(sys.platform == "win32", reason="signals are of POSIX")
@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_signals_end_the_servers_quietly(tmp_path: Path, signum: int, code: int) -> None:
    recording = tmp_path / "r.jsonl"
    recording.write_bytes(GOOD_LINE)
    for words in (("hub", "--log", str(tmp_path / "hub.db")), ("replay", str(recording))):
        with serving(*words, "--port", "0") as (program, _):
            program.send_signal(signum)
            assert program.communicate(timeout=PATIENCE) == ("", "")
            assert program.returncode == code


def test_an_echo_server_sends_every_frame_back() -> None:
    async def talk(url: str) -> None:
        async with connect(url) as socket:
            for frame in ("not JSON", b"\x00bytes"):
                await socket.send(frame)
                assert await socket.recv() == frame

    with serving("hub", "--echo", "--port", "0") as (_, url):
        asyncio.run(talk(url))


def test_a_feed_is_recorded_and_replayed(tmp_path: Path) -> None:
    feed = b"".join(b'{"t":%d,"dir":"in","frame":{"n":%d}}\n' % (n, n) for n in range(3))
    (tmp_path / "feed.jsonl").write_bytes(feed)
    for name in ("copy.jsonl", "copy.jsonl.gz"):
        with serving("replay", "feed.jsonl", "--speed", "1", "--port", "0", cwd=tmp_path) as (
            _,
            url,
        ):
            code, out, err = outcome("record", url, name, "--send", '{"sub": [1]}', cwd=tmp_path)
        assert (code, out, err) == (0, "recorded 4 frames\n", "")
        frames = read_recording(tmp_path / name)
        assert [(frame.is_incoming, frame.text) for frame in frames] == [
            *((False, '{"sub":[1]}'), (True, '{"n":0}'), (True, '{"n":1}'), (True, '{"n":2}'))
        ]
    assert outcome("record", url, "none.jsonl", cwd=tmp_path)[0] == 1
    assert not (tmp_path / "none.jsonl").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals are of POSIX")
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_recording_and_keeps_it(tmp_path: Path, signum: int) -> None:
    (tmp_path / "feed.jsonl").write_bytes(GOOD_LINE + GOOD_LINE.replace(b"0", b"100000", 1))
    with serving("replay", "feed.jsonl", "--port", "0", cwd=tmp_path) as (_, url):
        with command("record", url, "copy.jsonl", cwd=tmp_path) as program:
            for _ in range(6_000):
                if (tmp_path / "copy.jsonl").exists() and (tmp_path / "copy.jsonl").stat().st_size:
                    break
                time.sleep(0.01)
            program.send_signal(signum)
            out, err = program.communicate(timeout=PATIENCE)
        assert (program.returncode, out, err) == (0, "recorded 1 frame\n", "")
    assert [frame.text for frame in read_recording(tmp_path / "copy.jsonl")] == ['{"type":"tick"}']


def test_a_new_application_works_with_its_test_and_with_the_hub(tmp_path: Path) -> None:
    assert outcome("new", "todo", cwd=tmp_path)[:2] == (
        0,
        "wrote todo/; todo/README.md shows how to run and test it\n",
    )
    assert "exists already" in complaint("new", "todo", code=1, cwd=tmp_path)
    folder = tmp_path / "todo"
    run = {"cwd": folder, "env": {**os.environ, "PYTHONPATH": str(ROOT)}, "capture_output": True}
    for words in (
        ("-m", "pytest", "-q", "-p", "no:asyncio", "-p", "no:cacheprovider", "-W", "error"),
        ("-m", "mypy", "--strict", "--cache-dir", str(tmp_path), "todo", "tests"),
    ):
        done = subprocess.run([sys.executable, *words], text=True, check=False, **run)
        assert done.returncode == 0, done.stdout + done.stderr
    late = folder / "todo" / "late.py"
    late.write_text((folder / "todo" / "main.py").read_text().replace(":8000/ws", ":9/ws"))
    late.write_text(late.read_text().replace("wait_connected(10)", "wait_connected(0.1)"))
    done = subprocess.run([sys.executable, "-m", "todo.late"], text=True, check=False, **run)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("todo: ")
    assert "ws://127.0.0.1:9/ws" in done.stderr.splitlines()[-1]
    with serving("hub", "--types", "todo.messages:registry", "--port", "0", cwd=folder) as (_, url):
        program = (folder / "todo" / "main.py").read_text()
        assert program.count("ws://127.0.0.1:8000/ws") == 1
        (folder / "todo" / "main.py").write_text(program.replace("ws://127.0.0.1:8000/ws", url))
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "todo.main", "green", "tea"],
            text=True,
            check=False,
            **run,
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-2:] == ["- green tea", "x green tea"]


def test_a_shell_completes_commands_and_options() -> None:
    code, script, err = outcome("completion", "bash")
    assert (code, err) == (0, "")
    ask = (
        'COMP_WORDS=(reactive-ws {words}); COMP_CWORD={at}; _reactive_ws; echo "${{COMPREPLY[@]}}"'
    )
    for words, at, wanted in (
        ("re", 1, "record replay"),
        ("replay --s", 2, "--speed"),
        ("completion z", 2, "zsh"),
    ):
        done = subprocess.run(
            ["bash", "-c", script + ask.format(words=words, at=at)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == wanted
    assert (
        "complete -c reactive-ws -n '__fish_seen_subcommand_from hub' -l port\n"
        in (outcome("completion", "fish")[1])
    )


def test_zsh_completes_commands_options_and_words() -> None:
    zsh = shutil.which("zsh")
    if zsh is None:
        skip_or_fail("zsh is not installed (Debian: zsh)")
    code, script, err = outcome("completion", "zsh")
    assert (code, err) == (0, "")
    # The builtins of zsh work in its line editor alone. They are replaced by what they do.
    builtins = "compdef() {}; compadd() { print -l -- ${(M)choices:#${words[CURRENT]}*} }\n"
    for words, at, wanted in (
        ("reactive-ws re", 2, ["record", "replay"]),
        ("reactive-ws replay --s", 3, ["--speed"]),
        ("reactive-ws completion z", 3, ["zsh"]),
        ("reactive-ws hub --port 1 --ec", 5, ["--echo"]),
    ):
        ask = f"words=({words}); CURRENT={at}; _reactive_ws"
        done = subprocess.run(
            [zsh, "-f", "-c", builtins + script + ask], capture_output=True, text=True, check=True
        )
        assert (done.stdout.split(), done.stderr) == (wanted, "")


TYPES = """
from attrs import frozen
from reactive_ws import Guarantee, protocol_v1

registry = protocol_v1()

@registry.message("task.added", guarantee=Guarantee.AT_LEAST_ONCE)
@frozen
class TaskAdded:
    title: str
"""


def test_the_hub_relays_the_types_of_a_registry_in_the_current_directory(tmp_path: Path) -> None:
    (tmp_path / "messages.py").write_text(TYPES)

    async def talk(url: str) -> None:
        async with raw_client(url) as sender, raw_client(url) as listener:
            await sender.send("task.added", {"title": "milk"}, "t1")
            assert (await sender.until("message.received"))["payload"]["messageId"] == "t1"
            assert (await listener.until("task.added"))["payload"] == {"title": "milk"}

    words = ("hub", "--types", "messages:registry", "--port", "0")
    with serving(*words, cwd=tmp_path) as (_, url):
        asyncio.run(talk(url))


FULL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
import reactive_ws.stores.hub.command
from reactive_ws.commands import main
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
sys.exit(main(["hub", "--port", "0", "--token-delay", "0", "--log", {path!r}]))
"""


def full_disk(path: Path, limit: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-B", "-c", FULL_DISK.format(limit=limit, path=str(path))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
    )


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_FSIZE")
def test_no_room_for_the_file_is_said_at_the_start(tmp_path: Path) -> None:
    with full_disk(tmp_path / "hub.db", 1000) as program:
        out, err = program.communicate(timeout=PATIENCE)
    assert (program.returncode, out, err.count("\n")) == (1, "", 1), err
    assert "free some space" in err


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_FSIZE")
def test_a_disk_that_fills_up_ends_the_hub_and_nothing_acknowledged_is_lost(
    tmp_path: Path,
) -> None:
    acknowledged: list[str] = []

    async def talk(url: str) -> None:
        async with raw_client(url) as client:
            with pytest.raises(ConnectionClosed):
                for number in range(10_000):
                    await client.say(f"m{number}", "x" * 500)
                    received = await client.until("message.received")
                    acknowledged.append(received["payload"]["messageId"])

    async def look(url: str) -> None:
        async with raw_client(url) as client:
            await client.send("sync", {"streams": ["s1"]})
            messages = (await client.until("snapshot"))["payload"]["messages"]
            assert set(acknowledged) <= {message["id"] for message in messages}

    path = tmp_path / "hub.db"
    with full_disk(path, 300_000) as program:
        assert program.stdout is not None
        url = program.stdout.readline().split(" at ")[1].strip()
        asyncio.run(talk(url))
        out, err = program.communicate(timeout=PATIENCE)
    assert (program.returncode, out, err.count("\n")) == (1, "", 1), err
    assert "free some space or see the system log, nothing that was acknowledged is lost" in err
    assert acknowledged
    with serving("hub", "--port", "0", "--log", str(path)) as (_, url):
        asyncio.run(look(url))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_finds_no_room_is_one_line() -> None:
    for words in (("--help",), ("hub", "--port", "0")):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "reactive_ws", *words],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                timeout=PATIENCE,
                check=False,
                cwd=ROOT,
            )
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert "No space left on device" in done.stderr


def test_output_that_nobody_reads_is_no_traceback() -> None:
    words = [sys.executable, "-m", "reactive_ws", "--help"]
    reader, writer = subprocess.PIPE, subprocess.PIPE
    with subprocess.Popen(
        words, stdout=reader, stderr=writer, text=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}
    ) as program:
        assert program.stdout is not None
        program.stdout.close()
        assert program.stderr is not None
        assert program.stderr.read() == ""


# --- a module of the user with the name of one of our packages ----------------------------------------------------------

METADATA = "Metadata-Version: 2.1\nName: reactive-ws\nVersion: 0.0.1\n"
ENTRY_POINTS = """\
[reactive_ws.commands]
demo = reactive_ws.stores.demo:command
hub = reactive_ws.stores.hub.command:command
other = {module}:command
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder for PYTHONPATH that makes the commands known as an installation does."""
    folder = tmp_path / "metadata"
    info = folder / "reactive_ws-0.0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text(ENTRY_POINTS.format(module="reactive_ws.wire.envelope"))
    return folder


@pytest.mark.parametrize("shape", ["module", "package"])
def test_every_command_works_beside_a_users_own_module_of_that_name(
    installed: Path, tmp_path: Path, shape: str
) -> None:
    theirs = tmp_path / "project"
    theirs.mkdir()
    source = "raise SystemExit('the user\\'s module was run')"
    for name in ("stores", "engine", "wire", "state", "commands", "testing"):
        if shape == "module":
            (theirs / f"{name}.py").write_text(source)
        else:
            (theirs / name).mkdir()
            (theirs / name / "__init__.py").write_text(source)
    path = f"{theirs}:{installed}:{ROOT}"
    code, out, err = outcome("--help", cwd=theirs, env={"PYTHONPATH": path})
    assert (code, err) == (0, "")
    assert "run a small chat server" in out
    for name in ("demo", "hub", "replay"):
        code, out, err = outcome(name, "--help", cwd=theirs, env={"PYTHONPATH": path})
        assert (code, err, out.split()[:3]) == (0, "", ["usage:", "reactive-ws", name])


def test_an_entry_that_is_no_command_is_said(installed: Path, tmp_path: Path) -> None:
    path = f"{installed}:{ROOT}"
    said = complaint("other", code=1, cwd=tmp_path, env={"PYTHONPATH": path})
    assert said == (
        "reactive-ws other: command 'other' cannot be loaded: module 'reactive_ws.wire.envelope' has no attribute 'command'"
    )


def test_a_command_with_a_closed_output_works_without_a_traceback() -> None:
    done = subprocess.run(
        [
            "/bin/sh",
            "-c",
            f'"{sys.executable}" -m reactive_ws --version >&- && "{sys.executable}" -m reactive_ws schema >&-',
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
