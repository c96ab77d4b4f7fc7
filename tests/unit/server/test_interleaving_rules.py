"""The table of rules names each planted bug of the server half, and only bugs that exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[2]
ROW = re.compile(r"^\| ([^|]+?) \| `([\w/]+\.py)::(\w+)` \|$")
HEADS = {"| rule | planted bug |", "| --- | --- |"}
FILES = (
    "property/test_session.py",
    "property/test_positions.py",
    "property/test_nodes.py",
    "conformance/test_logs.py",
)


def rows() -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for line in (TESTS / "interleaving_rules.md").read_text("utf-8").splitlines():
        if line.startswith("|") and line not in HEADS:
            match = ROW.match(line)
            assert match is not None, f"not a row of the table: {line}"
            found.append((match[2], match[3]))
    return found


def planted(file: str) -> Iterator[tuple[str, str]]:
    """Iterates over the planted bugs of a test file: its classes and functions behind the line that begins them."""
    text = (TESTS / file).read_text("utf-8")
    begin = next(n for n, line in enumerate(text.splitlines(), 1) if line.startswith("# --- plant"))
    for node in ast.parse(text).body:
        if node.lineno < begin:
            continue
        if isinstance(node, ast.ClassDef) or (
            isinstance(node, ast.FunctionDef) and [it.arg for it in node.args.args] == ["patch"]
        ):
            yield file, node.name


def test_each_rule_names_a_planted_bug_and_each_bug_has_a_rule() -> None:
    in_table = rows()
    assert len(in_table) == len(set(in_table))
    assert set(in_table) == {bug for file in FILES for bug in planted(file)}


def test_each_planted_bug_is_searched_for() -> None:
    for file, name in rows():
        text = (TESTS / file).read_text("utf-8")
        # Once where the bug is defined, and once where a test takes it.
        assert len(re.findall(rf"\b{name}\b", text)) > 1, name
