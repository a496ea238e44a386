"""Functions in a whole conversation: the default pipeline, a synthesiser of whole clauses in real threads, a user."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import reactivex
from reactivex import Observable

from voicepipe.conversation import GREETING, Conversation
from voicepipe.conversation.chat_prompt import NO_RESULT
from voicepipe.events import Event, FunctionCall, FunctionCalled, FunctionReturned, ReplyEnded, WordSpoken
from voicepipe.loader import load_pipeline
from voicepipe.operators import with_tools
from voicepipe.session import Pipeline, Session
from voicepipe.testing import Scenario, Transcript, run


class Talk:
    """A model that looks before it answers, and a function that takes its time."""

    def __init__(self, first: str, *, takes_s: float, filler: str = "") -> None:
        self.first, self.takes_s, self.filler = first, takes_s, filler
        self.asked = list[Conversation]()
        self.steps = list[str]()

    def pipeline(self) -> Pipeline:
        default = load_pipeline(None)

        def pipeline(session: Session) -> Observable[Event]:
            llm = with_tools(self.answer, self.look, deadline_s=9, filler=self.filler, filler_after_s=0.8, rounds=2)
            return default(replace(session, llm=llm))

        return pipeline

    def answer(self, conversation: Conversation) -> Observable[str | Event]:
        self.asked.append(conversation)
        messages = conversation.prompt(calls=True)
        asked = next(message["content"] for message in reversed(messages) if message["role"] == "user")
        match messages[-1]:
            case {"role": "tool", "content": str(seen)} if seen != NO_RESULT:
                return reactivex.of(f"I saw {seen}.")
            case _ if asked == "who is there":
                said = reactivex.of(self.first) if self.first else reactivex.empty()
                return reactivex.concat(said, reactivex.of(FunctionCalled(FunctionCall("1", "look"))))
            case _:
                return reactivex.of("Hi!" if asked == GREETING else "Never mind then.")

    async def look(self) -> str:
        """Look who is there."""
        self.steps.append("looks")
        try:
            await asyncio.sleep(self.takes_s)
            return "nobody"
        finally:
            self.steps.append("looked")

    def play(self, scenario: Scenario) -> Transcript:
        return run(scenario.in_process(), self.pipeline())


def when(played: Transcript, is_it: Callable[[Event], bool]) -> float:
    return next(at_s for at_s, event in played.events if is_it(event))


def heard(word: str) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, WordSpoken) and event.word == word


def returned(event: Event) -> bool:
    return isinstance(event, FunctionReturned)


def test_what_is_said_before_a_call_is_heard_while_the_function_runs() -> None:
    """It ends without punctuation, and a synthesiser of clauses would wait for more of it."""
    talk = Talk("Let me look", takes_s=2)
    played = talk.play(
        Scenario()
        .at(2)
        .user_says("who is there")
        .by(4.5)
        .bot_says("Let me look")
        .ever()
        .bot_says("I saw nobody")
        .remembers("assistant", "Let me look I saw nobody.")
        .never()
        .service_fails()
    )
    assert when(played, heard("look")) < when(played, returned) < when(played, heard("nobody."))
    assert talk.steps == ["looks", "looked"]


def test_the_filler_is_heard_before_the_answer() -> None:
    """While the function is still at it; the words of all three come in their order, and are one message."""
    played = Talk("", takes_s=3, filler="One moment please").play(
        Scenario()
        .at(2)
        .user_says("who is there")
        .remembers("assistant", "One moment please I saw nobody.")
        .never()
        .service_fails()
    )
    assert when(played, heard("please")) < when(played, returned) < when(played, heard("nobody."))
    assert played.of(ReplyEnded)[-1].text == "One moment please I saw nobody."


def test_the_model_reads_in_the_next_turn_what_was_called_in_the_last() -> None:
    """The call, what it gave, and then all that was heard."""
    talk = Talk("Let me look", takes_s=1)
    talk.play(Scenario().at(2).user_says("who is there").at(9).user_says("thanks").ever().bot_says("Never mind then"))
    read = talk.asked[-1].prompt(calls=True)
    assert [message["role"] for message in read[3:]] == ["user", "assistant", "tool", "assistant", "user"]
    assert read[6]["content"] == "Let me look I saw nobody."


def test_a_barge_in_in_the_midst_of_a_function_cancels_it() -> None:
    """It cleans up, its result is heard nowhere, and the model knows that there is none."""
    talk = Talk("Let me look", takes_s=8)
    played = talk.play(
        Scenario()
        .at(2)
        .user_says("who is there")
        .after_bot_says("look", 1.5)
        .user_says("stop it")
        .ever(times=1)
        .bot_is_interrupted()
        .remembers("assistant", "Let me look—")
        .ever()
        .bot_says("Never mind then")
        .never()
        .bot_says("saw")
    )
    assert talk.steps == ["looks", "looked"]
    assert not played.of(FunctionReturned)
    (result,) = [message for message in talk.asked[-1].prompt(calls=True) if message["role"] == "tool"]
    assert result["content"] == NO_RESULT


def test_a_cough_in_the_midst_of_a_function_does_not_run_it_twice() -> None:
    """Nothing is booked twice for a cough; the answer comes."""
    talk = Talk("", takes_s=2)
    talk.play(Scenario().at(2).user_says("who is there").at(4).user_coughs().by(9, times=1).bot_says("I saw nobody"))
    assert talk.steps == ["looks", "looked"]


@pytest.mark.parametrize("first", ["", "Let me look"])
def test_the_client_leaves_in_the_midst_of_a_function(first: str) -> None:
    """Nothing of it is left."""
    talk = Talk(first, takes_s=8)
    played: Any = talk.play(Scenario().at(2).user_says("who is there").at(5).client_leaves())
    assert talk.steps == ["looks", "looked"]
    assert played.leaks == []
