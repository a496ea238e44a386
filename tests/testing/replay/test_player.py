"""A recorded session, run again: the same, to the bit; and another one, by what its stages would have given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import reactivex
from reactivex import Observable
from reactivex import operators as rx
from recorded_session import ALLOWS_EVENTS, ALLOWS_NOTHING, ALLOWS_SOUND, ANSWER, packets, recorded, talk
from scripted_stages import scripted_stages

from voicepipe import operators as ops
from voicepipe.conversation import Conversation
from voicepipe.events import (
    Event,
    FunctionCall,
    FunctionCalled,
    FunctionReturned,
    ReplyInterrupted,
    ReplyStarted,
    StageFailed,
    TurnEnded,
)
from voicepipe.loader import load_pipeline
from voicepipe.presets import ENDPOINTING, INTERRUPTION, PLAYBACK, TOOLS
from voicepipe.recording.file import read
from voicepipe.rx import from_async
from voicepipe.session import Pipeline, Session, Stages
from voicepipe.stage import StageError
from voicepipe.testing.replay import NotReplayable, differences, overridden, replay, turns
from voicepipe.testing.replay.compare import fingerprint

DEFAULT = load_pipeline(None)


def same(path: Path, pipeline: Pipeline = DEFAULT) -> None:
    recording = read(path)
    again = replay(recording, pipeline)
    assert again.diverged is None
    assert differences(recording, again) is None
    assert fingerprint(recording, again) == fingerprint(recording, replay(recording, pipeline))


def test_the_same_input_gives_the_same_output_to_the_bit(talk_with_sound: Path, talk_without_sound: Path) -> None:
    """Each event, and the time of each, as a float has it, whether or not the user's sound is kept."""
    same(talk_with_sound)
    same(talk_without_sound)


def test_a_killed_session_is_run_again_up_to_its_last_record(tmp_path: Path, talk_with_sound: Path) -> None:
    """All that is left of it, wherever it was cut."""
    path, whole = tmp_path / "killed.recording", talk_with_sound.read_bytes()
    for share in (0.4, 0.9):
        path.write_bytes(whole[: round(len(whole) * share)])
        recording = read(path)
        again = replay(recording, DEFAULT)
        assert (again.diverged, differences(recording, again)) == (None, None)
        assert recording.ended == "the server was killed"


def slow(conversation: Conversation) -> Observable[Any]:
    """A model that takes its time: its words come from the loop."""

    async def words() -> AsyncGenerator[Any, None]:
        for word in ANSWER.split():
            await asyncio.sleep(0.0317)
            yield f"{word} "
        try:
            await asyncio.sleep(0.05)
        finally:
            await asyncio.sleep(0.02)  # a clean-up, for which the next turn waits

    return from_async(words, "slow")


def slow_stages() -> Stages:
    stages: Stages = scripted_stages(lambda _: ANSWER)
    return replace(stages, llm=slow)


def test_a_barge_in_over_a_slow_model_is_the_same_again(tmp_path: Path) -> None:
    """The next turn waits for the clean-up of the cut one, as it did."""
    said = [
        (0.1, ALLOWS_SOUND),
        *packets(0.5, 0.6, loud=True),
        *packets(1.1, 0.36, loud=False),
        *packets(1.46, 0.6, loud=True),
        *packets(2.06, 2.0, loud=False),
    ]
    (path,) = recorded(tmp_path, said, stages=slow_stages())
    assert any(isinstance(event, ReplyInterrupted) for _, event in read(path).emitted())
    same(path)


def failing(_: Conversation) -> Observable[Any]:
    """A model that fails after its first word."""
    return reactivex.concat(reactivex.just("Well, "), reactivex.throw(StageError("LLM", OSError("gone"))))


def test_a_stage_that_failed_fails_again(tmp_path: Path) -> None:
    """With the same error, of the same stage."""
    said = talk(ALLOWS_EVENTS, turns=1)
    (path,) = recorded(tmp_path, said, stages=replace(slow_stages(), llm=failing))
    failures = [event for _, event in read(path).emitted() if isinstance(event, StageFailed)]
    assert [failure.stage for failure in failures] == ["LLM"]
    same(path)


# ---- functions -------------------------------------------------------------------------------------------------------


class Shop:
    """A pipeline with a function that must not be called twice."""

    def __init__(self) -> None:
        self.orders: list[str] = []

    async def order(self, what: str) -> str:
        """Order something."""
        self.orders.append(what)
        await asyncio.sleep(0.3)
        return f"{what} will come at {len(self.orders)} o'clock"

    def __call__(self, session: Session) -> Observable[Event]:
        llm = ops.with_tools(session.llm, self.order, TOOLS)
        mic = session.received.pipe(ops.decode(session.codec))
        heard = mic.pipe(ops.listening(session, ENDPOINTING), rx.share())
        found = heard.pipe(ops.detect_turns(ENDPOINTING), rx.share())
        reply = ops.replying(llm, session.tts, PLAYBACK)
        return reactivex.merge(heard, found, found.pipe(ops.respond(reply, INTERRUPTION))).pipe(
            ops.encode(session.codec)
        )


def calling(conversation: Conversation) -> Observable[Any]:
    """A model that orders tea, and then says what came of it."""
    last = conversation.messages[-1]
    if last.role == "tool":
        return reactivex.just(last.text)
    return reactivex.just(FunctionCalled(FunctionCall("c1", "order", '{"what": "tea"}')))


def test_what_a_function_does_is_not_done_again(tmp_path: Path) -> None:
    """Its recorded result is given, when it came."""
    shop = Shop()
    (path,) = recorded(tmp_path, talk(ALLOWS_SOUND, turns=1), pipeline=shop, stages=replace(slow_stages(), llm=calling))
    assert shop.orders == ["tea"]
    returned = [event for _, event in read(path).emitted() if isinstance(event, FunctionReturned)]
    assert [event.output for event in returned] == ["tea will come at 1 o'clock"]
    same(path, shop)
    assert shop.orders == ["tea"]


# ---- another course --------------------------------------------------------------------------------------------------


def test_a_recording_that_begins_in_the_middle_is_refused(tmp_path: Path) -> None:
    said = [*talk(ALLOWS_SOUND, turns=1), (3.0, ALLOWS_NOTHING), (3.1, ALLOWS_EVENTS)]
    (path,) = recorded(tmp_path, said)
    with pytest.raises(NotReplayable, match="begins in the middle of its session"):
        replay(read(path), DEFAULT)


def test_a_longer_pause_answers_later(talk_without_sound: Path) -> None:
    """By the difference; the words are the same."""
    recording = read(talk_without_sound)
    before = turns(replay(recording, DEFAULT, modelled=True).events, recording.header.at_s)
    with overridden(["ENDPOINTING.pause_ms=320", "ENDPOINTING.silence_ms=900"]):
        after = turns(replay(recording, load_pipeline(None), modelled=True).events, recording.header.at_s)
    assert [turn.heard for turn in before] == [turn.heard for turn in after] == ["Hello there."] * 2
    assert [turn.latency_ms for turn in before] == pytest.approx([160, 160], abs=20)
    assert [turn.latency_ms for turn in after] == pytest.approx([320, 320], abs=20)
    assert [turn.interrupted for turn in (before[0], after[0])] == [False, True], "it ends behind the user's next word"
    assert ENDPOINTING.pause_ms == 160


def test_the_model_of_the_stages_does_what_the_session_did(tmp_path: Path) -> None:
    """With the same pipeline, each turn is the same and as fast, to a millisecond."""
    (path,) = recorded(tmp_path, talk(ALLOWS_EVENTS), stages=slow_stages())
    recording = read(path)
    was = turns(recording.emitted(), recording.header.at_s)
    modelled = turns(replay(recording, DEFAULT, modelled=True).events, recording.header.at_s)
    assert len(was) == 2
    assert all(one.same_as(other, within_ms=1) for one, other in zip(was, modelled, strict=True))


def test_another_pipeline_goes_on_where_it_differs(talk_without_sound: Path) -> None:
    """And the place is told."""

    def silent(session: Session) -> Observable[Event]:
        mic = session.received.pipe(ops.decode(session.codec))
        heard = mic.pipe(ops.listening(session, ENDPOINTING), rx.share())
        return reactivex.merge(heard, heard.pipe(ops.detect_turns(ENDPOINTING))).pipe(ops.encode(session.codec))

    recording = read(talk_without_sound)
    again = replay(recording, silent)
    assert again.diverged is not None
    ended = [event.text for _, event in again.events if isinstance(event, TurnEnded)]
    assert ended == ["Hello there."] * 2
    assert not any(isinstance(event, ReplyStarted) for _, event in again.events)
