"""The judge notices whatever is wrong, with whichever witness."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from websockets.asyncio.client import connect

from reactive_ws.server import Publisher, Retention, SqliteLog
from reactive_ws.stores.demo.judge import decide as decide_files
from reactive_ws.stores.demo.judge import half_streamed, stored
from reactive_ws.stores.demo.record import Accepted, Acknowledged, Killed, Line, Record, read
from reactive_ws.stores.demo.ruling import Kill, Ruling, decide
from reactive_ws.stores.demo.screen import Screen, Shown, save
from reactive_ws.stores.hub import Hub
from reactive_ws.stores.hub.chat import Owed
from reactive_ws.stores.hub.reactions import hub_types
from reactive_ws.stores.wire.chat import (
    Message,
    MessageDelta,
    MessageResponse,
    MessageSend,
    Panel,
    PanelChange,
    PanelCreated,
    PanelDeleted,
    PanelUpdated,
)

COUNT = 30
KILLED = Killed("killed-1.db", "m3.reply", 5)


def record() -> list[Line]:
    accepted: list[Line] = [Accepted(f"m{n}", "s", f"text {n}") for n in range(COUNT)]
    acknowledged: list[Line] = [Acknowledged(f"m{n}") for n in range(COUNT)]
    return [*accepted, *acknowledged[:5], KILLED, *acknowledged[5:]]


def said() -> list[Shown]:
    own = [Shown(f"m{n}", "user", f"text {n}") for n in range(COUNT)]
    answers = [Shown(f"m{n}.reply", "assistant", f"answer {n}") for n in range(COUNT)]
    return [*own[:10], *answers[:5], *own[10:], *answers[5:]]


def screen(shown: list[Shown] | None = None) -> Screen:
    panel = Panel("p", "text", "Plan", {"text": "x"})
    return Screen({"s": said() if shown is None else shown}, [panel])


def judged(data: Screen, *witnesses: Screen) -> Ruling:
    names = {f"client {number}": one for number, one in enumerate(witnesses, 1)}
    return decide(record(), data, names, {"killed-1.db": 2})


def test_nothing_lost_twice_or_moved_passes() -> None:
    ruling = judged(screen(), screen(), screen())
    assert ruling == Ruling(COUNT, COUNT, 0, 0, 0, [Kill(25, 5, 2)], [])
    assert ruling.has_passed


Damage = Callable[[list[Shown]], object]


@pytest.mark.parametrize("witness", [0, 1])
@pytest.mark.parametrize(
    ("damage", "found"),
    [
        pytest.param(lambda it: it.pop(3), (1, 0, 0), id="a message is missing"),
        pytest.param(lambda it: it.pop(12), (1, 0, 0), id="an answer is missing"),
        pytest.param(lambda it: it.insert(7, it[6]), (0, 1, 0), id="a message is there twice"),
        pytest.param(lambda it: it.append(it[12]), (0, 1, 1), id="an answer is there twice"),
        pytest.param(
            lambda it: it.append(Shown("ghost", "user", "boo")), (0, 1, 0), id="nobody said it"
        ),
        pytest.param(lambda it: it.insert(2, it.pop(5)), (0, 0, 1), id="a message comes too early"),
        pytest.param(
            lambda it: it.__setitem__(4, Shown("m4", "user", "else")), (1, 0, 0), id="another text"
        ),
        pytest.param(
            lambda it: it.__setitem__(12, Shown("m2.reply", "assistant", "answer 2", False)),
            (1, 0, 0),
            id="an answer is not complete",
        ),
    ],
)
def test_damage_is_found_with_a_client(
    damage: Damage, found: tuple[int, int, int], witness: int
) -> None:
    shown = said()
    damage(shown)
    screens = [screen(), screen()]
    screens[witness] = screen(shown)
    ruling = judged(screen(), *screens)
    counted = (ruling.lost, ruling.duplicated, ruling.out_of_order)
    assert [have >= want for have, want in zip(counted, found, strict=True)] == [True] * 3
    assert [have > 0 for have in counted][:2] == [want > 0 for want in found][:2]
    assert not ruling.has_passed


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda it: it.pop(3), id="a message is missing"),
        pytest.param(lambda it: it.pop(12), id="an answer is missing"),
        pytest.param(lambda it: it.append(it[0]), id="a message is there twice"),
        pytest.param(lambda it: it.insert(2, it.pop(5)), id="a message comes too early"),
    ],
)
def test_damage_that_all_witnesses_share_is_found(damage: Damage) -> None:
    shown = said()
    damage(shown)
    assert not judged(screen(shown), screen(shown), screen(shown)).has_passed


def test_a_panel_that_differs_is_found() -> None:
    other = Screen({"s": said()}, [])
    assert judged(screen(), other).lost == 1
    assert judged(other, screen()).duplicated == 1


def test_a_session_that_nobody_talked_in_is_found() -> None:
    other = Screen({"s": said(), "t": [Shown("x", "user", "boo")]}, screen().panels)
    assert judged(screen(), other).duplicated == 1


@pytest.mark.parametrize(
    ("lines", "evidence"),
    [
        pytest.param(record(), {}, id="no answer was half streamed"),
        pytest.param(
            [line for line in record() if line != KILLED],
            {"killed-1.db": 1},
            id="nobody was killed",
        ),
        pytest.param(
            sorted(record(), key=lambda line: isinstance(line, Killed)),
            {"killed-1.db": 1},
            id="all was acknowledged when it was killed",
        ),
        pytest.param([], {}, id="nothing was said"),
    ],
)
def test_a_kill_that_did_not_hurt_does_not_pass(
    lines: list[Line], evidence: dict[str, int]
) -> None:
    data = screen() if lines else Screen({}, [])
    ruling = decide(lines, data, {"client": data}, evidence)
    assert (ruling.findings, ruling.has_passed) == ([], False)


def data_file(path: Path) -> None:
    async def write() -> None:
        async with Publisher(hub_types(None), SqliteLog(path)) as log:
            for one in said():
                message = Message(one.id, "s", one.role, one.text, 0.0)
                await log.publish("s", MessageResponse("s", message))
            await log.publish("app", PanelCreated(Panel("p", "text", "Plan", {"text": ""})))
            await log.publish("app", PanelCreated(Panel("q", "text", "Gone", {})))
            await log.publish("app", PanelUpdated(PanelChange("p", data={"text": "x"})))
            await log.publish("app", PanelDeleted("q"))
            await log.publish("_owed/s", Owed("x.reply", "hello", 0.0))
            for name, text, done in (("y.reply", "hel", False), ("z.reply", "hello", True)):
                await log.publish("s", MessageDelta("s", name, 0, text, done))

    asyncio.run(write())


def test_the_judge_reads_the_files(tmp_path: Path) -> None:
    data, shown = tmp_path / "hub.db", tmp_path / "screen.json"
    data_file(data)
    save(screen(), shown)
    with Record(tmp_path / "record") as lines:
        for line in record():
            if isinstance(line, Killed):
                line = Killed(str(data), line.answer_id, line.seen)
            lines.write(line)
    ruling = decide_files(tmp_path / "record", data, {"client": shown})
    assert ruling == Ruling(COUNT, COUNT, 0, 0, 0, [Kill(25, 5, 1)], [])
    assert stored(data) == screen()
    assert half_streamed(data) == 1
    with pytest.raises(FileNotFoundError):
        stored(tmp_path / "nothing")


def test_the_judge_begins_with_the_checkpoint_where_older_entries_are_gone(tmp_path: Path) -> None:
    async def talk() -> None:
        log = SqliteLog(tmp_path / "hub.db", retention=Retention(max_entries=10))
        async with Hub(log=log, reply=lambda message, outcomes: "yes") as hub:
            async with connect(hub.url, proxy=None, max_queue=None) as socket:
                for number in range(60):
                    message = Message(f"m{number}", "s", "user", f"text {number}", 0.0)
                    payload = msgspec.to_builtins(MessageSend("s", message))
                    frame = {"type": "message.send", "id": f"m{number}", "payload": payload}
                    await socket.send(msgspec.json.encode(frame).decode())
                while "m59.reply" not in str(await socket.recv()):
                    pass
                while "message.response" not in str(await socket.recv()):
                    pass
            await log.prune()

    asyncio.run(asyncio.wait_for(talk(), 60))
    shown = stored(tmp_path / "hub.db").sessions["s"]
    assert len(shown) == 120
    assert {one.id for one in shown} == {f"m{n}{end}" for n in range(60) for end in ("", ".reply")}


def test_a_line_that_was_cut_off_is_no_line(tmp_path: Path) -> None:
    with Record(tmp_path / "record") as lines:
        lines.write(Acknowledged("a"), Acknowledged("b"))
    path = tmp_path / "record"
    path.write_bytes(path.read_bytes()[:-3])
    assert read(path) == [Acknowledged("a")]
    with pytest.raises(FileExistsError):
        Record(path)
