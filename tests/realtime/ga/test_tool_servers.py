"""Tool servers (MCP) of a session on the wire: which are served, and the events of their lists, calls and approvals."""

from __future__ import annotations

from typing import Any

import pytest
from spoken import Spoken, kinds, one

from voicepipe.conversation import Conversation, Function, FunctionCall, ToolFilter
from voicepipe.events import (
    FunctionCalled,
    FunctionReturned,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    ServerTool,
    ToolApprovalGiven,
    ToolListFailed,
    ToolListStarted,
    ToolsListed,
)

TALK = Conversation("Be brief.").user_said("Is it open?")
URL = "https://mcp.example/town"
MCP = {"type": "mcp", "server_label": "town", "server_url": URL, "require_approval": "never"}
KEYS = {"authorization": "s3cret", "headers": {"X-Key": "s3cret"}}
FUNCTION = {"type": "function", "name": "weather", "parameters": {"type": "object"}}
OPEN = ServerTool(Function("opening_hours", "When.", {"type": "object"}), "opening.hours", {"readOnlyHint": True})
CLOSE = ServerTool(Function("close_town", "Close.", {"type": "object"}), "close_town", needs_approval=True)
LISTED = ToolsListed("town", (OPEN, CLOSE))
CALL = FunctionCalled(FunctionCall("c1", "opening_hours", '{"a": 1}'), server_side=True, server="town")
SHUT = FunctionCalled(FunctionCall("c2", "close_town"), server_side=True, server="town")
END = ReplyEnded("", TALK)


def client(**options: Any) -> Spoken:
    return Spoken(mcp_urls=["https://mcp.example"], **options)


def asking() -> tuple[Spoken, str]:
    """Return a client that is asked for its approval, and the id of the request."""
    spoken = client()
    told = spoken.tell(LISTED, ReplyStarted(TALK, "reply1"), SHUT)
    return spoken, told[-1]["item"]["id"]


def decide(spoken: Spoken, request: str, *, approve: bool, **more: Any) -> Any:
    item = {"type": "mcp_approval_response", "approval_request_id": request, "approve": approve, **more}
    return spoken.decode("conversation.item.create", item=item)


def test_an_allowed_server_is_part_of_the_settings() -> None:
    """Its keys reach the pipeline's side, and are neither repeated nor written."""
    settings = client().decode("session.update", session={"tools": [{**MCP, **KEYS}, FUNCTION]})
    (server,) = settings.generation.servers
    assert (server.label, server.url) == ("town", URL)
    assert server.headers == (("Authorization", "Bearer s3cret"), ("X-Key", "s3cret"))
    assert "s3cret" not in repr(settings)
    (updated,) = client().tell(settings)
    assert "s3cret" not in repr(updated)


def test_keys_are_not_repeated() -> None:
    """A header is named, since a client may compare its tools."""
    spoken = client()
    (updated,) = spoken.say("session.update", session={"tools": [{**MCP, **KEYS}]})
    assert updated["session"]["tools"] == [{**MCP, "headers": {"X-Key": "<redacted>"}}]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"server_url": "https://mcp.example.evil/town"}, "mcp_allowed_urls"),
        ({"server_url": "https://mcp.example@evil/town"}, "mcp_allowed_urls"),
        ({"server_url": "http://mcp.example/town"}, "mcp_allowed_urls"),
        ({"server_url": "https://mcp.example/a/%2e%2e/b"}, "mcp_allowed_urls"),
        ({"server_url": None, "connector_id": "connector_gmail"}, "connectors"),
        ({"server_label": "a b"}, "server_label is invalid"),
        ({"headers": {"Host": "other"}}, "headers"),
        ({"headers": {"X": "a\r\nHost: b"}}, "headers"),
        ({"require_approval": "sometimes"}, "require_approval is invalid"),
        ({"type": "web_search"}, "only functions and MCP servers"),
    ],
)
def test_a_server_is_refused_alone_with_the_reason(change: dict[str, Any], why: str) -> None:
    """And without what it holds."""
    spoken = client()
    wanted = {"tools": [{**MCP, **KEYS, **change}, FUNCTION], "instructions": "Be brief."}
    updated, error = spoken.say("session.update", session=wanted)
    assert updated["session"]["tools"] == [FUNCTION]
    assert updated["session"]["instructions"] == "Be brief."
    assert (error["error"]["code"], error["error"]["param"]) == ("unsupported_tool", "session.tools")
    assert why in error["error"]["message"]
    assert "s3cret" not in error["error"]["message"]


def test_two_servers_of_one_label_and_too_many() -> None:
    """The first ones are served."""
    tools = [{**MCP, "server_label": f"s{number}"} for number in range(9)]
    updated, error = client().say("session.update", session={"tools": [*tools[:2], tools[0]]})
    assert len(updated["session"]["tools"]) == 2
    assert "another tool has its server_label" in error["error"]["message"]
    updated, error = client().say("session.update", session={"tools": tools})
    assert len(updated["session"]["tools"]) == 8
    assert "8 servers are the limit" in error["error"]["message"]


def test_a_response_may_name_a_server() -> None:
    """One that is refused is told behind the request."""
    spoken = client()
    request = spoken.decode("response.create", response={"tools": [MCP, {**MCP, "server_url": "https://evil"}]})
    assert [server.label for server in request.generation.servers] == ["town"]
    (error,) = spoken.tell(request)
    assert error["error"]["param"] == "response.tools"


@pytest.mark.parametrize(
    ("wanted", "needed"),
    [
        (None, {"read": True, "write": True}),
        ("always", {"read": True, "write": True}),
        ("never", {"read": False, "write": False}),
        ({"never": {"read_only": True}}, {"read": False, "write": True}),
        ({"never": {"tool_names": ["write"]}}, {"read": True, "write": False}),
        ({"always": {"tool_names": ["write"]}}, {"read": False, "write": True}),
        ({"always": {"tool_names": ["write"]}, "never": {"tool_names": ["write"]}}, {"read": True, "write": True}),
    ],
)
def test_which_tools_need_the_approval(wanted: Any, needed: dict[str, bool]) -> None:
    """Each, unless the client says otherwise."""
    settings = client().decode("session.update", session={"tools": [{**MCP, "require_approval": wanted}]})
    (server,) = settings.generation.servers
    found = {name: server.needs_approval(name, read_only=name == "read") for name in needed}
    assert found == needed


def test_allowed_tools() -> None:
    """By name, by what they do, or both."""
    for written, choice in (
        (["read"], ToolFilter(frozenset(["read"]))),
        ({"read_only": True}, ToolFilter(None, read_only=True)),
        (None, ToolFilter()),
    ):
        settings = client().decode("session.update", session={"tools": [{**MCP, "allowed_tools": written}]})
        assert settings.generation.servers[0].allow == choice
    assert not ToolFilter(frozenset(["read"])).matches("write", read_only=True)


# ---- lists ----------------------------------------------------------------------------------------------------------


def test_a_list_of_tools() -> None:
    """An item, with what the server says of each."""
    told = client().tell(ToolListStarted("town"), LISTED)
    added, *_, done = told
    begun = ["conversation.item.added", "mcp_list_tools.in_progress"]
    assert kinds(told) == [*begun, "mcp_list_tools.completed", "conversation.item.done"]
    assert (added["item"]["type"], added["item"]["tools"]) == ("mcp_list_tools", [])
    first = done["item"]["tools"][0]
    assert (first["name"], first["annotations"]) == ("opening.hours", {"readOnlyHint": True})


def test_a_list_that_fails_and_comes_later() -> None:
    """The error names the server; the list is a new item."""
    spoken = client()
    told = spoken.tell(ToolListStarted("town"), ToolListFailed("town", "The tools of town cannot be listed."))
    assert kinds(told)[2:] == ["mcp_list_tools.failed", "conversation.item.done", "error"]
    assert "town" in told[-1]["error"]["message"]
    assert one(spoken.tell(LISTED), "mcp_list_tools.completed")["item_id"] != told[0]["item"]["id"]


# ---- calls ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failed", [False, True])
def test_a_call(*, failed: bool) -> None:
    """Its arguments, its result or its error."""
    spoken = client()
    spoken.tell(LISTED)
    output = '{"error": "too late"}' if failed else "until five"
    told = spoken.tell(ReplyStarted(TALK, "reply1"), CALL, FunctionReturned("c1", output, failed=failed), END)
    assert kinds(told) == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.mcp_call.in_progress",
        f"response.mcp_call.{'failed' if failed else 'completed'}",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
    ]
    (item,) = told[-1]["response"]["output"]
    assert (item["server_label"], item["name"], item["arguments"]) == ("town", "opening.hours", '{"a": 1}')
    assert item.get("output") == (None if failed else "until five")
    assert item.get("error") == ({"type": "tool_execution_error", "message": "too late"} if failed else None)


def test_a_call_that_outlives_its_response() -> None:
    """Its output is told, and is in the item."""
    spoken = client()
    told = spoken.tell(LISTED, ReplyStarted(TALK, "reply1"), CALL, ReplyInterrupted("", TALK))
    assert kinds(told)[-3:] == ["response.output_item.done", "conversation.item.done", "response.done"]
    (late,) = spoken.tell(FunctionReturned("c1", "until five"))
    assert late["type"] == "response.mcp_call.completed"
    (found,) = spoken.say("conversation.item.retrieve", item_id=late["item_id"])
    assert found["item"]["output"] == "until five"


def test_a_function_of_the_pipeline_is_not_told() -> None:
    """Even if a tool of a server has its name."""
    spoken = client()
    call = FunctionCalled(CALL.call, server_side=True)
    told = spoken.tell(LISTED, ReplyStarted(TALK, "reply1"), call, FunctionReturned("c1", "until five"), END)
    assert kinds(told)[-2:] == ["response.created", "response.done"]


# ---- approvals ------------------------------------------------------------------------------------------------------


def test_a_call_that_the_client_approves_of() -> None:
    """It is made when the client says so, and names the request."""
    spoken, request = asking()
    decided = decide(spoken, request, approve=True, reason="yes")
    assert isinstance(decided, ToolApprovalGiven)
    assert (decided.call_id, decided.approve, decided.reason) == ("c2", True, "yes")
    told = spoken.tell(decided, FunctionReturned("c2", "closed"), END)
    assert kinds(told)[:2] == ["conversation.item.added", "conversation.item.done"]
    asked, called = told[-1]["response"]["output"]
    assert (asked["type"], called["type"]) == ("mcp_approval_request", "mcp_call")
    assert (called["approval_request_id"], called["output"]) == (request, "closed")


def test_a_call_that_the_client_refuses() -> None:
    """It is not made."""
    spoken, request = asking()
    told = spoken.tell(decide(spoken, request, approve=False), FunctionReturned("c2", "refused", failed=True), END)
    assert [item["type"] for item in told[-1]["response"]["output"]] == ["mcp_approval_request"]


def test_an_approval_after_an_interruption() -> None:
    """The call is an item of its own, since its response is over."""
    spoken, request = asking()
    spoken.tell(ReplyInterrupted("", TALK))
    told = spoken.tell(decide(spoken, request, approve=True), FunctionReturned("c2", "closed"))
    assert kinds(told) == ["conversation.item.added", "conversation.item.done"] * 2
    assert told[-1]["item"]["output"] == "closed"


def test_a_decision_that_none_waits_for() -> None:
    """An unknown one, and the second of two."""
    spoken, request = asking()
    item = {"type": "mcp_approval_response", "approval_request_id": "mcp_0", "approve": True}
    wrong = ("invalid_approval_request_id", "item.approval_request_id")
    assert spoken.rejected("conversation.item.create", item=item) == wrong
    spoken.tell(decide(spoken, request, approve=True))
    assert spoken.rejected("conversation.item.create", item={**item, "approval_request_id": request}) == wrong
    referred = {"input": [{"type": "item_reference", "id": request}]}
    assert spoken.rejected("response.create", response={**referred, "conversation": "none"})[0] == "item_not_found"
