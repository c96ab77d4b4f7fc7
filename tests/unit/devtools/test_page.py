"""The programs of docs/devtools.md print what the page says, and the call site is a line of the program."""

from __future__ import annotations

import asyncio
import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from missing_parts import skip_or_fail
from printed import check_printed

from reactive_ws import Domain, Store
from reactive_ws.devtools import CommitMade, ProgramRecorder
from reactive_ws.stores.wire.chat import Message, MessageResponse, agent_chat
from reactive_ws.testing import World, simulate

ROOT = Path(__file__).parents[3]
PROGRAMS = re.findall(
    r"^```python\n(.*?)^```\n\nIt prints[^\n]*:\n\n```\n(.*?)^```$",
    (ROOT / "docs" / "devtools.md").read_text("utf-8"),
    re.MULTILINE | re.DOTALL,
)


@pytest.mark.parametrize(("program", "output"), PROGRAMS, ids=["serve", "record", "prometheus"])
def test_a_program_of_the_page_prints_what_the_page_says(
    program: str, output: str, tmp_path: Path
) -> None:
    if "prometheus" in program and find_spec("prometheus_client") is None:
        skip_or_fail("prometheus_client is not installed; `make setup` installs it")
    check_printed(program, output, tmp_path)


def test_a_write_that_a_loop_calls_has_no_call_site_because_no_line_of_the_program_made_it() -> (
    None
):
    domain = Domain()
    count = Store(0, domain=domain)

    async def write() -> None:
        asyncio.get_running_loop().call_soon(count.set, 1)
        await asyncio.sleep(0)
        count.set(2)

    with ProgramRecorder(domain=domain, call_sites=True) as recorder:
        asyncio.run(write())
        count.set(3)
    causes = [
        event.what.cause
        for event in recorder.events()
        if isinstance(event.what, CommitMade) and event.what.cause is not None
    ]
    # The line of `asyncio.run` stands for none of them.
    line = write.__code__.co_firstlineno
    sites = [None, f"test_page.py:{line + 3}", f"test_page.py:{line + 7}"]
    assert [it.call_site for it in causes] == sites
    assert causes[0].action == "the event loop"
    assert causes[1].action.endswith(".write")


@simulate
async def test_a_commit_of_a_message_or_of_the_connection_has_no_call_site() -> None:
    async with World() as world:
        server = await world.server(registry=agent_chat())
        service = world.service(registry=agent_chat())
        texts = Store[tuple[str, ...]]((), name="texts", domain=world.domain)
        service.on(MessageResponse, lambda it: texts.update(lambda now: (*now, it.message.content)))
        with ProgramRecorder(service, call_sites=True) as recorder:
            await service.connect()
            await service.wait_connected()
            server.send(MessageResponse("s", Message("r1", "s", "a", "hello", 0)), id="r1")
            await world.settle()
        made = [it.what for it in recorder.events() if isinstance(it.what, CommitMade)]
    causes = {change.name: it.cause for it in made for change in it.changes if it.cause is not None}
    assert causes["texts"].action == "messages message.response"
    assert causes["service.connection"].action == "the connection"
    assert {it.call_site for it in causes.values()} == {None}
