"""Rules for what a program passes in by mistake is refused at once, with a text that says what to write."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import copy
import enum
import functools
import importlib
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, is_typeddict

import attrs
import msgspec
import pytest

from reactive_ws.engine import Domain, Dump, batch, ignore, refuse_copy, warn_without_gil
from reactive_ws.errors import UsageError
from reactive_ws.middleware import FileStorage, inspect, logger, persist, undo
from reactive_ws.state import Active, EventSource, KeyedStore, Store, derived, derived_all, family

ROOT = Path(__file__).parents[2]


async def later(*_: object) -> Any:
    raise AssertionError("never runs")


class Later:
    """An object whose call is an `async def`."""

    async def __call__(self, *_: object) -> Any:
        raise AssertionError("never runs")


ASYNC = [later, functools.partial(later, 1), Later()]


def things() -> dict[str, Any]:
    """Returns one of everything that observers belong to."""
    domain = Domain("test")
    store = Store({"a": 1}, name="store", domain=domain)
    keyed = KeyedStore({"a": 1}, domain=domain)
    events: EventSource[int] = EventSource("events")
    return {
        "domain": domain,
        "store": store,
        "keyed": keyed,
        "read-only": store.read_only,
        "selection": store.select(),
        "part": store.select(len),
        "derived": derived(store, len),
        "subscription": store.select().subscribe(),
        "subscription of events": keyed.events.subscribe(),
        "events": keyed.events,
        "read-only keyed": keyed.read_only,
        "active": Active(keyed),
        "hook": domain.on_commit(ignore),
        "logger": logger(domain),
        "batch": batch(),
        "history": undo(store),
        "inspector": inspect(domain),
        "family": family(lambda _: derived(store, len)),
        "listener": events.stream.subscribe(ignore),
        "no listener": events.stream.subscribe(),
        "event source": events,
        "event stream": events.stream,
    }


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, pickle.dumps])
@pytest.mark.parametrize("name", things())
def test_what_has_observers_is_not_copied(how: Callable[[Any], Any], name: str) -> None:
    thing = things()[name]
    with pytest.raises(UsageError, match="cannot be copied or pickled"):
        how(thing)
    if how is not copy.copy:
        with pytest.raises(UsageError, match="cannot be copied or pickled"):
            how([thing])


@pytest.mark.parametrize("function", ASYNC, ids=["function", "partial", "object"])
@pytest.mark.parametrize(
    "use",
    [
        lambda store, _, f: store.select().subscribe(f),
        lambda store, _, f: store.select().subscribe(None, None, f),
        lambda store, _, f: store.select(f),
        lambda store, _, f: store.select(equals=f),
        lambda store, _, f: derived(store, f),
        lambda store, _, f: derived_all([store], f),
        lambda store, _, f: derived(store, len, equals=f),
        lambda store, _, f: store.update(f),
        lambda _, keyed, f: keyed.update("a", f),
        lambda _, keyed, f: keyed.update("b", f, default=1),
        lambda _, keyed, f: keyed.select_part(f),
        lambda store, _, f: store.domain.on_commit(f),
        lambda _, __, f: Store(0, equals=f),
        lambda _, __, f: Store(0, on_start=f),
        lambda _, __, f: KeyedStore(equals=f),
        lambda _, __, f: Domain(on_error=f),
        lambda _, __, f: EventSource("events").stream.subscribe(f),
        lambda store, _, f: asyncio.run(store.select().wait_for(f)),
    ],
)
def test_an_async_def_is_refused_by_name(
    use: Callable[[Any, Any, Any], object], function: Any
) -> None:
    domain = Domain("test")
    store, keyed = Store("a", domain=domain), KeyedStore({"a": 1}, domain=domain)
    with pytest.raises(UsageError, match=r"(later|partial|Later) is an `async def`"):
        use(store, keyed, function)
    assert (store.get(), dict(keyed.get_all()), domain.number) == ("a", {"a": 1}, 0)


def test_an_async_def_is_refused_in_a_batch_too() -> None:
    store = Store(0, domain=Domain("test"))
    with pytest.raises(UsageError, match="await first"), batch():
        store.update(later)
    assert store.get() == 0


@pytest.mark.parametrize(
    ("use", "text"),
    [
        (lambda store: batch(store), "batch\\(store.domain\\)"),
        (lambda store: store.select("name"), "lambda value: value.name"),
        (lambda store: store.select().subscribe(5), "an observer is a function"),
        (lambda _: Store(0, domain="x"), "domain= takes a Domain"),
        (lambda _: Store(0, name=5), "name= takes a str"),
        (lambda _: Store(0, equals="eq"), "equals= is a function"),
        (lambda _: Store(0, on_start=5), "on_start= is a function"),
        (lambda _: Store(0, linger=-1), "linger= takes seconds"),
        (lambda _: Store(0, linger=float("nan")), "linger= takes seconds"),
        (lambda _: Store(0, linger="1"), "linger= takes seconds"),
        (lambda _: Store(0, scheduler=5), "scheduler= takes a SchedulerBase"),
        (lambda _: Domain(5), "name= takes a str"),
        (lambda _: Domain(on_error=5), "on_error= is a function"),
        (lambda _: Domain(home="here"), "a home is"),
        (lambda store: derived(store, len, name=5), "name= takes a str"),
        (lambda _: derived(KeyedStore({}), len), "store.select_all"),
        (lambda _: derived(5, len), "a store, a selection or a derived value"),
        (lambda store: list(store.select()), "async for"),
        (lambda store: store.domain.on_commit(5), "a commit hook is a function"),
        (lambda store: store.update(5), r"the function of update\(\) is a function"),
        (lambda _: KeyedStore({1: 1}).update(1, 5), r"the function of update\(\) is a function"),
        (lambda _: KeyedStore().select_sorted(len, reverse="no"), "reverse= takes a bool"),
        (lambda _: KeyedStore().events.subscribe(5), "an observer is a function"),
        (lambda _: KeyedStore().events.subscribe(later), "`async def`"),
        (lambda _: family(len, name=5), "name= takes a str"),
        (lambda store: store.domain.load(5), r"load\(\) takes a Dump"),
        (lambda store: store.domain.load(Dump(0, 5)), "values= takes a Mapping"),
        (
            lambda store: store.domain.load(Dump(0, {}), ignore_missing="x"),
            "ignore_missing= takes a bool",
        ),
        (lambda store: store.domain.trace(5), "with the methods handling, cause"),
        (lambda store: store.domain.explain_with(5), "with the methods explain"),
    ],
)
def test_a_wrong_argument_says_what_to_write(use: Callable[[Any], object], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        use(Store("a", domain=Domain("test")))


def yields(value: Any = 0, *_: Any) -> Any:
    yield value


async def yields_later(value: Any = 0, *_: Any) -> Any:
    yield value


class Yields:
    """An object whose call is a generator."""

    def __call__(self, value: Any = 0) -> Any:
        yield value


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (yields, "yields has a `yield`, so it would never run"),
        (yields_later, "yields_later is an `async def`, which would never run"),
        (functools.partial(yields), "has a `yield`"),
        (functools.partial(yields_later), "is an `async def`"),
        (Yields(), "Yields has a `yield`"),
    ],
)
def test_a_function_that_yields_is_refused_by_name(function: Any, text: str) -> None:
    store = Store("a", domain=Domain("test"))
    uses: list[tuple[Callable[[], object], str]] = [
        (lambda: store.select().subscribe(function), "async for"),
        (lambda: store.select(function), "at once"),
        (lambda: derived(store, function), "at once"),
        (lambda: store.domain.on_commit(function), "start a task"),
        (lambda: Store(0, on_start=function), "start a task"),
        (lambda: EventSource("events").stream.subscribe(function), "async for"),
    ]
    for use, instead in uses:
        with pytest.raises(UsageError, match=text) as refused:
            use()
        assert instead in str(refused.value)
    assert store.observer_count == 0


def test_an_update_with_an_async_generator_is_refused() -> None:
    store = Store(0, domain=Domain("test"))
    with pytest.raises(UsageError, match="await first"):
        store.update(yields_later)
    assert store.get() == 0


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (yields, "yields"),
        (functools.partial(yields), "partial"),
        (Yields(), "Yields"),
        (lambda value: (it for it in str(value)), "<lambda>"),
    ],
    ids=["function", "partial", "object", "expression"],
)
@pytest.mark.parametrize("is_batch", [False, True])
def test_an_update_with_a_generator_is_refused_by_name(
    function: Any, name: str, *, is_batch: bool
) -> None:
    domain = Domain("test")
    store, keyed = Store[Any](0, domain=domain), KeyedStore[str, Any]({"a": 1}, domain=domain)
    uses: list[Callable[[], object]] = [
        lambda: store.update(function),
        lambda: keyed.update("a", function),
        lambda: keyed.update("b", function, default=1),
    ]
    for use in uses:
        with (
            batch(domain) if is_batch else contextlib.nullcontext(),
            pytest.raises(UsageError, match=f"{name} returned a generator.*return the value"),
        ):
            use()
    assert (store.get(), dict(keyed.get_all()), domain.number) == (0, {"a": 1}, 0)


class NoCodec:
    """Lacks a method of a codec and of a storage."""

    def encode(self, value: Any) -> bytes:
        return b""


@pytest.mark.parametrize(
    ("use", "text"),
    [
        (lambda _: Domain(strict="no"), "strict= takes a bool"),
        (lambda _: Store(0, is_dumped="no"), "is_dumped= takes a bool"),
        (lambda _: KeyedStore(is_dumped=None), "is_dumped= takes a bool"),
        (lambda store: undo(store, limit=0), "limit= takes a whole number, 1 or more"),
        (lambda store: undo(store, limit=True), "limit= takes a whole number"),
        (lambda store: undo(store, limit=2.5), "limit= takes a whole number"),
        (lambda store: undo(store, group_within="1"), "group_within= takes seconds"),
        (lambda store: undo(store, group_within=-1), "group_within= takes seconds"),
        (lambda store: undo(store, clock=5), "clock= is a function"),
        (lambda store: undo(store, equals=5), "equals= is a function"),
        (lambda store: undo(store, partialize=5, merge=max), "partialize= is a function"),
        (lambda store: undo(store, partialize=later, merge=max), "`async def`"),
        (lambda store: undo(store, partialize=str, merge=5), "merge= is a function"),
        (
            lambda store: undo(store.select()),
            r"undo\(\) takes a Store or a KeyedStore",
        ),
        (lambda store: undo(derived(store, len)), r"undo\(\) takes a Store or"),
        (lambda store: undo(store).undo("2"), "steps= takes a whole number, 1 or more"),
        (lambda store: undo(store).redo(0), "steps= takes a whole number, 1 or more"),
        (lambda store: undo(store).jump("first"), "index= takes a whole number"),
        (lambda store: undo(store).jump(1), "there are 1 entries; got index 1"),
        (lambda store: undo(store).transaction(5).__enter__(), "name= takes a str"),
        (lambda _: inspect("app"), r"inspect\(\) takes a Domain"),
        (lambda _: inspect(size="all"), "size= takes a whole number"),
        (lambda _: inspect(clock=5), "clock= is a function"),
        (lambda _: logger("app"), r"logger\(\) takes a Store or a KeyedStore or a Domain"),
        (lambda store: logger(store, level="INFO"), "level= takes a int"),
        (lambda store: logger(store, show=5), "show= is a function"),
    ],
)
def test_a_wrong_option_of_middleware_says_what_to_write(
    use: Callable[[Any], object], text: str
) -> None:
    with pytest.raises(UsageError, match=text):
        use(Store("a", domain=Domain("test")))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"delay": "1"}, "delay= takes seconds"),
        ({"delay": -1}, "delay= takes seconds"),
        ({"scheduler": 5}, "scheduler= takes a SchedulerBase"),
        ({"storage": {}}, "storage= takes an object with the methods read, write, delete, close"),
        ({"storage": FileStorage}, "storage= takes an object"),
        ({"on_report": 5}, "on_report= is a function"),
        ({"on_report": later}, "`async def`"),
        ({"codec": NoCodec()}, "codec= takes an object with the methods encode, decoder"),
        ({"version": "2"}, "version= takes a whole number"),
        ({"migrate": 5}, "migrate= is a function"),
        ({"partialize": 5, "merge": max}, "partialize= is a function"),
        ({"merge": later}, "`async def`"),
    ],
)
def test_a_wrong_option_of_persist_says_what_to_write_and_leaves_no_file(
    tmp_path: Path, options: dict[str, Any], text: str
) -> None:
    store = Store("a", domain=Domain("test"))
    save: Any = persist
    with pytest.raises(UsageError, match=text):
        save(store, tmp_path / "state.json", **{"as_type": str, **options})
    # The path is free again.
    with persist(store, tmp_path / "state.json", as_type=str) as file:
        for wrong in (5, store.select(), derived(store, len)):
            with pytest.raises(UsageError, match=r"add\(\) takes a Store or a KeyedStore"):
                file.add(wrong, as_type=str)  # type: ignore[call-overload]
        with pytest.raises(UsageError, match="key= takes a str"):
            file.add(Store(0, domain=store.domain), as_type=int, key=5)  # type: ignore[call-overload]


def test_a_pool_of_processes_cannot_be_a_home() -> None:
    with (
        concurrent.futures.ProcessPoolExecutor(1) as executor,
        pytest.raises(UsageError, match="ThreadPoolExecutor"),
    ):
        Domain("test", home=executor)


@pytest.mark.parametrize("has_lock", [True, False])
def test_the_import_warns_where_the_interpreter_has_no_lock(*, has_lock: bool) -> None:
    program = (
        f"import sys; sys._is_gil_enabled = lambda: {has_lock}; import warnings\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always'); import reactive_ws\n"
        "print([it.category.__name__ for it in caught if 'PYTHON_GIL=1' in str(it.message)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == ("[]" if has_lock else "['RuntimeWarning']")


def test_an_interpreter_without_its_lock_brings_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_without_gil()
        assert caught == []
        monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
        warn_without_gil()
    assert ["free-threaded" in str(it.message) for it in caught] == [True]


class Settings(Store[int]):
    """A store of a program."""


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Store(), "Store.__init__() missing 1 required positional argument: 'initial'"),
        (lambda: Settings(), "Store.__init__() missing 1 required positional argument: 'initial'"),
        (lambda: Store(1, nme="a"), "Store.__init__() got an unexpected keyword argument 'nme'"),
        (lambda: KeyedStore(nme="a"), "KeyedStore.__init__() got an unexpected keyword argument"),
        (lambda: Active(), "Active.__init__() missing 1 required positional argument: 'store'"),
        (lambda: Domain(nme="a"), "Domain.__init__() got an unexpected keyword argument 'nme'"),
    ],
)
def test_a_wrong_call_names_the_class_that_the_program_wrote(
    make: Callable[[], object], text: str
) -> None:
    with pytest.raises(TypeError) as caught:
        make()
    assert text in str(caught.value)


VALUES = {
    # A record of what was.
    "Commit",
    "Context",
    "Counters",
    "Delta",
    "Entities",
    "Map",
    "Outgoing",
    "Stated",
    # Rules and tables that a program makes, and that know no other object.
    "GraphqlTransportWs",
    "JsonCodec",
    "JsonRpc",
    "MsgspecCodec",
    "Phoenix",
    "PlainJson",
    "Registry",
    "SocketIo",
    "V1",
    # Decisions without input and output. A copy decides for itself.
    "Decisions",
    "Logbook",
}
"""Public classes whose copy is as good as the original."""
FACES = sorted(
    f"reactive_ws.{path.parent.name}"
    for path in (ROOT / "reactive_ws").glob("*/__init__.py")
    # The parts of a test are of one test, and a command is of one process.
    if path.parent.name not in ("testing", "commands")
)


def is_value(kind: type[Any]) -> bool:
    """Whether instances are what they hold: exceptions, members of enums, frozen records, protocols."""
    if issubclass(kind, (BaseException, enum.Enum, msgspec.Struct, tuple)) or is_typeddict(kind):
        return True
    is_frozen_record = (
        attrs.has(kind) and kind.__setattr__.__name__ == "_frozen_setattrs"
    ) or getattr(getattr(kind, "__dataclass_params__", None), "frozen", False)
    return is_frozen_record or getattr(kind, "_is_protocol", False)


@pytest.mark.parametrize("name", FACES)
def test_every_public_object_that_others_hold_refuses_to_be_copied(name: str) -> None:
    face = importlib.import_module(name)
    public = {it: vars(face)[it] for it in face.__all__ if it in vars(face)}
    kinds = {it: kind for it, kind in public.items() if isinstance(kind, type)}
    twins = {
        it
        for it, kind in kinds.items()
        if not is_value(kind) and kind.__reduce_ex__ is not refuse_copy
    }
    # By the name in the face: `Map` has another name of its own where no wheel of immutables is.
    assert twins - VALUES == set()


@pytest.mark.parametrize(
    "how", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))]
)
def test_the_snapshot_of_a_keyed_store_is_a_value(how: Callable[[Any], Any]) -> None:
    store = KeyedStore({"b": 1, "a": 2}, domain=Domain("test"))
    store.move("a", before="b")
    assert list(how(store.get_all()).items()) == [("a", 2), ("b", 1)]
