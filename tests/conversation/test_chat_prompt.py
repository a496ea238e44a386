"""A conversation with function calls as a chat model reads it."""

from __future__ import annotations

from itertools import groupby, pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from voicepipe.conversation import Conversation
from voicepipe.conversation.chat_prompt import GREETING, NO_RESULT, NOTED, STILL_RUNNING, TAKEN_OVER, prompt
from voicepipe.conversation.message import CUT, SILENCE, Message
from voicepipe.events import FunctionCall, FunctionCalled, FunctionContinues, FunctionReturned, TurnEnded, WordSpoken
from voicepipe.events.fold import fold
from voicepipe.testing.servers.chat_rules import check


def said(text: str) -> Message:
    return Message("user", text)


def bot(text: str) -> Message:
    return Message("assistant", text)


def call(call_id: str, arguments: str = "{}", **extra: Any) -> Message:
    return Message("assistant", "", call=FunctionCall(call_id, "look", arguments, extra))


def result(call_id: str, text: str) -> Message:
    return Message("tool", text, call=FunctionCall(call_id, ""))


def told(*messages: Message, calls: bool = True) -> list[str]:
    """The prompt in brief, a line a message: role, text, and the calls by their ids."""
    return [_brief(message) for message in prompt("", messages, calls=calls, unfinished=True)]


def _brief(message: dict[str, Any]) -> str:
    match message:
        case {"role": "tool", "tool_call_id": call_id, "content": text}:
            return f"tool {call_id}: {text}"
        case {"role": role, "content": text, "tool_calls": calls}:
            return f"{role}: {text} [{' '.join(one['id'] for one in calls)}]"
        case {"role": role, "content": text}:
            return f"{role}: {text}"
        case _:
            raise AssertionError(message)


def test_a_call_follows_what_was_said_before_it() -> None:
    """One message of the assistant's says and calls; the result is behind it, then comes the answer."""
    talk = (said("Who is there?"), bot("Let me look."), call("1"), result("1", "Nobody."), bot("Nobody is."))
    assert told(*talk) == [
        "user: Who is there?",
        "assistant: Let me look. [1]",
        "tool 1: Nobody.",
        "assistant: Nobody is.",
    ]


def test_a_call_is_written_as_openai_has_it() -> None:
    """An answer without a text has null in its place, not an empty one; arguments are the model's own text."""
    written = prompt("", (said("Look!"), call("1", '{"at":\n1}', extra_content={"sign": "x"})), calls=True)
    function = {"name": "look", "arguments": '{"at":\n1}'}
    called = {"id": "1", "type": "function", "function": function, "extra_content": {"sign": "x"}}
    assert written[1] == {"role": "assistant", "content": None, "tool_calls": [called]}


def test_calls_side_by_side_are_of_one_message() -> None:
    """In the order of the calls, whichever returned first."""
    talk = (said("Look!"), call("1"), call("2"), result("2", "b"), result("1", "a"), bot("Done."))
    assert told(*talk) == ["user: Look!", "assistant: None [1 2]", "tool 1: a", "tool 2: b", "assistant: Done."]


def test_a_call_that_knew_a_result_is_of_a_message_of_its_own() -> None:
    """Several rounds."""
    talk = (said("Look!"), call("1"), result("1", "a"), call("2"), result("2", "b"), bot("Done."))
    assert told(*talk) == [
        "user: Look!",
        "assistant: None [1]",
        "tool 1: a",
        "assistant: None [2]",
        "tool 2: b",
        "assistant: Done.",
    ]


def test_a_call_without_a_result_has_one_that_says_so() -> None:
    """A chat model, and OpenAI, want one for each."""
    assert told(said("Look!"), call("1")) == ["user: Look!", "assistant: None [1]", f"tool 1: {NO_RESULT}"]
    waits = told(said("Look!"), call("1"), call("2"), result("1", ""))
    assert waits[2:] == ["tool 1: ", f"tool 2: {NO_RESULT}"]


def test_a_result_without_its_call_is_left_out() -> None:
    """The client has deleted the call. Who speaks before and after it still take turns."""
    assert told(said("Look!"), bot("Well,"), result("1", "a"), call("2"), result("2", "b")) == [
        "user: Look!",
        "assistant: Well, [2]",
        "tool 2: b",
    ]
    assert told(result("1", "a")) == [f"user: {GREETING}"]


def test_a_late_result_takes_its_call_along() -> None:
    """The user did not wait for the function, and the bot answered without it: what is new comes last, as the model
    shall speak of it now."""
    talk = (said("Look!"), call("1"), said("Hello?"), bot("Wait."), result("1", "a"))
    assert told(*talk[:3])[1:3] == ["assistant: None [1]", f"tool 1: {NO_RESULT}"]
    assert told(*talk) == ["user: Look! Hello?", "assistant: Wait. [1]", "tool 1: a"]
    assert told(*talk, bot("Nobody."), said("Aha."))[3:] == ["assistant: Nobody.", "user: Aha."]


def folded(*events: Any) -> Conversation:
    talk = Conversation().user_said("Look!")
    for event in events:
        talk = fold(talk, event)
    return talk


LOOK = FunctionCalled(FunctionCall("1", "look"), server_side=True)
WAIT, HELLO = WordSpoken("Wait.", 0, 0.1), TurnEnded("Hello?", 1.0)


def test_a_function_that_goes_on_is_told_as_such_until_its_result_comes() -> None:
    """First it stands at its place, and then, as news, at the end; with its call each time."""
    goes_on = folded(LOOK, FunctionContinues("1"), WAIT, HELLO)
    assert told(*goes_on.messages)[1:] == [
        "assistant: None [1]",
        f"tool 1: {STILL_RUNNING}",
        "assistant: Wait.",
        "user: Hello?",
    ]
    returned = fold(goes_on, FunctionReturned("1", "a"))
    assert told(*returned.messages) == [
        "user: Look!",
        "assistant: Wait.",
        "user: Hello?",
        "assistant: None [1]",
        "tool 1: a",
    ]
    assert told(*fold(returned, HELLO).messages)[5:] == [f"assistant: {NOTED}", "user: Hello?"]


def test_a_later_result_replaces_an_earlier_one() -> None:
    """That of a function that was late, and went on."""
    talk = folded(LOOK, FunctionReturned("1", "late"), WAIT, HELLO, FunctionReturned("1", "a"))
    assert told(*talk.messages)[3:] == ["assistant: None [1]", "tool 1: a"]


def test_a_call_that_was_taken_over_leaves_its_result_to_the_later_one() -> None:
    """Of what was done once there is one result."""
    again = FunctionCalled(FunctionCall("2", "look"), server_side=True)
    talk = folded(LOOK, FunctionContinues("1"), HELLO, again, FunctionContinues("1", "2"), FunctionReturned("2", "a"))
    assert told(*talk.messages)[1:] == [
        "assistant: None [1]",
        f"tool 1: {TAKEN_OVER}",
        f"assistant: {NOTED}",
        "user: Hello?",
        "assistant: None [2]",
        "tool 2: a",
    ]


def test_what_is_told_of_an_unknown_call_changes_nothing() -> None:
    """It belongs to another conversation."""
    talk = folded()
    for event in (FunctionContinues("1"), FunctionReturned("1", "a")):
        assert fold(talk, event) is talk


def test_late_results_come_together() -> None:
    """One that was in time stays where it was; who was cut short before a word has not spoken."""
    talk = (said("Look!"), call("1"), call("2"), call("3"), result("2", "b"), said("Hello?"))
    late = (result("3", "c"), result("1", "a"))
    assert told(*talk, *late) == [
        "user: Look!",
        "assistant: None [2]",
        "tool 2: b",
        f"assistant: {NOTED}",
        "user: Hello?",
        "assistant: None [3 1]",
        "tool 3: c",
        "tool 1: a",
    ]
    assert told(said("Look!"), call("1"), bot(CUT), result("1", "a"))[1:] == ["assistant: None [1]", "tool 1: a"]


def test_the_results_of_calls_with_one_id_do_not_mix() -> None:
    """Some services count anew in each answer."""
    talk = (call("look:0"), result("look:0", "a"), said("Again!"), call("look:0"), result("look:0", "b"))
    assert told(*talk)[1:] == [
        "assistant: None [look:0]",
        "tool look:0: a",
        f"assistant: {NOTED}",
        "user: Again!",
        "assistant: None [look:0]",
        "tool look:0: b",
    ]
    assert told(call("0"), said("Stop. Again!"), call("0"), result("0", "b"))[2] == f"tool 0: {NO_RESULT}"
    again = ["assistant: None [0]", f"tool 0: {NO_RESULT}", "assistant: None [0]", "tool 0: b"]
    assert told(said("Look!"), call("0"), call("0"), result("0", "b"))[1:] == again


def test_where_the_first_thing_is_a_call_a_greeting_stands_before_it() -> None:
    """The bot has opened with a function."""
    assert told(call("1"), result("1", "a"), bot("Hi!")) == [
        f"user: {GREETING}",
        "assistant: None [1]",
        "tool 1: a",
        "assistant: Hi!",
    ]


def test_a_model_that_cannot_call_reads_nothing_of_calls() -> None:
    """The words around the calls are one message again."""
    talk = (said("Look!"), bot("I look."), call("1"), result("1", "a"), bot("Nobody."))
    assert told(*talk, calls=False) == ["user: Look!", "assistant: I look. Nobody."]
    assert told(call("1"), result("1", "a"), calls=False) == [f"user: {GREETING}"]


def test_notes_are_in_the_system_prompt() -> None:
    """They stand between nothing and nothing: a call and its result stay together."""
    written = prompt("Be brief.", (said("Look!"), call("1"), Message("system", "It rains."), call("2")), calls=True)
    assert written[0] == {"role": "system", "content": "Be brief.\n\nIt rains."}
    assert [_brief(message) for message in written[1:3]] == ["user: Look!", "assistant: None [1 2]"]


def test_a_prompt_to_be_answered_ends_with_the_user() -> None:
    """Behind a message of the bot the user's silence is a message; a prompt that is read ahead ends with the bot."""
    assert prompt("", [said("Hi."), bot("Hello.")], calls=True)[-1] == {"role": "user", "content": SILENCE}
    assert prompt("", [said("Hi."), bot("Hello.")], calls=True, unfinished=True)[-1]["content"] == "Hello."


# ---- whatever happens ------------------------------------------------------------------------------------------------

ids = st.sampled_from(["1", "2", "3"])
texts = st.sampled_from(["a", f"b{CUT}", "...", CUT, " "])
messages = st.one_of(
    st.builds(said, texts),
    st.builds(bot, texts),
    st.builds(call, ids),
    st.builds(result, ids, texts),
    st.builds(Message, st.just("system"), texts),
)


@given(st.lists(messages, max_size=14))
def test_any_chat_model_can_render_it(talk: list[Message]) -> None:
    """The strictest would take it; each call has one result, right behind it; user and assistant take turns."""
    written = prompt("", tuple(talk), calls=True)
    assert written[-1]["role"] in ("user", "tool")
    if written[0]["role"] == "system":
        del written[0]
    check({"messages": written})
    assert written[0]["role"] == "user"
    for message, following in pairwise(written):
        if message["role"] == following["role"]:
            assert message["role"] == "tool"
        if message["role"] == "assistant" and "tool_calls" not in message:
            assert following["role"] == "user"
    made = [one["id"] for message in written for one in message.get("tool_calls", [])]
    assert sorted(made) == sorted(message.call.id for message in talk if message.role == "assistant" and message.call)
    assert [message["tool_call_id"] for message in written if message["role"] == "tool"] == made


@given(st.lists(messages, max_size=14))
def test_without_calls_it_is_as_if_there_had_been_none(talk: list[Message]) -> None:
    """Strictly in turn, and nothing of functions."""
    written = prompt("Be brief.", tuple(talk), calls=False)
    assert written == prompt("Be brief.", tuple(message for message in talk if message.call is None), calls=True)
    assert all(set(message) == {"role", "content"} for message in written)
    assert all(len(list(group)) == 1 for _, group in groupby(message["role"] for message in written))
