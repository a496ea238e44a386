"""This machine's microphone and speakers, through PortAudio (the extra `mic`)."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator
from typing import Any

import numpy as np

from voicepipe.client.microphone import FRAME_S
from voicepipe.events import Samples
from voicepipe.installation.installation import install_command

__all__ = ["DeviceMicrophone", "DeviceSpeakers", "NoDevice", "open_devices"]

RATE_HZ = 24_000
QUEUE_FRAMES = 100
"""2 s of the microphone: older sound was meant for a connection that does not move, and is dropped."""


class NoDevice(Exception):
    """There is no microphone or loudspeaker, or no library for it; the message is for the user."""


def open_devices() -> tuple[DeviceMicrophone, DeviceSpeakers]:
    """Return the system's default microphone and speakers, after a check that they exist. Raises NoDevice."""
    try:
        import sounddevice  # pyright: ignore[reportMissingTypeStubs]
    except ImportError:
        raise NoDevice(f"the microphone needs one more package: {install_command('mic')}") from None
    except OSError:
        raise NoDevice(
            "the PortAudio library is not installed (on Debian and Ubuntu: apt install libportaudio2)"
        ) from None
    backend: Any = sounddevice
    _check("microphone", backend.check_input_settings)
    _check("speaker", backend.check_output_settings)
    return DeviceMicrophone(backend), DeviceSpeakers(backend)


def _check(what: str, settings: Any) -> None:
    try:
        settings(samplerate=RATE_HZ, channels=1, dtype="float32")
    except Exception as error:  # PortAudioError, or ValueError where there is no device at all
        raise NoDevice(f"this machine has no {what} that works at {RATE_HZ} Hz ({error})") from None


class DeviceMicrophone:
    """Frames of 20 ms as the device gives them, from the first request of `frames` on."""

    finished = False

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._frames: deque[Samples] = deque(maxlen=QUEUE_FRAMES)

    def play(self) -> None:
        """Do nothing: a person speaks at any time."""

    async def frames(self) -> AsyncGenerator[Samples]:
        loop, spoken = asyncio.get_running_loop(), asyncio.Event()

        def callback(data: Any, count: int, time: Any, status: Any) -> None:
            """Take a block of sound, in PortAudio's thread; `data` is valid during the call only."""
            self._frames.append(np.array(data[:, 0], np.float32))
            loop.call_soon_threadsafe(spoken.set)

        with self._backend.InputStream(
            samplerate=RATE_HZ, channels=1, dtype="float32", blocksize=round(FRAME_S * RATE_HZ), callback=callback
        ):
            while True:
                await spoken.wait()
                spoken.clear()
                while self._frames:
                    yield self._frames.popleft()


class DeviceSpeakers:
    """Play sound in order; silence when there is none."""

    def __init__(self, backend: Any) -> None:
        self._lock = threading.Lock()
        self._queued: deque[Samples] = deque()
        self._stream: Any = backend.OutputStream(
            samplerate=RATE_HZ, channels=1, dtype="float32", latency="low", callback=self._fill
        )
        self._stream.start()

    def play(self, samples: Samples) -> None:
        with self._lock:
            self._queued.append(samples)

    def flush(self) -> None:
        with self._lock:
            self._queued.clear()

    def close(self) -> None:
        self._stream.close()

    def _fill(self, out: Any, count: int, time: Any, status: Any) -> None:
        """Write the next `count` samples to `out`, shape (count, 1), in PortAudio's thread."""
        done = 0
        with self._lock:
            while self._queued and done < count:
                piece = self._queued.popleft()
                taken, rest = piece[: count - done], piece[count - done :]
                out[done : done + len(taken), 0] = taken
                done += len(taken)
                if len(rest):
                    self._queued.appendleft(rest)
        out[done:, 0] = 0
