"""One client from its upgrade to its end: a reader, a writer, and one reason for which it is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import WSCloseCode, WSMsgType

from voicepipe.engine import Engine
from voicepipe.events import (
    AudioReceived,
    Event,
    HungUp,
    InputRejected,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    SettingsChanged,
    StageFailed,
)
from voicepipe.ingress import Ingress
from voicepipe.outbox import ClientTooSlow, Outbox
from voicepipe.realtime import Dialect, sentence
from voicepipe.server.settings import ServerSettings
from voicepipe.server.socket import Socket
from voicepipe.server.turn_log import TurnLog
from voicepipe.session import Pipeline, Running

__all__ = ["Connection", "End"]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class End:
    """Why a session is over, as the client is told. `gone`: there is no client any more to be told anything."""

    code: int
    reason: str
    gone: bool = False


class Connection:
    """A session at work on one WebSocket. The first reason to end it wins."""

    def __init__(self, socket: Socket, dialect: Dialect, settings: ServerSettings) -> None:
        loop = asyncio.get_running_loop()
        self._socket, self._dialect, self._settings = socket, dialect, settings
        self._over: asyncio.Future[End] = loop.create_future()
        self._outbox = Outbox(dialect.encoder(), audio_capacity_ms=settings.audio_capacity_ms)
        self._ingress = Ingress(loop.time, message_ms=settings.ingress_message_ms)
        self._idle = _Idle(settings.idle_timeout_s, self._idled)
        self._turns = TurnLog()
        self._replying = False
        self._leaving: End | None = None
        self._running: Running | None = None

    @property
    def lost_ms(self) -> float:
        """Sound that was dropped because the client was slow."""
        return self._outbox.lost_ms

    async def run(self, pipeline: Pipeline, engine: Engine, session_id: str) -> End:
        """Run the pipeline until something ends the session; then leave no task and no socket behind.

        Cancelling ends the session as well, at once.
        """
        writer = self._task(self._write(), f"{session_id} writer")
        reader = self._task(self._read(), f"{session_id} reader")
        try:
            self._start(pipeline, engine, session_id)
            return await asyncio.shield(self._over)  # whoever cancels us must not take away the place for the reason
        finally:
            self.finish(End(WSCloseCode.GOING_AWAY, "the server is shutting down"))
            self._idle.stop()
            await self._clean_up(reader, writer)

    def _task(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """A task whose failure, which would be a bug of ours, ends the session."""

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
        try:
            stages = engine.stages()
        except Exception as error:
            log.exception("session.no_stages")
            return self._emit(StageFailed("pipeline", error, fatal=True))
        codec = self._ingress.metered(self._dialect.codec)
        self._running = Running(pipeline, session_id=session_id, codec=codec, stages=stages, emit=self._emit)
        self._running.ended.add_done_callback(self._pipeline_ended)
        return None

    def _pipeline_ended(self, ended: asyncio.Future[Exception | None]) -> None:
        error = ended.result()
        if error is None:
            self.finish(End(WSCloseCode.OK, "the pipeline has completed"))
        else:
            self._fail(StageFailed("pipeline", error, fatal=True))

    def _fail(self, failure: StageFailed) -> None:
        self.finish(End(WSCloseCode.INTERNAL_ERROR, sentence(failure)))

    def _emit(self, event: Event) -> None:
        """One event of the pipeline, on its way to the log and to the client."""
        if isinstance(event, SettingsChanged):
            return  # answered when it came in; pipelines pass it on to their stages
        self._turns.note(event)
        self._outbox.put(event)
        match event:
            case StageFailed(fatal=True):
                self._fail(event)
            case StageFailed(stage=stage, error=error):
                log.warning("stage.failed", stage=stage, exc_info=error)
            case HungUp(reason=reason):
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
        """What the client sends enters the graph in this very task; no queue is between."""
        while not self._over.done():
            message = await self._socket.receive()
            match message.type:
                case WSMsgType.TEXT:
                    self._hear(message.data)
                case WSMsgType.BINARY:
                    what = f"Binary frames are not understood: this dialect ({self._dialect.name}) speaks JSON text."
                    self._hear(InputRejected("unexpected_binary_frame", what))
                case WSMsgType.ERROR:
                    code = getattr(message.data, "code", WSCloseCode.ABNORMAL_CLOSURE)
                    return self.finish(End(code, f"the connection broke: {message.data}", gone=True))
                case _:
                    return self._gone("the client left")
        return None

    def _hear(self, sent: str | InputRejected) -> None:
        self._idle.reset()
        self._ingress.count_message()
        message = self._dialect.decode(sent) if isinstance(sent, str) else sent
        if isinstance(message, SettingsChanged | InputRejected):
            self._outbox.put(message)
        if self._running is not None and not isinstance(message, InputRejected):
            self._receive(self._running, message)
        if self._ingress.ahead_ms > self._settings.ingress_limit_ms:
            limit_s = self._settings.ingress_limit_ms / 1000
            self.finish(End(WSCloseCode.POLICY_VIOLATION, f"more than {limit_s:g} s of messages ahead of real time"))

    def _receive(self, running: Running, message: SettingsChanged | AudioReceived) -> None:
        try:
            running.receive(message)
        except Exception as error:
            log.exception("session.receive_failed")
            self._emit(StageFailed("pipeline", error, fatal=True))

    def _idled(self) -> None:
        idle_s = self._settings.idle_timeout_s
        self.finish(End(WSCloseCode.POLICY_VIOLATION, f"the client has sent nothing for {idle_s:g} s"))

    async def _write(self) -> None:
        try:
            await self._outbox.write(self._socket.send_str, deadline_s=self._settings.write_deadline_s)
        except ClientTooSlow as slow:
            self._socket.abort()  # no close frame would get through
            self._gone(str(slow))
        except ConnectionError:
            self._gone("the client left")

    def _gone(self, reason: str) -> None:
        self.finish(End(self._socket.close_code or WSCloseCode.ABNORMAL_CLOSURE, reason, gone=True))

    # ---- the end ----------------------------------------------------------------------------------------------------

    async def _clean_up(self, reader: asyncio.Task[None], writer: asyncio.Task[None]) -> None:
        """Stop listening, let the graph clean up, and meanwhile tell the client what waits and why it ends."""
        reader.cancel()
        ending = [self._hang_up(self._over.result(), reader, writer)]
        if self._running is not None:
            ending.append(self._running.close(self._settings.cleanup_grace_s))
        for failed in await asyncio.gather(*ending, return_exceptions=True):
            if isinstance(failed, Exception):
                log.error("session.clean_up_failed", exc_info=failed)

    async def _hang_up(self, end: End, reader: asyncio.Task[None], writer: asyncio.Task[None]) -> None:
        self._outbox.close()
        if end.gone:
            writer.cancel()
        await asyncio.wait([reader])
        await asyncio.wait([writer], timeout=self._settings.write_deadline_s)
        if writer.cancel():
            await asyncio.wait([writer])
        await self._socket.hang_up(end.code, end.reason)


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
