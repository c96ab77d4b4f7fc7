"""Drafts against a deep copy that is mutated."""

from __future__ import annotations

import copy
from typing import Any

import attrs
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from reactive_ws.editing import drafts, produce
from reactive_ws.errors import UsageError


@attrs.frozen
class Record:
    a: Any
    b: Any


@attrs.define
class Twin:
    """The mutable model of a record."""

    a: Any
    b: Any


values = st.recursive(
    st.integers(0, 3),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
        st.builds(Record, inner, inner),
    ),
    max_leaves=8,
)
roots = st.dictionaries(st.sampled_from("xyz"), values, max_size=3)
numbers = st.integers(0, 5)
steps = st.lists(
    st.tuples(
        st.lists(numbers, max_size=3),
        st.sampled_from(["set", "delete", "add", "copy"]),
        numbers,
        values,
    ),
    max_size=6,
)


def thawed(value: Any) -> Any:
    if isinstance(value, Record):
        return Twin(thawed(value.a), thawed(value.b))
    if isinstance(value, list):
        return [thawed(item) for item in value]
    if isinstance(value, dict):
        return {key: thawed(item) for key, item in value.items()}
    return value


def names(value: Any) -> list[Any]:
    """Returns the names of the parts of a value or a draft."""
    if isinstance(value, (Twin, drafts._RecordDraft)):
        return ["a", "b"]
    if isinstance(value, (dict, drafts._MappingDraft)):
        return list(value)
    return list(range(len(value))) if isinstance(value, (list, drafts._SequenceDraft)) else []


def get(value: Any, name: Any) -> Any:
    return getattr(value, name) if isinstance(value, (Twin, drafts._RecordDraft)) else value[name]


def put(owner: Any, name: Any, value: Any) -> None:
    if isinstance(owner, (Twin, drafts._RecordDraft)):
        setattr(owner, name, value)
    else:
        owner[name] = value


def apply(root: Any, script: list[Any], convert: Any) -> None:
    """Does a script to a draft or to the model: the same walk and the same writes."""
    for path, action, number, value in script:
        owner = root
        for step in path:
            parts = names(owner)
            if parts and names(get(owner, parts[step % len(parts)])):
                owner = get(owner, parts[step % len(parts)])
        parts = names(owner)
        is_record = isinstance(owner, (Twin, drafts._RecordDraft))
        name = parts[number % len(parts)] if parts else None
        if action == "set" and parts:
            put(owner, name, convert(value))
        elif action == "delete" and parts and not is_record:
            del owner[name]
        elif action == "add" and not is_record:
            if isinstance(owner, (list, drafts._SequenceDraft)):
                owner.insert(number, convert(value))
            elif names(owner) or isinstance(owner, (dict, drafts._MappingDraft)):
                owner["xyzuvw"[number]] = convert(value)
        elif action == "copy" and parts and not names(get(owner, name)):
            put(owner, parts[0], get(owner, name))


def check(root: dict[str, Any], script: list[Any]) -> None:
    before, model = copy.deepcopy(root), thawed(root)
    apply(model, script, thawed)
    after = produce(root, lambda draft: apply(draft, script, copy.deepcopy))
    assert thawed(after) == model
    assert list(after) == list(model)
    assert root == before, "the original changed"


@given(roots, steps)
def test_a_draft_is_a_deep_copy_that_is_mutated(root: dict[str, Any], script: list[Any]) -> None:
    check(root, script)


@given(roots, steps, values)
def test_what_a_recipe_does_not_touch_is_shared(
    inner: dict[str, Any], script: list[Any], other: Any
) -> None:
    root = {"inner": inner, "other": [other]}
    after = produce(root, lambda draft: apply(draft["inner"], script, copy.deepcopy))
    assert after["other"] is root["other"]
    if not script:
        assert after is root


def items_are_written_in_place(patch: pytest.MonkeyPatch) -> None:
    """A draft of a list is the list."""
    begin = drafts._SequenceDraft.__init__

    def planted(self: Any, session: Any, original: Any) -> None:
        begin(self, session, original)
        self._items = original

    patch.setattr(drafts._SequenceDraft, "__init__", planted)


def removed_keys_come_back(patch: pytest.MonkeyPatch) -> None:
    """A key that is removed from a draft is read from the original."""

    def planted(self: Any, key: Any) -> None:
        self._values.pop(key, None)

    patch.setattr(drafts._MappingDraft, "__delitem__", planted)


def nested_drafts_are_not_finished(patch: pytest.MonkeyPatch) -> None:
    """A record with a changed part counts as unchanged."""
    patch.setattr(drafts._RecordDraft, "_finish_", lambda self: self._original_)


@pytest.mark.parametrize(
    "plant", [items_are_written_in_place, removed_keys_come_back, nested_drafts_are_not_finished]
)
def test_the_model_finds(monkeypatch: pytest.MonkeyPatch, plant: Any) -> None:
    plant(monkeypatch)
    search = settings(max_examples=1000, derandomize=True, database=None, phases=[Phase.generate])
    with pytest.raises((AssertionError, UsageError, ExceptionGroup)):
        search(given(roots, steps)(check))()
