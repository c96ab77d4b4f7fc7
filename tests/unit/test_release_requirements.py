"""The tools of a release are pinned, each with the hashes of its files, and no address of an index is written down."""

from __future__ import annotations

import re
from pathlib import Path

TEXT = (Path(__file__).parents[2] / "tools" / "release-requirements.txt").read_text()


def test_every_tool_has_one_version_and_the_hashes_of_its_files() -> None:
    joined = TEXT.replace("\\\n", " ")
    pins = [line for line in joined.splitlines() if line and not line.startswith("#")]
    wrong = [
        pin
        for pin in pins
        if not re.fullmatch(r"[a-z0-9.-]+==[\w.]+(\s+--hash=sha256:[0-9a-f]{64})+", pin.strip())
    ]
    assert wrong == []
    names = [pin.partition("==")[0] for pin in pins]
    assert len(names) == len(set(names))
    assert {"build", "twine", "cyclonedx-bom", "setuptools"} <= set(names)


def test_no_address_is_written_down() -> None:
    assert "://" not in TEXT
    assert "index" not in re.sub(r"--hash=\S+", "", TEXT)
