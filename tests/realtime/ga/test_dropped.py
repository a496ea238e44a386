"""A request that cannot be met is dropped alone; the rest of its message holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from openai.types.realtime import RealtimeResponseUsage
from spoken import Spoken, kinds, one

from voicepipe.conversation import Conversation
from voicepipe.events import (
    ReplyCancelled,
    ReplyEnded,
    ReplyStarted,
    SessionOpened,
    SpeechEncoded,
    TokensCounted,
    WordSpoken,
)

TALK = Conversation("Be brief.").user_said("Hi!")
FUNCTION = {"type": "function", "name": "weather", "parameters": {"type": "object"}}
MCP = {"type": "mcp", "server_label": "docs", "server_url": "https://example.org/mcp"}
REPLY = (ReplyStarted(TALK, "reply1"), SpeechEncoded(b"\x01\x02", 1000), WordSpoken("Hello", 0.0, 0.2))


@pytest.mark.parametrize("choice", [{"type": "mcp", "server_label": "docs"}, "auto", None])
def test_one_tool_of_another_type_costs_itself(choice: Any) -> None:
    """As the agents SDK's telephone demo sends it, whose formats must hold."""
    client = Spoken()
    sound = {"format": {"type": "audio/pcmu"}}
    session = {"tools": [MCP, FUNCTION], "tool_choice": choice, "audio": {"input": sound, "output": sound}}
    settings = client.decode("session.update", session=session)
    assert [function.name for function in settings.generation.functions] == ["weather"]
    updated, error = client.tell(settings)
    assert updated["session"]["tools"] == [FUNCTION]
    assert not [key for key in updated["session"] if "refused" in key]
    assert (error["error"]["type"], error["error"]["code"]) == ("invalid_request_error", "unsupported_tool")
    assert error["error"]["message"].endswith("Left out: mcp (docs).")
    assert len(client.tell(settings)) == 1  # once
    assert updated["session"]["audio"]["input"]["format"] == {"type": "audio/pcmu"}
    request = client.decode("response.create", response={"tools": [MCP, FUNCTION], "tool_choice": choice})
    assert [function.name for function in request.generation.functions] == ["weather"]


@pytest.mark.parametrize("beta", [False, True], ids=["ga", "beta"])
def test_refused_tools_are_named_and_not_all_of_them(beta: bool) -> None:
    """A client cannot have itself told of others."""
    tools = [{**MCP, "server_label": f"s{number}"} for number in range(7)]
    told = Spoken(beta=beta).say("session.update", session={"tools": tools, "refused_tools": ["mine"]})
    assert kinds(told) == ["session.updated", "error"]
    assert told[1]["error"]["message"].endswith(
        "Left out: mcp (s0), mcp (s1), mcp (s2), mcp (s3), mcp (s4), and 2 more."
    )


@pytest.mark.parametrize("beta", [False, True], ids=["ga", "beta"])
def test_settings_of_other_models_are_repeated(beta: bool) -> None:
    """A client may compare them with its own."""
    wanted = {"reasoning": {"effort": "low"}, "parallel_tool_calls": False}
    (updated,) = Spoken(beta=beta).say("session.update", session=wanted)
    assert {key: updated["session"].get(key) for key in wanted} == wanted


def test_the_output_buffer_is_cleared_by_the_end_of_its_reply() -> None:
    """Without a reply nothing happens; it is no error."""
    client = Spoken()
    assert client.say("output_audio_buffer.clear") == []
    told = client.tell(*REPLY)
    cleared = client.decode("output_audio_buffer.clear")
    assert cleared == ReplyCancelled(clears=True)
    (answer,) = client.tell(cleared)
    assert answer["type"] == "output_audio_buffer.cleared"
    assert answer["response_id"] == one(told, "response.created")["response"]["id"]


@pytest.mark.parametrize("beta", [False, True], ids=["ga", "beta"])
def test_a_response_counts_its_tokens(beta: bool) -> None:
    """By kind, and the kinds sum to the totals."""
    client = Spoken(beta=beta)
    usage = one(client.tell(*REPLY, ReplyEnded("Hello", TALK)), "response.done")["response"]["usage"]
    assert usage["output_token_details"] == {"text_tokens": 2, "audio_tokens": 20}
    assert usage["input_token_details"]["text_tokens"] == usage["input_tokens"] == 3
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] == 3 + 22
    assert kinds(client.told)[-2:] == ["response.done", "rate_limits.updated"]


@pytest.mark.parametrize("beta", [False, True], ids=["ga", "beta"])
def test_what_the_model_counts_takes_the_place_of_the_estimate(beta: bool) -> None:
    """All its requests, in the types of the official client; a text that no model wrote has cost none."""
    client = Spoken(beta=beta)
    counted = (TokensCounted(100, 20, 64), TokensCounted(130, 7, 100))
    done = one(client.tell(*REPLY, *counted, ReplyEnded("Hello", TALK)), "response.done")
    usage = RealtimeResponseUsage.model_validate(done["response"]["usage"], strict=True).model_dump(exclude_none=True)
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (230, 27 + 20, 277)
    cached = {"text_tokens": 164, "audio_tokens": 0, "image_tokens": 0}
    read = {"text_tokens": 230, "audio_tokens": 0, "image_tokens": 0}
    assert usage["input_token_details"] == {**read, "cached_tokens": 164, "cached_tokens_details": cached}
    assert usage["output_token_details"] == {"text_tokens": 27, "audio_tokens": 20}
    said = replace(TALK, verbatim="Hello")
    done = one(client.tell(ReplyStarted(said, "reply2"), *REPLY[1:], ReplyEnded("Hello", said)), "response.done")
    assert done["response"]["usage"]["total_tokens"] == 20


def test_a_beta_client_is_told_of_its_conversation() -> None:
    """Behind the greeting, with the id that its responses have."""
    client = Spoken(beta=True)
    client.tell(SessionOpened("sess_1"), *REPLY)
    assert kinds(client.told)[:2] == ["session.created", "conversation.created"]
    created = one(client.told, "response.created")["response"]
    assert client.told[1]["conversation"] == {"id": created["conversation_id"], "object": "realtime.conversation"}
