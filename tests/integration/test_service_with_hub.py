"""The service and the hub as they are: what was promised survives a hub that is killed again and again."""

import asyncio
import socket
from collections import Counter
from pathlib import Path

import pytest
from raw_client import serving

from reactive_ws.connection.backoff import Backoff
from reactive_ws.engine.domain import Domain
from reactive_ws.outbox.delivery import Delivery, DeliveryStatus
from reactive_ws.service.service import WebSocketService
from reactive_ws.stores.hub import Hub
from reactive_ws.stores.wire.chat import (
    Message,
    MessageDelta,
    MessageResponse,
    MessageSend,
    PanelCreated,
    SessionCreate,
    agent_chat,
)
from reactive_ws.transport.credentials.authentication import (
    AuthMethod,
    FirstMessage,
    Header,
    Query,
    Subprotocol,
)

PATIENCE = 60.0
ROUNDS = 4
PER_ROUND = 25


def test_every_message_has_one_effect_and_one_answer_however_often_the_hub_is_killed(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    words = ("hub", "--port", port, "--log", str(tmp_path / "hub.db"), "--token-delay", "0.002")
    answers: list[str] = []
    panels: list[str] = []
    texts: dict[str, str] = {}

    def grow(delta: MessageDelta) -> None:
        assert delta.offset == len(texts.get(delta.message_id, ""))
        texts[delta.message_id] = texts.get(delta.message_id, "") + delta.text

    async def body() -> None:
        is_complete = asyncio.Event()

        def answered(response: MessageResponse) -> None:
            if response.message.role == "assistant":
                assert texts[response.message.id] == response.message.content
                answers.append(response.message.id)
                if len(answers) == ROUNDS * PER_ROUND:
                    is_complete.set()

        service = WebSocketService(
            f"ws://127.0.0.1:{port}/ws",
            domain=Domain("test"),
            backoff=Backoff(0.05, 1.0, 0.2),
            registry=agent_chat(),
        )
        service.on(MessageDelta, grow)
        service.on(MessageResponse, answered)
        service.on(PanelCreated, lambda created: panels.append(created.panel.title))
        deliveries: list[Delivery] = []
        async with service:
            for number in range(ROUNDS):
                with serving(*words) as (program, _):
                    await service.wait_connected(PATIENCE)
                    for index in range(PER_ROUND):
                        one = f"m{number}-{index}"
                        said = Message(one, "s1", "user", f"panel create {one}", 0.0)
                        deliveries.append(service.send(MessageSend("s1", said)))
                    if number < ROUNDS - 1:
                        # Somewhere among acknowledgements and half-given answers.
                        await asyncio.wait_for(deliveries[-PER_ROUND + 3 * number], PATIENCE)
                        # A client that never saw a message of a stream has no position from which to resume it.
                        await service.positions.select().wait_for(lambda now: "s1" in now, PATIENCE)
                        program.kill()
                        program.wait()
                    else:
                        await asyncio.wait_for(is_complete.wait(), PATIENCE)
                        statuses = {await delivery for delivery in deliveries}
                        assert statuses == {DeliveryStatus.ACKNOWLEDGED}

    asyncio.run(asyncio.wait_for(body(), 3 * PATIENCE))
    said = [f"m{number}-{index}" for number in range(ROUNDS) for index in range(PER_ROUND)]
    assert Counter(answers) == Counter(f"{one}.reply" for one in said)
    assert panels == said


@pytest.mark.parametrize(
    "auth",
    [Header("sécret"), Query("sécret"), Subprotocol("sécret"), FirstMessage("sécret")],
    ids=lambda auth: type(auth).__name__,
)
def test_the_hub_understands_every_way_in_which_the_service_sends_a_token(auth: AuthMethod) -> None:
    async def body() -> None:
        async with Hub(authorize=lambda token: token == "sécret") as hub:
            service = WebSocketService(
                hub.url, auth=auth, domain=Domain("test"), registry=agent_chat()
            )
            async with service:
                await service.wait_connected(PATIENCE)
                delivery = service.send(SessionCreate("s1", "First"))
                assert await asyncio.wait_for(delivery, PATIENCE) is DeliveryStatus.ACKNOWLEDGED

    asyncio.run(body())
