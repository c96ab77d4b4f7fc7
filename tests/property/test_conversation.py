"""After a snapshot a conversation equals the server's, whichever messages arrived before, in any order, any number of times."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reactive_ws.outbox.delivery import DeliveryStatus
from reactive_ws.stores.history.answers import grown
from reactive_ws.stores.history.conversation import Conversation, answered, merged
from reactive_ws.stores.history.own_messages import acknowledged, advanced, composed
from reactive_ws.stores.wire.chat import ChatSnapshot, Message, MessageDelta, MessageResponse
from reactive_ws.wire.control import MessageReceived

TEXTS = st.text("ab ", min_size=1, max_size=12)


@st.composite
def servers(draw: st.DrawFn) -> tuple[list[Message], Message | None]:
    """Draws a server's conversation: complete messages by sequence, and perhaps an answer that still streams."""
    texts = draw(st.lists(TEXTS, max_size=8))
    messages = [
        Message(f"m{n}", "s", draw(st.sampled_from(("user", "assistant"))), text, 0.0, sequence=n)
        for n, text in enumerate(texts, 1)
    ]
    if not draw(st.booleans()):
        return messages, None
    return messages, Message("begun", "s", "assistant", draw(TEXTS), 0.0)


def pieces(message: Message) -> list[MessageDelta]:
    text = message.content
    return [
        MessageDelta("s", message.id, at, text[at : at + 3], at + 3 >= len(text))
        for at in range(0, len(text), 3)
    ]


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[Message], Message | None, list[object]]:
    """A server, and messages of it that reach the client: any, in any order, some of them twice."""
    messages, begun = draw(servers())
    events: list[object] = []
    for message in messages:
        if message.role == "user":
            events += [message, MessageReceived(message.id, reply={"sequence": message.sequence})]
            events += [(message.id, status) for status in DeliveryStatus]
        else:
            events += pieces(message)
        events.append(MessageResponse("s", message))
    if begun is not None:
        events += [MessageDelta("s", begun.id, 0, begun.content[:2])]
    if not events:
        return messages, begun, []
    return messages, begun, draw(st.lists(st.sampled_from(events), max_size=40))


def told(state: Conversation, event: object) -> Conversation:
    if isinstance(event, Message):
        # An own message is composed once, before anything else can be known of it.
        if state.timeline.find(event.id) is not None:
            return state
        return composed(state, Message(event.id, "s", "user", event.content, 0.0))
    if isinstance(event, MessageReceived):
        return acknowledged(state, event, "e")
    if isinstance(event, MessageResponse):
        return answered(state, event, "e")
    if isinstance(event, MessageDelta):
        return grown(state, event, "e", 0.0)
    identity, status = event  # type: ignore[misc]
    is_final = status in (DeliveryStatus.FAILED, DeliveryStatus.UNCERTAIN)
    return advanced(state, identity, status, None, is_final=is_final)


@given(stories())
def test_after_a_snapshot_the_conversation_is_the_servers(
    story: tuple[list[Message], Message | None, list[object]],
) -> None:
    messages, begun, events = story
    state = Conversation()
    for event in events:
        state = told(state, event)
        ids = [entry.id for entry in state.timeline]
        assert len(ids) == len(set(ids))
    everything = tuple(messages) if begun is None else (*messages, begun)
    state = merged(state, ChatSnapshot("s", "e", 99, messages=everything))
    assert [(e.id, e.content, e.is_growing) for e in state.timeline] == [
        (message.id, message.content, message is begun) for message in everything
    ]
    again = merged(state, ChatSnapshot("s", "e", 99, messages=everything))
    assert list(again.timeline) == list(state.timeline)
