"""One table says what the end of a connection means, and no other module of the framework names a code or a status."""

from __future__ import annotations

import ast
import math
from pathlib import Path

import attrs
import pytest

import reactive_ws
from reactive_ws.connection.close_policy import CloseCode, ClosePolicy, Meaning, Verdict
from reactive_ws.connection.record import ErrorKind
from reactive_ws.errors import (
    BadAddress,
    ConnectionLost,
    DialFailed,
    HandshakeRefused,
    HeartbeatTimeout,
    Unauthorized,
)

PACKAGE = Path(reactive_ws.__file__).parent
CLIENT = ("errors", "wire", "connection", "outbox", "inbound", "transport", "service")
POLICY = ClosePolicy()
CODES = {*POLICY.codes, *CloseCode, 1011, 1012, 1014} - {1000}
STATUSES = {*POLICY.statuses, 400, 402, 404, 407}


def codes_in(source: str) -> list[int]:
    """Returns the close codes and statuses that a module names. 1000 is also a number of other things."""
    found: list[int] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and type(node.value) is int:
            if node.value in CODES | STATUSES:
                found.append(node.value)
        elif isinstance(node, ast.keyword) and node.arg == "code":
            found += [node.value.value] if isinstance(node.value, ast.Constant) else []
        elif isinstance(node, ast.arguments):
            named = [*node.args, *node.kwonlyargs][-len(node.defaults) :] if node.defaults else []
            found += [
                default.value
                for argument, default in zip(named, node.defaults, strict=False)
                if argument.arg == "code" and isinstance(default, ast.Constant)
            ]
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ConnectionLost":
            found += [it.value for it in node.args[:1] if isinstance(it, ast.Constant)]
    return found


def test_no_other_module_names_a_close_code_or_a_status() -> None:
    named = {
        str(path.relative_to(PACKAGE)): codes
        for package in CLIENT
        for path in sorted((PACKAGE / package).rglob("*.py"))
        if path.name != "close_policy.py" and (codes := codes_in(path.read_text()))
    }
    assert named == {}


@pytest.mark.parametrize(
    "line",
    [
        "if code in (1007, 1008): ...",
        "if status == 401: ...",
        "ConnectionLost(1000)",
        "close(code=1000)",
        "def close(self, code=1000): ...",
    ],
)
def test_a_code_in_another_module_is_found(line: str) -> None:
    assert codes_in(line)


@pytest.mark.parametrize("line", ["limit = 1000", "def wait(ms=1000): ...", "seconds * 3600"])
def test_other_numbers_are_no_codes(line: str) -> None:
    assert codes_in(line) == []


def test_a_row_changes_verdict_and_kind_together() -> None:
    policy = attrs.evolve(POLICY, codes={**POLICY.codes, 4490: Meaning(Verdict.REFRESH_TOKEN)})
    meaning = policy.meaning_of(ConnectionLost(4490))
    assert (meaning.verdict, meaning.kind) == (Verdict.REFRESH_TOKEN, ErrorKind.AUTH)
    own = Meaning(Verdict.REFRESH_TOKEN, ErrorKind.APPLICATION)
    policy = attrs.evolve(POLICY, statuses={402: own})
    assert policy.meaning_of(HandshakeRefused(402)) is own


@pytest.mark.parametrize(
    ("error", "verdict", "kind", "refusals"),
    [
        (ConnectionLost(1006), Verdict.RETRY, ErrorKind.NETWORK, 0),
        (ConnectionLost(1007), Verdict.FATAL, ErrorKind.PROTOCOL, 1),
        (ConnectionLost(1009), Verdict.RETRY, ErrorKind.PROTOCOL, math.inf),
        (ConnectionLost(1009, was_received=False), Verdict.RETRY, ErrorKind.PROTOCOL, 0),
        (ConnectionLost(4999), Verdict.FATAL, ErrorKind.SERVER, 0),
        (HandshakeRefused(401), Verdict.REFRESH_TOKEN, ErrorKind.AUTH, 0),
        (HandshakeRefused(404), Verdict.FATAL, ErrorKind.SERVER, 0),
        (HandshakeRefused(502), Verdict.RETRY, ErrorKind.SERVER, 0),
        (HeartbeatTimeout(10.0), Verdict.RETRY, ErrorKind.HEARTBEAT, 0),
        (DialFailed("refused"), Verdict.RETRY, ErrorKind.NETWORK, 0),
        (Unauthorized(), Verdict.FATAL, ErrorKind.AUTH, 0),
        (BadAddress("x", "no URL"), Verdict.FATAL, ErrorKind.APPLICATION, 0),
        (RuntimeError("unforeseen"), Verdict.FATAL, ErrorKind.NETWORK, 0),
    ],
)
def test_what_a_failure_means(
    error: Exception, verdict: Verdict, kind: ErrorKind, refusals: float
) -> None:
    assert POLICY.meaning_of(error) == Meaning(verdict, kind, refusals)
