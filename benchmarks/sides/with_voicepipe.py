"""Frames through stages of voicepipe, as `trials` asks for it. Run by `benchmarks.pipecat`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from reactivex.subject import Subject
from trials import RATE_HZ, frame_bytes, serve

from voicepipe.events import Audio, Event, ReplyAudio
from voicepipe.rx import LoopScheduler, transduce
from voicepipe.stage import Stage, named


def pass_on(number: int) -> Stage[Event, Event]:
    """A stage as voicepipe has them: a machine that lets everything pass, under a name."""
    return named(f"stage {number}", transduce(lambda _: _same))


def _same(event: Event) -> tuple[Event, ...]:
    return (event,)


def _make(kind: str) -> Callable[[], Event]:
    samples = np.frombuffer(frame_bytes(), "<i2").astype(np.float32)
    audio = lambda: Audio(samples, RATE_HZ)
    return audio if kind == "microphone" else lambda: ReplyAudio(audio())


async def trial(stages: int, frames: int, kind: str, paced: bool) -> float:
    """`paced`: each frame goes in by itself, in a turn of the event loop of its own, as a live one does."""
    source: Subject[Any] = Subject()
    make, came = _make(kind), 0

    def count(_: Event) -> None:
        nonlocal came
        came += 1

    chain = source.pipe(*(pass_on(number) for number in range(stages)))
    subscription = chain.subscribe(count, scheduler=LoopScheduler(asyncio.get_running_loop()))
    fed = [make() for _ in range(frames)]
    began_s = time.process_time()
    for frame in fed:
        source.on_next(frame)
        if paced:
            await asyncio.sleep(0)
    cpu_s = time.process_time() - began_s
    subscription.dispose()
    if came != frames:
        raise RuntimeError(f"{came} of {frames} frames came out")
    return cpu_s


if __name__ == "__main__":
    serve(trial)
