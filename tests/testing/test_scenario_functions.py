"""Scenarios whose model calls functions: the sentences, what comes of them, and what is wrong with some."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from reactivex import Observable

from voicepipe.events import Event, FunctionCalled, FunctionReturned, ReplyEnded
from voicepipe.loading import load_pipeline
from voicepipe.operators import with_tools
from voicepipe.session import Pipeline, Session
from voicepipe.testing import Scenario, ScenarioError, ScenarioFailed
from voicepipe.testing.sentences import called


def look(at: str = "the door", times: int = 1) -> str:
    """Look who is there."""
    return f"{times} at {at}"


def with_functions(*functions: Callable[..., Any]) -> Pipeline:
    """The default pipeline, whose model may call these."""
    default = load_pipeline(None)

    def pipeline(session: Session) -> Observable[Event]:
        llm = with_tools(session.llm, *functions, deadline_s=5, filler="", filler_after_s=1, rounds=2)
        return default(replace(session, llm=llm))

    return pipeline


LOOKS = Scenario.read("""
The LLM calls look(at="the window", times=2) at "who is there", saying "Let me see" after 200 ms
The LLM answers "2 at the window" with "Two of them."
at 2 s the user says "who is there"
by 5 s the bot has called "look" once
after 3 s the function "look" has returned once
the LLM was asked "2 at the window" once
the bot never calls "listen"
the function "listen" never returns
the bot remembers saying "Let me see Two of them."
""")


def test_what_a_function_gave_is_what_the_model_is_asked_next() -> None:
    """The call has the arguments of the sentence; the picture shows both."""
    played = LOOKS.run(with_functions(look))
    (call,) = [event.call for event in played.of(FunctionCalled)]
    assert (call.name, call.arguments) == ("look", '{"at": "the window", "times": 2}')
    assert call.id
    assert 'ƒ look {"at": "the window", "times": 2}' in str(played)
    assert "ƒ → 2 at the window" in str(played)


def test_the_fluent_form_says_the_same() -> None:
    """Python and text build one and the same scenario."""
    fluent = (
        Scenario()
        .llm_calls("who is there", 'look(at="the window", times=2)', says="Let me see", after_s=0.2)
        .llm("2 at the window", "Two of them.")
        .at(2).user_says("who is there")
        .by(5).bot_calls("look")
        .never().function_returns("listen")
    )  # fmt: skip
    text = [str(sentence) for sentence in fluent.sentences]
    assert text[0] == str(LOOKS.sentences[0])
    assert text[-2:] == ['by 5 s the bot has called "look"', 'the function "listen" never returns']
    fluent.run(with_functions(look))


def test_several_at_once() -> None:
    """Sentences about one question are calls of one answer; what they gave is asked together."""
    played = Scenario.read("""
        The LLM calls look() at "who is there", saying "Well."
        The LLM calls look(at="the window") at "who is there"
        The LLM answers "1 at the door, 1 at the window" with "Two."
        at 2 s the user says "who is there"
        the bot has called "look" twice
        the bot remembers saying "Well. Two."
    """).run(with_functions(look))
    assert len({called.call.id for called in played.of(FunctionCalled)}) == 2


def test_a_model_that_may_not_call_any_more_says_something() -> None:
    """After the rounds that the pipeline grants: its text, or what it says to anything."""
    endless = """
        The LLM calls look() at "who is there"
        The LLM calls look() at "1 at the door"
        at 2 s the user says "who is there"
        the bot has called "look" twice
    """
    played = Scenario.read(endless).run(with_functions(look))
    assert played.of(ReplyEnded)[-1].text == "I see."
    assert len(played.of(FunctionReturned)) == 2


def test_a_function_that_there_is_not_is_a_fault_of_the_scenario() -> None:
    """The message says which there are."""
    with pytest.raises(ScenarioFailed, match=r"scripted to call listen; it is offered look"):
        Scenario.read("""
            The LLM calls listen() at "who is there"
            at 2 s the user says "who is there"
            no service fails
        """).run(with_functions(look))


@pytest.mark.parametrize("call", ['look("the door")', "look(at=x)", "look(at=1 +)", "look(**x)"])
def test_a_call_that_is_none(call: str) -> None:
    """Arguments have names, and are values."""
    with pytest.raises(ScenarioError, match="with its arguments by name"):
        Scenario.read(f'The LLM calls {call} at "who is there"')


def test_what_can_be_an_argument() -> None:
    """Whatever can be written down; parentheses and quotes, too."""
    assert called('f(a="(x)", b=[1, 2.5], c={"d": None}, e=True)') == (
        "f", {"a": "(x)", "b": [1, 2.5], "c": {"d": None}, "e": True}
    )  # fmt: skip
    sentence = Scenario.read('The LLM calls f(a="(x)", b=[1]) at "go"').sentences[0]
    assert str(sentence) == 'The LLM calls f(a="(x)", b=[1]) at "go"'
    typographic = Scenario.read("The LLM calls f(a=“x”) at “go”").sentences[0]
    assert str(typographic) == 'The LLM calls f(a="x") at "go"'
    quoting = Scenario.read('The LLM answers “["a"]” with “So.”').sentences[0]
    assert str(quoting) == 'The LLM answers “["a"]” with "So."'
