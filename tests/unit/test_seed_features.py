"""The table in docs/stores.md is complete, and its tests need what they are said to show."""

from __future__ import annotations

import ast

import pytest
from seed_features import PAGE, ROOT, features, locate, unneeded


def test_every_row_names_a_function_and_a_test_that_exist() -> None:
    rows = features()
    assert {row.document for row in rows} == {1, 2, 3, 4, 5}
    for row in rows:
        assert locate(row.name)
        path, _, test = row.test.partition("::")
        tree = ast.parse((ROOT / "tests" / path).read_text("utf-8"))
        names = {
            it.name for it in tree.body if isinstance(it, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        assert test in names, row


def test_what_is_refused_is_listed_with_its_reason() -> None:
    page = PAGE.read_text("utf-8")
    refused = page.partition("## What is refused")[2]
    for word in ("1001", "`error`", "token", "unbounded"):
        assert word in refused


def test_some_rows_fail_without_their_function() -> None:
    rows = [row for row in features() if row.test.startswith("unit/")]
    assert unneeded(rows[:: max(1, len(rows) // 3)][:3]) == []


@pytest.mark.deep
def test_every_row_fails_without_its_function() -> None:
    assert unneeded(features()) == []
