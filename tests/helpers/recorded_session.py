"""A session without a server, on a virtual loop, recorded into a file."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scripted_stages import scripted_stages

from voicepipe.audio import Pcm16
from voicepipe.conversation import ClientInfo
from voicepipe.events import AudioReceived, SettingsChanged, TurnTaking
from voicepipe.loader import load_pipeline
from voicepipe.recording.session import RecordingLimits, SessionRecorder
from voicepipe.session import Pipeline, SessionRunner, Stages
from voicepipe.testing import VirtualLoop

ANSWER = "One two three four five six."

ALLOWS_SOUND = SettingsChanged("Be brief.", allow_recording=True, turns=TurnTaking(), allow_sound_recording=True)
ALLOWS_EVENTS = SettingsChanged("Be brief.", allow_recording=True, turns=TurnTaking())
ALLOWS_NOTHING = SettingsChanged("Be brief.", turns=TurnTaking())

Timed = tuple[float, Any]


def packets(began_s: float, seconds: float, *, loud: bool) -> Iterable[Timed]:
    """Sound in packets of 20 ms, each at its time."""
    noise = np.random.default_rng(1)
    for number in range(round(seconds / 0.02)):
        samples = noise.normal(size=480) * 3000 if loud else np.zeros(480)
        yield began_s + number * 0.02, AudioReceived(samples.astype("<i2").tobytes())


def talk(*settings: SettingsChanged, turns: int = 2) -> list[Timed]:
    """Settings, and turns of 0.6 s of voice and 1.4 s of silence."""
    said: list[Timed] = [(0.1 + 0.01 * number, one) for number, one in enumerate(settings)]
    for number in range(turns):
        said += packets(0.5 + 2 * number, 0.6, loud=True)
        said += packets(1.1 + 2 * number, 1.4, loud=False)
    return said


def recorded(
    folder: Path,
    messages: Sequence[Timed],
    *,
    pipeline: Pipeline | None = None,
    stages: Stages | None = None,
    sound: bool = True,
    max_bytes: int = 10_000_000,
    name: str = "",
    ends: bool = True,
) -> list[Path]:
    """Run a session with these messages; return the files.

    `ends`: it ends in peace; otherwise nothing is written after the last message, as when the server is killed.
    """

    async def main() -> None:
        loop, limits = asyncio.get_running_loop(), RecordingLimits(folder, sound, 1_000_000, max_bytes)
        recorder = SessionRecorder(limits, "sess_test", name, ClientInfo(address="192.0.2.7"))
        run = recorder.started(
            lambda: SessionRunner(
                pipeline or load_pipeline(None),
                session_id="sess_test",
                codec=recorder.codec(Pcm16()),
                stages=recorder.stages(stages or scripted_stages(lambda _: ANSWER)),
                emit=recorder.emitted,
                scheduler=recorder.scheduler(),
            )
        )
        for at_s, message in messages:
            await asyncio.sleep(at_s - loop.time())
            recorder.allow(message)
            recorder.received(message, lambda message=message: run.receive(message))
        if ends:
            recorder.ended("the client left")
        else:
            await asyncio.sleep(1)
        await run.close(1)
        await recorder.close()

    with VirtualLoop() as loop:
        loop.run(main())
    return sorted(folder.glob("*.recording"))
