"""Function calling on the wire: every event of a call in its place, with every name in it; and what the client wants of
one response."""

from __future__ import annotations

from typing import Any

import pytest
from spoken import Spoken as Client
from spoken import kinds, one

from voicepipe.conversation import Conversation
from voicepipe.events import (
    Function,
    FunctionCall,
    FunctionCalled,
    FunctionCallWritten,
    FunctionDelayed,
    FunctionReturned,
    Generation,
    ItemCreated,
    MaxTokensReached,
    ReplyEnded,
    ReplyInterrupted,
    ReplyRequested,
    ReplyStarted,
    ReplyText,
    ReplyTextWritten,
    SpeechEncoded,
    StageFailed,
    TurnConfirmed,
    TurnEnded,
    TurnStarted,
    WordSpoken,
)

TALK = Conversation("Be brief.").user_said("Is it warm?")
CITY = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"type": "function", "name": "weather", "description": "How warm it is.", "parameters": CITY}
WEATHER = Function("weather", "How warm it is.", CITY)
PARIS = FunctionCall("c1", "weather", '{"city": "Paris"}')
ROME = FunctionCall("c2", "weather", '{"city": "Rome"}')
BEGIN = ReplyStarted(TALK, "reply1")
SAID = (ReplyText("One"), ReplyText(" moment."), SpeechEncoded(b"\x01\x02", 80), WordSpoken("One", 0.0, 0.2))
END = ReplyEnded("", TALK)


def pieces(call: FunctionCall) -> list[FunctionCallWritten]:
    """As they come from the model: first its name."""
    half = len(call.arguments) // 2
    return [
        FunctionCallWritten(call.id, call.name, text) for text in ("", call.arguments[:half], call.arguments[half:])
    ]


CALLED = (*pieces(PARIS), FunctionCalled(PARIS))


@pytest.fixture
def client() -> Client:
    return Client()


def of(told: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [message for message in told if message["type"] == kind]


def outputs(told: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return the items of the finished response."""
    return [(item["type"], item["status"]) for item in told[-1]["response"]["output"]]


# ---- a call of the model --------------------------------------------------------------------------------------------


def test_a_call_in_order(client: Client) -> None:
    """Its item, its arguments piece by piece and whole, its end."""
    told = client.tell(BEGIN, *CALLED, END)
    assert kinds(told) == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
    ]
    response_id, item = told[0]["response"]["id"], told[6]["item"]
    where = {"response_id": response_id, "item_id": item["id"], "output_index": 0, "call_id": "c1"}
    for message in told[3:6]:
        assert where.items() <= message.items()
    assert "".join(delta["delta"] for delta in told[3:5]) == PARIS.arguments
    assert (told[5]["arguments"], told[5]["name"]) == (PARIS.arguments, "weather")
    begun = {"object": "realtime.item", "type": "function_call", "name": "weather", "call_id": "c1", "id": item["id"]}
    assert told[1]["item"] == told[2]["item"] == {**begun, "status": "in_progress", "arguments": ""}
    assert item == told[7]["item"] == {**begun, "status": "completed", "arguments": PARIS.arguments}
    assert [(one["response_id"], one["output_index"]) for one in (told[1], told[6])] == [(response_id, 0)] * 2
    assert (told[8]["response"]["status"], told[8]["response"]["output"]) == ("completed", [item])


def test_a_call_behind_what_is_said(client: Client) -> None:
    """The call is complete long before the words before it have been heard: each has its index, and the message its
    place before the call."""
    told = client.tell(BEGIN, *SAID, *CALLED, WordSpoken("moment.", 0.2, 0.4), END)
    message, call = (added["item"]["type"] for added in of(told, "response.output_item.added"))
    assert (message, call) == ("message", "function_call")
    assert [done["output_index"] for done in of(told, "response.output_item.done")] == [1, 0]
    assert {delta["output_index"] for delta in of(told, "response.output_audio_transcript.delta")} == {0}
    assert {delta["output_index"] for delta in of(told, "response.function_call_arguments.delta")} == {1}
    assert outputs(told) == [("message", "completed"), ("function_call", "completed")]
    assert told[-1]["response"]["output"][0]["content"] == [{"type": "output_audio", "transcript": "One moment."}]
    first, second = of(told, "conversation.item.added")
    assert second["previous_item_id"] == first["item"]["id"]


def test_a_call_before_the_first_sound(client: Client) -> None:
    """The voice has not begun yet: the message is opened all the same, or its place would be behind the call."""
    told = client.tell(BEGIN, ReplyText("One"), *CALLED, *SAID[2:], END)
    assert outputs(told) == [("message", "completed"), ("function_call", "completed")]
    assert kinds(told)[1:5] == [
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_item.added",
    ]


def test_a_call_in_a_written_reply(client: Client) -> None:
    """Behind its text."""
    told = client.tell(ReplyStarted(Conversation(aloud=False), "reply1"), ReplyTextWritten("Wait."), *CALLED, END)
    assert outputs(told) == [("message", "completed"), ("function_call", "completed")]
    assert one(told, "response.output_text.done")["text"] == "Wait."


def test_several_calls(client: Client) -> None:
    """Each is an item of its own; one that comes whole has no deltas before its end."""
    told = client.tell(BEGIN, *CALLED, FunctionCalled(ROME), END)
    done = of(told, "response.function_call_arguments.done")
    assert [(call["call_id"], call["output_index"], call["arguments"]) for call in done] == [
        ("c1", 0, PARIS.arguments),
        ("c2", 1, ROME.arguments),
    ]
    assert len({call["item_id"] for call in done}) == 2
    assert {delta["call_id"] for delta in of(told, "response.function_call_arguments.delta")} == {"c1"}


def test_calls_of_two_replies_with_one_id(client: Client) -> None:
    """Some services count anew in each answer; the items have names of their own."""
    told = client.tell(BEGIN, *CALLED, END, ReplyStarted(TALK, "reply2"), *CALLED, END)
    assert len({done["item"]["id"] for done in of(told, "response.output_item.done")}) == 2


def test_a_call_that_is_cut(client: Client) -> None:
    """The user speaks: it is incomplete, and nobody is told to run it."""
    told = client.tell(BEGIN, *CALLED[:2], TurnStarted(1.0, "turn2"), TurnConfirmed(1.0), ReplyInterrupted("", TALK))
    assert not of(told, "response.function_call_arguments.done")
    (done,) = of(told, "response.output_item.done")
    assert (done["item"]["status"], done["item"]["arguments"]) == ("incomplete", CALLED[1].delta)  # type: ignore[union-attr]
    assert kinds(told)[-3:] == ["response.output_item.done", "conversation.item.done", "response.done"]
    assert (told[-1]["response"]["status"], outputs(told)) == ("cancelled", [("function_call", "incomplete")])


def test_a_complete_call_of_a_reply_that_is_cut(client: Client) -> None:
    """It was told of, and stays: the client may be running it."""
    told = client.tell(BEGIN, *SAID, *CALLED, ReplyInterrupted("One", TALK))
    assert outputs(told) == [("message", "incomplete"), ("function_call", "completed")]
    assert len(of(told, "response.output_item.done")) == 2


def test_a_model_that_fails_in_mid_call(client: Client) -> None:
    """The response fails, and the call with it."""
    told = client.tell(BEGIN, *CALLED[:2], StageFailed("LLM", TimeoutError()), END)
    assert (told[-1]["response"]["status"], outputs(told)) == ("failed", [("function_call", "incomplete")])


def test_an_answer_at_its_limit(client: Client) -> None:
    """Incomplete, with the reason; what was complete is."""
    told = client.tell(BEGIN, *CALLED, *pieces(ROME), MaxTokensReached(), END)
    response = told[-1]["response"]
    assert (response["status"], response["status_details"]["reason"]) == ("incomplete", "max_output_tokens")
    assert outputs(told) == [("function_call", "completed"), ("function_call", "incomplete")]


def test_functions_of_the_pipeline_are_not_told_of(client: Client) -> None:
    """The client is told the words alone, not the call, its result, or that it takes a while."""
    here = (FunctionCalled(PARIS, server_side=True), FunctionDelayed(0.8), FunctionReturned("c1", "21"))
    told = client.tell(BEGIN, *SAID, *here, WordSpoken("moment.", 0.2, 0.4), END)
    assert outputs(told) == [("message", "completed")]
    assert not [kind for kind in kinds(told) if "function" in kind]


def test_beta_has_the_same_under_its_names() -> None:
    """One `conversation.item.created` for each item."""
    told = Client(beta=True).tell(BEGIN, *CALLED, END)
    assert kinds(told) == [
        "response.created",
        "response.output_item.added",
        "conversation.item.created",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.done",
    ]
    assert told[-1]["response"]["output"] == [told[-2]["item"]]


# ---- items of the client --------------------------------------------------------------------------------------------


def result(call_id: str = "c1", **item: Any) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": "21 degrees", **item}


def called(**item: Any) -> dict[str, Any]:
    return {"type": "function_call", "name": "weather", "arguments": "{}", **item}


def test_what_a_call_gave(client: Client) -> None:
    """It becomes an item behind the others, and is a message of a tool for the model."""
    call = one(client.tell(BEGIN, *CALLED, END), "response.output_item.done")["item"]
    created = client.decode("conversation.item.create", item=result(id="mine"))
    assert created == ItemCreated("=mine", "tool", "21 degrees", None, FunctionCall("c1", ""))
    added, done = client.tell(created)
    assert (added["type"], done["type"]) == ("conversation.item.added", "conversation.item.done")
    assert added["previous_item_id"] == call["id"]
    assert added["item"] == {"id": "mine", "object": "realtime.item", "status": "completed", **result()}
    (told,) = client.say("conversation.item.retrieve", item_id="mine")
    assert told["item"] == added["item"]


@pytest.mark.parametrize("call_id", ["gone", "", "C1"])
def test_the_result_of_a_call_that_was_not_made(client: Client, call_id: str) -> None:
    """Named, and forgotten."""
    client.tell(BEGIN, *CALLED, END)
    assert client.rejected("conversation.item.create", item=result(call_id)) == ("invalid_tool_call_id", "item.call_id")
    assert client.rejected("response.create", response={"input": [result(call_id)]}) == (
        "invalid_tool_call_id",
        "response.input.0.call_id",
    )


def test_calls_can_be_written_into_the_history(client: Client) -> None:
    """With an id, or one that we make up; in their place, with what they gave behind them."""
    client.say("conversation.item.create", item={"type": "message", "role": "user", "content": [], "id": "last"})
    first = client.decode("conversation.item.create", item=called(call_id="c7", id="a"), previous_item_id="root")
    assert first == ItemCreated("=a", "assistant", "", "", FunctionCall("c7", "weather", "{}"))
    client.tell(first)
    second = client.decode("conversation.item.create", item=result("c7", id="b"), previous_item_id="a")
    assert second.after == "=a"
    assert client.tell(second)[0]["previous_item_id"] == "a"
    made_up = client.decode("conversation.item.create", item=called())
    assert made_up.call.id
    assert client.decode("conversation.item.create", item=result(made_up.call.id)).call.id == made_up.call.id
    assert client.say("conversation.item.delete", item_id="a")[0]["type"] == "conversation.item.deleted"
    assert client.rejected("conversation.item.create", item=result("c7"))[0] == "invalid_tool_call_id"


@pytest.mark.parametrize(
    ("item", "param"),
    [
        (called(name=""), "item.name"),
        (called(arguments={"city": "Paris"}), "item.arguments"),
        (called(arguments=None), "item.arguments"),
        (called(call_id=7), "item.call_id"),
        ({"type": "function_call", "arguments": "{}"}, "item.name"),
        (result(output=21), "item.output"),
        ({"type": "function_call_output", "output": ""}, "item.call_id"),
        (called(type="mcp_call"), "item.type"),
    ],
)
def test_what_is_no_call(client: Client, item: dict[str, Any], param: str) -> None:
    """Is told with the field that is wrong."""
    assert client.rejected("conversation.item.create", item=item)[1] == param


# ---- what the model may call ----------------------------------------------------------------------------------------


def test_functions_of_the_session(client: Client) -> None:
    """They are what the model is told, and are repeated as they were written; an empty list takes them away."""
    changed = client.decode("session.update", session={"tools": [{**TOOL, "strict": True}], "tool_choice": "required"})
    assert changed.generation == Generation((WEATHER,), choice="required")
    session = client.tell(changed)[0]["session"]
    assert (session["tools"], session["tool_choice"]) == ([{**TOOL, "strict": True}], "required")
    assert client.decode("session.update", session={"instructions": "Sing."}).generation.functions == (WEATHER,)
    assert client.decode("session.update", session={"tools": []}).generation == Generation(choice="required")
    assert client.decode("session.update", session={"tools": None}).generation.functions == ()
    bare = client.decode(
        "session.update", session={"tools": [{"type": "function", "name": "now"}], "tool_choice": None}
    )
    assert bare.generation == Generation((Function("now"),))


@pytest.mark.parametrize(
    ("session", "param"),
    [
        ({"tools": TOOL}, "session.tools"),
        ({"tools": [{**TOOL, "type": 7}]}, "session.tools.0.type"),
        ({"tools": [{**TOOL, "name": "the weather"}]}, "session.tools.0.name"),
        ({"tools": [{**TOOL, "name": "w" * 65}]}, "session.tools.0.name"),
        ({"tools": [{**TOOL, "parameters": "{}"}]}, "session.tools.0.parameters"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "name": "gone"}}, "session.tool_choice.name"),
        ({"tool_choice": {"type": "function", "name": "weather"}}, "session.tool_choice.name"),
        ({"max_output_tokens": 0}, "session.max_output_tokens"),
        ({"max_output_tokens": "many"}, "session.max_output_tokens"),
        ({"temperature": 3}, "session.temperature"),
    ],
)
def test_settings_that_cannot_be(client: Client, session: dict[str, Any], param: str) -> None:
    """Nothing of them holds, and the answer says which is wrong."""
    before = client.decode("session.update", session={}).generation
    code, wrong = client.rejected("session.update", session={"instructions": "New.", **session})
    assert code
    assert wrong is not None
    assert wrong.startswith(param)
    after = client.decode("session.update", session={})
    assert (after.generation, after.system_prompt != "New.") == (before, True)


def test_functions_of_one_response(client: Client) -> None:
    """In place of those of the session, or without them; the next one is as the session says."""
    client.say("session.update", session={"tools": [TOOL], "max_output_tokens": 100, "temperature": 0.5})
    other = {"type": "function", "name": "now"}

    def wanted(**response: Any) -> Generation:
        request = client.decode("response.create", response=response)
        assert isinstance(request, ReplyRequested), request
        assert request.generation is not None
        client.tell(ReplyStarted(TALK, request.item), END)
        return request.generation

    usual = Generation((WEATHER,), max_tokens=100, temperature=0.5)
    assert wanted() == usual
    assert wanted(tools=[other], max_output_tokens=7, temperature=1.5) == Generation(
        (Function("now"),), max_tokens=7, temperature=1.5
    )
    assert wanted(tools=[], max_output_tokens="inf") == Generation(temperature=0.5)
    assert wanted(tool_choice="none").choice == "none"
    assert wanted(tools=[other], tool_choice={"type": "function", "name": "now"}).must_call == "now"
    assert wanted(tool_choice={"type": "function", "name": "weather"}).must_call == "weather"
    assert wanted() == usual


def test_a_choice_that_there_is_not(client: Client) -> None:
    """A function that must be called, and is not offered."""
    choice = {"type": "function", "name": "gone"}
    assert client.rejected("response.create", response={"tools": [TOOL], "tool_choice": choice}) == (
        "invalid_value",
        "response.tool_choice.name",
    )
    assert isinstance(client.decode("response.create"), ReplyRequested), "it has left nothing behind"


def test_beta_has_its_own_names_for_wishes() -> None:
    """Flat, in the session and in a response."""
    client = Client(beta=True)
    session = {"tools": [TOOL], "tool_choice": "auto", "max_response_output_tokens": 100, "temperature": 0.7}
    changed = client.decode("session.update", session=session)
    assert changed.generation == Generation((WEATHER,), max_tokens=100, temperature=0.7)
    told = client.tell(changed)[0]["session"]
    assert (told["tools"], told["max_response_output_tokens"], told["temperature"]) == ([TOOL], 100, 0.7)
    wishes = {"max_response_output_tokens": 7, "tool_choice": "none", "temperature": 1.0}
    request = client.decode("response.create", response=wishes)
    assert request.generation == Generation((WEATHER,), choice="none", max_tokens=7, temperature=1.0)


# ---- how one response sounds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["audio/pcmu", "audio/opus"])
def test_the_format_of_one_response(client: Client, kind: str) -> None:
    """From its beginning to its end, however it ends; the client is told, and the session is as before."""
    for ends in (END, ReplyInterrupted("", TALK)):
        wishes = {"audio": {"output": {"format": {"type": kind}, "voice": {"id": "deep"}}}}
        request = client.decode("response.create", response=wishes)
        assert (request.voice, request.output_format) == ("deep", kind)
        (created,) = client.tell(ReplyStarted(TALK, request.item))
        assert created["response"]["audio"]["output"] == {"format": {"type": kind}, "voice": "deep"}
        client.tell(ends)
        assert client.decode("session.update", session={}).output_format == "audio/pcm"
    request = client.decode("response.create")
    assert (request.voice, request.output_format) == (None, "audio/pcm")


def test_a_session_that_changes_its_format_meanwhile(client: Client) -> None:
    """The response goes on as it began."""
    law = {"format": {"type": "audio/pcmu"}}
    client.tell(BEGIN, *SAID)
    assert client.decode("session.update", session={"audio": {"output": law}}).output_format == "audio/pcmu"
    done = client.tell(END)[-1]["response"]
    assert done["audio"]["output"]["format"]["type"] == "audio/pcm"
    (created,) = client.tell(ReplyStarted(TALK, "reply2"))
    assert created["response"]["audio"]["output"]["format"] == law["format"]


def test_beta_has_formats_of_one_response() -> None:
    """By their old names."""
    client = Client(beta=True)
    wishes = {"voice": "deep", "output_audio_format": "g711_alaw", "modalities": ["audio", "text"]}
    request = client.decode("response.create", response=wishes)
    (created,) = client.tell(ReplyStarted(TALK, request.item))
    response = created["response"]
    assert (response["voice"], response["output_audio_format"]) == ("deep", "g711_alaw")
    assert request.output_format == "audio/pcma"


# ---- what follows a call --------------------------------------------------------------------------------------------

ACTIVE = "conversation_already_has_active_response"


def test_what_follows_a_call_may_be_asked_for_before_it_is_over(client: Client) -> None:
    """The client has the result while the words before the call are still heard. Once; and only when it is complete."""
    client.tell(BEGIN, *SAID)
    assert client.rejected("response.create")[0] == ACTIVE
    client.tell(*CALLED[:-1])
    assert client.rejected("response.create")[0] == ACTIVE
    client.tell(CALLED[-1])
    request = client.decode("response.create")
    assert isinstance(request, ReplyRequested)
    assert client.rejected("response.create")[0] == ACTIVE
    told = client.tell(END, ReplyStarted(TALK, request.item))
    assert kinds(told)[-2:] == ["response.done", "response.created"]


def test_a_result_may_overtake_a_reply(client: Client) -> None:
    """The user has spoken while the function ran, and is being answered: what it gave is spoken of behind that."""
    client.tell(BEGIN, *CALLED, END, ReplyStarted(TALK, "reply2"), *SAID)
    assert client.rejected("response.create")[0] == ACTIVE
    client.say("conversation.item.create", item=result())
    assert isinstance(client.decode("response.create"), ReplyRequested)


def test_an_interruption_drops_what_should_have_followed(client: Client) -> None:
    """It is never begun, and does not stand in the way of the next one."""
    client.tell(BEGIN, *SAID, *CALLED)
    client.say("conversation.item.create", item=result())
    assert isinstance(client.decode("response.create"), ReplyRequested)
    client.tell(TurnStarted(1.0, "turn2"), TurnConfirmed(1.0), ReplyInterrupted("One", TALK))
    client.tell(TurnEnded("Stop.", 2.0, "turn2"))
    assert isinstance(client.decode("response.create"), ReplyRequested)
