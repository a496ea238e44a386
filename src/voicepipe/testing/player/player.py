"""Play a scenario: a pipeline's session, scripted services, a simulated microphone, a loop in virtual time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, closing, nullcontext
from typing import Any

from structlog.testing import capture_logs

from voicepipe.audio import Pcm16
from voicepipe.conversation import NO_ITEM, ItemId
from voicepipe.events import (
    AudioReceived,
    ClientMessage,
    ConversationEnded,
    Event,
    FunctionCalled,
    InputCommitted,
    InputRejected,
    ItemCreated,
    ItemTruncated,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    SettingsChanged,
    StageFailed,
    WordSpoken,
)
from voicepipe.loader import load_pipeline
from voicepipe.session import Pipeline, SessionRunner, Stages
from voicepipe.stage import named
from voicepipe.testing.loop.shuffle import Shuffle
from voicepipe.testing.loop.virtual_loop import VirtualLoop
from voicepipe.testing.marbles.clocks import refuse_other_clocks
from voicepipe.testing.marbles.leaks import LeakWatch
from voicepipe.testing.player.in_process import Models
from voicepipe.testing.player.microphone import FRAME_S, Microphone
from voicepipe.testing.player.recogniser import by_loudness
from voicepipe.testing.player.remote import Remote
from voicepipe.testing.player.simulating import Simulating
from voicepipe.testing.player.transcript import At, Transcript, said_in
from voicepipe.testing.scenario.scenario import TAIL_S, Scenario
from voicepipe.testing.scenario.steps import shown
from voicepipe.testing.simulation.model import Ask

__all__ = ["play"]

AFTERMATH_S = 2.5
"""The time, in seconds, for which a closed session is watched: it must stay silent."""
GRACE_S = 1.0
PATIENCE_S = 120.0
"""The real time for work in a thread: for a request to the model of a simulated user or of a judge."""


def play(
    scenario: Scenario,
    pipeline: str | Pipeline | None = None,
    *,
    model: Ask | None = None,
    lifespan: Callable[[], AbstractAsyncContextManager[object]] | None = None,
) -> Transcript:
    """Play a scenario and return its transcript, whatever happens.

    Args:
        scenario: What happens; its expectations are not checked.
        pipeline: A function, or what `voicepipe.loader.load_pipeline` takes; None: the default one.
        model: The language model of a simulated user and of a judge; None: the scripted one.
        lifespan: Opens what sessions share before the conversation, and closes it afterwards, on the scenario's loop:
            that of the pipeline's module, or one of the test's own. None: nothing is opened.

    Raises:
        PipelineError: The pipeline cannot be loaded.
        AnotherClock: A scheduler with real time was used.
        Deadlock: The session cannot go on. Other failures are events of the transcript.
        ValueError: The lifespan waits, so that the conversation would begin late.
    """
    order = scenario.cast.order
    function = pipeline if callable(pipeline) else load_pipeline(pipeline)
    loop = VirtualLoop(patience_s=PATIENCE_S, shuffle=Shuffle(order) if order else None)
    watch = LeakWatch(loop)
    stage = _ScenarioSession(scenario, loop, model)
    try:
        with capture_logs() as stage.played.logs, refuse_other_clocks():
            loop.run(_within(lifespan, loop, stage.play(function)))
        stage.services.close()
        stage.played.leaks = watch.leaks()
    finally:
        stage.services.close()
        loop.close()
    return stage.played


async def _within(
    lifespan: Callable[[], AbstractAsyncContextManager[object]] | None,
    loop: VirtualLoop,
    playing: Coroutine[object, object, None],
) -> None:
    """Play while what the lifespan opens is there."""
    with closing(playing):
        async with nullcontext() if lifespan is None else lifespan():
            if late_s := loop.time():
                what = f"the lifespan waits for {late_s:g} s of virtual time, and a scenario begins at 0"
                raise ValueError(f"{what}; give a lifespan that waits for nothing")
            await playing


class _ScenarioSession:
    """The session, its client, and what happens to them. Times are of the loop, which begins at 0."""

    def __init__(self, scenario: Scenario, loop: VirtualLoop, model: Ask | None) -> None:
        cast = scenario.cast
        self.played = Transcript(length_s=scenario.length_s)
        self._scenario, self._loop = scenario, loop
        self._over: asyncio.Future[str | None] = loop.create_future()
        kind = Models if cast.in_process else Remote
        self._microphone = Microphone(cast.user_word_s, kind.rate_hz)
        self.services = kind(cast, self._microphone, loop)
        self._simulating = Simulating(cast, model, loop, self.played)
        self._user = self._simulating.user(self.say, self._user_finished)
        self._frame = self._microphone.frame()
        self._running: SessionRunner | None = None
        self._muted = self._commits_items = False
        self._held_until = 0.0
        self._held: deque[ClientMessage] = deque()
        self._cued = [(act.cue, act) for act in scenario.acts if act.cue is not None]
        self._saying = ""
        self._timers: list[asyncio.TimerHandle] = []

    async def play(self, pipeline: Pipeline) -> None:
        played = self.played
        self._running = SessionRunner(
            pipeline,
            session_id="scenario",
            codec=Pcm16(self.services.rate_hz),
            stages=self._stages(),
            emit=self._emit,
            client=self._scenario.cast.client,
        )
        self._running.ended.add_done_callback(self._pipeline_ended)
        self._begin()
        reason = await self._over
        for timer in self._timers:
            timer.cancel()
        if self._user is not None:
            self._user.stop()
        if reason is not None:
            played.ended_s, played.reason = self._loop.time(), reason
        await self._running.close(grace_s=GRACE_S)
        played.closed_s, played.asked = self._loop.time(), self.services.asked
        played.missed += self.services.missed
        await self._simulating.judge()
        await asyncio.sleep(AFTERMATH_S)

    def _stages(self) -> Stages:
        services = self.services
        return Stages(
            named("VAD", by_loudness()),
            services.end_of_turn,
            services.stt,
            services.llm,
            services.tts,
            speculations=self._scenario.cast.speculations,
        )

    # ---- the client -------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        if (prompt := self._scenario.cast.prompt) is not None:
            self.receive(SettingsChanged(prompt))
        for act in self._scenario.acts:
            if act.cue is None:
                self._at(act.at_s, act.perform, self)
        if self._user is not None:
            self._at(0.0, self._user.begin)
        self._at(self.played.length_s, self._end, None)
        self._loop.call_at(FRAME_S, self._tick, 1)

    def _at(self, at_s: float, do: Callable[..., object], *args: Any) -> None:
        self._timers.append(self._loop.call_at(at_s, do, *args))

    def _tick(self, number: int) -> None:
        """Note that the microphone has filled frame `number`, counted from 1."""
        if self._over.done():
            return
        self._loop.call_at((number + 1) * FRAME_S, self._tick, number + 1)
        data, self._frame = self._frame, self._microphone.frame()  # what is said from now on fills the next one
        if self._microphone.is_voice(data):
            _extend(self.played.voice, (number - 1) * FRAME_S, number * FRAME_S)
        if not self._muted:
            self._send(AudioReceived(data))
        else:
            _extend(self.played.unheard, (number - 1) * FRAME_S, number * FRAME_S)

    def _send(self, message: ClientMessage) -> None:
        """Receive a message. As with a socket, it only wakes the reader: timers that are due run first."""
        if self._held or self._loop.time() < self._held_until:
            self._held.append(message)
        else:
            self._loop.call_soon(self.receive, message)

    def _release(self) -> None:
        while self._held and self._loop.time() >= self._held_until:
            self.receive(self._held.popleft())

    def receive(self, message: ClientMessage) -> None:
        """Run as a server does: an exception in the graph's own call ends the session."""
        if self._running is None or self._over.done():
            return
        try:
            self._running.receive(message)
        except Exception as error:
            self._emit(StageFailed("pipeline", error, fatal=True))

    def _emit(self, event: Event) -> None:
        self.played.events.append(At(self._loop.time(), event))
        match event:
            case ConversationEnded(reason=reason):
                self._end(reason)
            case StageFailed(fatal=True, stage=stage, error=error):
                self._end(f"{stage} failed: {error!r}")
            case ReplyStarted():
                self._saying = ""
            case ReplyEnded(text=text) if self._user is not None:
                self._user.hear(text, ended=True)
            case ReplyInterrupted(heard_text=text) if self._user is not None:
                self._user.hear(text, ended=False)
            case WordSpoken(word=word):
                self._saying += f" {word}"
                self._give_cues()
            case _:
                pass

    def _give_cues(self) -> None:
        for cue, act in list(self._cued):
            if said_in(cue, self._saying):
                self._cued.remove((cue, act))
                self._at(self._loop.time() + act.at_s, act.perform, self)

    def _user_finished(self) -> None:
        self._at(self._loop.time() + TAIL_S, self._end, None)

    def _pipeline_ended(self, ended: asyncio.Future[Exception | None]) -> None:
        self._end("the pipeline has completed" if ended.result() is None else f"{ended.result()!r}")

    def _end(self, reason: str | None) -> None:
        if not self._over.done():
            self._over.set_result(reason)

    # ---- what acts do -----------------------------------------------------------------------------------------------

    def say(self, text: str) -> float:
        """Say a text; return how long it takes, in seconds."""
        self._note(f'"{text}"')
        self._microphone.say(text)
        return len(text.split()) * self._scenario.cast.user_word_s

    def cough(self, length_s: float) -> None:
        self._note("coughs")
        self._microphone.cough(length_s)

    def mute(self, muted: bool) -> None:
        self._note("is muted" if muted else "is back")
        self._muted = muted

    def hold_network(self, length_s: float) -> None:
        self._note(f"network stalls for {length_s:g} s")
        self._held_until = max(self._held_until, round(self._loop.time() + length_s, 6))
        self.played.unheard.append((self._loop.time(), self._held_until))
        self._at(self._held_until, self._release)

    def stall(self, length_s: float) -> None:
        self._note(f"machine stalls for {length_s:g} s")
        self._loop.stall(length_s)

    def leave(self) -> None:
        self._note("leaves")
        self._end("the client left")

    def deafen(self) -> None:
        self._note("recogniser fails")
        self.services.deafen()

    def send(self, event: Event) -> None:
        if isinstance(event, SettingsChanged) and event.turns is not None:
            self._commits_items = event.turns.by == "client"
        self._note(f"client sends {shown(event)}")
        self._send(event)

    def commit(self) -> None:
        """Commit as the dialects do: without turn detection, the client's sound becomes an item of its own."""
        item = ItemId(f"committed-{self._loop.time():g}") if self._commits_items else NO_ITEM
        self.send(InputCommitted(item))

    def truncate(self, heard_ms: float) -> None:
        reply = next(
            (event.item for _, event in reversed(self.played.events) if isinstance(event, ReplyStarted)), NO_ITEM
        )
        self.send(ItemTruncated(reply, heard_ms))

    def return_result(self, name: str, output: str) -> None:
        called = [event.call for event in self.played.of(FunctionCalled) if event.call.name == name]
        if not called:
            self._emit(InputRejected("unknown_call", f"the bot has not called {name}"))
            return
        self.send(ItemCreated(ItemId(f"result-{called[-1].id}"), "tool", output, call=called[-1]))

    def _note(self, what: str) -> None:
        self.played.done.append((self._loop.time(), what))


def _extend(stretches: list[tuple[float, float]], start_s: float, stop_s: float) -> None:
    """Add a frame to the last period of sound, or begin one."""
    if stretches and abs(stretches[-1][1] - start_s) < FRAME_S / 2:
        start_s = stretches.pop()[0]
    stretches.append((start_s, stop_s))
