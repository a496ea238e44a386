"""Between the client's messages and the send queue: order, counts, and why the pipeline ends a session."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import reactivex
from reactivex import operators as ops
from served import Engine

from voicepipe import ClientInfo
from voicepipe.audio import Pcm16
from voicepipe.characters.news import Headlines
from voicepipe.characters.prompts import Characters
from voicepipe.conversation import Conversation
from voicepipe.events import (
    AudioReceived,
    ConversationEnded,
    Event,
    InputCommitted,
    InputRejected,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    SettingsChanged,
    StageFailed,
    Warned,
)
from voicepipe.metrics.registry import Metrics
from voicepipe.server.session.bridge import SessionBridge
from voicepipe.server.session.cpu_budget import CpuBudget, ThreadCpu, WorkMeter, WorkSlots
from voicepipe.server.session.ending import End, SessionEnd
from voicepipe.server.session.send_queue import SendQueue
from voicepipe.server.session.tool_servers import ToolServerLimits

TALK = Conversation("x")
LATE = End.force("late")


class Bridged:
    """A bridge with a pipeline behind it; `told` is what the client is told, `ending` why the session ends."""

    def __init__(self, pipeline: Any, *, starts: bool = True) -> None:
        self.told: list[Event] = []
        self.ending, self.metrics, self.engine = SessionEnd(), Metrics(), Engine()
        headlines = Headlines(None, Characters.load(), aiohttp.ClientSession, every_s=1, retry_s=1)
        queue = SendQueue(self._encode, audio_capacity_ms=100)
        work = WorkMeter(
            CpuBudget(share=1, burst_s=1), WorkSlots(share=1), asyncio.get_running_loop().time, ThreadCpu()
        )
        self.bridge, self._pipeline = (
            SessionBridge(
                queue, self.ending, self.metrics, headlines, work, ToolServerLimits(tokens=6_000, approval_s=60)
            ),
            pipeline,
        )
        if starts:
            self.start()

    def start(self) -> None:
        self.bridge.start(self._pipeline, self.engine, Pcm16(24_000), "s1", ClientInfo())

    def rejected(self, code: str) -> float | None:
        series = (sample for metric in self.metrics.collect() for sample in metric.samples)
        name, labels = "voicepipe_rejected_messages_total", {"code": code}
        return next((sample.value for sample in series if (sample.name, sample.labels) == (name, labels)), None)

    def _encode(self, event: Event) -> list[dict[str, Any]]:
        self.told.append(event)
        return []


def echoing(session):
    """Warns of each message that it receives, and passes it on."""
    return session.received.pipe(ops.flat_map(lambda message: reactivex.of(Warned(type(message).__name__), message)))


def saying(*events: Event):
    """Says all of it at each commit."""

    def pipeline(session):
        commits = ops.filter(lambda message: isinstance(message, InputCommitted))
        return session.received.pipe(commits, ops.flat_map(lambda _: reactivex.of(*events)))

    return pipeline


async def test_a_message_is_answered_once_and_before_its_consequences():
    """A message that the pipeline passes on has been answered; sound has no answer."""
    bridged = Bridged(echoing)
    for message in (InputCommitted(), AudioReceived(b"")):
        bridged.bridge.take(message)
    assert bridged.told == [InputCommitted(), Warned("InputCommitted"), Warned("AudioReceived")]
    await bridged.bridge.close(1)


async def test_a_rejected_message_is_told_and_counted_and_goes_no_further():
    """The pipeline does not see it."""
    bridged = Bridged(echoing)
    wrong = InputRejected("invalid_value", "No.")
    bridged.bridge.take(wrong)
    assert bridged.told == [wrong]
    assert bridged.rejected("invalid_value") == 1
    await bridged.bridge.close(1)


async def test_a_prompt_reaches_the_pipeline_with_its_headlines():
    """The client's own words are in the answer."""
    prompts = []
    bridged = Bridged(lambda session: session.received.pipe(ops.do_action(prompts.append)))
    settings = SettingsChanged(system_prompt="Read {headlines}", voice="ann")
    bridged.bridge.take(settings)
    (seen,) = prompts
    assert (seen.voice, seen.system_prompt.startswith("Read You have no news today")) == ("ann", True), seen
    assert bridged.told == [settings]
    await bridged.bridge.close(1)


async def test_what_comes_before_the_start_is_answered_only():
    """The greeting."""
    bridged = Bridged(echoing, starts=False)
    bridged.bridge.take(InputCommitted())
    assert bridged.told == [InputCommitted()]
    await bridged.bridge.close(1)


async def test_a_session_that_is_to_be_left_ends_behind_the_running_reply():
    """At its end or when it is interrupted; at once where there is none."""
    for last in (ReplyEnded("Hi.", TALK), ReplyInterrupted("H", TALK)):
        bridged = Bridged(lambda _: reactivex.never())
        bridged.bridge.emit(ReplyStarted(TALK))
        bridged.bridge.leave(LATE)
        assert not bridged.ending.is_over
        bridged.bridge.emit(last)
        assert bridged.ending.reason == LATE
        await bridged.bridge.close(1)
    idle = Bridged(lambda _: reactivex.never())
    idle.bridge.leave(LATE)
    assert idle.ending.reason == LATE
    await idle.bridge.close(1)


async def test_a_pipeline_may_end_its_session():
    """Each way has its close code and its reason."""
    fatal = StageFailed("STT", OSError("secret"), fatal=True)
    for said, code in ((ConversationEnded("Bye!"), 1000), (fatal, 1011)):
        bridged = Bridged(saying(said))
        bridged.bridge.take(InputCommitted())
        assert bridged.ending.reason.code == code
        assert "secret" not in bridged.ending.reason.reason
        await bridged.bridge.close(1)


async def test_a_stage_that_fails_does_not_end_the_session(logs):
    """It is logged."""
    bridged = Bridged(saying(StageFailed("LLM", OSError("secret"))))
    bridged.bridge.take(InputCommitted())
    assert not bridged.ending.is_over
    assert [line["stage"] for line in logs if line["event"] == "stage.failed"] == ["LLM"]
    await bridged.bridge.close(1)


async def test_an_engine_without_stages_ends_the_session(logs):
    """The client is told before."""
    bridged = Bridged(echoing, starts=False)
    bridged.engine.broken = RuntimeError("secret")
    bridged.start()
    assert [type(event) for event in bridged.told] == [StageFailed]
    assert bridged.ending.reason.code == 1011
    assert "session.no_stages" in [line["event"] for line in logs]
    await bridged.bridge.close(1)


async def test_the_stages_are_freed_at_the_end():
    """One close for each start."""
    bridged = Bridged(echoing)
    assert (bridged.engine.made, bridged.engine.closed) == (1, 0)
    await bridged.bridge.close(1)
    assert (bridged.engine.made, bridged.engine.closed) == (1, 1)
