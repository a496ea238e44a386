"""One client from its upgrade to its end: a reader, a writer, and one reason for which it is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, replace
from typing import Any, get_args

import structlog
from aiohttp import WSCloseCode, WSMsgType

from voicepipe.characters.news import Headlines
from voicepipe.engine import Engine
from voicepipe.events import (
    AudioDeferred,
    AudioReceived,
    ClientMessage,
    ConversationEnded,
    Event,
    InputRejected,
    ItemRequested,
    OutOfBandResponse,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    SessionOpened,
    SettingsChanged,
    StageFailed,
    Warned,
)
from voicepipe.metrics.registry import Metrics
from voicepipe.metrics.session import TurnMetrics
from voicepipe.metrics.stages import metered_stages
from voicepipe.realtime import DialectNegotiation, Received, sentence
from voicepipe.server.session.briefing import PromptPreparation
from voicepipe.server.session.pacing import PIECE_MS, IngressPacer
from voicepipe.server.session.rate_limit import MessageRate
from voicepipe.server.session.receive_queue import ReceiveQueue
from voicepipe.server.session.recorder import Recorder, Side
from voicepipe.server.session.send_queue import BOUNDARY, ClientTooSlow, SendQueue
from voicepipe.server.session.socket import Socket
from voicepipe.server.session.turn_log import TurnLog
from voicepipe.server.settings import ServerSettings
from voicepipe.session import Pipeline, SessionRunner

__all__ = ["End", "SessionConnection"]

log = structlog.get_logger()

_ANSWERED = tuple(set(get_args(ClientMessage)) - {InputRejected})
"""What the client has sent was answered when it came in; pipelines pass it on to their stages, and to their end."""


@dataclass(frozen=True, slots=True)
class End:
    """Why a session is over, as the client is told. `gone`: there is no client any more to be told anything.

    `forced`: it was cut off for what it did, or failed to do.
    """

    code: int
    reason: str
    gone: bool = False
    forced: bool = False


class SessionConnection:
    """A session at work on one WebSocket. The first reason to end it wins."""

    def __init__(
        self,
        socket: Socket,
        wire: DialectNegotiation,
        settings: ServerSettings,
        *,
        metrics: Metrics,
        headline_news: Headlines,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._socket, self._wire, self._settings = socket, wire, settings
        self._over: asyncio.Future[End] = loop.create_future()
        self._send_queue = SendQueue(wire.encode, audio_capacity_ms=settings.audio_capacity_ms)
        self._pacer = IngressPacer(
            loop.time,
            lead_ms=settings.ingress_lead_ms,
            speed=settings.ingress_speed,
            message_ms=settings.ingress_message_ms,
        )
        self._receive_queue: ReceiveQueue[str | InputRejected] = ReceiveQueue(
            self._hear,
            self._pacer,
            capacity=settings.ingress_waits_bytes,
            held=lambda: self._receive(AudioDeferred()),
            spawn=lambda work: self._task(work, f"{self._session_id} inlet"),
        )
        self._rate = MessageRate(settings, loop.time, tell=lambda why: self._take([why]), end=self._force)
        self._idle = _Idle(settings.idle_timeout_s, self._idled)
        self._turns = TurnLog()
        self._metrics, self._meter = metrics, TurnMetrics(metrics, loop.time)
        self._prompt_preparation = PromptPreparation(headline_news, self._receive)
        self._replying = False
        self._leaving: End | None = None
        self._recorder: Recorder | None = None
        self._recording = False
        self._session_id = ""
        self._running: SessionRunner | None = None
        self._timers = [loop.call_later(settings.greeting_after_s, lambda: self._take(wire.waited()))]
        if settings.session_limit_s is not None:
            self._timers.append(loop.call_later(settings.session_limit_s, self._expire, settings.session_limit_s))

    @property
    def lost_ms(self) -> float:
        """Sound that was dropped because the client was slow."""
        return self._send_queue.lost_ms

    async def run(self, pipeline: Pipeline, engine: Engine, session_id: str) -> End:
        """Run the pipeline until something ends the session; then leave no task and no socket behind.

        Cancelling ends the session as well, at once.
        """
        self._session_id = session_id
        writer = self._task(self._write(), f"{session_id} writer")
        reader = self._task(self._read(), f"{session_id} reader")
        try:
            self._start(pipeline, engine, session_id)
            return await asyncio.shield(self._over)  # cancelling this must not cancel the future that holds the reason
        finally:
            self.finish(End(WSCloseCode.GOING_AWAY, "the server is shutting down"))
            self._idle.stop()
            for timer in self._timers:
                timer.cancel()
            await self._clean_up(reader, writer)

    def _task(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Start a task. Its failure, which is a fault of this program, ends the session."""

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("session.task_failed", task=name, exc_info=error)
                self.finish(End(WSCloseCode.INTERNAL_ERROR, "internal error"))

        task = asyncio.create_task(work, name=name)
        task.add_done_callback(ended)
        return task

    def finish(self, end: End) -> None:
        """End the session now, unless it has ended already."""
        if not self._over.done():
            self._over.set_result(end)

    def leave(self, end: End) -> None:
        """End the session when the reply that is being spoken is over."""
        self._leaving = end
        if not self._replying:
            self.finish(end)

    # ---- the pipeline -----------------------------------------------------------------------------------------------

    def _start(self, pipeline: Pipeline, engine: Engine, session_id: str) -> None:
        opening = self._wire.opening()
        self._take(opening[:1])  # the greeting comes before whatever the pipeline has to say
        try:
            stages = engine.stages()
        except Exception as error:
            log.exception("session.no_stages")
            return self._emit(StageFailed("pipeline", error, fatal=True))
        codec = self._pacer.metered(self._wire.codec)
        metered = metered_stages(stages, self._metrics)
        self._running = SessionRunner(pipeline, session_id=session_id, codec=codec, stages=metered, emit=self._emit)
        self._running.ended.add_done_callback(self._pipeline_ended)
        self._pacer.backlog = self._running.backlog
        return self._take(opening[1:])

    def _pipeline_ended(self, ended: asyncio.Future[Exception | None]) -> None:
        error = ended.result()
        if error is None:
            self.finish(End(WSCloseCode.OK, "the pipeline has completed"))
        else:
            failure = StageFailed("pipeline", error, fatal=True)
            if not self._over.done():  # that one of its events cannot be written has not been told
                self._send_queue.put(failure)
            self._fail(failure)

    def _fail(self, failure: StageFailed) -> None:
        self.finish(End(WSCloseCode.INTERNAL_ERROR, sentence(failure)))

    def _emit(self, event: Event) -> None:
        """One event of the pipeline, on its way to the log and to the client."""
        if isinstance(event, _ANSWERED):
            return
        self._turns.note(event)
        self._meter.note(event)
        self._send_queue.put(event)
        self._meter.note_lost(BOUNDARY, self._send_queue.lost_ms)
        match event:
            case StageFailed(fatal=True):
                self._fail(event)
            case StageFailed(stage=stage, error=error) | OutOfBandResponse(event=StageFailed(stage=stage, error=error)):
                log.warning("stage.failed", stage=stage, exc_info=error)
            case Warned(message=warning):
                log.info("session.warned", warning=warning)
            case ConversationEnded(reason=reason):
                self.finish(End(WSCloseCode.OK, reason))
            case ReplyStarted():
                self._replying = True
            case ReplyEnded() | ReplyInterrupted():
                self._replying = False
                if self._leaving is not None:
                    self.finish(self._leaving)
            case _:
                pass

    # ---- the client -------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        """What the client sends enters the graph in this very task, but for what is far ahead of real time."""
        while not self._over.done():
            message = await self._socket.receive()
            await self._rate.admit(message)
            match message.type:
                case WSMsgType.TEXT:
                    await self._receive_queue.put(message.data, len(message.data))
                case WSMsgType.BINARY:
                    what = f"Binary frames are not understood: this dialect ({self._wire.name}) speaks JSON text."
                    await self._receive_queue.put(InputRejected("unexpected_binary_frame", what), 0)
                case WSMsgType.PING:
                    await self._socket.pong(message.data)
                case WSMsgType.PONG:
                    pass
                case WSMsgType.ERROR:
                    return self._broken(message.data)
                case _:
                    return self._gone("the client left")
        return None

    def _broken(self, error: object) -> None:
        """What comes cannot be read any further: where the client is still there, it is told why."""
        match self._socket.fault(error):
            case None:
                self.finish(End(WSCloseCode.ABNORMAL_CLOSURE, f"the connection broke: {error}", gone=True))
            case fault:
                self._take([InputRejected(fault.code, f"The session ends here: {fault.reason}.")])
                self.finish(End(fault.close_code, fault.reason, forced=True))

    def _hear(self, sent: str | InputRejected) -> Iterator[None]:
        """One message enters the graph, its sound piece by piece: before each this waits for its turn."""
        self._idle.reset()
        self._socket.heard()
        received: list[Received] = self._wire.decode(sent) if isinstance(sent, str) else [sent]
        self._heed_consent(received)
        if isinstance(sent, str):
            self._record("client", sent)
        for message in received:
            if isinstance(message, AudioReceived):
                yield from self._listen(message)
            else:
                self._take([message])

    def _listen(self, sound: AudioReceived) -> Iterator[None]:
        self._pacer.count_message()
        for piece in self._wire.codec.pieces(sound.data, PIECE_MS):
            yield
            self._idle.reset()
            self._socket.heard()
            self._take([replace(sound, data=piece)])

    def _heed_consent(self, received: list[Received]) -> None:
        """Record from the settings on that allow it, until settings that do not."""
        folder, capacity = self._settings.recordings_dir, self._settings.recording_waits_chars
        for message in received:
            if folder is not None and isinstance(message, SettingsChanged):
                self._recording = message.allow_recording
                if self._recording and self._recorder is None:
                    self._recorder = Recorder(folder, self._session_id, capacity_chars=capacity)

    def _record(self, sender: Side, message: str) -> None:
        if self._recording and self._recorder is not None:
            self._recorder.note(sender, message)

    def _take(self, received: list[Received]) -> None:
        """Answer what the client wants, then let it happen: consequences come after the answer."""
        for message in received:
            if not isinstance(message, AudioReceived):
                self._send_queue.put(message)
            match message:
                case InputRejected(code=code):
                    self._metrics.session.rejected.labels(self._metrics.session.code_label(code)).inc()
                case SessionOpened() | ItemRequested():
                    pass
                case _:
                    self._prompt_preparation.put(message)

    def _receive(self, message: ClientMessage) -> None:
        if self._running is None:
            return
        try:
            self._running.receive(message)
        except Exception as error:
            log.exception("session.receive_failed")
            self._emit(StageFailed("pipeline", error, fatal=True))

    def _idled(self) -> None:
        idle_s = self._settings.idle_timeout_s
        reason = f"the client has sent nothing for {idle_s:g} s"
        self._send_queue.put(InputRejected("idle_timeout", f"The conversation ends here: {reason}."))
        self._force(reason)

    def _expire(self, limit_s: float) -> None:
        reason = f"a session lasts {limit_s / 60:g} minutes at most"
        self._send_queue.put(InputRejected("session_expired", f"The conversation ends here: {reason}."))
        self.leave(End(WSCloseCode.POLICY_VIOLATION, reason, forced=True))

    def _force(self, reason: str) -> None:
        self.finish(End(WSCloseCode.POLICY_VIOLATION, reason, forced=True))

    async def _write(self) -> None:
        try:
            await self._send_queue.write(self._send, deadline_s=self._settings.write_deadline_s)
        except ClientTooSlow as slow:
            self._socket.abort()  # no close frame would get through
            self._gone(str(slow), forced=True)
        except ConnectionError:
            self._gone("the client left")

    async def _send(self, message: str) -> None:
        self._record("server", message)
        await self._socket.send_str(message)

    def _gone(self, reason: str, *, forced: bool = False) -> None:
        self.finish(End(self._socket.close_code or WSCloseCode.ABNORMAL_CLOSURE, reason, gone=True, forced=forced))

    # ---- the end ----------------------------------------------------------------------------------------------------

    async def _clean_up(self, reader: asyncio.Task[None], writer: asyncio.Task[None]) -> None:
        """Stop listening, let the graph clean up, and meanwhile tell the client what waits and why it ends."""
        reader.cancel()
        ending = [
            self._hang_up(self._over.result(), reader, writer),
            self._receive_queue.close(),
            self._prompt_preparation.close(),
        ]
        if self._running is not None:
            ending.append(self._running.close(self._settings.cleanup_grace_s))
        for failed in await asyncio.gather(*ending, return_exceptions=True):
            if isinstance(failed, Exception):
                log.error("session.clean_up_failed", exc_info=failed)
        if self._recorder is not None:
            await self._recorder.close()

    async def _hang_up(self, end: End, reader: asyncio.Task[None], writer: asyncio.Task[None]) -> None:
        self._send_queue.close()
        if end.gone:
            writer.cancel()
        await asyncio.wait([reader])
        await asyncio.wait([writer], timeout=self._settings.write_deadline_s)
        if writer.cancel():
            await asyncio.wait([writer])
        await self._socket.close_with_reason(end.code, end.reason)


class _Idle:
    """Calls when nothing has come for so long. `reset` costs no timer: one runs, and looks when it is due."""

    def __init__(self, after_s: float, call: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._after_s, self._call = after_s, call
        self._heard_at = self._loop.time()
        self._timer = self._loop.call_later(after_s, self._look)

    def reset(self) -> None:
        self._heard_at = self._loop.time()

    def stop(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        due = self._heard_at + self._after_s
        if due <= self._loop.time():
            self._call()
        else:
            self._timer = self._loop.call_at(due, self._look)
