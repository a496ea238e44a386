"""Scenarios whose model calls functions: the sentences, what comes of them, and what is wrong with some."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from reactivex import Observable

from voicepipe.events import Event, FunctionCalled, FunctionReturned, ReplyEnded
from voicepipe.loader import load_pipeline
from voicepipe.operators import with_tools
from voicepipe.session import Pipeline, Session
from voicepipe.testing import Scenario, ScenarioFailed, run


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


LOOKS = (
    Scenario()
    .llm_calls("who is there", "look", {"at": "the window", "times": 2}, says="Let me see", after_s=0.2)
    .llm("2 at the window", "Two of them.")
    .at(2).user_says("who is there")
    .by(5, times=1).bot_calls("look")
    .after(3, times=1).function_returns("look")
    .ever(times=1).llm_is_asked("2 at the window")
    .never().bot_calls("listen")
    .never().function_returns("listen")
    .remembers("assistant", "Let me see Two of them.")
)  # fmt: skip


def test_what_a_function_gave_is_what_the_model_is_asked_next() -> None:
    """The call has the arguments of the sentence; the picture shows both."""
    played = run(LOOKS, with_functions(look))
    (call,) = [event.call for event in played.of(FunctionCalled)]
    assert (call.name, call.arguments) == ("look", '{"at": "the window", "times": 2}')
    assert call.id
    assert 'ƒ look {"at": "the window", "times": 2}' in str(played)
    assert "ƒ → 2 at the window" in str(played)


def test_several_at_once() -> None:
    """Sentences about one question are calls of one answer; what they gave is asked together."""
    played = run(
        Scenario()
        .llm_calls("who is there", "look", says="Well.")
        .llm_calls("who is there", "look", {"at": "the window"})
        .llm("1 at the door, 1 at the window", "Two.")
        .at(2).user_says("who is there")
        .ever(times=2).bot_calls("look")
        .remembers("assistant", "Well. Two."),
        with_functions(look),
    )  # fmt: skip
    assert len({called.call.id for called in played.of(FunctionCalled)}) == 2


def test_a_model_that_may_not_call_any_more_says_something() -> None:
    """After the rounds that the pipeline grants: its text, or what it says to anything."""
    endless = (
        Scenario()
        .llm_calls("who is there", "look")
        .llm_calls("1 at the door", "look")
        .at(2).user_says("who is there")
        .ever(times=2).bot_calls("look")
    )  # fmt: skip
    played = run(endless, with_functions(look))
    assert played.of(ReplyEnded)[-1].text == "I see."
    assert len(played.of(FunctionReturned)) == 2


def test_a_function_that_there_is_not_is_a_fault_of_the_scenario() -> None:
    """The message says which there are."""
    with pytest.raises(ScenarioFailed, match=r"scripted to call listen; it is offered look"):
        run(
        Scenario()
        .llm_calls("who is there", "listen")
        .at(2).user_says("who is there")
        .never().service_fails(),
        with_functions(look),
    )  # fmt: skip


def test_arguments_are_values() -> None:
    """Whatever JSON can hold is an argument, and is written as Python in the scenario's code."""
    scenario = Scenario().llm_calls("go", "f", {"a": "(x)", "b": [1, 2.5], "c": {"d": None}, "e": True})
    (call,) = scenario.cast.answers["go"].calls
    assert json.loads(call.arguments) == {"a": "(x)", "b": [1, 2.5], "c": {"d": None}, "e": True}
    assert eval(repr(scenario), {"Scenario": Scenario}).cast == scenario.cast
