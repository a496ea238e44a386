"""Drawn conversations, recorded and run again: whatever happens in one, it is the same again, to the bit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from examples import examples

from voicepipe.conversation import ClientInfo
from voicepipe.events import ClientMessage, EchoFound, Event, SettingsChanged
from voicepipe.loader import load_pipeline
from voicepipe.operators import with_tools
from voicepipe.recording.file import Recording, read
from voicepipe.recording.session import RecordingLimits, SessionRecorder
from voicepipe.session import Pipeline, Session, SessionRunner
from voicepipe.testing.exploration import explore
from voicepipe.testing.player.player import play
from voicepipe.testing.replay import differences, replay
from voicepipe.testing.scenario.scenario import Scenario

DEFAULT = load_pipeline(None)
ALLOWED = SettingsChanged(None, allow_recording=True, allow_sound_recording=True)


class RecordedRunner:
    """A `SessionRunner` that records: its client allows it before it says anything."""

    folder: Path
    sound: bool

    def __init__(
        self, pipeline: Pipeline, *, emit: Callable[[Event], None], client: ClientInfo, **made_of: Any
    ) -> None:
        limits = RecordingLimits(self.folder, self.sound, 1_000_000_000, 1_000_000_000)
        self._recorder = SessionRecorder(limits, made_of["session_id"], "", client)
        made_of["codec"] = self._recorder.codec(made_of["codec"])
        made_of["stages"] = self._recorder.stages(made_of["stages"])

        def emitted(event: Event) -> None:
            self._recorder.emitted(event)
            emit(event)

        start = lambda: SessionRunner(
            pipeline, emit=emitted, client=client, scheduler=self._recorder.scheduler(), **made_of
        )
        self._runner = self._recorder.started(start)
        self._recorder.allow(ALLOWED)
        self.ended = self._runner.ended

    def receive(self, message: ClientMessage) -> None:
        self._recorder.received(message, lambda: self._runner.receive(message))

    async def close(self, grace_s: float) -> None:
        self._recorder.ended("over")
        await self._runner.close(grace_s)
        await self._recorder.close()


@pytest.fixture
def same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Scenario, Callable[[], Pipeline]], Recording]:
    """A function that plays and records a scenario, runs it again, and compares the two."""
    monkeypatch.setattr("voicepipe.testing.player.player.SessionRunner", RecordedRunner)
    monkeypatch.setattr("voicepipe.recording.writer.BATCH_S", 3600.0)  # written at the end: threads take their time
    monkeypatch.setattr("voicepipe.recording.writer.BATCH_BYTES", 1_000_000_000)
    monkeypatch.setattr(RecordedRunner, "folder", tmp_path, raising=False)

    def check(scenario: Scenario, pipeline: Callable[[], Pipeline]) -> Recording:
        monkeypatch.setattr(RecordedRunner, "sound", bool(scenario.cast.order % 2), raising=False)
        play(scenario, pipeline())
        (path,) = tmp_path.iterdir()
        recording = read(path)
        path.unlink()
        again = replay(recording, pipeline())
        assert (again.diverged, differences(recording, again)) == (None, None)
        return recording

    return check


def test_drawn_conversations_are_the_same_again(same: Callable[..., Recording]) -> None:
    """With barge-ins, coughs, echoes, holds, stalls, failures, idle prompts and changed settings."""
    explore(DEFAULT, cases=examples(14), shrinks=False, check=lambda scenario: same(scenario, lambda: DEFAULT))


def test_drawn_conversations_with_functions_are_the_same_again(same: Callable[..., Recording]) -> None:
    """Quick and slow ones, and such as take longer than the filler waits: the pipeline's own tasks wait as they did."""
    explore(
        DEFAULT,
        cases=examples(8),
        functions=("look", "search"),
        shrinks=False,
        check=lambda scenario: same(scenario, calling),
    )


def calling() -> Pipeline:
    """Return the default pipeline with functions."""

    def pipeline(session: Session) -> Any:
        llm = with_tools(session.llm, look, search, deadline_s=2.0, filler="One moment.", filler_after_s=0.8, rounds=2)
        return DEFAULT(replace(session, llm=llm))

    return pipeline


async def look() -> str:
    """Look, which is quick."""
    await asyncio.sleep(0.1)
    return "there it is"


async def search() -> str:
    """Search, which takes longer than the deadline."""
    await asyncio.sleep(3)
    return "nothing"


def test_a_function_that_keeps_the_user_waiting_is_the_same_again(same: Callable[..., Recording]) -> None:
    """The filler comes when it came."""
    scenario = Scenario("A slow function").llm(None, "Hi!").llm_calls("stop", "search").at(0).user_says("stop")
    same(scenario, calling)


def test_an_echo_is_the_same_again_without_the_users_sound(same: Callable[..., Recording]) -> None:
    """It is found where it was found, though silence is heard."""
    story = "Let me see, that is a long story, and it begins at sea."
    scenario = Scenario("An echo").llm(None, story, after_s=2, word_s=0.2).llm("", "Hi!", after_s=0.1)
    scenario.tts(delay_s=0.06, word_s=0.02).recogniser_needs(word_s=0, flush_s=0)
    for at_s in (1.66, 8.66, 15.12):
        scenario.at(at_s).user_coughs(0.06)
    recording = same(scenario.order(470).lasts(29.18), lambda: DEFAULT)
    assert any(isinstance(event, EchoFound) for _, event in recording.emitted())
