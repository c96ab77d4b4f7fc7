"""The check of language finds what it is there for, and nothing in good English."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def language() -> ModuleType:
    spec = importlib.util.spec_from_file_location("language", ROOT / "tools" / "language.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Whoever subscribed gets no subscription.", ["Whoever"]),
        ("Runs while somebody observes.", ["somebody"]),
        ("The receiver is told the code.", ["is told"]),
        ("It cannot be had back.", ["be had"]),
        ("It sees to it.", ["sees to"]),
        ("Nothing waits any more.", ["any more"]),
        ("It waits for ever.", ["for ever"]),
        ("'x' is no number.", ["is no"]),
        ("The task who waits.", ["task who"]),
        ("For users who wait; those who do not; there is no task; it is no longer there.", []),
        ("No more than ten, not any more than that.", []),
        ("The code `somebody = whoever` and [a link](docs/nobody.md).", []),
    ],
)
def test_a_banned_phrase_is_found_in_each_kind_of_text(
    language: ModuleType, tmp_path: Path, text: str, found: list[str]
) -> None:
    kinds = {
        "docstring.py": f'def f():\n    """{text}"""\n',
        "comment.py": f"a = 1\n# {text}\n",
        "message.py": f"raise ValueError(f{text!r})\n",
        "page.md": f"# Title\n\n{text}\n\n```\nsomebody\n```\n\n    nobody indented\n",
    }
    for name, source in kinds.items():
        path = tmp_path / name
        path.write_text(source)
        said = [fault.text.split(":")[0].strip("'\"") for fault in language.faults_in([path])]
        assert said == found, name


LONG = " ".join(["word"] * 26)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (f"{LONG}.", 1),
        (f"Short. {LONG}!", 1),
        (f"{LONG[:60]}. {LONG[:60]}.", 0),
        (f"{LONG[:60]}: {LONG[:60]}; {LONG[:60]}.", 0),
        (f"{LONG[:60]} ({LONG[:100]}).", 0),
        (f"{LONG[:60]}\n\n- {LONG[:60]}\n- {LONG[:60]}", 0),
        (f"{LONG[:60]} `{LONG}`.", 0),
        (f"| {LONG[:60]} | {LONG[:60]} |", 0),
    ],
)
def test_a_sentence_of_a_page_has_at_most_25_words(
    language: ModuleType, tmp_path: Path, text: str, count: int
) -> None:
    path = tmp_path / "page.md"
    path.write_text(text)
    faults = language.faults_in([path])
    assert len(faults) == count
    assert all("26 words in one sentence" in fault.text for fault in faults)


def test_a_docstring_does_not_start_with_a_clause(language: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text('"""What hooks get."""\n\na: int\n"""The number. What is new counts."""\n')
    assert [fault.line for fault in language.faults_in([path])] == [1]


def test_a_number_of_the_baseline_only_shrinks(
    language: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    baseline = tmp_path / "baseline.txt"
    baseline.write_text("docs/a.md 1\ndocs/b.md 3\n")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("For ever and any more.")
    (tmp_path / "docs" / "b.md").write_text("For ever.")
    monkeypatch.setattr(language, "BASELINE", baseline)
    monkeypatch.setattr(language, "ROOT", tmp_path)
    monkeypatch.setattr("sys.argv", ["language.py", "--shrink"])
    assert language.main() == 1
    assert baseline.read_text() == "docs/a.md 1\ndocs/b.md 1\n"
    for page in ("a.md", "b.md"):
        (tmp_path / "docs" / page).write_text("Fine.")
    assert language.main() == 0
    assert not baseline.exists()
