"""The order of ids beside a list that does the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reactive_ws.stores.collections import Order

NAMES = st.sampled_from("abcdefg")
STEPS = st.lists(st.tuples(st.booleans(), NAMES), max_size=40)


@given(st.lists(NAMES, unique=True, max_size=5), STEPS)
def test_an_order_has_the_ids_and_the_neighbours_of_a_list(
    first: list[str], steps: list[tuple[bool, str]]
) -> None:
    order, model = Order(first), list(first)
    for is_coming, name in steps:
        before, shown = order, order.ids()
        if is_coming:
            order = order.with_last(name)
            if name not in model:
                model.append(name)
        else:
            order = order.without(name)
            if name in model:
                model.remove(name)
        assert before.ids() == shown
        if list(shown) == model:
            assert order is before
        assert list(order.ids()) == model
        assert len(order) == len(model)
        assert order.first == (model[0] if model else None)
        for at, one in enumerate(model):
            assert one in order
            assert order.before(one) == (model[at - 1] if at else None)
            assert order.after(one) == (model[at + 1] if at + 1 < len(model) else None)
    assert order == Order(model)
    assert hash(order) == hash(Order(model))
    assert order.ids() is order.ids()


def test_an_id_that_is_not_here_has_no_neighbours_and_twins_count_once() -> None:
    order = Order("abab")
    assert (order.ids(), order.before("x"), order.after("x"), "x" in order) == (
        ("a", "b"),
        None,
        None,
        False,
    )
    assert repr(order) == "Order(('a', 'b'))"
    assert order != ("a", "b")
    assert Order().first is None
