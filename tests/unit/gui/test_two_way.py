"""Rules for `bind_both`: a field follows a store, and a store follows a field."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from reactive_ws.editing import at
from reactive_ws.errors import UsageError
from reactive_ws.gui import ManualLoop, bind_both
from reactive_ws.state import Store


@attrs.frozen
class Person:
    name: str
    age: int = 0


class Field:
    """A text field that counts how often the program sets it."""

    def __init__(self) -> None:
        self.text: Any = None
        self.set_to: list[Any] = []
        self.changed: Callable[[Any], None] | None = None
        self.is_connected = False

    def show(self, value: Any) -> None:
        self.text = value
        self.set_to.append(value)

    def connect(self, changed: Callable[[Any], None]) -> Callable[[], None]:
        self.changed, self.is_connected = changed, True

        def disconnect() -> None:
            self.is_connected = False

        return disconnect

    def enter(self, value: Any) -> None:
        self.text = value
        assert self.changed is not None
        self.changed(value)


def check(person: Person) -> None:
    if not person.name:
        raise ValueError("a name is not empty")


@pytest.fixture
def ui() -> ManualLoop:
    return ManualLoop()


@pytest.fixture
def store() -> Store[Person]:
    return Store(Person("Ada"), validate=check)


def test_each_follows_the_other_and_the_field_is_not_set_to_what_it_shows(
    ui: ManualLoop, store: Store[Person]
) -> None:
    field = Field()
    bind_both(ui, at(store, "name"), field, Field.show, Field.connect)
    assert field.set_to == ["Ada"]
    for text in ("E", "Ev", "Eve"):
        field.enter(text)
    assert store.get() == Person("Eve")
    ui.run(1)
    assert field.set_to == ["Ada"]
    store.set(Person("Zoe", 5))
    ui.run(1)
    assert field.set_to == ["Ada", "Zoe"]
    # The value of before is shown again, although the user entered it once.
    store.set(Person("Eve"))
    ui.run(1)
    assert field.set_to == ["Ada", "Zoe", "Eve"]


def test_what_is_refused_stays_in_the_field_until_it_is_restored(
    ui: ManualLoop, store: Store[Person]
) -> None:
    field, said = Field(), list[str]()
    binding = bind_both(
        ui,
        at(store, "name"),
        field,
        Field.show,
        Field.connect,
        on_refused=lambda error: said.append(str(error)),
    )
    field.enter("Bo")
    field.enter("")
    ui.run(1)
    assert (store.get().name, field.text) == ("Bo", "")
    assert said == ["None", "a name is not empty"]
    binding.restore()
    # What is shown again is not refused, so the form can take its message away.
    assert (field.text, said[2:]) == ("Bo", ["None"])
    binding.restore()
    field.enter("")
    store.set(Person("Cy"))
    ui.run(1)
    assert (field.text, said[3:]) == ("Cy", ["a name is not empty", "None"])


def test_without_a_function_for_refusals_the_exception_leaves(
    ui: ManualLoop, store: Store[Person]
) -> None:
    field = Field()
    bind_both(ui, at(store, "name"), field, Field.show, Field.connect)
    with pytest.raises(ValueError, match="not empty"):
        field.enter("")


def test_a_signal_that_cannot_be_connected_leaves_no_binding(
    ui: ManualLoop, store: Store[Person]
) -> None:
    def connect(_: Field, __: object) -> None:
        raise TypeError("on purpose")

    with pytest.raises(TypeError, match="on purpose"):
        bind_both(ui, at(store, "name"), Field(), Field.show, connect)
    assert store.observer_count == 0


def test_a_disposed_binding_does_nothing_and_disconnects(
    ui: ManualLoop, store: Store[Person]
) -> None:
    field = Field()
    binding = bind_both(ui, at(store, "age"), field, Field.show, Field.connect)
    assert field.is_connected
    binding.dispose()
    assert not field.is_connected
    field.enter(7)
    store.set(Person("Ada", 3))
    ui.run(1)
    binding.restore()
    assert (store.get().age, field.set_to) == (3, [0])
    assert store.observer_count == 0


def test_the_binding_keeps_no_field_alive(ui: ManualLoop, store: Store[Person]) -> None:
    field = Field()
    binding = bind_both(ui, store, field, Field.show, lambda _, changed: None)
    assert field.text == Person("Ada")
    del field
    gc.collect()
    store.set(Person("Eve"))
    ui.run(1)
    binding.restore()
    assert store.observer_count == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((5, Field(), Field.show, Field.connect), "writes to a store or to a part"),
        ((Store(0), Field(), "show", Field.connect), "setter is a function"),
        ((Store(0), Field(), Field.show, None), "connect is a function"),
    ],
)
def test_wrong_arguments_are_refused(ui: ManualLoop, arguments: tuple[Any, ...], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        bind_both(ui, *arguments)
