"""The part of a conversation that the language model reads."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.conversation import Conversation, Message
from voicepipe.events import Function, FunctionCall
from voicepipe.llm import history
from voicepipe.llm.history import estimated_tokens, recent, whole
from voicepipe.testing.servers.chat_rules import check


def talk(turns: int) -> Conversation:
    """A question and an answer a turn, of 11 to 12 tokens each, and the last question unanswered."""
    conversation = Conversation("Be brief.")
    for number in range(turns):
        conversation = conversation.user_said(f"question {number}").bot_said(f"answer {number}")
    return conversation.user_said("And now?")


def told(conversation: Conversation) -> list[str]:
    return [message.text for message in conversation.messages]


def tokens(conversation: Conversation) -> int:
    return sum(map(estimated_tokens, (conversation.system_prompt, *told(conversation))))


said = st.lists(st.tuples(st.sampled_from(["user", "bot"]), st.text("ab é", max_size=40)), max_size=25)


def conversation_of(script: list[tuple[str, str]]) -> Conversation:
    conversation = Conversation("Be brief.")
    for who, text in script:
        conversation = conversation.user_said(text) if who == "user" else conversation.bot_said(text).cut()
    return conversation


def test_all_is_told_while_it_fits() -> None:
    """And always by `whole`."""
    assert recent(max_tokens=1000, at_once=1)(talk(5)) == talk(5)
    assert whole(talk(500)) == talk(500)


def test_the_oldest_turns_go_first_and_whole() -> None:
    """A question never goes without its answer."""
    left = told(recent(max_tokens=80, at_once=1)(talk(10)))
    assert left == ["question 8", "answer 8", "question 9", "answer 9", "And now?"]


def test_several_turns_go_at_once() -> None:
    """So that the beginning of what is told stays the same for some turns, and a server can keep it warm."""
    beginnings = [told(recent(max_tokens=120, at_once=3)(talk(turns)))[0] for turns in range(4, 13)]
    assert [beginnings.count(one) for one in dict.fromkeys(beginnings)][1:-1] == [3, 3]


def test_the_last_question_stays_however_long_it_is() -> None:
    """Better an error of the service than an answer to nothing."""
    long = talk(3).bot_said("Go on.").user_said("word " * 500)
    assert told(recent(max_tokens=50, at_once=2)(long)) == ["word " * 500]


def test_notes_stay() -> None:
    """Notes that the client has given the model in between belong to no turn."""
    noted = replace(talk(10), messages=(*talk(2).messages, Message("system", "It rains."), *talk(9).messages))
    left = recent(max_tokens=80, at_once=1)(noted)
    assert told(left) == ["It rains.", "question 7", "answer 7", "question 8", "answer 8", "And now?"]
    assert left.prompt()[0]["content"] == "Be brief.\n\nIt rains."


@given(said, st.integers(0, 200), st.integers(1, 4))
def test_whatever_was_said(script: list[tuple[str, str]], max_tokens: int, at_once: int) -> None:
    """The system prompt stays, what is left is the end of the talk, it begins a turn, and it fits if it can."""
    conversation = conversation_of(script)
    left = recent(max_tokens=max_tokens, at_once=at_once)(conversation)
    assert left.system_prompt == conversation.system_prompt
    count = len(left.messages)
    assert left.messages == conversation.messages[len(conversation.messages) - count :]
    if conversation.awaits_reply:
        assert left.messages[-1] == conversation.messages[-1]
    if count < len(conversation.messages):
        assert left.messages[0].role == "user"
    turns = sum(
        a.role == "assistant" and b.role == "user" for a, b in zip(left.messages, left.messages[1:], strict=False)
    )
    assert tokens(left) <= max_tokens or turns == 0


# ---- function calls --------------------------------------------------------------------------------------------------


def call(call_id: str, arguments: str = "{}") -> Message:
    return Message("assistant", "", call=FunctionCall(call_id, "look", arguments))


def result(call_id: str, text: str = "Nobody.") -> Message:
    return Message("tool", text, call=FunctionCall(call_id, "look"))


def with_calls(*messages: Message) -> Conversation:
    return Conversation("Be brief.", messages)


def outline(conversation: Conversation) -> list[str]:
    """Texts, and the ids of calls and results."""
    return [f"{'>' if m.role == 'tool' else ''}{m.call.id}" if m.call else m.text for m in conversation.messages]


def test_a_call_goes_with_its_turn_and_so_does_its_result() -> None:
    """Neither is told without the other, nor without the question."""
    said = [Message("user", "Who is there?"), call("1"), result("1"), Message("assistant", "Nobody.")]
    again = with_calls(*said, Message("user", "Again!"), call("2"), call("3"), result("2"), result("3"))
    assert outline(recent(max_tokens=1000, at_once=1)(again)) == outline(again)
    assert outline(recent(max_tokens=70, at_once=1)(again)) == ["Again!", "2", "3", ">2", ">3"]


def test_a_result_that_comes_late_keeps_its_call() -> None:
    """The user has gone on meanwhile: what the model is to answer now is what the function gave."""
    waited = [Message("user", "Who is there?"), call("1"), Message("user", "Hello?"), Message("assistant", "Wait.")]
    before = [Message("user", "word " * 50), Message("assistant", "Well.")]
    shortened = recent(max_tokens=20, at_once=1)(with_calls(*before, *waited, result("1")))
    assert outline(shortened) == ["Who is there?", "1", "Hello?", "Wait.", ">1"]
    never = recent(max_tokens=20, at_once=1)(with_calls(*before, *waited))
    assert outline(never) == ["Hello?", "Wait."]


def test_calls_of_one_id_do_not_hold_turns_together() -> None:
    """Some services count anew in each answer: else nothing would ever be forgotten."""
    turn = [Message("user", "Who is there?"), call("look:0"), result("look:0"), Message("assistant", "Nobody.")]
    cut = [Message("user", "Who is there?"), call("look:0")]
    assert len(recent(max_tokens=20, at_once=1)(with_calls(*turn * 5)).messages) == 4
    assert len(recent(max_tokens=20, at_once=1)(with_calls(*cut * 3, *turn)).messages) == 4


def test_arguments_and_results_count() -> None:
    """They are read by the model as well."""
    long = [Message("user", "Who?"), call("1", '{"at": "the door"}' * 20), result("1"), Message("user", "And now?")]
    assert outline(recent(max_tokens=80, at_once=1)(with_calls(*long))) == ["And now?"]
    long = [Message("user", "Who?"), call("1"), result("1", "somebody " * 40), Message("user", "And now?")]
    assert outline(recent(max_tokens=80, at_once=1)(with_calls(*long))) == ["And now?"]


anything = st.one_of(
    st.builds(Message, st.sampled_from(["user", "assistant"]), st.sampled_from(["a", "b" * 40])),
    st.builds(call, st.sampled_from("123")),
    st.builds(result, st.sampled_from("123")),
)


@given(st.lists(anything, max_size=14), st.integers(0, 120), st.integers(1, 3))
def test_what_is_told_of_calls_is_told_whole(said: list[Message], max_tokens: int, at_once: int) -> None:
    """Each call that is left has the result that it had; what is left is the end of the talk."""
    talk = with_calls(*said)
    left = recent(max_tokens=max_tokens, at_once=at_once)(talk)
    assert left.messages == talk.messages[len(talk.messages) - len(left.messages) :]
    assert results(left) == results(talk)[len(results(talk)) - len(results(left)) :]
    check({"messages": left.prompt(calls=True)})


def results(conversation: Conversation) -> list[str]:
    return [message["content"] for message in conversation.prompt(calls=True) if message["role"] == "tool"]


def test_a_turn_costs_the_same_however_long_the_talk_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages that are certainly too old are not read: no more than the bound has room for, and a block of them."""
    read: list[str] = []
    monkeypatch.setattr(history, "estimated_tokens", lambda text: read.append(text) or 8 + len(text) // 3)
    costs: list[int] = []
    for turns in (400, 4_000):
        read.clear()
        recent(max_tokens=800, at_once=4)(talk(turns))
        costs.append(len(read))
    assert max(costs) <= 2 * min(costs) <= 4 * (800 // 8 + 256)


def test_functions_and_notes_count() -> None:
    """Their tokens are missing for the history."""
    plain, tool = talk(20), Function("weather", "What the weather is. " * 20, {"type": "object"})
    rich = replace(plain, generation=replace(plain.generation, functions=(tool,)))
    shorten = recent(max_tokens=300, at_once=1)
    assert len(told(shorten(rich))) < len(told(shorten(plain)))
