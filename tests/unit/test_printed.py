"""The how-to pages print what they say: all blocks of a page are one program, and its output is the last block."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from printed import check_printed

ROOT = Path(__file__).parents[2]
PAGES = ["fastapi.md"]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_prints_what_it_says(name: str, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / name).read_text("utf-8")
    program = "\n".join(re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    (output,) = re.findall(r"^It prints:\n\n```\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    check_printed(program, output, tmp_path)
