"""The event types of a command center, in their families, as message types: what a registry needs to know of them.

    activity.created   activity.updated    activity.completed
    customer.created   customer.updated    customer.engagement
    notification.new   notification.read                           (in protocol v1 already)
    ai.response        ai.stream           ai.tool_call
    campaign.sent      campaign.delivered  campaign.opened
    system.maintenance system.update

Unknown fields are ignored. It holds no state; see `channels`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Struct

from reactive_ws.wire import MessageType, Registry

from .chat import MessageDelta, MessageResponse, agent_chat

__all__ = [
    "CHANNEL_EVENTS",
    "FAMILIES",
    "Activity",
    "ActivityCompleted",
    "ActivityCreated",
    "ActivityUpdated",
    "AiResponse",
    "AiStream",
    "AiToolCall",
    "CampaignDelivered",
    "CampaignOpened",
    "CampaignSent",
    "Customer",
    "CustomerCreated",
    "CustomerEngagement",
    "CustomerUpdated",
    "SystemMaintenance",
    "SystemUpdate",
    "command_center",
]


class _Wire(Struct, frozen=True, gc=False, rename="camel"):
    """Options that all payloads share."""


# --- activity.* -------------------------------------------------------------------------------------------------------


class Activity(_Wire, frozen=True, gc=False):
    """Something that a person does or has to do."""

    id: str
    kind: str = ""
    title: str = ""
    customer_id: str | None = None
    is_completed: bool = False
    data: dict[str, Any] = {}


class ActivityCreated(_Wire, frozen=True, gc=False):
    """A new activity."""

    activity: Activity


class ActivityUpdated(_Wire, frozen=True, gc=False):
    """An activity as it is now."""

    activity: Activity


class ActivityCompleted(_Wire, frozen=True, gc=False):
    """An activity is done."""

    activity_id: str


# --- customer.* -------------------------------------------------------------------------------------------------------


class Customer(_Wire, frozen=True, gc=False):
    """A person to do business with."""

    id: str
    name: str = ""
    data: dict[str, Any] = {}


class CustomerCreated(_Wire, frozen=True, gc=False):
    """A new customer."""

    customer: Customer


class CustomerUpdated(_Wire, frozen=True, gc=False):
    """A customer as he is now."""

    customer: Customer


class CustomerEngagement(_Wire, frozen=True, gc=False):
    """A customer did something, such as a visit or a click."""

    customer_id: str
    kind: str = ""
    data: dict[str, Any] = {}


# --- ai.* -------------------------------------------------------------------------------------------------------------


class AiResponse(MessageResponse, frozen=True, gc=False):
    """A whole answer; like `message.response`."""


class AiStream(MessageDelta, frozen=True, gc=False):
    """A piece of a growing answer; like `message.delta`."""


class AiToolCall(_Wire, frozen=True, gc=False):
    """A tool is used for an answer, or has given its result."""

    session_id: str
    message_id: str
    call_id: str
    name: str
    arguments: Any = None
    result: Any = None
    status: str = ""


# --- campaign.* -------------------------------------------------------------------------------------------------------


class CampaignSent(_Wire, frozen=True, gc=False):
    """A campaign went out to so many."""

    campaign_id: str
    count: int | None = None


class CampaignDelivered(_Wire, frozen=True, gc=False):
    """A campaign reached a customer."""

    campaign_id: str
    customer_id: str | None = None


class CampaignOpened(_Wire, frozen=True, gc=False):
    """A customer opened what a campaign sent."""

    campaign_id: str
    customer_id: str | None = None


# --- system.* ---------------------------------------------------------------------------------------------------------


class SystemMaintenance(_Wire, frozen=True, gc=False):
    """The server will be away for a while."""

    message: str = ""
    starts_at: datetime | float | None = None
    ends_at: datetime | float | None = None


class SystemUpdate(_Wire, frozen=True, gc=False):
    """There is a new version."""

    version: str = ""
    message: str = ""


# --- the registry -----------------------------------------------------------------------------------------------------

_ROWS = (
    MessageType("activity.created", ActivityCreated),
    MessageType("activity.updated", ActivityUpdated),
    MessageType("activity.completed", ActivityCompleted),
    MessageType("customer.created", CustomerCreated),
    MessageType("customer.updated", CustomerUpdated),
    MessageType("customer.engagement", CustomerEngagement),
    MessageType("ai.response", AiResponse),
    MessageType("ai.stream", AiStream),
    MessageType("ai.tool_call", AiToolCall),
    MessageType("campaign.sent", CampaignSent),
    MessageType("campaign.delivered", CampaignDelivered),
    MessageType("campaign.opened", CampaignOpened),
    MessageType("system.maintenance", SystemMaintenance, required=False),
    MessageType("system.update", SystemUpdate, required=False),
)

CHANNEL_EVENTS: tuple[str, ...] = (
    *(row.name for row in _ROWS),
    "notification.new",
    "notification.read",
)
"""The names of all event types."""

FAMILIES: tuple[str, ...] = ("activity", "customer", "notification", "ai", "campaign", "system")
"""The first words of their names."""


def command_center(registry: Registry | None = None) -> Registry:
    """Returns a registry with these types and those of `agent_chat` added; names that it has already keep their class.

    Args:
        registry: The registry to extend, which stays as it is; `protocol_v1()` when None.
    """
    extended = agent_chat(registry)
    for row in _ROWS:
        if row.name not in extended:
            extended.add(row)
    return extended
