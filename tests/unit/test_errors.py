"""Errors say what happened and what to do, and carry their data."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable

import pytest

from reactive_ws import errors

CLASSES = [found for name in errors.__all__ if inspect.isclass(found := getattr(errors, name))]
NAMES = [cls.__name__ for cls in CLASSES]
EXAMPLES: dict[str, errors.ReactiveWSError] = {
    type(example).__name__: example
    for example in (
        errors.DomainMismatch("app", "other"),
        errors.StoreClosed("todo"),
        errors.FeedbackLoop("todo", 100),
        errors.FellBehind("todo", 10_000),
        errors.BadAddress("ws://host/ws", "the scheme is missing"),
        errors.ServiceClosed(),
        errors.IllegalTransition("CLOSED", "lost"),
        errors.DialFailed("connection refused"),
        errors.HandshakeRefused(403, 5.0),
        errors.ProxyRefused(407),
        errors.RedirectRefused(302, "wss://other/ws", "another origin"),
        errors.TokenRefused("expired"),
        errors.ConnectionLost(1006, "gone"),
        errors.HeartbeatTimeout(10.0),
        errors.BadCertificate("self-signed"),
        errors.Unauthorized("HTTP 401"),
        errors.GaveUp(10, "connection refused"),
        errors.MessageRejected("no id", type="message.send", stream="s", epoch="e", seq=3, id="m1"),
        errors.MessagesMissing("app", 3, 7, epoch="e"),
        errors.MessagesMissing("app", 3, 1, is_new_epoch=True, epoch="e"),
        errors.PositionsDropped(("s/1", "s/2")),
        errors.UnknownType("Todo"),
        errors.MessageTooBig(2_000_000, 1_048_576),
        errors.StateTooBig("todos", 90_000_000, 67_108_864),
        errors.RequestFailed("busy", "later", retryable=True),
        errors.RequestTimeout(10.0, "todo.added"),
        errors.DuplicateId("m1"),
        errors.AcknowledgementLate("m1", 10.0),
        errors.OutboxFull(100),
        errors.DeliveryFailed("m1", "the service was disconnected"),
        errors.DeliveryUncertain("m1", "disconnected before the acknowledgement"),
        errors.JournalError("outbox.db", "the disk is full"),
        errors.FileUnusable("feed.gz", "is not a recording"),
        errors.Refused("full", "there are a hundred already"),
        errors.StateUnusable("todos", "its checkpoint has version 1; give `migrate`"),
        errors.ListenFailed("127.0.0.1", 8000, "the port is in use"),
        errors.Conflict("todos"),
        errors.LogUnavailable("app.db", "the disk does not answer"),
        errors.LogUnusable("app.db", "it has no schema"),
    )
}
ABSTRACT = {
    "ReactiveWSError", "UsageError", "ConnectionFailed", "MessageError", "DeliveryError", "LogError",
}  # fmt: skip


def test_every_error_has_an_example_here() -> None:
    assert set(EXAMPLES) | ABSTRACT == set(NAMES)


@pytest.mark.parametrize("error", EXAMPLES.values(), ids=EXAMPLES.keys())
def test_an_error_says_in_words_what_its_data_say(error: errors.ReactiveWSError) -> None:
    text = str(error)
    assert len(text.split()) >= 3 or text == "connection refused"
    assert type(error).text or "__str__" in type(error).__dict__
    required = [
        value
        for name, value in vars(error).items()
        if not name.startswith("_")
        and isinstance(value, str)
        and name not in {"stream", "epoch", "id"}
    ]
    assert [value for value in required if value not in text and value != "m1"] == []


def pickled(error: errors.ReactiveWSError) -> errors.ReactiveWSError:
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, errors.ReactiveWSError)
    return again


@pytest.mark.parametrize("again", [pickled, copy.copy, copy.deepcopy])
@pytest.mark.parametrize("error", EXAMPLES.values(), ids=EXAMPLES.keys())
def test_an_error_can_leave_its_process(
    error: errors.ReactiveWSError,
    again: Callable[[errors.ReactiveWSError], errors.ReactiveWSError],
) -> None:
    other = again(error)
    assert type(other) is type(error)
    assert vars(other) == vars(error)
    assert (str(other), other.args) == (str(error), error.args)


def test_the_tree_in_the_docstring_is_the_tree_of_classes() -> None:
    assert errors.__doc__ is not None
    drawn: list[str] = []
    parents: dict[int, str] = {}
    for line in errors.__doc__.splitlines():
        bare = line.lstrip("│├└─ ")
        name = bare.split(" ")[0]
        if name in NAMES:
            depth = (len(line) - len(bare)) // 4
            if depth:
                bases = [base.__name__ for base in getattr(errors, name).__bases__]
                assert parents[depth - 1] in bases
            parents[depth] = name
            drawn.append(name)
    assert sorted(drawn) == sorted(NAMES)


def test_every_error_is_reachable_from_the_root() -> None:
    assert all(issubclass(cls, errors.ReactiveWSError) for cls in CLASSES)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            errors.GaveUp(0, "cannot reach it"),
            "gave up without a retry, because max_attempts is 0: cannot reach it",
        ),
        (errors.GaveUp(1, "cannot reach it"), "gave up after 1 retry: cannot reach it"),
        (errors.GaveUp(2, "cannot reach it"), "gave up after 2 retries: cannot reach it"),
        (errors.MessagesMissing("app", 3, 7), "stream 'app' went on at 7 where 3 was expected"),
        (
            errors.MessagesMissing("app", 9, 1, is_new_epoch=True),
            "the server began new numbers for stream 'app' and goes on at 1; messages after the old number 8 may be missing",
        ),
    ],
)
def test_numbers_in_a_text_say_what_they_count(error: errors.ReactiveWSError, text: str) -> None:
    assert str(error) == text


EVIL = "x\n2026-01-01 CRITICAL admin\x1b[2J\u2028\u202e\ud800"


@pytest.mark.parametrize(
    "error",
    [
        errors.ConnectionLost(4000, EVIL),
        errors.MessageRejected(EVIL, type=EVIL),
        errors.DialFailed(EVIL),
        errors.RequestFailed(EVIL, EVIL, retryable=False),
        errors.UsageError(EVIL),
        errors.GaveUp(3, EVIL),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_text_of_others_stays_on_one_line_and_is_kept_as_it_came(
    error: errors.ReactiveWSError,
) -> None:
    text = str(error)
    assert text.isprintable()
    assert "\\n2026-01-01" in text or "\\\\n2026-01-01" in text
    assert EVIL in (*vars(error).values(), *error.args)


def test_letters_of_every_language_and_spaces_stay_as_they_are() -> None:
    text = "übergroß 12\xa0000 \u65e5\u672c\u8a9e \U0001f600"
    assert errors.one_line(text) == text
