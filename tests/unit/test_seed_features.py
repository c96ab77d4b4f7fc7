"""The table in seed_features.md is complete, and its tests need what they are said to show."""

from __future__ import annotations

import ast
import os
import subprocess
import sys

import pytest
from seed_features import ROOT, features, locate


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


def test_what_the_stores_do_otherwise_is_on_their_page_with_its_reason() -> None:
    page = (ROOT / "docs" / "stores.md").read_text("utf-8")
    choices = page.partition("## Choices")[2].partition("\n## ")[0]
    for word in ("1001", "`error`", "token", "no bound"):
        assert word in choices


def checked(step: int) -> tuple[int, list[str]]:
    """Runs the script for every `step`th row; returns how many these were, and what it says."""
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "seed_features.py", str(step)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=3000,
        check=False,
    )
    return done.returncode, (done.stdout + done.stderr).splitlines()


def test_some_rows_fail_without_their_function() -> None:
    rows = features()
    step = len(rows) // 3
    assert checked(step) == (
        0,
        [f"{len(rows)} rows, {len(rows[::step])} checked, 0 without a test that needs them"],
    )


def test_a_function_is_emptied_wherever_it_is_held() -> None:
    # What a test holds by another name, as a property or as a handler is the same function.
    code = """
import sys
sys.path.insert(0, "tests")
import seed_features
seed_features.prepare()
from reactive_ws.stores.carousel import Carousel
from reactive_ws.stores.status_line import status_text as held
name = Carousel.panels.fget
print(seed_features.empty("reactive_ws.stores.carousel.Carousel.panels"), name(None))
print(seed_features.empty("reactive_ws.stores.status_line.status_text"), held(1, 2))
try:
    seed_features.empty("reactive_ws.stores.status_line.nothing")
except LookupError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.splitlines() == [
        "1 None",
        "1 None",
        "status_line.py has no function nothing",
    ], done.stderr


@pytest.mark.deep
def test_every_row_fails_without_its_function() -> None:
    rows = len(features())
    assert checked(1) == (0, [f"{rows} rows, {rows} checked, 0 without a test that needs them"])
