"""A recording in the place of a microphone."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import numpy as np
import pytest

from voicepipe.client.microphone import RecordedMicrophone
from voicepipe.events import Samples
from voicepipe.testing import VirtualLoop


def test_frames_keep_to_the_clock_however_slow_their_reader_is(virtual_loop: VirtualLoop):
    """A reader that was away for 70 ms gets what it missed at once, and the next frames when they are due."""

    async def main() -> list[float]:
        times = []
        async with aclosing(RecordedMicrophone(np.zeros(0, np.float32)).frames()) as frames:
            async for _ in frames:
                times.append(asyncio.get_running_loop().time())
                if len(times) == 2:
                    await asyncio.sleep(0.07)
                if len(times) == 8:
                    break
        return times

    times = virtual_loop.run(main())
    assert times == pytest.approx([0.02, 0.04, 0.11, 0.11, 0.11, 0.12, 0.14, 0.16])


def test_the_recording_begins_when_it_is_told_to_and_silence_follows(virtual_loop: VirtualLoop):
    """Two frames of silence, a frame and a half of sound, silence for ever; every frame has 20 ms."""
    sound = np.ones(720, np.float32)
    microphone = RecordedMicrophone(sound)

    async def main() -> tuple[Samples, list[bool]]:
        spoken, finished = [], []
        async with aclosing(microphone.frames()) as frames:
            async for frame in frames:
                spoken.append(frame)
                finished.append(microphone.finished)
                if len(spoken) == 2:
                    microphone.play()
                if len(spoken) == 6:
                    break
        return np.concatenate(spoken), finished

    spoken, finished = virtual_loop.run(main())
    assert np.array_equal(spoken, np.concatenate([np.zeros(960), sound, np.zeros(1200)]))
    assert finished == [False, False, False, True, True, True]
