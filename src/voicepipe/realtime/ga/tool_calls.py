"""`ToolServerItems`: the tool servers (MCP) of a session as its client sees them: lists of tools, calls, approvals."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from voicepipe.conversation import FunctionCall
from voicepipe.events import (
    FunctionReturned,
    ServerTool,
    ToolApprovalGiven,
    ToolListFailed,
    ToolListStarted,
    ToolsListed,
)
from voicepipe.realtime.ga.items import Items, ServerItem
from voicepipe.realtime.ga.responses import Message, ResponseEncoder
from voicepipe.realtime.ids import WireItemId

__all__ = ["ToolList", "ToolServerItems"]

ToolList: TypeAlias = ToolListStarted | ToolsListed | ToolListFailed
"""The events of a server's list of tools."""


@dataclass(slots=True)
class _Call:
    label: str
    tool: ServerTool
    call: FunctionCall
    response: ResponseEncoder
    request: ServerItem | None = None
    item: ServerItem | None = None


class ToolServerItems:
    """The items of one session's tool servers. `name` makes ids of a kind."""

    def __init__(self, items: Items, name: Callable[[str], str]) -> None:
        self._items, self._name = items, name
        self._lists: dict[str, ServerItem] = {}
        self._tools: dict[str, tuple[str, ServerTool]] = {}
        self._calls: dict[str, _Call] = {}

    def is_tool(self, function: str) -> bool:
        """Return whether a function is a server's tool."""
        return function in self._tools

    # ---- lists of tools ---------------------------------------------------------------------------------------------

    def listed(self, event: ToolList) -> Iterator[Message]:
        """Return the events of a list of tools; a later list of the same server is a new item."""
        item = self._lists.pop(event.label, None)
        if item is None:
            item = ServerItem(self._new(), "mcp_list_tools", {"server_label": event.label, "tools": []}, "in_progress")
            self._items.add(item)
            yield "conversation.item.added", {**self._place(item), "item": item.written()}
            yield "mcp_list_tools.in_progress", {"item_id": item.id}
        match event:
            case ToolListStarted(label=label):
                self._lists[label] = item
            case ToolsListed(label=label, tools=tools):
                self._tools = {name: one for name, one in self._tools.items() if one[0] != label}
                self._tools.update({tool.function.name: (label, tool) for tool in tools})
                item.fields = {**item.fields, "tools": [_written(tool) for tool in tools]}
                yield from self._over(item, "completed")
            case ToolListFailed(message=message):
                yield from self._over(item, "failed")
                body = {"type": "server_error", "code": "mcp_list_tools_failed", "message": message}
                yield "error", {"error": {**body, "param": None, "event_id": None}}

    def _over(self, item: ServerItem, how: str) -> Iterator[Message]:
        item.status = "completed" if how == "completed" else "incomplete"
        yield f"mcp_list_tools.{how}", {"item_id": item.id}
        if self._items.get(item.id) is item:  # which the client may have deleted
            yield "conversation.item.done", {**self._place(item), "item": item.written()}

    # ---- calls ------------------------------------------------------------------------------------------------------

    def called(self, call: FunctionCall, response: ResponseEncoder) -> Iterator[Message]:
        """Return the events of a call that the model has made in a response: of the call, or of the request for the
        client's approval."""
        label, tool = self._tools[call.name]
        one = self._calls[call.id] = _Call(label, tool, call, response)
        yield from response.before_call()
        if not tool.needs_approval:
            yield from self._begin(one)
            return
        fields = {"server_label": label, "name": tool.name, "arguments": call.arguments}
        one.request = ServerItem(self._new(), "mcp_approval_request", fields)
        yield from response.item_added(one.request)
        yield from response.item_done(one.request)

    def awaiting(self, request_id: str) -> str | None:
        """Return the id of the call that waits for the client's decision on this request; None if none does."""
        waiting = (one for one in self._calls.values() if one.request is not None and one.request.id == request_id)
        return next((one.call.id for one in waiting if one.item is None), None)

    def approved(self, event: ToolApprovalGiven) -> Iterator[Message]:
        """Return the events of a call that the client has approved of."""
        one = self._calls.get(event.call_id)
        if one is None or one.request is None:
            return
        if event.approve:
            yield from self._begin(one)
        else:
            del self._calls[event.call_id]

    def returned(self, event: FunctionReturned) -> Iterator[Message]:
        """Return the events of a call's result; of one that comes after its response, those that are left."""
        one = self._calls.pop(event.id, None)
        if one is None or one.item is None:
            return
        result = {"error": {"type": "tool_execution_error", "message": _error(event.output)}}
        one.item.fields |= result if event.failed else {"output": event.output}
        index = one.response.index_of(one.item)
        if index is not None:
            how = "failed" if event.failed else "completed"
            yield f"response.mcp_call.{how}", {"item_id": one.item.id, "output_index": index}
        if one.item.status != "in_progress":
            return
        one.item.status = "completed"
        if index is not None:
            yield from one.response.item_done(one.item)
        else:
            yield "conversation.item.done", {**self._place(one.item), "item": one.item.written()}

    def _begin(self, one: _Call) -> Iterator[Message]:
        """Return the events of a call that is made now; its response may be over."""
        fields: dict[str, Any] = {"server_label": one.label, "name": one.tool.name, "arguments": ""}
        if one.request is not None:
            fields["approval_request_id"] = one.request.id
        item = one.item = ServerItem(self._new(), "mcp_call", fields, "in_progress")
        if one.response.is_over:
            item.fields["arguments"] = one.call.arguments
            self._items.add(item)
            yield "conversation.item.added", {**self._place(item), "item": item.written()}
            return
        yield from one.response.item_added(item)
        item.fields["arguments"] = one.call.arguments
        index = one.response.index_of(item)
        where = {"response_id": one.response.id, "item_id": item.id, "output_index": index}
        yield "response.mcp_call_arguments.delta", {**where, "delta": one.call.arguments}
        yield "response.mcp_call_arguments.done", {**where, "arguments": one.call.arguments}
        yield "response.mcp_call.in_progress", {"item_id": item.id, "output_index": index}

    def _new(self) -> WireItemId:
        return WireItemId(self._name("mcp"))

    def _place(self, item: ServerItem) -> dict[str, Any]:
        return {"previous_item_id": self._items.before(item.id)}


def _written(tool: ServerTool) -> dict[str, Any]:
    about = {"name": tool.name, "description": tool.function.description, "input_schema": tool.function.parameters}
    return {**about, "annotations": tool.annotations or None}


def _error(output: str) -> str:
    """Return what went wrong, from what the model reads."""
    try:
        return str(json.loads(output)["error"])
    except (ValueError, KeyError, TypeError):
        return output
