"""The state part in Python for browsers: Pyodide under node. The quick start of the README runs there, and waits work."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from missing_parts import skip_or_fail
from raw_client import ROOT

HERE = Path(__file__).parent
MORE = """
import asyncio
import sys

from reactive_ws import KeyedStore, snapshot

prices = KeyedStore({"tea": 1.0})
prices.select_keys().subscribe(print)
prices.upsert("milk", 2.0)


async def later() -> None:
    await asyncio.sleep(0.01)
    lines.update(lambda now: (*now, "eggs"))


task = asyncio.ensure_future(later())
print(await lines.select().wait_for(lambda now: len(now) == 2, timeout=30))
print(snapshot(title, lines))
try:
    await title.select().wait_for(lambda now: now == "x", timeout=0.01)
except TimeoutError as error:
    print(str(error).partition(" had ")[0])
print([it for it in ("websockets", "msgspec") if it in sys.modules], sys.platform)
"""


def test_the_state_part_runs_in_pyodide(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None or not (HERE / "node_modules" / "pyodide").is_dir():
        skip_or_fail("node or Pyodide is missing; `make setup` installs it where npm is")
    quick_start = re.findall(
        r"^```python\n(.*?)^```\n\nIt prints:\n\n```\n(.*?)^```$",
        (ROOT / "README.md").read_text("utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    program, output = quick_start[0]
    found = find_spec("reactivex")
    assert found is not None
    assert found.origin is not None
    path = tmp_path / "program.py"
    path.write_text(program + MORE)
    done = subprocess.run(
        [
            node,
            str(HERE / "pyodide_state.mjs"),
            str(ROOT),
            str(Path(found.origin).parents[1]),
            str(path),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == output + (
        "('tea',)\n"
        "('tea', 'milk')\n"
        "My notes (2)\n"
        "('milk', 'eggs')\n"
        "('My notes', ('milk', 'eggs'))\n"
        "store 'store 1'\n"
        "[] emscripten\n"
    )
