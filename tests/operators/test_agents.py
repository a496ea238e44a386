"""Several agents in one reply: handovers by the model and by a rule, summaries, and the voice of each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import reactivex
from reactivex import Observable
from structlog.testing import capture_logs

from voicepipe.conversation import Conversation
from voicepipe.events import (
    AgentChanged,
    Event,
    Function,
    FunctionCall,
    FunctionCalled,
    FunctionCallWritten,
    FunctionReturned,
    Generation,
    ReplyText,
    WordSpoken,
)
from voicepipe.events.fold import fold
from voicepipe.operators import Agent, with_agents, with_voices
from voicepipe.presets import TOOLS
from voicepipe.stage import Stage
from voicepipe.testing import Marbles, ScriptedError


def price(amount: int) -> str:
    """The amount with tax."""
    return f"{amount * 2} euros"


DESK = Agent("desk", "desk")
BILLING = Agent("billing", "billing", tools=(price,), voice="rigel", opening="You are new.")
REPAIRS = Agent("repairs", "repairs", voice="vega", opening="You are new here.")
TALK = Conversation("of the session", generation=Generation(functions=(Function("open_door"),))).user_said("why")


def calls(function: str, arguments: str = "{}") -> FunctionCalled:
    return FunctionCalled(FunctionCall(f"call of {function}", function, arguments))


class Model:
    """Answers by the agent's prompt: each request takes the next of its answers."""

    def __init__(self, **answers: list[list[str | Event]]) -> None:
        self.answers = answers
        self.asked = list[Conversation]()

    def __call__(self, conversation: Conversation) -> Observable[str | Event]:
        self.asked.append(conversation)
        return reactivex.from_iterable(self.answers[conversation.system_prompt.split("\n")[0]].pop(0))


def said(marbles: Marbles, llm: Any, talk: Conversation = TALK, **options: Any) -> list[Any]:
    given: dict[str, Any] = {"summary": "", "handovers": 2, **options}
    reply = with_agents(llm, DESK, BILLING, REPAIRS, TOOLS, **given)(talk)
    return [one.value for one in marbles.record(reply) if one.value is not None]


def texts(said: list[Any]) -> str:
    return "".join(one for one in said if isinstance(one, str))


def changes(said: list[Any]) -> list[str]:
    return [one.agent for one in said if isinstance(one, AgentChanged)]


def after(said: list[Any], talk: Conversation = TALK) -> Conversation:
    """Return what the session's conversation is after a reply."""
    for one in said:
        talk = fold(talk, one) if isinstance(one, Event) else talk.bot_wrote(one)
    return talk


def test_a_handover_in_mid_reply(marbles: Marbles) -> None:
    """The next agent has its own prompt and functions, and knows what was said; the client's functions stay."""
    model = Model(desk=[["I connect you.", calls("transfer_to_billing")]], billing=[["It is tax."], ["Bye."]])
    out = said(marbles, model)
    assert texts(out) == "I connect you. It is tax."
    assert changes(out) == ["billing"]
    desk, billing = model.asked
    offered = [[function.name for function in one.generation.functions] for one in (desk, billing)]
    assert (
        offered
        == [
            ["open_door", "transfer_to_billing", "transfer_to_repairs"],
            ["price", "open_door", "transfer_to_desk", "transfer_to_repairs"],
        ]
        or offered[1][0] == "price"
    )
    assert [message.text for message in billing.messages] == ["why", "I connect you.", "...", "You are new."]
    said(marbles, model, after(out).user_said("thank you"))
    assert model.asked[-1].system_prompt == "billing"
    assert [message.text for message in model.asked[-1].messages][-1] == "thank you"


def test_the_pieces_of_a_handovers_call_do_not_reach_the_client(marbles: Marbles) -> None:
    """It is the pipeline's function, as `FunctionCalled` says."""
    written = FunctionCallWritten("call of transfer_to_billing", "transfer_to_billing", "{}")
    model = Model(desk=[[written, calls("transfer_to_billing")]], billing=[["Yes?"]])
    out = said(marbles, model)
    assert written not in out
    assert [one.server_side for one in out if isinstance(one, FunctionCalled)] == [True]
    assert texts(out) == "Yes?"


def test_the_functions_of_an_agent_are_run_before_it_hands_over(marbles: Marbles) -> None:
    """Of one answer; the next agent reads the results."""
    both = [calls("price", '{"amount": 3}'), calls("transfer_to_repairs")]
    model = Model(desk=[[calls("transfer_to_billing")]], billing=[both], repairs=[["Fixed."]])
    out = said(marbles, model)
    assert changes(out) == ["billing", "repairs"]
    assert [one.output for one in out if isinstance(one, FunctionReturned)][1] == "6 euros"
    assert "6 euros" in [message.text for message in model.asked[-1].messages]


def test_handovers_without_an_end_are_bounded(marbles: Marbles) -> None:
    """After two in a reply the model is not offered more; a call all the same is an error that it reads."""
    away, back = [calls("transfer_to_billing")], [calls("transfer_to_desk")]
    model = Model(desk=[away, away, ["I stay."]], billing=[back])
    out = said(marbles, model)
    assert changes(out) == ["billing", "desk"]
    assert texts(out) == "I stay."
    assert not any(one.name.startswith("transfer") for one in model.asked[2].generation.functions)
    assert "there is no function" in [one.output for one in out if isinstance(one, FunctionReturned)][-1]


def test_of_two_handovers_in_one_answer_the_first_counts(marbles: Marbles) -> None:
    with capture_logs() as logs:
        model = Model(desk=[[calls("transfer_to_billing"), calls("transfer_to_repairs")]], billing=[["Yes?"]])
        assert changes(said(marbles, model)) == ["billing"]
    assert {"function": "transfer_to_repairs", "reason": "another agent has taken over"}.items() <= logs[0].items()


def test_a_rule_hands_over_before_the_model_is_asked(marbles: Marbles) -> None:
    """It sees the conversation; the agent that it names stays until it names another."""
    rule = lambda talk: "billing" if talk.messages[-1].text == "why" else ""
    model = Model(billing=[["It is tax."], ["You are welcome."]])
    out = said(marbles, model, rule=rule)
    assert changes(out) == ["billing"]
    assert [message.text for message in model.asked[0].messages] == ["why", "You are new."]
    again = said(marbles, model, after(out).user_said("thank you"), rule=rule)
    assert (changes(again), texts(again)) == ([], "You are welcome.")


def test_a_rule_that_names_an_unknown_agent_fails_the_reply(marbles: Marbles) -> None:
    (error,) = said(marbles, Model(), rule=lambda _: "sales")
    assert str(error) == "there is no agent 'sales', only desk, billing, repairs"


def test_a_greeting_is_said_word_for_word(marbles: Marbles) -> None:
    """Before the model is asked, which reads it."""
    model = Model(desk=[["I connect you.", calls("transfer_to_billing")]], billing=[["It is tax."]])
    greeting = replace(BILLING, greeting="Billing, hello!")
    reply = with_agents(model, DESK, greeting, TOOLS, summary="", handovers=1)(TALK)
    out = [one.value for one in marbles.record(reply) if one.value is not None]
    assert texts(out) == "I connect you. Billing, hello! It is tax."
    assert [message.text for message in model.asked[1].messages][-3:] == ["Billing, hello!", "...", "You are new."]


def test_a_summary_takes_the_place_of_what_was_said(marbles: Marbles) -> None:
    """The model makes it once, without functions; later replies read it, too."""
    first = [["Hm."], [calls("transfer_to_billing")], ["They want ", "less tax."]]
    model = Model(desk=first[1:], billing=[["I see."], ["Bye."]])
    out = said(marbles, model, summary="Sum it up.")
    summed, billing = model.asked[1:]
    assert (summed.messages[-1].text, summed.aloud, summed.generation.functions) == ("Sum it up.", False, ())
    assert billing.system_prompt == "billing\n\nWhat was said before: They want less tax."
    assert [message.text for message in billing.messages] == ["...", "You are new."]
    said(marbles, model, after(out).user_said("thank you"), summary="Sum it up.")
    assert model.asked[-1].system_prompt == billing.system_prompt
    assert [message.text for message in model.asked[-1].messages] == ["I see.", "thank you"]


def test_a_summary_that_fails_leaves_the_whole_history(marbles: Marbles) -> None:
    """And a line in the log."""
    model = Model(desk=[[calls("transfer_to_billing")]], billing=[["It is tax."]])

    def llm(conversation: Conversation) -> Observable[str | Event]:
        return model(conversation) if conversation.aloud else reactivex.throw(ScriptedError("no summary"))

    with capture_logs() as logs:
        out = said(marbles, llm, summary="Sum it up.")
    assert texts(out) == "It is tax."
    assert [message.text for message in model.asked[-1].messages] == ["why", "You are new."]
    assert [one["event"] for one in logs] == ["agent.summary_failed"]


def test_a_barge_in_during_the_summary_leaves_the_agent(marbles: Marbles) -> None:
    """The request is cancelled; a handover whose result has not come has not taken place."""
    slow = marbles.cold("-----a|", a="They want less.")
    model = Model(desk=[[calls("transfer_to_billing")], ["Yes?"]])
    llm = lambda talk: model(talk) if talk.aloud else slow
    reply = with_agents(llm, DESK, BILLING, TOOLS, summary="Sum it up.", handovers=1)(TALK)
    out = [one.value for one in marbles.record(reply, "^--!") if one.value is not None]
    marbles.expect_subscriptions(slow, "^--!")
    assert changes(out) == []
    assert texts(said(marbles, model, after(out).user_said("wait"))) == "Yes?"


@pytest.mark.parametrize("choice", ["required", "auto"])
def test_a_demanded_call_has_been_made_by_the_handover(marbles: Marbles, choice: Any) -> None:
    model = Model(desk=[[calls("transfer_to_billing")]], billing=[["Yes?"]])
    said(marbles, model, replace(TALK, generation=Generation(choice=choice)))
    assert [one.generation.choice for one in model.asked] == [choice, "auto"]


# ---- voices ----------------------------------------------------------------------------------------------------------


class Voices:
    """A TTS that notes in which voice it speaks."""

    def __init__(self, marbles: Marbles) -> None:
        self._tts = marbles.tts(delay_ms=60, ms_per_word=100)
        self.spoken = list[tuple[str, list[str]]]()

    def __call__(self, conversation: Conversation) -> Stage[Any, Any]:
        def speak(words: Observable[Any]) -> Observable[Any]:
            heard = list[str]()
            self.spoken.append((conversation.voice, heard))
            note = reactivex.operators.do_action(lambda word: heard.append(word.delta.strip()))
            return words.pipe(note, self._tts)

        return speak


def test_each_agent_speaks_in_its_voice_and_the_times_of_the_words_go_on(marbles: Marbles) -> None:
    """An agent without a voice of its own has the session's."""
    voices = Voices(marbles)
    words = marbles.cold("a-bX-c|", a=ReplyText("One"), b=ReplyText(" two."), c=ReplyText(" Three."),
                         X=AgentChanged("billing", "rigel"))  # fmt: skip
    talk = replace(TALK, voice="polaris")
    out = marbles.record(words.pipe(with_voices(voices, DESK, BILLING)(talk)))
    assert voices.spoken == [("polaris", ["One", "two."]), ("rigel", ["Three."])]
    spoken = [one.value for one in out if isinstance(one.value, WordSpoken)]
    assert [(word.word, round(word.start_s, 3)) for word in spoken] == [("One", 0), ("two.", 0.1), ("Three.", 0.2)]


def test_a_reply_begins_in_the_voice_of_the_agent_that_has_taken_over(marbles: Marbles) -> None:
    """Also a text that the bot says unasked, word for word."""
    voices = Voices(marbles)
    model = Model(desk=[[calls("transfer_to_billing")]], billing=[["Yes?"]])
    talk = after(said(marbles, model))
    marbles.record(marbles.cold("a|", a=ReplyText("Tea!")).pipe(with_voices(voices, DESK, BILLING)(talk)))
    assert voices.spoken == [("rigel", ["Tea!"])]
