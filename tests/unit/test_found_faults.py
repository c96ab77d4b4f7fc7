"""The table of the faults of the first version names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
ROW = re.compile(r"^\| ([^|]+?) \| ([^|]+?) \| `([\w/]+\.py)::(\w+)` \|$")
HEADS = {"| situation | now | test |", "| --- | --- | --- |"}


def test_each_fault_has_a_test_that_exists() -> None:
    lines = (TESTS / "found_faults.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("|") and line not in HEADS]
    names: dict[Path, set[str]] = {}
    missing: list[str] = []
    for row in rows:
        match = ROW.match(row)
        assert match is not None, f"not a row of the table: {row}"
        _, _, path, name = match.groups()
        file = TESTS / path
        if file not in names:
            tree = ast.parse(file.read_text(encoding="utf-8"))
            names[file] = {
                it.name
                for it in ast.walk(tree)
                if isinstance(it, ast.FunctionDef | ast.AsyncFunctionDef)
            }
        if name not in names[file]:
            missing.append(row)
    assert missing == []
    assert len(rows) > 50
