"""Rules for `bind_both`: a field follows a store, and a store follows a field."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from reactivex import Subject

from reactive_ws.editing import at, part
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


def test_a_field_that_the_toolkit_deleted_is_not_restored(store: Store[Person]) -> None:
    class Deleting(ManualLoop):
        deleted: Field | None = None

        def is_alive(self, thing: Any) -> bool:
            return thing is not self.deleted and super().is_alive(thing)

    ui, field = Deleting(), Field()
    binding = bind_both(ui, at(store, "name"), field, Field.show, Field.connect)
    ui.run(1)
    ui.deleted = field
    binding.restore()
    assert field.set_to == ["Ada"]


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


class Spinner(Field):
    """A field that reports each change, also one that the program makes, and shows two digits."""

    def show(self, value: float) -> None:
        super().show(value)
        assert self.changed is not None or len(self.set_to) == 1
        if self.changed is not None:
            self.changed(round(value, 2))


def test_what_a_widget_reports_while_the_program_sets_it_is_not_written(ui: ManualLoop) -> None:
    store, field, said = Store(1.0), Spinner(), list[object]()
    binding = bind_both(ui, store, field, Spinner.show, Spinner.connect, on_refused=said.append)
    store.set(1.234)
    ui.run(1)
    binding.restore()
    assert (store.get(), field.set_to, said) == (1.234, [1.0, 1.234, 1.234], [])
    field.enter(5.0)
    assert (store.get(), said) == (5.0, [None])


def test_a_field_shows_what_the_store_made_of_the_input(ui: ManualLoop) -> None:
    name = Store("Eve", equals=lambda old, new: old.lower() == new.lower())
    code = Store("X1")
    upper = part(code, str, lambda _, text: text.upper())
    fields = [Field(), Field()]
    for value, field in zip((name, upper), fields, strict=True):
        bind_both(ui, value, field, Field.show, Field.connect)
    for field, text in zip(fields, ("eve", "x1"), strict=True):
        field.enter(text)
        assert field.text == text
        ui.run(1)
    assert (name.get(), code.get()) == ("Eve", "X1")
    assert [field.text for field in fields] == ["Eve", "X1"]
    fields[0].enter("eva")
    ui.run(1)
    assert (name.get(), fields[0].set_to) == ("eva", ["Eve", "Eve"])


def test_input_is_written_again_after_a_setter_that_failed(ui: ManualLoop) -> None:
    store, field = Store(1), Field()
    errors: list[Exception] = []

    def show(it: Field, value: int) -> None:
        if value == 2:
            raise ValueError(value)
        it.show(value)

    ui = ManualLoop(on_error=errors.append)
    bind_both(ui, store, field, show, Field.connect)
    store.set(2)
    ui.run(1)
    field.enter(3)
    assert (store.get(), [str(error) for error in errors]) == (3, ["2"])


def test_a_field_that_cannot_be_connected_is_not_bound(ui: ManualLoop) -> None:
    store, field = Store(1), Field()

    def connect(_: Field, changed: Callable[[int], None]) -> None:
        raise AttributeError("no signal textEdited")

    with pytest.raises(AttributeError, match="textEdited"):
        bind_both(ui, store, field, Field.show, connect)
    assert store.observer_count == 0


def test_a_connection_that_is_a_subscription_ends_with_the_binding(ui: ManualLoop) -> None:
    store, field, entered = Store(1), Field(), Subject[int]()
    binding = bind_both(ui, store, field, Field.show, lambda _, changed: entered.subscribe(changed))
    entered.on_next(2)
    assert (store.get(), len(entered.observers)) == (2, 1)
    binding.dispose()
    assert len(entered.observers) == 0


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
