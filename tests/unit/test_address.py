from __future__ import annotations

import pytest

from reactive_ws.errors import BadAddress, UsageError
from reactive_ws.transport.address import DEFAULT_URL, origin, origins, redact, resolve


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


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("127.0.0.1:8000", "ws://127.0.0.1:8000?"),
        ("localhost:8000/ws", "ws://localhost:8000/...?"),
        ("localhost/secret", "ws://localhost/...?"),
        ("chat.example.com/ws", "ws://chat.example.com/...?"),
        ("10.0.0.1", "ws://10.0.0.1?"),
        ("ws:/localhost:8000/ws?token=secret", "ws://localhost:8000/...?"),
        ("wss:chat.example.com", "wss://chat.example.com?"),
        ("https//chat.example.com/secret", "wss://chat.example.com/...?"),
        ("example.com:443?token=secret", "ws://example.com:443?"),
    ],
)
def test_a_forgotten_scheme_is_named_with_what_was_meant(url: str, meant: str) -> None:
    with pytest.raises(BadAddress) as caught:
        resolve(url)
    assert f"did you mean {meant}" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "***" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSMeK", "ws:secret", "sk-live-secret.0123", "a@b.com"]
)
def test_what_may_be_a_token_in_the_place_of_the_url_is_not_shown(url: str) -> None:
    with pytest.raises(BadAddress) as caught:
        resolve(url)
    assert url.removeprefix("ws:") not in str(caught.value)


def test_an_empty_url_is_shown_as_it_is() -> None:
    with pytest.raises(BadAddress, match="cannot dial '': the scheme must be ws"):
        resolve("")


def test_an_origin_is_scheme_host_and_port() -> None:
    assert origin("ws://Host.Example/ws?x") == "ws://host.example:80"
    assert origin("wss://user:pw@[::1]/") == "wss://[::1]:443"
    assert origins(["https://a.example/x", "ws://b:8"]) == {"wss://a.example:443", "ws://b:8"}
    with pytest.raises(UsageError, match=r"redirects=\['wss://a/'\]"):
        origins("wss://a/")
    with pytest.raises(BadAddress):
        origins(["ftp://a"])


@pytest.mark.parametrize("host", ["a..b", "..", "a" * 64, f"{'a' * 64}.example", "\u00e9..b"])
def test_a_host_that_is_no_name_is_named(host: str) -> None:
    with pytest.raises(BadAddress, match="host") as caught:
        resolve(f"ws://user:secret@{host}:80/ws?token=secret")
    assert host[:60] in str(caught.value)
    assert "idna" not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "host", ["a.b.", "b\u00fccher.example", "[fe80::1%25eth0]", "under_score.local"]
)
def test_unusual_hosts_are_taken(host: str) -> None:
    assert resolve(f"ws://{host}/ws") == f"ws://{host}/ws"


@pytest.mark.parametrize("url", ["s3cret:@localhost", "s3cret:"])
def test_what_stands_where_a_scheme_would_stand_is_not_shown(url: str) -> None:
    assert redact(url) == "***"
    with pytest.raises(BadAddress) as found:
        resolve(url)
    assert "s3cret" not in str(found.value)
