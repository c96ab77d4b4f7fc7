"""Every python block of the README and of the pages under docs/ runs as printed.

A page is one script: its blocks run in order, in a fresh process and an empty folder, with warnings as errors. A block
after `<!-- not run: REASON -->` is left out.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ELSEWHERE = {"gui.md": "its blocks need a display; see tests/gui/test_docs_gui.py"}
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(
    r"(?P<skip><!-- not run: .+? -->\s*\n)?^```python[^\n]*\n(?P<code>.*?)^```[ \t]*$",
    re.MULTILINE | re.DOTALL,
)


def script_of(page: str) -> str:
    """Returns the blocks of a page, each on the lines where it is printed, so that tracebacks name the page's lines."""
    lines: list[str] = []
    for block in BLOCK.finditer(page):
        if block["skip"]:
            continue
        lines += [""] * (page.count("\n", 0, block.start("code")) - len(lines))
        lines += block["code"].splitlines()
    return "\n".join(lines) + "\n"


def test_blocks_keep_their_lines_and_marked_ones_are_left_out() -> None:
    page = "# A\n```python\na = 1\n```\n\n<!-- not run: needs a server -->\n```python\nb\n```\n```sh\nc\n```\n```python\nd = a\n```\n"
    assert script_of(page).splitlines() == ["", "", "a = 1", *[""] * 10, "d = a"]


@pytest.mark.parametrize(
    "page",
    [
        page
        for page in PAGES
        if page.name not in ELSEWHERE and BLOCK.search(page.read_text("utf-8"))
    ],
    ids=lambda page: page.name,
)
def test_every_block_of_a_page_runs_as_printed(page: Path, tmp_path: Path) -> None:
    # A page may be named like a package that it imports.
    script = tmp_path / f"page_{page.stem}.py"
    script.write_text(script_of(page.read_text("utf-8")), "utf-8")
    folder = tmp_path / "folder"
    folder.mkdir()
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{page.name}:\n{done.stdout}{done.stderr}"
