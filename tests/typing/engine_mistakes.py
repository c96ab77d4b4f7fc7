"""Mistakes that both checkers must refuse: each line has an ignore, and an ignore that is not needed is an error too."""

from __future__ import annotations

from reactive_ws.engine.batch import batch
from reactive_ws.engine.domain import Domain
from reactive_ws.state.derived import derived
from reactive_ws.state.keyed.keyed_store import KeyedStore
from reactive_ws.state.selection import Selection
from reactive_ws.state.snapshot import snapshot
from reactive_ws.state.store import ReadOnly, Store

count = Store(1)
text = Store("a")
keyed = KeyedStore({"a": 1})


def writing_a_wrong_type() -> None:
    count.set("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    count.update(lambda value: str(value))  # type: ignore[arg-type, return-value]  # pyright: ignore[reportArgumentType]


def writing_what_may_only_be_read(view: ReadOnly[int]) -> None:
    view.set(1)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    view.update(abs)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    derived(count, str).set("")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    count.select().on_next(1)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    keyed.get_all()["a"] = 2  # type: ignore[index]  # pyright: ignore[reportIndexIssue]


def selecting_with_a_wrong_function() -> None:
    text.select(lambda value: value.nothing)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownLambdaType]
    wrong: Selection[str] = count.select()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    del wrong


def deriving_with_a_wrong_function() -> None:
    derived(count, text, lambda a: a)  # type: ignore[arg-type, misc]  # pyright: ignore[reportArgumentType]
    derived(count, lambda a, b: a)  # type: ignore[arg-type, misc]  # pyright: ignore[reportArgumentType, reportUnknownLambdaType]
    derived(1, str)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


def mixing_up_keys_and_entities() -> None:
    keyed.get(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    keyed.upsert("a", "b")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    keyed.update("a", str)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    derived(keyed, len)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    snapshot(count, keyed)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


def giving_what_is_no_domain() -> None:
    Store(1, domain="mine")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Domain(home=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with batch(count):  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        pass
