"""A form with undo, validation and cancel in Qt: each field is bound to a part of one store.

python examples/editor_qt.py          (pip install reactive-ws[qt])
"""

import sys
from typing import Any

import attrs
from PySide6 import QtCore, QtGui, QtWidgets

from reactive_ws import Store, derived
from reactive_ws.editing import at
from reactive_ws.gui import Field, QtLoop, bind_both
from reactive_ws.middleware import undo


@attrs.frozen
class Address:
    street: str
    city: str


@attrs.frozen
class Person:
    name: str
    age: int
    address: Address


def check(person: Person) -> None:
    if not person.name.strip():
        raise ValueError("Give a name")
    if not 0 <= person.age <= 150:
        raise ValueError("An age is between 0 and 150")
    if any(letter.isdigit() for letter in person.address.city):
        raise ValueError("A city has no digits")


class Editor:
    """The state: the saved person, and the one in the form with its history."""

    def __init__(self, saved: Store[Person]) -> None:
        self.saved = saved
        self.form = Store(saved.get(), name="form", validate=check)
        self.history = undo(self.form, group_within=1.0)
        self.problem = Store("", name="problem")
        self.is_changed = derived(
            self.form, saved, self.problem, lambda form, kept, text: form != kept or text != ""
        )

    def save(self) -> None:
        self.saved.set(self.form.get())

    def cancel(self) -> None:
        self.form.set(self.saved.get())
        self.history.clear()
        self.problem.set("")


class Window(QtWidgets.QWidget):
    def __init__(self, ui: QtLoop, editor: Editor) -> None:
        super().__init__(windowTitle="Person")
        self.editor, self.fields, self.bound = editor, dict[str, Any](), list[Field[Any]]()
        layout = QtWidgets.QFormLayout(self)
        paths = {"Name": ["name"], "Street": ["address", "street"], "City": ["address", "city"]}
        for label, path in paths.items():
            field = self.fields[label] = QtWidgets.QLineEdit()
            binding = bind_both(
                ui, at(editor.form, *path), field, QtWidgets.QLineEdit.setText,
                lambda it, changed: it.textEdited.connect(changed), on_refused=self.refused,
            )  # fmt: skip
            self.bound.append(binding)
            layout.addRow(label, field)
        age = self.fields["Age"] = QtWidgets.QSpinBox(maximum=999)
        binding = bind_both(
            ui, at(editor.form, "age"), age, QtWidgets.QSpinBox.setValue,
            lambda it, changed: it.valueChanged.connect(changed), on_refused=self.refused,
        )  # fmt: skip
        self.bound.append(binding)
        layout.addRow("Age", age)
        self.problem = QtWidgets.QLabel()
        self.problem.setStyleSheet("color: #b3261e")
        ui.bind(editor.problem, self.problem, QtWidgets.QLabel.setText)
        layout.addRow(self.problem)
        buttons, enabled = QtWidgets.QHBoxLayout(), QtWidgets.QPushButton.setEnabled
        for text, act, is_possible in (
            ("Undo", editor.history.undo, editor.history.can_undo),
            ("Redo", editor.history.redo, editor.history.can_redo),
            ("Cancel", self.cancel, editor.is_changed),
            ("Save", editor.save, editor.is_changed),
        ):
            button = self.fields[text] = QtWidgets.QPushButton(text)
            button.clicked.connect(lambda *_, act=act: act())
            ui.bind(is_possible, button, enabled)
            buttons.addWidget(button)
        layout.addRow(buttons)
        QtGui.QShortcut(QtGui.QKeySequence.StandardKey.Undo, self, editor.history.undo)

    def cancel(self) -> None:
        self.editor.cancel()
        for field in self.bound:
            field.restore()

    def refused(self, error: Exception | None) -> None:
        self.editor.problem.set("" if error is None else str(error))


if __name__ == "__main__":
    application = QtWidgets.QApplication(sys.argv)
    person = Store(
        Person("Ada Lovelace", 36, Address("St James's Square", "London")), name="person"
    )
    window = Window(QtLoop(QtCore), Editor(person))
    window.show()
    sys.exit(application.exec())
