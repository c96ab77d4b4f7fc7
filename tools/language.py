"""Checks the prose of the repository: docstrings, comments, texts of errors and of help, and the pages.

    python tools/language.py              check everything; the exit code is 1 when a rule is broken
    python tools/language.py PATH ...     show every broken rule in these files and folders
    python tools/language.py --shrink     lower the numbers of `language_baseline.txt` to what is left

The rules are those of CONTRIBUTING.md that a program can check:

- Some words and phrases are banned, because a reader whose first language is not English stumbles over them.
- A sentence of a docstring or a page has at most 25 words. Colons, semicolons, items of lists and cells of tables end a
  sentence. A piece of code or a quotation is one word. Text in parentheses counts by itself.

`language_baseline.txt` has one line for each folder with old prose: how many rules are still broken there. The numbers
may only shrink.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
BASELINE = Path(__file__).with_name("language_baseline.txt")
SOURCES = ("reactive_ws", "stores", "examples", "benchmarks", "tools", "tests")
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs", ".github")
SKIPPED = {"node_modules", "__pycache__", "results", "images"}
MOST_WORDS = 25

PEOPLE = re.compile(
    r"(?:user|person|reader|developer|author|member|guest|operator|programmer|colleague)s?|people|those|"
    r"anyone|everyone|someone"
)
BANNED = {
    r"whoever|whomever": "name the program part",
    r"somebody|nobody|anybody|everybody": "name the program part, or write `no observer`, `no task`",
    r"(?:is|are|was|were|be|been|being) told": "write `receives` or `is called with`",
    r"(?:is|are|was|were|be|been) had": "write `is available`",
    r"(?:see|sees|saw) to": "write what the part does",
    r"any[ ]more(?! than\b)": "write `no longer`",
    r"for ever": "write `forever`, or the limit",
    r"(?<!there )(?:is|are|was|were) no(?! (?:longer|more|less|later)\b)": "write `is not a`",
    r"lets? go of": "write `drops` or `releases`",
    r"afresh|anew": "write `again`",
    r"therein|thereof|wherein|whereof|thence|hence": "use plain words",
}
PATTERNS = {
    re.compile(rf"\b(?:{words})\b", re.IGNORECASE): advice for words, advice in BANNED.items()
}
WHO = re.compile(r"(?:([\w']+),? )?\b(who|whom)\b(?!:)", re.IGNORECASE)
RIDDLE = re.compile(r"^(?:What|Who|Whatever)\b(?!.*\?)")
"""A clause where a docstring names the thing."""
CODE = re.compile(r"``[^`]+``|`[^`]*`|\"[^\"]{1,150}\"")
"""Code and quotations."""
LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
FENCE = re.compile(r"^```.*?^```[^\n]*$|^<!--.*?-->$", re.MULTILINE | re.DOTALL)
ITEM = re.compile(r"^\s*(?:[-*+]|\d+\.|>>>|\.\.\.|#+|\||=+$)\s*")
END = re.compile(r"(?<=[.!?:;])[\"')\]]*\s+")


class Fault(NamedTuple):
    """A broken rule: its file, its line and what to do about it."""

    path: Path
    line: int
    text: str


class Prose(NamedTuple):
    """A text, its first line, whether its sentences are measured, and whether it documents."""

    line: int
    text: str
    is_measured: bool = True
    is_docstring: bool = False


def prose_of_source(source: str, *, has_messages: bool) -> Iterator[Prose]:
    """Yields the docstrings, comments and messages of a Python file. A message is a string with three words or more."""
    tree = ast.parse(source)
    docstrings: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and (text := text_of(node.value)):
            docstrings.add(id(node.value))
            yield Prose(node.lineno, text, is_docstring=True)
    for node in ast.walk(tree):
        text = text_of(node)
        if has_messages and id(node) not in docstrings and len(text.split()) > 2:
            yield Prose(getattr(node, "lineno", 1), text, is_measured=False)
    comment, first, last = "", 0, 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            line, text = token.start[0], token.string.lstrip("#: ")
            if last + 1 == line:
                comment += "\n" + text
            else:
                if comment:
                    yield Prose(first, comment)
                comment, first = text, line
            last = line
    if comment:
        yield Prose(first, comment)


def text_of(node: ast.AST | None) -> str:
    """Returns the text of a string literal, and "" for every other node."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return ""


def prose_of_page(page: str) -> Iterator[Prose]:
    """Yields the text of a Markdown page without its blocks of code."""
    blank = FENCE.sub(lambda block: "\n" * block[0].count("\n"), page)
    lines = ["" if line.startswith(("    ", "\t")) else line for line in blank.splitlines()]
    yield Prose(1, "\n".join(lines))


def paragraphs(prose: Prose) -> Iterator[tuple[int, str]]:
    """Yields each paragraph, item of a list, cell of a table and aligned line, with its line."""
    gathered: list[str] = []
    start = depth = 0
    for number, line in enumerate(prose.text.splitlines(), prose.line):
        indent = len(line) - len(line.lstrip())
        is_new = bool(ITEM.match(line)) or (gathered and indent > depth) or "   " in line.strip()
        if gathered and (not line.strip() or is_new):
            yield start, " ".join(gathered)
            gathered = []
        if "|" in line and line.strip().startswith("|"):
            for cell in line.strip().strip("|").split("|"):
                yield number, cell
        elif line.strip():
            if not gathered:
                start = number
            gathered.append(ITEM.sub("", line).strip())
            depth = indent
    if gathered:
        yield start, " ".join(gathered)


def sentences(paragraph: str) -> Iterator[str]:
    """Yields the sentences of a paragraph, with those in parentheses after the others."""
    plain = LINK.sub(r"\1", CODE.sub("code", paragraph))
    inner: list[str] = []

    def take(found: re.Match[str]) -> str:
        inner.append(found[1])
        return ""

    while (shorter := re.sub(r"\(([^()]*)\)", take, plain)) != plain:
        plain = shorter
    for text in [plain, *inner]:
        yield from END.split(text)


def faults(path: Path, prose: Iterable[Prose]) -> Iterator[Fault]:
    """Yields what breaks a rule in the texts of a file."""
    for piece in prose:
        if piece.is_docstring and (found := RIDDLE.match(piece.text)):
            yield Fault(
                path, piece.line, f"{found[0]!r}: start the docstring with a noun or a verb"
            )
        for line, paragraph in paragraphs(piece):
            text = LINK.sub(r"\1", CODE.sub("code", paragraph))
            for pattern, advice in PATTERNS.items():
                for found in pattern.finditer(text):
                    yield Fault(path, line, f"{found[0].strip()!r}: {advice}")
            for found in WHO.finditer(text):
                if not PEOPLE.fullmatch((found[1] or "").lower()):
                    yield Fault(path, line, f"{found[0]!r}: name the program part")
            if not piece.is_measured:
                continue
            for sentence in sentences(paragraph):
                words = [word for word in sentence.split() if re.search(r"\w", word)]
                if len(words) > MOST_WORDS:
                    start = " ".join(words[:6])
                    yield Fault(path, line, f"{len(words)} words in one sentence: {start} ...")


def files(places: Iterable[Path]) -> Iterator[Path]:
    """Yields the Python files and pages in the places."""
    for place in places:
        found = [place] if place.is_file() else sorted(place.rglob("*"))
        for path in found:
            is_link = any(parent.is_symlink() for parent in path.parents if parent != ROOT)
            if path.suffix in (".py", ".md") and not is_link and not SKIPPED & {*path.parts}:
                yield path


def faults_in(places: Iterable[Path]) -> list[Fault]:
    """Returns everything that breaks a rule in the places."""
    found: list[Fault] = []
    for path in files(places):
        text = path.read_text("utf-8")
        if path.suffix == ".py":
            # The strings of tests are data.
            prose = prose_of_source(text, has_messages=not path.is_relative_to(ROOT / "tests"))
        else:
            prose = prose_of_page(text)
        found += faults(path, prose)
    return found


def folder_of(path: Path) -> str:
    """Returns the line of the baseline that a file belongs to: its package of the second level, or the page."""
    parts = path.relative_to(ROOT).parts
    if path.suffix == ".md":
        return "/".join(parts)
    return "/".join(parts[:2] if len(parts) > 2 else parts[:1])


def baseline() -> dict[str, int]:
    """Returns how many rules may still be broken, by folder."""
    if not BASELINE.exists():
        return {}
    lines = (line.split() for line in BASELINE.read_text("utf-8").splitlines())
    return {folder: int(count) for folder, count in filter(None, lines)}


def write_baseline(counts: dict[str, int]) -> None:
    """Writes the baseline, or removes it when nothing is left."""
    lines = [f"{folder} {count}\n" for folder, count in sorted(counts.items()) if count]
    if lines:
        BASELINE.write_text("".join(lines), "utf-8")
    else:
        BASELINE.unlink(missing_ok=True)


def main() -> int:
    """Runs the check; returns 1 when a rule is broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("paths", nargs="*", type=Path, help="files or folders (default: all)")
    parser.add_argument("--shrink", action="store_true", help="lower the numbers of the baseline")
    options = parser.parse_args()
    if options.paths:
        found = faults_in(path.resolve() for path in options.paths)
        allowed: dict[str, int] = {}
    else:
        found = faults_in(ROOT / name for name in (*SOURCES, *PAGES))
        allowed = baseline()
    counts = Counter(folder_of(fault.path) for fault in found)
    if options.shrink:
        write_baseline({folder: min(counts[folder], most) for folder, most in allowed.items()})
    for fault in found:
        if counts[folder_of(fault.path)] > allowed.get(folder_of(fault.path), 0):
            print(f"{fault.path.relative_to(ROOT)}:{fault.line}: {fault.text}")
    over = [folder for folder, count in counts.items() if count > allowed.get(folder, 0)]
    for folder in over:
        print(
            f"{folder}: {counts[folder]} broken rules of language, {allowed.get(folder, 0)} allowed"
        )
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
