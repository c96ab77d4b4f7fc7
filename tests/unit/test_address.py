from __future__ import annotations

import pytest

from reactive_ws.errors import BadAddress
from reactive_ws.transport.address import DEFAULT_URL, redact, resolve


def test_the_url_comes_from_the_program_then_the_environment_then_the_default() -> None:
    environment = {"REACTIVE_WS_URL": "wss://env/ws"}
    assert resolve("ws://mine/ws", environment=environment) == "ws://mine/ws"
    assert resolve(None, environment=environment) == "wss://env/ws"
    assert resolve(None, environment={}) == DEFAULT_URL == "ws://localhost:8000/ws"


def test_http_becomes_ws_and_the_fragment_goes() -> None:
    assert resolve("http://a:1/p?q=1#f") == "ws://a:1/p?q=1"
    assert resolve("HTTPS://a") == "wss://a"


@pytest.mark.parametrize(
    "url",
    ["ftp://secret@a/", "ws:///path?token=secret", "ws://a:port/?secret", "secret", "ws://[secret"],
)
def test_what_cannot_be_dialled_is_refused_without_showing_secrets(url: str) -> None:
    with pytest.raises(BadAddress) as caught:
        resolve(url)
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(caught.value)


def test_redacted_urls_show_host_port_and_path_only() -> None:
    assert redact("wss://user:pw@host:99/path?token=x#y") == "wss://***@host:99/path?***"
    assert redact("ws://[::1]:8/") == "ws://[::1]:8/"


def test_what_could_not_be_read_is_not_quoted_by_a_cause_either() -> None:
    with pytest.raises(BadAddress) as caught:
        resolve("ws://user:secret/@host/ws")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
