"""Which message answers which question."""

from __future__ import annotations

from typing import Any

import pytest

from reactive_ws.errors import MessageRejected, RequestFailed, ServiceClosed
from reactive_ws.inbound.requests import Requests
from reactive_ws.outbox.pending import Pending
from reactive_ws.stores.wire.chat import Typing
from reactive_ws.wire.control import MessageReceived, ServerError
from reactive_ws.wire.envelope import Envelope


def typing(identity: str | None = None, user: str = "u") -> Envelope[Any]:
    return Envelope("typing", Typing("c", user), id=identity)


def value_of(answer: Pending[Envelope[Any]]) -> Any:
    return answer.result(0)


def is_open(answer: Pending[Envelope[Any]]) -> bool:
    return repr(answer) == "<Pending waiting>"


def test_a_reply_with_the_id_of_the_request_answers_it_and_no_other() -> None:
    requests = Requests()
    first, second = requests.ask("1", Typing), requests.ask("2", Typing)
    requests.arrived(typing("2", "for two"))
    assert is_open(first)
    assert value_of(second).payload.user_id == "for two"
    requests.arrived(typing("1"))
    assert value_of(first).id == "1"
    assert not requests.waiting


def test_a_reply_without_an_id_answers_the_oldest_request_for_its_type() -> None:
    requests = Requests()
    other, first = requests.ask("0", "note"), requests.ask("1", Typing)
    second = requests.ask("2", Typing)
    requests.arrived(typing())
    assert not is_open(first)
    assert [is_open(other), is_open(second)] == [True, True]
    requests.arrived(Envelope("note", 7))
    assert value_of(other).payload == 7


def test_a_reply_with_a_strange_id_or_of_another_type_answers_nobody() -> None:
    requests = Requests()
    answer = requests.ask("1", Typing)
    requests.arrived(typing("strange"))
    requests.arrived(Envelope("note", 7, id="1"))
    assert is_open(answer)
    requests.forget("1")
    requests.arrived(typing("1"))
    assert is_open(answer)
    requests.forget("1")
    assert not requests.waiting


def test_an_acknowledgement_answers_with_the_id_that_it_names() -> None:
    requests = Requests()
    first, second = requests.ask("1", MessageReceived), requests.ask("2", MessageReceived)
    received: Envelope[Any] = Envelope("message.received", MessageReceived("2"), id="own")
    requests.acknowledged("2", None, received)
    assert value_of(second) is received
    assert is_open(first)


def test_an_error_fails_the_request_that_it_answers() -> None:
    requests = Requests()
    first, second = requests.ask("1", Typing), requests.ask("2", Typing)
    requests.refused("2", RequestFailed("bad", "no", retryable=True))
    with pytest.raises(RequestFailed, match="no") as caught:
        second.result(0)
    assert (caught.value.code, caught.value.retryable) == ("bad", True)
    assert is_open(first)
    # One error answers an id that no request has, and one answers no id.
    requests.refused("9", RequestFailed("bad", "no"))
    requests.arrived(Envelope("error", ServerError("bad", "no")))
    assert is_open(first)


def test_an_error_can_be_what_was_asked_for() -> None:
    requests = Requests()
    answer = requests.ask("1", ServerError)
    requests.arrived(Envelope("error", ServerError("bad", "no")))
    assert value_of(answer).payload.code == "bad"


def test_everybody_who_waits_is_told_when_nothing_comes_any_more() -> None:
    requests = Requests()
    answers = [requests.ask(str(n), Typing) for n in range(3)]
    requests.fail_all(ServiceClosed())
    for answer in answers:
        with pytest.raises(ServiceClosed):
            answer.result(0)
    assert not requests.waiting


def test_the_result_that_comes_with_an_acknowledgement_answers_in_the_class_of_the_reply() -> None:
    requests = Requests()
    number, message, bad = requests.ask("1", int), requests.ask("2", Typing), requests.ask("3", int)
    requests.acknowledged("1", 7, None)
    assert value_of(number).payload == 7
    # Without a result the reply may still come as a message.
    requests.acknowledged("2", None, None)
    assert is_open(message)
    requests.acknowledged("3", "seven", None)
    with pytest.raises(MessageRejected, match="result of the request"):
        bad.result(0)
    requests.acknowledged("unknown", 7, None)
