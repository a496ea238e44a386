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
from voicepipe.conversation.chat_prompt import NO_RESULT, STILL_RUNNING, TAKEN_OVER
from voicepipe.events import (
    Event,
    FunctionCall,
    FunctionCalled,
    FunctionContinues,
    FunctionReturned,
    ReplyEnded,
    ReplyStarted,
    WordSpoken,
)
from voicepipe.loader import load_pipeline
from voicepipe.operators import with_tools
from voicepipe.session import Pipeline, Session
from voicepipe.testing import Scenario, Transcript, VirtualLoop, run
from voicepipe.testing.loop.napping import nap
from voicepipe.testing.servers.chat_rules import check_messages


class Talk:
    """A model that looks before it answers, and a function that takes its time."""

    def __init__(
        self, first: str, *, takes_s: float, filler: str = "", cancellable: bool = False, deadline_s: float = 9
    ) -> None:
        self.first, self.takes_s, self.filler = first, takes_s, filler
        self.cancellable, self.deadline_s = cancellable, deadline_s
        self.asked = list[Conversation]()
        self.steps = list[str]()

    def pipeline(self, *others: Callable[..., Any]) -> Pipeline:
        default = load_pipeline(None)
        cancellable = [self.look] if self.cancellable else []

        def pipeline(session: Session) -> Observable[Event]:
            llm = with_tools(
                self.answer, self.look, *others, deadline_s=self.deadline_s, filler=self.filler, filler_after_s=0.8,
                rounds=2, cancellable=cancellable,
            )  # fmt: skip
            return default(replace(session, llm=llm))

        return pipeline

    def answer(self, conversation: Conversation) -> Observable[str | Event]:
        self.asked.append(conversation)
        messages = conversation.prompt(calls=True)
        asked = next(message["content"] for message in reversed(messages) if message["role"] == "user")
        match messages[-1]:
            case {"role": "tool", "content": str(seen)} if seen not in (NO_RESULT, STILL_RUNNING):
                return reactivex.of(f"I saw {seen}.")
            case _ if asked == "who is there":
                said = reactivex.of(self.first) if self.first else reactivex.empty()
                return reactivex.concat(said, reactivex.of(FunctionCalled(FunctionCall("1", "look"))))
            case _ if asked == "a table please":
                book = FunctionCall("2", "book", '{"people": 2}')
                return reactivex.of(FunctionCalled(book), FunctionCalled(FunctionCall("1", "look")))
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


def called(event: Event) -> bool:
    return isinstance(event, FunctionCalled)


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


def results(conversation: Conversation) -> list[str]:
    """Return the results of the calls as the model reads them, in order."""
    return [message["content"] for message in conversation.prompt(calls=True) if message["role"] == "tool"]


def test_a_function_goes_on_after_a_barge_in() -> None:
    """The model knows that it runs, and then what it gave; an idle prompt waits for it."""
    talk = Talk("Let me look", takes_s=8)
    played = talk.play(
        Scenario()
        .at(2).user_says("who is there")
        .after_bot_says("look", 1.5).user_says("stop it")
        .at(16).user_says("thanks")
        .ever(times=1).bot_is_interrupted()
        .remembers("assistant", "Let me look—")
        .by(9, times=1).bot_says("Never mind then")
        .never().bot_says("still there")
        .ever(times=1).function_returns("look")
    )  # fmt: skip
    assert talk.steps == ["looks", "looked"]
    assert [type(event) for event in played.of(FunctionCalled | FunctionContinues | FunctionReturned)] == [
        FunctionCalled, FunctionContinues, FunctionReturned,
    ]  # fmt: skip
    assert when(played, returned) == pytest.approx(when(played, called) + 8, abs=0.01)
    assert [results(asked) for asked in talk.asked[-2:]] == [[STILL_RUNNING], ["nobody"]]
    check_messages(talk.asked[-1].prompt(calls=True))


def test_a_function_that_still_runs_is_not_run_again() -> None:
    """The model calls it once more; its answer comes with the result of the first call."""
    talk = Talk("", takes_s=5)
    played = talk.play(
        Scenario().at(2).user_says("who is there").at(5).user_says("who is there").ever().bot_says("I saw nobody")
    )
    assert talk.steps == ["looks", "looked"]
    assert [event.call.id for event in played.of(FunctionCalled)] == ["1", "000000001"]
    assert results(played.conversation) == [TAKEN_OVER, "nobody"]
    assert when(played, returned) == pytest.approx(when(played, called) + 5, abs=0.01)


def test_a_cancellable_function_is_cancelled_by_a_barge_in() -> None:
    """It cleans up, its result is heard nowhere, and the model knows that there is none."""
    talk = Talk("Let me look", takes_s=8, cancellable=True)
    played = talk.play(
        Scenario()
        .at(2).user_says("who is there")
        .after_bot_says("look", 1.5).user_says("stop it")
        .remembers("assistant", "Let me look—")
        .ever().bot_says("Never mind then")
        .never().bot_says("saw")
    )  # fmt: skip
    assert talk.steps == ["looks", "looked"]
    assert not played.of(FunctionReturned)
    assert results(talk.asked[-1]) == [NO_RESULT]


def test_a_function_in_a_thread_keeps_its_result_after_a_barge_in() -> None:
    """Beside a quick one, whose result was there before it."""
    talk = Talk("", takes_s=0.1)
    loops: list[VirtualLoop] = []

    def book(people: int) -> str:
        """Book a table."""
        talk.steps.append(f"books for {people}")
        nap(loops[0], 4)
        talk.steps.append("booked")
        return "it is booked"

    def pipeline(session: Session) -> Observable[Event]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loops.append(loop)
        return talk.pipeline(book)(session)

    played = run(
        Scenario()
        .in_process()
        .at(2).user_says("a table please")
        .at(5).user_says("stop it")
        .at(9).user_says("thanks"),
        pipeline,
    )  # fmt: skip
    assert sorted(talk.steps) == ["booked", "books for 2", "looked", "looks"]
    assert [event.output for event in played.of(FunctionReturned)] == ["nobody", "it is booked"]
    assert [results(asked) for asked in talk.asked[-2:]] == [[STILL_RUNNING, "nobody"], ["nobody", "it is booked"]]
    check_messages(talk.asked[-1].prompt(calls=True))


def test_a_thread_that_is_late_tells_its_result_after_its_deadline() -> None:
    """The model reads that it is late, and in the next prompt what it gave."""
    talk = Talk("", takes_s=0.1, deadline_s=2)
    loops: list[VirtualLoop] = []

    def book(people: int) -> str:
        """Book a table."""
        talk.steps.append(f"books for {people}")
        nap(loops[0], 4)
        return "it is booked"

    def pipeline(session: Session) -> Observable[Event]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loops.append(loop)
        return talk.pipeline(book)(session)

    run(Scenario().in_process().at(2).user_says("a table please").at(10).user_says("thanks"), pipeline)
    assert sorted(talk.steps) == ["books for 2", "looked", "looks"]
    late = '{"error": "no result within 2 s, and it still runs"}'
    assert [results(asked) for asked in talk.asked[-2:]] == [[late, "nobody"], ["nobody", "it is booked"]]


def test_an_idle_prompt_waits_for_a_function_that_goes_on() -> None:
    """It then speaks of what it gave."""
    talk = Talk("", takes_s=12, deadline_s=20)
    played = talk.play(
        Scenario()
        .at(2).user_says("who is there")
        .at(4).user_says("stop it")
        .at(25).user_coughs()
        .by(7).bot_says("Never mind then")
        .ever(times=1).function_returns("look")
    )  # fmt: skip
    at_s = next(at_s for at_s, event in played.events if isinstance(event, ReplyStarted) and is_idle(event))
    assert at_s == pytest.approx(when(played, returned) + 7, abs=0.01)
    assert results(talk.asked[-1]) == ["nobody"]


def is_idle(event: ReplyStarted) -> bool:
    return bool(event.conversation.messages) and event.conversation.messages[-1].text == "..."


def test_a_cough_in_the_midst_of_a_function_does_not_run_it_twice() -> None:
    """Nothing is booked twice for a cough; the answer comes."""
    talk = Talk("", takes_s=2)
    talk.play(Scenario().at(2).user_says("who is there").at(4).user_coughs().by(9, times=1).bot_says("I saw nobody"))
    assert talk.steps == ["looks", "looked"]


@pytest.mark.parametrize("first", ["", "Let me look"])
def test_an_acknowledgement_in_the_midst_of_a_function_is_not_answered(first: str) -> None:
    """ "Okay" while the bot looks something up: the reply goes on, and the prompt has no such turn."""
    talk = Talk(first, takes_s=4)
    played = talk.play(
        Scenario().at(2).user_says("who is there").at(5.5).user_says("okay").never().bot_is_interrupted()
        .by(9, times=1).bot_says("I saw nobody").never().bot_says("Never mind then").lasts(12)
    )  # fmt: skip
    assert talk.steps == ["looks", "looked"]
    assert [message.text for message in played.conversation.messages if message.role == "user"][-1] == "who is there"


@pytest.mark.parametrize("first", ["", "Let me look"])
def test_the_client_leaves_in_the_midst_of_a_function(first: str) -> None:
    """Nothing of it is left."""
    talk = Talk(first, takes_s=8)
    played: Any = talk.play(Scenario().at(2).user_says("who is there").at(5).client_leaves())
    assert talk.steps == ["looks", "looked"]
    assert played.leaks == []
