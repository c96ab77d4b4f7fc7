"""The pytest plugin, the profiles, and what is kept of a failed run."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import pytest
from missing_parts import skip_or_fail

from reactive_ws.stores.wire.chat import SessionClosed, agent_chat
from reactive_ws.testing import Transcript, World, simulate
from reactive_ws.testing.generating.profiles import PROFILES
from reactive_ws.testing.server.replay import replay

ROOT = str(Path(__file__).parents[3])
TEST = """
from reactive_ws.testing import Simulation, simulate
from hypothesis import settings

seen = []

@simulate
async def test_it():
    seen.append((Simulation.current().seed, Simulation.current().order))

def test_what_was_seen():
    print(seen, settings.default.max_examples)
"""


FAILING = """
from reactive_ws.testing import World, simulate

@simulate
async def test_it():
    async with World() as world:
        server, service = await world.server(), world.service()
        await service.connect()
        await service.wait_connected(10)
        assert False, "on purpose"
"""


def run_pytest(
    folder: Path, *options: str, test: str = TEST, code: int = 0, **variables: str
) -> str:
    (folder / "test_it.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-s", "-q"]
    if not any(entry.name == "reactive_ws" for entry in entry_points(group="pytest11")):
        # The source tree is not installed, so pytest does not find the plugin by its entry point.
        command += ["-p", "reactive_ws.testing.plugin"]
    result = subprocess.run(
        [*command, *options, "test_it.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        env={"PYTHONPATH": ROOT, "PATH": os.environ["PATH"], **variables},
    )
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout


def test_without_options_tests_run_once_from_seed_0(tmp_path: Path) -> None:
    assert "[(0, None)] 100" in run_pytest(tmp_path)


def test_options_choose_seed_exploration_and_profile(tmp_path: Path) -> None:
    options = ["--rws-seed", "7", "--rws-explore", "2", "--rws-profile", "quick"]
    assert "[(7, None), (7, 1), (7, 2)] 40" in run_pytest(tmp_path, *options)


def test_the_environment_chooses_the_profile_too(tmp_path: Path) -> None:
    assert "[(0, None)] 1000" in run_pytest(tmp_path, REACTIVE_WS_PROFILE="deep")


def test_the_summary_says_where_the_frames_of_a_failed_test_are(tmp_path: Path) -> None:
    folder = str(tmp_path / "kept")
    said = run_pytest(tmp_path, test=FAILING, code=1, REACTIVE_WS_TRANSCRIPTS=folder)
    [path] = (tmp_path / "kept").iterdir()
    assert path.name == "reactive-ws-test_it.py-test_it.jsonl"
    assert f"test_it.py::test_it: {path}" in said.splitlines()
    assert [frame.what for frame in Transcript.read(path).frames] == ["open", "down"]


def test_importing_the_plugin_imports_no_part_of_the_framework_but_its_package() -> None:
    program = (
        "import sys, reactive_ws.testing.plugin\n"
        "heavy = {'hypothesis', 'pytest', 'reactivex', 'websockets', 'msgspec'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        env={"PYTHONPATH": ROOT},
    )
    loaded = result.stdout.strip()
    assert "hypothesis" not in loaded
    assert "'pytest'" not in loaded


def test_the_quick_profile_is_the_same_every_time_and_does_not_shrink() -> None:
    quick = PROFILES["quick"]
    assert quick.derandomize
    assert [phase.name for phase in quick.phases] == ["explicit", "reuse", "generate"]
    assert PROFILES["nightly"].max_examples > PROFILES["deep"].max_examples > quick.max_examples


def test_a_failed_run_keeps_every_frame_and_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REACTIVE_WS_TRANSCRIPTS", str(tmp_path))

    @simulate
    async def fails() -> None:
        async with World() as world:
            server, service = (
                await world.server(registry=agent_chat()),
                world.service(registry=agent_chat()),
            )
            await service.connect()
            await service.wait_connected(10)
            server.publish(SessionClosed("x"))
            await world.settle()
            assert not service.is_connected

    with pytest.raises(AssertionError) as caught:
        fails()
    [path] = tmp_path.iterdir()
    assert f"every frame of this run: {path}" in caught.value.__notes__
    assert [frame.what for frame in Transcript.read(path).frames] == ["open", "down", "down"]


def test_a_transcript_can_be_replayed_to_another_client() -> None:
    heard: list[SessionClosed] = []

    @simulate
    async def record() -> Transcript:
        async with World() as world:
            server, service = (
                await world.server(registry=agent_chat()),
                world.service(registry=agent_chat()),
            )
            await service.connect()
            await service.wait_connected(10)
            server.publish(SessionClosed("x"))
            await world.advance(5)
            server.abort()
            await world.advance(5)
            server.publish(SessionClosed("y"))
            await world.advance(1)
            return Transcript(tuple(world.transcript.frames))

    @simulate
    async def again(transcript: Transcript) -> None:
        async with World() as world:
            server, service = (
                await world.server(registry=agent_chat()),
                world.service(registry=agent_chat()),
            )
            service.on(SessionClosed, heard.append)
            playing = asyncio.create_task(replay(transcript, server))
            await service.connect()
            await playing
            await world.advance(1)

    again(record())
    assert heard == [SessionClosed("x"), SessionClosed("y")]


BESIDE_PYTEST_ASYNCIO = """
import asyncio
import pytest
from hypothesis import given, settings, strategies as st
from reactive_ws.testing import Deadlock, simulate

@pytest.fixture
def number():
    return 7

@simulate
async def test_time_is_virtual_and_fixtures_work(number, tmp_path):
    before = asyncio.get_running_loop().time()
    await asyncio.sleep(3600)
    assert (before, asyncio.get_running_loop().time()) == (0, 3600)
    assert number == 7 and tmp_path.is_dir()

@settings(max_examples=5, database=None)
@given(st.floats(1, 1000))
@simulate
async def test_under_given(delay):
    await asyncio.sleep(delay)
    assert asyncio.get_running_loop().time() == delay

@pytest.mark.xfail(raises=Deadlock, strict=True)
@simulate
async def test_what_hangs_fails():
    await asyncio.Event().wait()

@pytest.mark.asyncio
async def test_the_other_plugin_still_has_its_own_tests():
    assert asyncio.get_running_loop().time() != 0
"""


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_simulated_tests_run_beside_pytest_asyncio_in_both_of_its_modes(
    mode: str, tmp_path: Path
) -> None:
    if find_spec("pytest_asyncio") is None:
        skip_or_fail("pytest-asyncio is not installed")
    options = ["-o", f"asyncio_mode={mode}"]
    said = run_pytest(tmp_path, *options, test=BESIDE_PYTEST_ASYNCIO)
    assert "3 passed, 1 xfailed" in said


STAND_IN = """
import asyncio, inspect
import pytest

@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if inspect.iscoroutinefunction(pyfuncitem.obj):
        arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
        asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), 60))
        return True
"""


def test_a_plugin_that_takes_every_async_test_takes_none_that_is_simulated(tmp_path: Path) -> None:
    """The same without pytest-asyncio, which a clone may lack."""
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    test = BESIDE_PYTEST_ASYNCIO.replace("@pytest.mark.asyncio\n", "")
    said = run_pytest(
        tmp_path, "-p", "stand_in", test=test, PYTHONPATH=f"{ROOT}{os.pathsep}{tmp_path}"
    )
    assert "3 passed, 1 xfailed" in said


def test_the_conformance_functions_need_no_pytest() -> None:
    code = (
        "import sys\n"
        "sys.modules['pytest'] = None\n"
        "from reactive_ws import Domain, JsonCodec, Store\n"
        "from reactive_ws.testing import check_codec, check_connect, check_store, check_ui_loop\n"
        "check_store(lambda value: Store(value, domain=Domain(on_error=lambda report: None)))\n"
        "check_codec(JsonCodec(), max_examples=5)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        env={"PYTHONPATH": ROOT, "PATH": os.environ["PATH"]},
    )
    assert result.returncode == 0, result.stderr
