"""This machine's microphone and speakers, through PortAudio (the extra `mic`)."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from typing import Any, Literal

import numpy as np

from voicepipe.audio import resampler
from voicepipe.client.microphone import FRAME_S
from voicepipe.events import Samples
from voicepipe.installation.installation import install_command

__all__ = ["DeviceMicrophone", "DeviceSpeakers", "NoDevice", "open_devices"]

RATE_HZ = 24_000
# Rates to try after 24 kHz and the device's own: ALSA and WASAPI in exclusive mode do not resample.
_OTHER_RATES_HZ = (48_000, 44_100, 16_000, 96_000, 32_000, 22_050, 8_000)
QUEUE_FRAMES = 100
"""2 s of the microphone: older sound was meant for a connection that does not move, and is dropped."""


class NoDevice(Exception):
    """No microphone, no loudspeaker, or no library for it; the message is for the user."""


def open_devices() -> tuple[DeviceMicrophone, DeviceSpeakers]:
    """Return the system's default microphone and speakers, each at a rate at which it works. Raises NoDevice."""
    try:
        import sounddevice  # pyright: ignore[reportMissingTypeStubs]
    except ImportError:
        raise NoDevice(f"the microphone needs one more package: {install_command('mic')}") from None
    except OSError:
        raise NoDevice(
            "the PortAudio library is not installed (on Debian and Ubuntu: apt install libportaudio2)"
        ) from None
    backend: Any = sounddevice
    input_hz = _rate_hz("microphone", "input", backend)
    output_hz = _rate_hz("speaker", "output", backend)
    return DeviceMicrophone(backend, input_hz), DeviceSpeakers(backend, output_hz)


def _rate_hz(what: str, kind: Literal["input", "output"], backend: Any) -> int:
    """Return the first rate at which the default device opens. Raises NoDevice, with what PortAudio says of 24 kHz."""
    check = getattr(backend, f"check_{kind}_settings")
    said = ""
    for rate_hz in (RATE_HZ, *_own_rates_hz(kind, backend), *_OTHER_RATES_HZ):
        try:
            check(samplerate=rate_hz, channels=1, dtype="float32")
        except Exception as error:  # PortAudioError, or ValueError where there is no device at all
            said = said or str(error)
        else:
            return rate_hz
    raise NoDevice(f"this machine has no {what} that works ({said})") from None


def _own_rates_hz(kind: str, backend: Any) -> list[int]:
    """Return the rate that the device prefers, if there is a device."""
    try:
        return [round(backend.query_devices(kind=kind)["default_samplerate"])]
    except Exception:  # as above
        return []


class DeviceMicrophone:
    """Frames of 20 ms at 24 kHz, from the first request of `frames` on, resampled where the device has another rate."""

    finished = False

    def __init__(self, backend: Any, rate_hz: int = RATE_HZ) -> None:
        self._backend, self._rate_hz = backend, rate_hz
        self._resample = resampler(rate_hz, RATE_HZ)
        self._rest: Samples = np.zeros(0, np.float32)
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
            samplerate=self._rate_hz,
            channels=1,
            dtype="float32",
            blocksize=round(FRAME_S * self._rate_hz),
            callback=callback,
        ):
            while True:
                await spoken.wait()
                spoken.clear()
                while self._frames:
                    for frame in self._framed(self._frames.popleft()):
                        yield frame

    def _framed(self, samples: Samples) -> Iterator[Samples]:
        """Yield the frames that a block of the device completes."""
        sound, size = np.concatenate([self._rest, self._resample(samples)]), round(FRAME_S * RATE_HZ)
        whole = len(sound) - len(sound) % size
        self._rest = sound[whole:]
        return (sound[at : at + size] for at in range(0, whole, size))


class DeviceSpeakers:
    """Play sound of 24 kHz in order, resampled where the device has another rate; silence when there is none."""

    def __init__(self, backend: Any, rate_hz: int = RATE_HZ) -> None:
        self._resample = resampler(RATE_HZ, rate_hz)
        self._lock = threading.Lock()
        self._queued: deque[Samples] = deque()
        self._stream: Any = backend.OutputStream(
            samplerate=rate_hz, channels=1, dtype="float32", latency="low", callback=self._fill
        )
        self._stream.start()

    def play(self, samples: Samples) -> None:
        at_devices_rate = self._resample(samples)
        with self._lock:
            self._queued.append(at_devices_rate)

    def flush(self) -> None:
        self._resample.rest()
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
