"""One client from its upgrade to its end.

A frame's way: socket → `MessageRate` → `ReceiveQueue` (`FrameDecoder`, `IngressPacer`) → `SessionBridge` → pipeline. An
event's way: pipeline → `SessionBridge` → `SendQueue` → socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog
from aiohttp import WSCloseCode, WSMessage, WSMsgType

from voicepipe.characters.news import Headlines
from voicepipe.conversation import ClientInfo
from voicepipe.engine import Engine
from voicepipe.events import InputRejected
from voicepipe.metrics.registry import Metrics
from voicepipe.realtime import DialectNegotiation, Received
from voicepipe.realtime.recording_consent import said_of_recording
from voicepipe.recording.session import SessionRecorder
from voicepipe.server.session.bridge import SessionBridge
from voicepipe.server.session.cpu_budget import WorkMeter, WorkSlots
from voicepipe.server.session.ending import End, SessionEnd
from voicepipe.server.session.frame_decoder import FrameDecoder
from voicepipe.server.session.pacing import IngressPacer
from voicepipe.server.session.rate_limit import MessageRate, TooManyMessages
from voicepipe.server.session.receive_queue import ReceiveQueue
from voicepipe.server.session.recording import recorder_of
from voicepipe.server.session.send_queue import ClientTooSlow, SendQueue
from voicepipe.server.session.timers import SessionTimers
from voicepipe.server.session.tool_servers import ToolServerLimits
from voicepipe.server.session.transport import Transport
from voicepipe.server.settings import ServerSettings
from voicepipe.session import Pipeline

__all__ = ["SessionConnection"]

log = structlog.get_logger()


class SessionConnection:
    """A session on one client's connection: its parts and its tasks."""

    def __init__(
        self,
        socket: Transport,
        wire: DialectNegotiation,
        settings: ServerSettings,
        session_id: str,
        *,
        metrics: Metrics,
        headlines: Headlines,
        slots: WorkSlots,
        watched: Callable[[object], None] = lambda _: None,
        rtp: bool = False,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._socket, self._wire, self._settings, self._session_id = socket, wire, settings, session_id
        self._ending, self._rate = SessionEnd(), MessageRate(settings, loop.time)
        self._send_queue = SendQueue.of(settings, wire.encode, lambda reason: self.finish(End.force(reason)))
        work = WorkMeter.of(settings, slots, loop.time)
        self._bridge = SessionBridge(
            self._send_queue,
            self._ending,
            metrics,
            headlines,
            work,
            ToolServerLimits.of(settings),
            watched,
            settings.log_words,
        )
        self._timers = SessionTimers(
            settings,
            greet=lambda: self._take(wire.waited()),
            finish=lambda code, reason: self.finish(self._told(code, reason)),
            leave=lambda code, reason: self.leave(self._told(code, reason)),
            heard=socket.heard,
        )
        self._recorder: SessionRecorder | None = None
        self._pacer = IngressPacer.of(settings, loop.time)
        self._decoder = FrameDecoder(wire, self._timers.note_frame, rtp=rtp)
        self._receive_queue = ReceiveQueue(
            self._decode,
            self._pacer,
            self._deliver,
            work,
            capacity=settings.ingress_waits_bytes,
            spawn=lambda work: self._task(work, "receive queue"),
        )

    @property
    def lost_ms(self) -> float:
        """Return the sound that was dropped because the client was slow, in milliseconds."""
        return self._send_queue.lost_ms

    async def run(self, pipeline: Pipeline, engine: Engine, client: ClientInfo) -> End:
        """Run the pipeline until something ends the session, or it is cancelled; leave no task and no socket behind."""
        self._recorder = recorder_of(self._settings, self._session_id, pipeline, client)
        writer = self._task(self._write(), "writer")
        reader = self._task(self._read(), "reader")
        try:
            opening = self._wire.opening()
            self._take(opening[:1])  # the greeting comes before whatever the pipeline has to say
            codec = self._pacer.metered(self._wire.codec)
            self._pacer.backlog = self._bridge.start(pipeline, engine, codec, self._session_id, client, self._recorder)
            self._take(opening[1:])
            return await self._ending.wait()
        finally:
            self.finish(End(WSCloseCode.GOING_AWAY, "the server is shutting down"))
            self._timers.stop()
            await self._clean_up(reader, writer)

    def finish(self, end: End) -> None:
        """End the session now, unless it has ended already."""
        self._ending.finish(end)

    def leave(self, end: End) -> None:
        """End the session when the running reply is over."""
        self._bridge.leave(end)

    def _task(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Start a task. Its failure, which is a fault of this program, ends the session."""

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("session.task_failed", task=task.get_name(), exc_info=error)
                self.finish(End(WSCloseCode.INTERNAL_ERROR, "internal error"))

        task = asyncio.create_task(work, name=f"{self._session_id} {name}")
        task.add_done_callback(ended)
        return task

    # ---- from the client ---------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        """Read frames until the session or the socket ends; a frame enters the pipeline in this very task."""
        while not self._ending.is_over:
            frame = await self._socket.receive()
            try:
                self._take(await self._rate.admit(frame))
            except TooManyMessages as error:
                return self.finish(End.force(str(error)))
            if frame.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                self._foresee(frame.data)
                await self._receive_queue.put(frame.data)
            elif frame.type == WSMsgType.PING:
                await self._socket.pong(frame.data)
            elif frame.type != WSMsgType.PONG:
                return self._closed(frame)
        return None

    def _foresee(self, frame: str | bytes) -> None:
        """Let a consent that is withdrawn not wait for the sound in front of it."""
        if self._recorder is not None and (said := said_of_recording(frame)) is not None:
            self._recorder.foresee(said)

    def _decode(self, frame: str | bytes) -> list[Received]:
        if self._recorder is not None and said_of_recording(frame) is not None:
            self._recorder.reached()
        return self._decoder(frame)

    def _deliver(self, message: Received) -> None:
        self._timers.note(message)
        self._bridge.take(message)

    def _take(self, messages: Sequence[Received]) -> None:
        for message in messages:
            self._bridge.take(message)

    def _closed(self, frame: WSMessage) -> None:
        """End the session: the client has left, or no more can be read, of which it is told if it is still there."""
        broke = frame.type == WSMsgType.ERROR
        if fault := self._socket.fault(frame.data) if broke else None:
            self._take([InputRejected(fault.code, f"The session ends here: {fault.reason}.")])
            self.finish(End(fault.close_code, fault.reason, forced=True))
        else:
            self._gone(f"the connection broke: {frame.data}" if broke else "the client left")

    def _gone(self, reason: str, *, forced: bool = False) -> None:
        self.finish(End(self._socket.close_code or WSCloseCode.ABNORMAL_CLOSURE, reason, gone=True, forced=forced))

    def _told(self, code: str, reason: str) -> End:
        """Return the end of a session that is over for a reason of the server's, of which the client is told now."""
        self._send_queue.put(InputRejected(code, f"The conversation ends here: {reason}."))
        return End.force(reason)

    # ---- to the client -----------------------------------------------------------------------------------------------

    async def _write(self) -> None:
        try:
            await self._send_queue.write(self._send, deadline_s=self._settings.write_deadline_s)
        except ClientTooSlow as slow:
            self._socket.abort()  # no close frame would get through
            if self._socket.outlives_loss:  # what is left goes to the client's next connection
                await self._write()
            else:
                self._gone(str(slow), forced=True)
        except ConnectionError:
            self._gone("the client left")

    async def _send(self, message: str) -> None:
        await self._socket.send_str(message)

    async def _clean_up(self, reader: asyncio.Task[None], writer: asyncio.Task[None]) -> None:
        """Stop reading, let the pipeline clean up, and meanwhile tell the client what waits and why it ends."""
        reader.cancel()
        hanging_up = self._hang_up(self._ending.reason, reader, writer)
        ending = hanging_up, self._receive_queue.close(), self._bridge.close(self._settings.cleanup_grace_s)
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
