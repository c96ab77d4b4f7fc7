"""Shows values as small JSON trees, and what changed between two values, with secrets hidden and within bounds.

A shown value is `{"text": ..., "parts": [[label, shown value], ...]}`; `parts` is there only for values that have some. What has
the name of a secret, what a class keeps out of its repr, and what the program names is shown as `***`. It changes nothing and
keeps nothing.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Any, TypeAlias, cast

import attrs
import msgspec

from ..errors import one_line

__all__ = ["HIDDEN", "Shown", "Shows"]

Shown: TypeAlias = dict[str, Any]

HIDDEN = "***"
_DEPTH = 6
_PARTS = 50
_TEXT = 200
_CHANGES = 40
_COMPARED = 20_000
"""Parts that one difference looks at; a larger value is shown as changed as a whole."""
_SECRETS = re.compile(
    r"token|passw|secret|authori[sz]ation|api_?key|cookie|credential|private_?key|bearer",
    re.IGNORECASE,
)
_IN_TEXT = (
    (re.compile(r"//[^/@\s]+@"), "//***@"),
    (re.compile(r"\b(Bearer|Basic) [\w.~+/=-]+", re.IGNORECASE), r"\1 ***"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), HIDDEN),
    (re.compile(r"(?<=://)([^\s?#]*)\?[^\s\"']+"), r"\1?***"),
)
_PLAIN = (type(None), bool, int, float, complex, bytes)
_NOTHING: Shown = {"text": ""}


class Shows:
    """How the values of one program are shown.

    Args:
        hide: More names whose values are secrets: of fields, keys or stores. Case does not matter; a part of a name counts.
    """

    def __init__(self, hide: Iterable[str] = ()) -> None:
        words = [re.escape(word) for word in hide if word]
        self._own = re.compile("|".join(words), re.IGNORECASE) if words else None

    def is_secret(self, name: str) -> bool:
        """Whether what has this name is hidden."""
        return bool(_SECRETS.search(name) or (self._own is not None and self._own.search(name)))

    def show(self, value: Any, name: str = "") -> Shown:
        """Returns a value as a tree.

        Args:
            value: Anything.
            name: What it is called; the value of a secret name is hidden.
        """
        return {"text": HIDDEN} if self.is_secret(name) else self._show(value, _DEPTH)

    def text(self, text: str) -> str:
        """Returns a text on one line, cut, without the secrets that texts usually have."""
        for pattern, instead in _IN_TEXT:
            text = pattern.sub(instead, text)
        return one_line(text if len(text) <= _TEXT else f"{text[:_TEXT]}… ({len(text)} characters)")

    def difference(self, old: Any, new: Any, name: str = "") -> list[list[Any]]:
        """Returns `[path, old text, new text]` for each part that changed; the text of what is missing is None."""
        if self.is_secret(name):
            return [["", HIDDEN, HIDDEN]]
        found: list[list[Any]] = []
        budget = [_COMPARED]
        for path, before, after in self._compare("", old, new, _DEPTH, budget):
            if len(found) == _CHANGES:
                found.append(["…", None, None])
                break
            found.append([path, before, after])
        return found

    # --- how ----------------------------------------------------------------------------------------------------------

    def _show(self, value: Any, depth: int) -> Shown:
        if isinstance(value, str):
            return {"text": repr(self.text(value))}
        if isinstance(value, _PLAIN):
            return {"text": self.text(_safely(repr, value))}
        if isinstance(value, enum.Enum):
            return {"text": str(value)}
        parts = _parts_of(value)
        if parts is None:
            return {"text": self.text(_safely(repr, value))}
        size, items = parts
        shown: Shown = {"text": _title(value, size)}
        if depth == 0 or size == 0:
            return shown
        rows: list[list[Any]] = []
        for label, part, is_hidden in islice(items, _PARTS):
            hidden = is_hidden or self.is_secret(label)
            rows.append([label, {"text": HIDDEN} if hidden else self._show(part, depth - 1)])
        if size > len(rows):
            rows.append([f"… {size - len(rows)} more", _NOTHING])
        shown["parts"] = rows
        return shown

    def _brief(self, value: Any) -> str:
        """Returns a value as one short text; never through the repr of something with parts, which may show secrets."""
        shown = self._show(value, 1)
        rows: list[list[Any]] = shown.get("parts", [])
        if not rows:
            return str(shown["text"])
        inner = ", ".join(f"{label}={part['text']}" for label, part in rows[:5])
        return self.text(f"{shown['text']}({inner}{', …' if len(rows) > 5 else ''})")

    def _compare(
        self, path: str, old: Any, new: Any, depth: int, budget: list[int]
    ) -> Iterator[tuple[str, str | None, str | None]]:
        budget[0] -= 1
        if old is new or _safely(lambda pair: pair[0] == pair[1], (old, new)) is True:
            return
        before, after = _parts_of(old), _parts_of(new)
        is_alike = before is not None and after is not None and _kind(old) == _kind(new)
        if not is_alike or depth == 0 or before is None or after is None:
            yield path, self._brief(old), self._brief(new)
            return
        if before[0] + after[0] > budget[0]:
            yield path, _title(old, before[0]), _title(new, after[0])
            return
        budget[0] -= before[0] + after[0]
        left = {label: (part, hidden) for label, part, hidden in before[1]}
        right = {label: (part, hidden) for label, part, hidden in after[1]}
        for label in {**left, **right}:
            here = f"{path}.{label}" if path else label
            a, b = left.get(label), right.get(label)
            if a is not None and b is not None and a[0] is b[0]:
                continue
            if self.is_secret(label) or (a or b or (None, False))[1]:
                if a is None or b is None or a[0] != b[0]:
                    yield here, a and HIDDEN, b and HIDDEN
            elif a is not None and b is not None:
                yield from self._compare(here, a[0], b[0], depth - 1, budget)
            else:
                yield here, a and self._brief(a[0]), b and self._brief(b[0])


_Item: TypeAlias = tuple[str, Any, bool]
"""Label, part, and whether the class keeps it out of its repr."""


def _parts_of(value: Any) -> tuple[int, Iterator[_Item]] | None:
    """Returns how many parts a value has, and the parts; None for a value without any."""
    kind: Any = value.__class__
    if isinstance(value, type | enum.Enum):
        return None
    if attrs.has(kind):
        fields = [it for it in attrs.fields(kind) if hasattr(value, it.name)]
        return len(fields), ((it.name, getattr(value, it.name), not it.repr) for it in fields)
    if isinstance(value, msgspec.Struct):
        names = kind.__struct_fields__
        return len(names), ((it, getattr(value, it), False) for it in names)
    if hasattr(kind, "__dataclass_fields__"):
        found = kind.__dataclass_fields__.values()
        rows = [it for it in found if hasattr(value, it.name)]
        return len(rows), ((it.name, getattr(value, it.name), not it.repr) for it in rows)
    if isinstance(value, Mapping):
        pairs = cast("dict[Any, Any]", value)
        return len(pairs), ((_label(key), pairs[key], False) for key in pairs)
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        names, row = kind._fields, cast("Any", value)
        return len(names), ((it, getattr(row, it), False) for it in names)
    if isinstance(value, Sequence | AbstractSet) and not isinstance(
        value, str | bytes | bytearray | memoryview
    ):
        items = cast("Sequence[Any]", value)
        return len(items), ((str(index), part, False) for index, part in enumerate(items))
    return None


def _kind(value: Any) -> str:
    """Returns what a value is compared as: two mappings or two sequences may be of different classes."""
    if isinstance(value, Mapping):
        return "mapping"
    if type(value) in (list, tuple):
        return "sequence"
    return type(value).__qualname__


def _label(key: Any) -> str:
    return one_line(key if isinstance(key, str) else _safely(repr, key))[:80]


def _title(value: Any, size: int) -> str:
    kind = type(value).__name__
    is_record = attrs.has(value.__class__) or hasattr(value, "__struct_fields__")
    return kind if is_record or hasattr(value, "__dataclass_fields__") else f"{kind} of {size}"


def _safely(function: Callable[[Any], Any], value: Any) -> Any:
    try:
        return function(value)
    except Exception as error:  # noqa: BLE001 - foreign code in a tool that must not fail
        return f"<{type(value).__name__}, whose text raised {type(error).__name__}>"
