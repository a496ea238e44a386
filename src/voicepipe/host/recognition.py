"""`Recognition`: one connection's recogniser, from frames of sound to the messages of Kyutai's protocol.

The client has no VAD: it reads the pause score of each step, and takes the words before a step as all that was said in
the sound up to there. So a step is sent when the work that its frame caused has been done: the end-of-turn model has
answered, and when the score says that the user has finished, the last words have been sent.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator

import numpy as np

from voicepipe.engine.parts import InputStages
from voicepipe.events import (
    Audio,
    Event,
    FlushRequested,
    Pause,
    Samples,
    Transcribed,
    WordRecognised,
)
from voicepipe.host import wire
from voicepipe.operators.listen import listen
from voicepipe.operators.listening import listening
from voicepipe.presets import Endpointing
from voicepipe.rx import LoopScheduler
from voicepipe.rx.publish import LoopSubject
from voicepipe.stt.kyutai.protocol import FRAME, RATE_HZ

__all__ = ["FLUSH_S", "PUSHED_FRAMES", "Recognition"]

FLUSH_S = 2.0
"""The longest time that a step waits for the words before it: a recogniser that takes longer has its words sent behind
the step, and the client's own limit for a silent recogniser, 2.5 s, does not end the connection."""

PUSHED_FRAMES = 4
"""Frames of digital silence in a row, 320 ms, that are a flush: a client pushes at least 7 (half a second, the delay of
the model that it expects, and one more) when it needs the words now. A lost packet is shorter."""


class Recognition:
    """One connection.

    Args:
        stages: The session's own recogniser, VAD and end-of-turn model, and the work that they have not finished. With
            `vad` None the recogniser notices pauses itself.
        endpointing: The thresholds and times of a turn's end.
    """

    def __init__(self, stages: InputStages, endpointing: Endpointing) -> None:
        self._backlog, self._flush_at = stages.backlog, endpointing.sure_above
        self._scheduler = LoopScheduler(asyncio.get_running_loop())
        self._sound: LoopSubject[Audio | Event] = LoopSubject()
        self._out: deque[bytes] = deque()
        self._held: Samples = np.zeros(0, np.float32)
        self._heard_s = 0.0
        self._steps = self._silent_frames = 0
        self._score = 1.0
        self._flushes = 0
        self._settled = asyncio.Event()
        self.fresh = asyncio.Event()
        """Set when there are messages to be sent."""
        self.error: Exception | None = None
        """The error that ended the recogniser."""
        hear = listening(stages, endpointing) if stages.vad is not None else listen(stages.stt, flush_at=self._flush_at)
        self._running = self._sound.pipe(hear).subscribe(self._told, self._failed, scheduler=self._scheduler)

    async def sound(self, samples: Samples) -> None:
        """Hear the next sound; returns when its steps are ready to be sent. Raises what ended the recogniser."""
        self._held = np.concatenate([self._held, samples]) if len(self._held) else samples
        while len(self._held) >= FRAME:
            frame, self._held = self._held[:FRAME], self._held[FRAME:]
            await self._frame(frame)

    async def flush(self) -> None:
        """Have the words of all sound so far sent. Raises what ended the recogniser."""
        self._flush()
        await self._until_settled()

    def messages(self) -> Iterator[bytes]:
        """Yield the messages that are to be sent, and forget them."""
        self.fresh.clear()
        while self._out:
            yield self._out.popleft()

    def send(self, message: bytes) -> None:
        """Put a message behind the others."""
        self._out.append(message)
        self.fresh.set()

    async def close(self, grace_s: float = 1.0) -> None:
        """Dispose the stages, and wait up to `grace_s` for their tasks."""
        self._running.dispose()
        if left := self._scheduler.tasks.copy():
            await asyncio.wait(left, timeout=grace_s)

    # ---- sound ------------------------------------------------------------------------------------------------------

    async def _frame(self, frame: Samples) -> None:
        self._heard_s += FRAME / RATE_HZ
        self._silent_frames = 0 if frame.any() else self._silent_frames + 1
        self._sound.on_next(Audio(frame, RATE_HZ))
        if self._silent_frames == PUSHED_FRAMES:
            self._flush()
        await self._until_settled()
        self.send(wire.step(self._steps, self._score))
        self._steps += 1

    def _flush(self) -> None:
        self._flushes += 1
        self._settled.clear()
        self._sound.on_next(FlushRequested(self._heard_s))

    async def _until_settled(self) -> None:
        """Wait for the models that the last frame has set to work, and for the words of a turn that has ended."""
        try:
            async with asyncio.timeout(FLUSH_S):
                while self.error is None and not (self._backlog.is_clear and not self._flushes):
                    await self._backlog.cleared()
                    if self._flushes:
                        await self._settled.wait()
        except TimeoutError:
            self._flushes = 0
        if self.error is not None:
            raise self.error

    # ---- what was heard ---------------------------------------------------------------------------------------------

    def _told(self, event: Event) -> None:
        match event:
            case WordRecognised(text=text, start_s=start_s, stop_s=stop_s):
                self.send(wire.word(text, start_s))
                self.send(wire.word_end(stop_s))
            case Pause(probability=probability):
                if probability > self._flush_at >= self._score:  # `listen` flushes the recogniser
                    self._flushes += 1
                    self._settled.clear()
                self._score = probability
            case Transcribed():
                self._flushes = max(0, self._flushes - 1)
                if not self._flushes:
                    self._settled.set()
            case _:
                pass

    def _failed(self, error: Exception) -> None:
        self.error = error
        self._settled.set()
        self.fresh.set()
