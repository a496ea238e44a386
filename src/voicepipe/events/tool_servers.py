"""Events of the tool servers (MCP) that a client names in its session: their lists of tools, and its approvals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from voicepipe.conversation.functions import Function
from voicepipe.conversation.message import NO_ITEM, ItemId
from voicepipe.events.base import ClientEvent, Event

__all__ = ["ServerTool", "ToolApprovalGiven", "ToolListFailed", "ToolListStarted", "ToolsListed"]


@dataclass(frozen=True, slots=True)
class ServerTool:
    """A tool of a server.

    Args:
        function: the tool as the model may call it
        name: its name at the server
        annotations: what the server says of it besides
        needs_approval: True: the client approves each call
    """

    function: Function
    name: str
    annotations: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)
    needs_approval: bool = False


@dataclass(frozen=True, slots=True)
class ToolListStarted(Event):
    """A server is asked for its tools."""

    label: str


@dataclass(frozen=True, slots=True)
class ToolsListed(Event):
    """The tools of a server that the model may call from now on. A later list takes the place of an earlier one."""

    label: str
    tools: tuple[ServerTool, ...]


@dataclass(frozen=True, slots=True)
class ToolListFailed(Event):
    """A server has given no tools that can be called. `message` is for the client."""

    label: str
    message: str


@dataclass(frozen=True, slots=True)
class ToolApprovalGiven(ClientEvent):
    """The client has decided on the call `call_id` of a tool; `item` is its message, and `reason` its own words."""

    call_id: str
    approve: bool
    reason: str = ""
    item: ItemId = NO_ITEM
