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


def test_a_write_that_a_loop_calls_has_no_call_site_of_the_standard_library() -> None:
    domain = Domain()
    count = Store(0, domain=domain)

    async def write() -> None:
        asyncio.get_running_loop().call_soon(count.set, 1)
        await asyncio.sleep(0)

    with ProgramRecorder(domain=domain, call_sites=True) as recorder:
        asyncio.run(write())
        count.set(2)
    sites = [
        event.what.cause.call_site
        for event in recorder.events()
        if isinstance(event.what, CommitMade) and event.what.cause is not None
    ]
    # The loop was started by this file; no line of asyncio stands for it.
    assert [site and site.partition(":")[0] for site in sites] == ["test_page.py", "test_page.py"]
