"""`SessionBridge`: the client's messages to the pipeline, and the pipeline's events to the client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import get_args

import structlog
from aiohttp import WSCloseCode

from voicepipe.audio import Codec
from voicepipe.boundary.pending import PendingWork
from voicepipe.characters.news import Headlines
from voicepipe.conversation import ClientInfo
from voicepipe.engine import Engine
from voicepipe.events import (
    AudioDeferred,
    AudioReceived,
    ClientMessage,
    ConversationEnded,
    Event,
    Generation,
    InputRejected,
    ItemRequested,
    OutOfBandResponse,
    ReplyEnded,
    ReplyInterrupted,
    ReplyRequested,
    ReplyStarted,
    SessionOpened,
    SettingsChanged,
    StageFailed,
    TextNotSpoken,
    ToolApprovalGiven,
    Warned,
)
from voicepipe.events.application import is_app_event
from voicepipe.metrics.registry import Metrics
from voicepipe.metrics.session import TurnMetrics
from voicepipe.metrics.stages import metered_stages
from voicepipe.realtime import Received, sentence
from voicepipe.recording.session import SessionRecorder
from voicepipe.server.session.cpu_budget import WorkMeter
from voicepipe.server.session.ending import End, SessionEnd
from voicepipe.server.session.send_queue import BOUNDARY, SendQueue
from voicepipe.server.session.tool_servers import SessionToolServers, ToolServerLimits
from voicepipe.server.session.turn_log import TurnLog
from voicepipe.session import Pipeline, SessionRunner

__all__ = ["SessionBridge"]

log = structlog.get_logger()

# Messages of the client were answered when they came in; pipelines pass them on to their stages, and to their end.
_ANSWERED = tuple(set(get_args(ClientMessage)) - {InputRejected, Event})


class SessionBridge:
    """Run a pipeline between a client's messages and its send queue; log and count what happens.

    Args:
        send_queue: Takes what the client is told.
        ending: Is told why the session ends, where the pipeline ends it.
        metrics: Counts turns, failures and rejected messages.
        headlines: Put into prompts that ask for them.
        work: Measures what the pipeline's events cost.
        tools: The limits of the tool servers that the client names.
        watched: Takes each message and each event, for those that watch the session.
        log_words: The log has the words of users and of the bot.
    """

    def __init__(
        self,
        send_queue: SendQueue,
        ending: SessionEnd,
        metrics: Metrics,
        headlines: Headlines,
        work: WorkMeter,
        tools: ToolServerLimits,
        watched: Callable[[object], None] = lambda _: None,
        log_words: bool = False,
    ) -> None:
        self._send_queue, self._ending, self._headlines, self._work = send_queue, ending, headlines, work
        self._watched = watched
        self._recorder: SessionRecorder | None = None
        self._log_words = log_words
        self._metrics, self._meter = metrics, TurnMetrics(metrics, asyncio.get_running_loop().time)
        self._turns, self._tool_servers = TurnLog(words=log_words), SessionToolServers(self.emit, tools)
        self._running: SessionRunner | None = None
        self._replying = False
        self._leaving: End | None = None

    def start(
        self,
        pipeline: Pipeline,
        engine: Engine,
        codec: Codec,
        session_id: str,
        client: ClientInfo,
        recorder: SessionRecorder | None = None,
    ) -> PendingWork:
        """Start the pipeline. Return the work that its stages have not done; a failure ends the session."""
        self._recorder = recorder
        try:
            stages = metered_stages(engine.stages(), self._metrics)
            stages = replace(stages, llm=self._tool_servers.offering(stages.llm))
        except Exception as error:
            log.exception("session.no_stages")
            self.emit(StageFailed("pipeline", error, fatal=True))
            return PendingWork()
        run = partial(SessionRunner, pipeline, session_id=session_id, emit=self._emitted, client=client)
        if recorder is None:
            self._running = run(codec=codec, stages=stages)
        else:
            run = partial(run, codec=recorder.codec(codec), stages=recorder.stages(stages))
            self._running = recorder.started(partial(run, scheduler=recorder.scheduler()))
        self._running.ended.add_done_callback(self._pipeline_ended)
        return self._running.backlog

    def leave(self, end: End) -> None:
        """End the session when the running reply is over."""
        self._leaving = end
        if not self._replying:
            self._ending.finish(end)

    async def close(self, grace_s: float) -> None:
        """Dispose the pipeline, and wait up to `grace_s` for its clean-up."""
        if self._recorder is not None:
            self._recorder.ended(self._ending.reason.reason)
        if self._running is not None:
            await self._running.close(grace_s)
        await self._tool_servers.close(grace_s)
        self._meter.close()

    # ---- from the client ---------------------------------------------------------------------------------------------

    def take(self, message: Received) -> None:
        """Answer a message, then pass it to the pipeline: consequences come after the answer."""
        self._watched(message)
        if self._recorder is not None:
            self._recorder.allow(message)  # a recording is deleted before the client reads that it is
        if not isinstance(message, AudioReceived | AudioDeferred) and not is_app_event(message):
            self._send_queue.put(message)
        self._use_tools(message)
        match message:
            case InputRejected(code=code):
                self._metrics.session.rejected.labels(self._metrics.session.code_label(code)).inc()
            case SessionOpened() | ItemRequested():
                pass
            case SettingsChanged(system_prompt=str(prompt)):
                self._receive(replace(message, system_prompt=self._headlines.render(prompt)))
            case _:
                self._receive(message)

    def _use_tools(self, message: Received) -> None:
        """Connect to the tool servers that a message names, and pass on what it approves of."""
        match message:
            case SettingsChanged(generation=Generation(servers=servers)):
                self._tool_servers.use(servers)
            case ReplyRequested(generation=Generation(servers=servers)):
                self._tool_servers.use_too(servers)
            case ToolApprovalGiven():
                self._tool_servers.decide(message)
            case _:
                pass

    def _receive(self, message: ClientMessage) -> None:
        if self._running is None:
            return
        try:
            if self._recorder is None:
                self._running.receive(message)
            else:
                self._recorder.received(message, partial(self._running.receive, message))
        except Exception as error:
            log.exception("session.receive_failed")
            self.emit(StageFailed("pipeline", error, fatal=True))

    # ---- from the pipeline -------------------------------------------------------------------------------------------

    def _emitted(self, event: Event) -> None:
        if self._recorder is not None:
            self._recorder.emitted(event)
        self.emit(event)

    def emit(self, event: Event) -> None:
        """Log, count and send an event of the pipeline."""
        if not isinstance(event, _ANSWERED):
            with self._work:
                self._emit(event)

    def _emit(self, event: Event) -> None:
        self._watched(event)
        self._turns.note(event)
        self._meter.note(event)
        self._send_queue.put(event)
        self._meter.note_lost(BOUNDARY, self._send_queue.lost_ms)
        match event:
            case StageFailed(fatal=True):
                self._fail(event)
            case StageFailed(stage=stage, error=error, silent=True):
                log.error("stage.failed", stage=stage, exc_info=error)
            case StageFailed(stage=stage, error=error) | OutOfBandResponse(event=StageFailed(stage=stage, error=error)):
                log.warning("stage.failed", stage=stage, exc_info=error)
            case TextNotSpoken(text=text) if not self._log_words:
                log.info("session.text_not_spoken", characters=len(text))
            case Warned(message=warning):
                log.info("session.warned", warning=warning)
            case ConversationEnded(reason=reason):
                self._ending.finish(End(WSCloseCode.OK, reason))
            case ReplyStarted():
                self._replying = True
            case ReplyEnded() | ReplyInterrupted():
                self._replying = False
                if self._leaving is not None:
                    self._ending.finish(self._leaving)
            case _:
                pass

    def _pipeline_ended(self, ended: asyncio.Future[Exception | None]) -> None:
        error = ended.result()
        if error is None:
            self._ending.finish(End(WSCloseCode.OK, "the pipeline has completed"))
            return
        failure = StageFailed("pipeline", error, fatal=True)
        if not self._ending.is_over:  # one of its events could not be encoded, and the client does not know yet
            self._send_queue.put(failure)
        self._fail(failure)

    def _fail(self, failure: StageFailed) -> None:
        self._ending.finish(End(WSCloseCode.INTERNAL_ERROR, sentence(failure)))
