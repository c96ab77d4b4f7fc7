"""An `IdIndex` is a dict, whatever is done to it, and what was before stays as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactive_ws.stores.collections import id_index
from reactive_ws.stores.collections.id_index import IdIndex
from reactive_ws.stores.history.entry import Entry
from reactive_ws.stores.wire.chat import Message

names = st.integers(0, 30).map(str)
steps = st.lists(
    st.tuples(
        st.sampled_from(["extended", "set", "without", "first", "oldest"]),
        st.lists(names, max_size=9),
    ),
    max_size=30,
)


def entry(identity: str, text: str) -> Entry:
    return Entry(Message(identity, "s", "user", text, 0.0))


@given(steps=steps)
def test_an_index_is_a_dict_in_small_parts(steps: list[tuple[str, list[str]]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(id_index, "_FRESH", 3)
        patch.setattr(id_index, "_MIDDLE", 5)
        patch.setattr(id_index, "_CHUNK", 8)
        index, known = IdIndex(), dict[str, Entry]()
        past = [(index, known)]
        for number, (step, ids) in enumerate(steps):
            known = dict(known)
            if step == "extended":
                new = {it: entry(it, str(number)) for it in ids if it not in known}
                index = index.extended(new)
                known |= new
            elif step == "set":
                for it in ids:
                    index = index.set(it, entry(it, str(number)))
                    known[it] = entry(it, str(number))
            elif step == "oldest":
                oldest = index.oldest
                gone_values = [it for it in known.values() if it in oldest]
                assert len(gone_values) == len(oldest)
                known = {name: it for name, it in known.items() if it not in oldest}
                index = index.without_oldest()
            else:
                gone = ids if step == "without" else list(known)[: len(ids)]
                index = index.without(gone)
                known = {name: it for name, it in known.items() if name not in gone}
            past.append((index, known))
        for index, known in past:
            assert {name: index.get(name) for name in index} == known
            assert len(index) == len(known)
            for group in (["0", "1"], ["2"], [str(number) for number in range(31)]):
                asked = dict.fromkeys(group).keys()
                assert index.has_any(asked) is any(name in known for name in group)
                assert [name in index for name in group] == [name in known for name in group]


def test_only_the_last_small_part_is_copied_and_the_oldest_go_without_touching_the_others() -> None:
    index = IdIndex()
    for number in range(5000):
        index = index.set(f"m{number}", entry(f"m{number}", "x"))
    assert len(index._chunks) <= 8
    later = index.set("one more", entry("one more", "x"))
    assert all(a is b for a, b in zip(index._chunks[:-1], later._chunks, strict=False))
    fewer = index.without(f"m{number}" for number in range(256))
    assert all(a is b for a, b in zip(index._chunks[1:], fewer._chunks[1:], strict=True))
