"""Frames through processors of pipecat, as `trials` asks for it. Run by `benchmarks.pipecat` where pipecat is."""

from __future__ import annotations

import asyncio
import time

from pipecat.frames.frames import AudioRawFrame, Frame, InputAudioRawFrame, TTSAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner
from trials import RATE_HZ, frame_bytes, serve


class PassOn(FrameProcessor):
    """Lets everything pass."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)


class Counter(FrameProcessor):
    """The end of the pipeline; `came` is set when `wanted` frames of sound have arrived."""

    def __init__(self) -> None:
        super().__init__(enable_direct_mode=True)  # costs no queue and no task of its own
        self.count, self.wanted = 0, 0
        self.came = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, AudioRawFrame):
            self.count += 1
            if self.count >= self.wanted:
                self.came.set()
        await self.push_frame(frame, direction)

    async def wait_for(self, count: int) -> None:
        self.wanted = count
        self.came.clear()
        if self.count < count:
            await self.came.wait()


async def trial(stages: int, frames: int, kind: str, paced: bool) -> float:
    """`paced`: the next frame goes in when the last has come out, as there are 20 ms between live ones."""
    counter = Counter()
    pipeline = Pipeline([*(PassOn() for _ in range(stages)), counter])
    # Without what is on by default and not needed: RTVI, turn tracking and the idle timer cost twice as much again.
    worker = PipelineWorker(pipeline, enable_rtvi=False, enable_turn_tracking=False, idle_timeout_secs=None)
    started = asyncio.Event()

    @worker.event_handler("on_pipeline_started")
    async def _(*_: object) -> None:
        started.set()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    await started.wait()
    cpu_s = await _feed(worker, counter, frames, kind, paced)
    await worker.cancel()
    await running
    return cpu_s


async def _feed(worker: PipelineWorker, counter: Counter, frames: int, kind: str, paced: bool) -> float:
    make = InputAudioRawFrame if kind == "microphone" else TTSAudioRawFrame
    fed = [make(audio=frame_bytes(), sample_rate=RATE_HZ, num_channels=1) for _ in range(frames)]
    began_s = time.process_time()
    for number, frame in enumerate(fed, 1):
        await worker.queue_frame(frame)
        if paced:
            await counter.wait_for(number)
    await counter.wait_for(frames)
    return time.process_time() - began_s


if __name__ == "__main__":
    serve(trial)
