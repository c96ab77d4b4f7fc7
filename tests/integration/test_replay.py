"""A recording over a real WebSocket: exact frames, in order, in time, and a normal end."""

import asyncio
import math
import time
from pathlib import Path

import pytest
from raw_client import outcome, serving
from websockets.asyncio.client import connect

from reactive_ws.commands.recording import RecordedFrame, read_recording
from reactive_ws.commands.replay import Replay

MARKET = Path(__file__).parent.parent / "data" / "coinbase-2021-04-17.jsonl.gz"
FRAMES = [
    RecordedFrame(0.0, False, '"asked"'),
    RecordedFrame(0.1, True, '{"n": 1}'),
    RecordedFrame(0.3, True, '{"n": 2}'),
    RecordedFrame(0.3, True, '{"n": 3}'),
]


async def received(url: str, *, say: str | None = None) -> tuple[list[tuple[float, str]], int]:
    """Everything that a client gets, with its time since the dial began, and the close code."""
    frames: list[tuple[float, str]] = []
    start = time.monotonic()
    async with connect(url, proxy=None) as socket:
        if say is not None:
            await socket.send(say)
        async for frame in socket:
            assert isinstance(frame, str)
            frames.append((time.monotonic() - start, frame))
        assert socket.close_code is not None
        return frames, socket.close_code


@pytest.mark.parametrize(("speed", "paces"), [(1.0, [0.1, 0.3, 0.3]), (2.0, [0.05, 0.15, 0.15])])
def test_frames_come_at_their_times_divided_by_the_speed(speed: float, paces: list[float]) -> None:
    async def body() -> None:
        async with Replay(FRAMES, speed=speed) as replay:
            frames, code = await received(replay.url, say='{"type":"subscribe"}')
        assert [text for _, text in frames] == ['{"n": 1}', '{"n": 2}', '{"n": 3}']
        assert code == 1000
        for (at, _), pace in zip(frames, paces, strict=True):
            # Never early; late as far as a busy machine makes it.
            assert pace - 0.005 <= at <= pace + 30.0

    asyncio.run(body())


def test_each_client_gets_the_whole_recording_and_may_say_what_it_likes() -> None:
    async def body() -> None:
        whole = [frame.text for frame in read_recording(MARKET) if frame.is_incoming]
        async with Replay(read_recording(MARKET), speed=math.inf) as replay:
            for frames, code in await asyncio.gather(
                received(replay.url, say="x" * 10_000), received(replay.url)
            ):
                assert [text for _, text in frames] == whole
                assert code == 1000

    asyncio.run(body())


def test_a_client_that_leaves_disturbs_nobody() -> None:
    async def body() -> None:
        async with Replay(read_recording(MARKET), speed=math.inf) as replay:
            async with connect(replay.url, proxy=None, close_timeout=0.1) as leaving:
                await leaving.recv()
            frames, code = await received(replay.url)
            assert (len(frames), code) == (9946, 1000)

    asyncio.run(body())


@pytest.mark.parametrize("speed", ["0", "max"])
def test_the_command_serves_the_recording_as_fast_as_it_is_read(speed: str) -> None:
    with serving("replay", str(MARKET), "--speed", speed, "--port", "0") as (_, url):
        frames, code = asyncio.run(received(url))
    assert (len(frames), code) == (9946, 1000)


def test_a_recording_without_incoming_frames_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"t":0,"dir":"out","frame":1}\n')
    code, _, err = outcome("replay", str(path))
    assert (code, err.count("\n")) == (1, 1)
    assert "holds no incoming frame" in err


@pytest.mark.parametrize("speed", [0.0, -1.0, math.nan])
def test_a_speed_that_is_none_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="speed must be above 0"):
        Replay(FRAMES, speed=speed)
