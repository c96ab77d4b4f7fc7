from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from integration.peers.foreign import part
from websockets.asyncio import client
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Close

from reactive_ws.testing import ConnectRule, Unfit, check_connect
from reactive_ws.testing.conformance.connect_checks import CHECKS
from reactive_ws.transport import connect


def broken(factory: Callable[..., Awaitable[Any]]) -> list[str]:
    with pytest.raises(Unfit) as caught:
        asyncio.run(check_connect(factory))
    return [ConnectRule(sentence).name for sentence in caught.value.broken]


class Wrapped:
    """A socket like any other, until a subclass breaks it."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


def test_every_rule_has_a_check() -> None:
    assert list(CHECKS) == list(ConnectRule)


def test_the_default_connect_keeps_every_rule() -> None:
    asyncio.run(check_connect(connect))


def test_what_differs_in_websockets_itself_is_known() -> None:
    assert broken(client.connect) == ["CLOSE_TIMEOUT", "REDIRECT"]


def test_a_socket_that_forgets_why_it_was_closed_is_rejected() -> None:
    class Forgetful(Wrapped):
        async def recv(self) -> str | bytes:
            try:
                frame: str | bytes = await self._socket.recv()
            except ConnectionClosed as error:
                raise ConnectionClosed(Close(1000, ""), error.sent) from error
            return frame

    async def forgetful(url: str, **options: Any) -> Any:
        return Forgetful(await connect(url, **options))

    assert broken(forgetful) == [
        "CLOSE_CODE",
        "EMPTY_CLOSE",
        "NO_CLOSE_FRAME",
        "CLOSE_TIMEOUT",
        "TOO_BIG",
    ]


def test_a_socket_that_switches_tasks_for_a_frame_that_is_there_is_rejected() -> None:
    class Hesitant(Wrapped):
        async def recv(self) -> str | bytes:
            await asyncio.sleep(0)
            frame: str | bytes = await self._socket.recv()
            return frame

    async def hesitant(url: str, **options: Any) -> Any:
        return Hesitant(await connect(url, **options))

    assert broken(hesitant) == ["BY_HAND"]


def test_a_dial_that_goes_on_behind_its_cancellation_is_rejected() -> None:
    async def stubborn(url: str, **options: Any) -> Any:
        return await asyncio.shield(asyncio.ensure_future(connect(url, **options)))

    assert broken(stubborn) == ["CANCELLED_DIAL"]


def test_a_factory_with_exceptions_a_logger_and_a_taste_of_its_own_is_rejected() -> None:
    class Unavailable(Exception):
        pass

    async def opinionated(url: str, **options: Any) -> Any:
        logging.getLogger("opinionated").debug("dialing %s", url)
        if options.get("subprotocols"):
            options["subprotocols"].reverse()
        try:
            return await connect(url, **options)
        except InvalidStatus as error:
            raise Unavailable(error.response.status_code) from error

    assert broken(opinionated) == ["HANDSHAKE", "STATUS", "REDIRECT", "LOGGER"]


def test_a_socket_that_cannot_be_aborted_is_rejected() -> None:
    class Polite(Wrapped):
        @property
        def transport(self) -> Any:
            return self

        def abort(self) -> None:
            self.task = asyncio.ensure_future(self._socket.close())

    async def polite(url: str, **options: Any) -> Any:
        return Polite(await connect(url, **options))

    assert broken(polite) == ["ABORT"]


def test_the_adapter_for_picows_keeps_every_rule_but_the_one_about_the_log() -> None:
    assert broken(part("reactive_ws.transport.picows").connect) == ["LOGGER"]


def test_what_differs_in_picows_itself_is_known() -> None:
    assert broken(part("picows.websockets").connect) == [
        "CLOSE_CODE",
        "EMPTY_CLOSE",
        "NO_CLOSE_FRAME",
        "OWN_CLOSE",
        "ABORT",
        "CLOSE_TIMEOUT",
        "TOO_BIG",
        "STATUS",
        "REDIRECT",
        "NO_SERVER",
        "BAD_URL",
        "LOGGER",
    ]
