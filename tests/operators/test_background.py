"""Functions that go on while the conversation does, and report later."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from reactivex import Observable
from reactivex.operators import share

from voicepipe import Event, Session, merge
from voicepipe import operators as ops
from voicepipe.events import FunctionCall, FunctionReturned, GenerationRequested, ItemCreated
from voicepipe.operators.background import STARTED
from voicepipe.operators.toolbox import Toolbox
from voicepipe.presets import ENDPOINTING, GAPS, INTERRUPTION, PLAYBACK
from voicepipe.rx import LoopScheduler
from voicepipe.session import Pipeline
from voicepipe.testing import Marbles, Scenario, run

LOOKED = "look_up(question='tea')"
REPORT = f"Tell the user now, in one or two sentences, what {LOOKED} has given: it is above."


class Work:
    """A slow function, and what became of its runs."""

    def __init__(self, takes_s: float = 4) -> None:
        self.takes_s = takes_s
        self.done = list[str]()

    async def look_up(self, question: str) -> dict[str, str]:
        """Look something up."""
        try:
            await asyncio.sleep(self.takes_s)
            if question == "nothing":
                raise LookupError("there is nothing")
            self.done.append(question)
        except asyncio.CancelledError:
            self.done.append(f"{question} cancelled")
            raise
        return {question: "at four"}


def pipeline_of(work: Work, at_most: int = 2, deadline_s: float = 30) -> Pipeline:
    def pipeline(session: Session) -> Observable[Event]:
        mic = session.received.pipe(ops.decode(session.codec), ops.fill_gaps(GAPS))
        heard = mic.pipe(ops.listening(session, ENDPOINTING), share())
        turns = heard.pipe(ops.detect_turns(ENDPOINTING), share())
        jobs = ops.Background(work.look_up, at_most=at_most, deadline_s=deadline_s)
        llm = ops.with_tools(session.llm, *jobs.functions, deadline_s=2, filler="", filler_after_s=1, rounds=2)
        reply = ops.replying(llm, session.tts, PLAYBACK)
        spoken = merge(turns, jobs.reports).pipe(ops.respond(reply, INTERRUPTION))
        return merge(heard, turns, spoken).pipe(ops.encode(session.codec))

    return pipeline


def asking(title: str) -> Scenario:
    scene = Scenario(title).llm_calls("when is tea", "look_up", {"question": "tea"}, says="I will look.")
    return scene.llm(STARTED, "It takes a while, so let us talk of something else.").llm(REPORT, "Tea is at four.")


def test_the_result_is_spoken_of_when_it_is_there() -> None:
    """And the conversation keeps it, so that the user can ask again."""
    work = Work()
    scene = asking("Tea").at(2).user_says("when is tea").by(4, times=1).bot_says("I will look.")
    scene.between(7, 9, times=1).bot_says("Tea is at four.").remembers("assistant", "Tea is at four.")
    played = run(scene, pipeline_of(work))
    assert work.done == ["tea"]
    told = played.asked[-1]
    assert told.asked == REPORT


def test_a_barge_in_does_not_cancel_it() -> None:
    """The answer that started it is cut; the report waits until the user has been answered."""
    work = Work(takes_s=2.3)
    scene = asking("Tea, and a barge-in").llm("no wait a moment", "I am waiting.").at(2).user_says("when is tea")
    scene.at(5.2).user_says("no wait a moment").ever(times=1).bot_is_interrupted()
    scene.by(8).bot_says("I am waiting.").between(7, 11, times=1).bot_says("Tea is at four.")
    run(scene, pipeline_of(work))
    assert work.done == ["tea"]


def test_the_end_of_the_session_cancels_it() -> None:
    work = Work(takes_s=60)
    run(asking("Gone").at(2).user_says("when is tea").lasts(6), pipeline_of(work))
    assert work.done == ["tea cancelled"]


@pytest.mark.parametrize(
    ("question", "deadline_s", "error"),
    [("nothing", 9, "LookupError: there is nothing"), ("tea", 0.5, "no result within 0.5 s")],
)
def test_an_error_is_reported_too(marbles: Marbles, question: str, deadline_s: float, error: str) -> None:
    """An exception, and a deadline: the model tells the user."""

    async def main() -> list[Any]:
        jobs = ops.Background(Work(1).look_up, at_most=2, deadline_s=deadline_s)
        reports = list[Any]()
        running = jobs.reports.subscribe(reports.append, scheduler=LoopScheduler(asyncio.get_running_loop()))
        await asyncio.sleep(0)
        box = Toolbox(jobs.functions)
        call = FunctionCall("1", "look_up", json.dumps({"question": question}))
        assert (await box.run(call, deadline_s=1)).text == STARTED
        await asyncio.sleep(2)
        running.dispose()
        await asyncio.sleep(0)
        return reports

    note, request = marbles.run(main())
    assert note == ItemCreated(
        "background1.result", "system", f"look_up(question={question!r}) has given: {json.dumps({'error': error})}"
    )
    assert isinstance(request, GenerationRequested)
    assert request.when == "in_silence"


def test_one_more_than_may_run_is_not_begun() -> None:
    """The model is told, and so is the log."""
    scene = asking("Two").llm_calls("and again", "look_up", {"question": "cake"})
    played = run(scene.at(2).user_says("when is tea").at(7).user_says("and again"), pipeline_of(Work(9), at_most=1))
    assert played.of(FunctionReturned)[-1].output == '{"error": "RuntimeError: not begun: 1 are under way already"}'


def test_without_its_reports_no_job_begins(marbles: Marbles) -> None:
    """Its result would be lost."""
    jobs = ops.Background(Work().look_up, at_most=1, deadline_s=1)
    call = FunctionCall("1", "look_up", '{"question": "tea"}')
    told = marbles.run(Toolbox(jobs.functions).run(call, deadline_s=1))
    assert told.text == '{"error": "RuntimeError: `reports` of the background functions is not merged into the turns"}'


def test_a_function_in_a_thread_reports_too(marbles: Marbles) -> None:
    """The model reads the same signature and docstring as without `Background`."""

    def weigh(grams: int) -> int:
        """Weigh it."""
        return grams

    jobs = ops.Background(weigh, at_most=1, deadline_s=5)
    assert Toolbox(jobs.functions).functions == Toolbox([weigh]).functions

    async def main() -> ItemCreated:
        noted = asyncio.get_running_loop().create_future()
        scheduler = LoopScheduler(asyncio.get_running_loop())
        running = jobs.reports.subscribe(lambda one: noted.done() or noted.set_result(one), scheduler=scheduler)
        await asyncio.sleep(0)
        await Toolbox(jobs.functions).run(FunctionCall("1", "weigh", '{"grams": 5}'), deadline_s=1)
        note = await noted
        running.dispose()
        await asyncio.sleep(0)
        return note

    assert marbles.run(main()).text == "weigh(grams=5) has given: 5"
