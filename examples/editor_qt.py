"""A form with undo, validation and cancel in Qt: each field is bound to a part of one store.

python examples/editor_qt.py          (pip install reactive-ws[qt])
"""

import sys
from functools import partial
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
        # By the label of a field: why its text was refused.
        self.problems = Store[dict[str, str]]({}, name="problems")
        both = (self.form, saved, self.problems)
        self.can_cancel = derived(*both, lambda form, kept, wrong: form != kept or bool(wrong))
        self.can_save = derived(*both, lambda form, kept, wrong: form != kept and not wrong)

    def note(self, label: str, error: Exception | None) -> None:
        others = {key: text for key, text in self.problems.get().items() if key != label}
        self.problems.set(others if error is None else {**others, label: str(error)})

    def save(self) -> None:
        self.saved.set(self.form.get())

    def cancel(self) -> None:
        self.form.set(self.saved.get())
        self.history.clear()


class Window(QtWidgets.QWidget):
    def __init__(self, ui: QtLoop, editor: Editor) -> None:
        super().__init__(windowTitle="Person")
        self.editor, self.fields, self.bound = editor, dict[str, Any](), list[Field[Any]]()
        layout = QtWidgets.QFormLayout(self)
        edit, spin = QtWidgets.QLineEdit, QtWidgets.QSpinBox
        paths = {"Name": "name", "Street": "address.street", "City": "address.city", "Age": "age"}
        for label, path in paths.items():
            field: Any = spin(maximum=999) if label == "Age" else edit()
            entered = field.valueChanged if label == "Age" else field.textEdited
            setter: Any = spin.setValue if label == "Age" else edit.setText

            def connect(_: Any, changed: Any, entered: Any = entered) -> None:
                entered.connect(changed)

            part, note = at(editor.form, *path.split(".")), partial(editor.note, label)
            binding = bind_both(ui, part, field, setter, connect, on_refused=note)
            self.bound.append(binding)
            self.fields[label] = field
            layout.addRow(label, field)
        self.problem = QtWidgets.QLabel()
        self.problem.setStyleSheet("color: #b3261e")
        problems = editor.problems.select(lambda now: ". ".join(now.values()))
        ui.bind(problems, self.problem, QtWidgets.QLabel.setText)
        layout.addRow(self.problem)
        buttons, enabled = QtWidgets.QHBoxLayout(), QtWidgets.QPushButton.setEnabled
        for text, act, is_possible in (
            ("Undo", editor.history.undo, editor.history.can_undo),
            ("Redo", editor.history.redo, editor.history.can_redo),
            ("Cancel", self.cancel, editor.can_cancel),
            ("Save", editor.save, editor.can_save),
        ):
            button = self.fields[text] = QtWidgets.QPushButton(text)
            button.clicked.connect(lambda _=False, act=act: act())
            ui.bind(is_possible, button, enabled)
            buttons.addWidget(button)
        layout.addRow(buttons)
        QtGui.QShortcut(QtGui.QKeySequence.StandardKey.Undo, self, editor.history.undo)

    def cancel(self) -> None:
        self.editor.cancel()
        for field in self.bound:
            field.restore()


if __name__ == "__main__":
    application = QtWidgets.QApplication(sys.argv)
    person = Store(Person("Ada Lovelace", 36, Address("St James's Square", "London")))
    window = Window(QtLoop(QtCore), Editor(person))
    window.show()
    sys.exit(application.exec())
