"""@simulate: one seed, plain functions, and other orders of tasks."""

from __future__ import annotations

import asyncio
import inspect
import os
import random
import secrets
import subprocess
import sys
import textwrap
import time
import uuid
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reactive_ws.testing import Simulation, simulate


def chance() -> list[object]:
    return [
        random.random(),
        random.Random().random(),
        secrets.token_hex(8),
        os.urandom(4),
        str(uuid.uuid4()),
        Simulation.current().new_id(),
        Simulation.current().random.random(),
        time.time(),
        time.monotonic(),
    ]


def test_the_same_seed_gives_the_same_chance_and_clocks_and_another_seed_does_not() -> None:
    def draw(seed: int) -> list[object]:
        with Simulation(seed):
            return chance()

    assert draw(1) == draw(1)
    assert [a == b for a, b in zip(draw(1), draw(2), strict=True)] == [False] * 7 + [True] * 2


def test_chance_and_clocks_are_real_again_afterwards() -> None:
    random.seed(5)
    wanted = random.random()
    random.seed(5)
    with Simulation():
        random.random()
    assert random.random() == wanted
    assert abs(time.time() - time.time_ns() / 1e9) < 5
    assert os.urandom(8) != os.urandom(8)


def test_the_wall_clock_follows_the_loop() -> None:
    @simulate
    async def run() -> list[str]:
        simulation = Simulation.current()
        await asyncio.sleep(90)
        return [
            simulation.wall_clock().isoformat(),
            time.strftime("%H:%M", time.gmtime(time.time())),
        ]

    assert run() == ["2026-01-01T00:01:30+00:00", "00:01"]


@pytest.fixture
def number() -> int:
    return 7


@simulate
async def test_a_simulated_test_takes_fixtures(number: int) -> None:
    await asyncio.sleep(10)
    assert number == 7


@pytest.mark.parametrize("letter", ["a", "b"])
@simulate(seed=3)
async def test_a_simulated_test_takes_parameters(letter: str) -> None:
    assert letter in "ab"
    assert Simulation.current().seed == 3


@settings(max_examples=5, database=None)
@given(delay=st.floats(0, 1e6))
@simulate
async def test_a_simulated_test_runs_under_given(delay: float) -> None:
    await asyncio.sleep(delay)
    assert asyncio.get_running_loop().time() == delay


class TestInAClass:
    @simulate
    async def test_a_simulated_method_gets_its_self(self, number: int) -> None:
        assert isinstance(self, TestInAClass)
        assert number == 7


def test_the_decorated_test_is_a_plain_function_with_the_signature_of_the_test() -> None:
    @pytest.mark.filterwarnings("error")
    async def original(a: int, *, b: str = "x") -> None:
        """Checks something."""

    plain = simulate(original)
    assert not inspect.iscoroutinefunction(plain)
    assert not hasattr(plain, "__wrapped__")
    assert inspect.signature(plain) == inspect.signature(original)
    assert plain.__name__ == "original"
    assert plain.__doc__ == "Checks something."
    assert [mark.name for mark in plain.pytestmark] == ["filterwarnings"]  # type: ignore[attr-defined]


def test_a_plain_function_is_refused_with_the_reason() -> None:
    def sync() -> None: ...

    with pytest.raises(TypeError, match="runs async tests"):
        simulate(sync)  # type: ignore[arg-type]


async def _last_writer() -> int:
    values: list[int] = []

    async def write(value: int) -> None:
        await asyncio.sleep(0)
        values.append(value)

    await asyncio.gather(write(1), write(2))
    return values[-1]


def test_without_exploration_ready_tasks_run_first_in_first_out() -> None:
    assert {simulate(seed=seed)(_last_writer)() for seed in range(20)} == {2}


def test_exploration_finds_the_other_order_and_prints_how_to_see_it_again() -> None:
    async def race() -> None:
        assert await _last_writer() == 2

    with pytest.raises(AssertionError) as caught:
        simulate(seed=4, explore=50)(race)()
    note = caught.value.__notes__[-1]
    assert note.startswith("run it again with @simulate(seed=4, order=")
    order = int(note.rpartition("=")[2].rstrip(")"))
    for _ in range(3):
        with pytest.raises(AssertionError):
            simulate(seed=4, order=order)(race)()


def test_exploration_keeps_the_order_of_plain_callbacks() -> None:
    async def run() -> None:
        seen: list[int] = []
        loop = asyncio.get_running_loop()
        for number in range(10):
            loop.call_soon(seen.append, number)
        await asyncio.sleep(1)
        assert seen == list(range(10))

    simulate(explore=30)(run)()


@pytest.mark.parametrize("variable", ["REACTIVE_WS_SEED"])
def test_a_seed_from_outside_reaches_tests_that_name_none(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "12")

    async def seed() -> int:
        return Simulation.current().seed

    assert [simulate(seed)(), simulate(seed=5)(seed)()] == [12, 5]


def test_the_same_seed_gives_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import asyncio, hashlib, logging
        from websockets.asyncio.client import connect
        from websockets.asyncio.server import serve
        from reactive_ws.testing import Latency, Simulation, Split, simulate
        from reactive_ws.testing.simulation.link import End

        seen = hashlib.sha256()
        write = End.write
        def recorded(self, data):
            seen.update(repr((Simulation.current().loop.time(), bytes(data))).encode())
            write(self, data)
        End.write = recorded

        @simulate(seed=11)
        async def main():
            network = Simulation.current().network
            network.apply(Latency(0.02, jitter=0.1))
            network.apply(Split(5))
            async def echo(ws):
                async for message in ws:
                    await ws.send(message)
            async with serve(echo, "server", 80, ping_interval=1):
                async with connect("ws://server:80", proxy=None, ping_interval=1) as ws:
                    for number in range(20):
                        await ws.send("x" * number)
                        await ws.recv()
                        await asyncio.sleep(0.5)
        main()
        print(seen.hexdigest())
        """
    )
    path = tmp_path / "program.py"
    path.write_text(program)
    root = str(Path(__file__).parents[3])
    digests = [
        subprocess.run(
            [sys.executable, str(path)],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            env={"PYTHONPATH": root, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]
    assert len(digests[0]) == 65
    assert digests[0] == digests[1]


def test_importing_the_framework_and_this_package_imports_no_test_tool() -> None:
    program = (
        "import sys, reactive_ws, reactive_ws.testing as t, reactive_ws.testing.simulation\n"
        "t.Simulation\n"
        "print([m for m in ('hypothesis', 'pytest', '_pytest') if m in sys.modules])"
    )
    root = str(Path(__file__).parents[3])
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={"PYTHONPATH": root},
    )
    assert result.stdout.strip() == "[]"


def test_every_public_name_can_be_loaded() -> None:
    import reactive_ws.testing as package

    for name in package.__all__:
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError):
        package.Nonsense  # noqa: B018
