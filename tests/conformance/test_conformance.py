"""The conformance functions pass on the framework's own parts, and name the rule that each broken one breaks."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from reactivex import Observable
from reactivex import operators as ops
from reactivex.subject import BehaviorSubject, Subject

from reactive_ws.engine.domain import Domain
from reactive_ws.state.store import Store
from reactive_ws.testing.conformance.conformance import Unfit, check_codec, check_store
from reactive_ws.wire.codec import JsonCodec
from reactive_ws.wire.envelope import Envelope


@pytest.fixture(autouse=True)
def no_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


# --- stores -----------------------------------------------------------------------------------------------------------


def test_the_store_is_fit() -> None:
    check_store(lambda value: Store(value, domain=Domain("check", on_error=lambda _: None)))


class SubjectStore:
    """The naive store: a `BehaviorSubject` with a `get` and a `set`."""

    def __init__(self, value: int) -> None:
        self.subject = BehaviorSubject(value)

    def get(self) -> int:
        return self.subject.value

    def set(self, value: int) -> None:
        self.subject.on_next(value)

    def select(self) -> Observable[int]:
        return self.subject.pipe(ops.distinct_until_changed())


class Forgetful(SubjectStore):
    """Shows changes only, not the present value."""

    def select(self) -> Observable[int]:
        return self.subject.pipe(ops.skip(1))


class Deaf(SubjectStore):
    """Disposing does nothing."""

    def __init__(self, value: int) -> None:
        super().__init__(value)
        self.observers: list[Callable[[int], Any]] = []

    def set(self, value: int) -> None:
        super().set(value)
        for observer in self.observers:
            observer(value)

    def select(self) -> Observable[int]:
        store = self

        class Stream(Observable[int]):
            def subscribe(self, on_next: Any = None, *_: Any, **__: Any) -> Any:
                on_next(store.get())
                store.observers.append(on_next)
                return Subject[int]()

        return Stream()


@pytest.mark.parametrize(
    ("make", "rules"),
    [
        (
            SubjectStore,
            {
                "an observer that writes does not change the order",
                "the writer does not see an observer's error",
            },
        ),
        (Forgetful, {"current value first"}),
        (Deaf, {"nothing after dispose", "an equal value is not a change"}),
    ],
)
def test_a_broken_store_is_rejected_with_the_name_of_the_rule(
    make: type[SubjectStore], rules: set[str]
) -> None:
    with pytest.raises(Unfit) as caught:
        check_store(make)
    assert rules <= set(caught.value.broken)
    assert all(rule in str(caught.value) for rule in rules)


# --- codecs -----------------------------------------------------------------------------------------------------------


def test_the_json_codec_is_fit() -> None:
    check_codec(JsonCodec())


class LosesIds(JsonCodec):
    def encode(self, envelope: Envelope[Any]) -> str:
        fields = json.loads(super().encode(envelope))
        fields.pop("id", None)
        return json.dumps(fields)


class RaisesOnGarbage(JsonCodec):
    def decode(self, frame: str | bytes) -> Envelope[Any]:
        json.loads(frame)
        return super().decode(frame)


class SwallowsGarbage(JsonCodec):
    def decode(self, frame: str | bytes) -> Any:
        try:
            return super().decode(frame)
        except Exception:
            return None


@pytest.mark.parametrize(
    ("codec", "rule"),
    [
        (LosesIds(), "what was encoded is decoded"),
        (RaisesOnGarbage(), "garbage is rejected with MessageRejected"),
        (SwallowsGarbage(), "decode returns an envelope"),
    ],
)
def test_a_broken_codec_is_rejected_with_the_name_of_the_rule(codec: JsonCodec, rule: str) -> None:
    with pytest.raises(Unfit) as caught:
        check_codec(codec)
    assert set(caught.value.broken) == {rule}
