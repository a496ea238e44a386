"""Microphone and speakers on a PortAudio of our own; the real one needs a machine with recognisers."""

from __future__ import annotations

import asyncio
import re
import sys
from contextlib import aclosing
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from voicepipe.client.devices import DeviceMicrophone, DeviceSpeakers, NoDevice, open_devices
from voicepipe.installation.installation import install_command
from voicepipe.testing import VirtualLoop


class Stream:
    """A stream of `sounddevice` that remembers how it was opened."""

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.state = "made"

    def start(self) -> None:
        self.state = "started"

    def close(self) -> None:
        self.state = "closed"

    def __enter__(self) -> Stream:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Backend(SimpleNamespace):
    """Opens streams, of which the last one can be got at."""

    def __init__(self, fault: Exception | None = None, only_hz: int | None = None) -> None:
        super().__init__(fault=fault, only_hz=only_hz, InputStream=self._open, OutputStream=self._open)

    def _open(self, **options: Any) -> Stream:
        self.stream = Stream(**options)
        return self.stream

    def check_input_settings(self, **options: Any) -> None:
        if self.fault is not None:
            raise self.fault
        if self.only_hz not in (None, options["samplerate"]):
            raise OSError("Invalid sample rate [PaErrorCode -9997]")

    check_output_settings = check_input_settings

    def query_devices(self, *, kind: str) -> dict[str, Any]:
        return {"default_samplerate": float(self.only_hz or 48_000), "kind": kind}


def test_frames_of_the_device_are_copied_and_come_in_order(virtual_loop: VirtualLoop):
    """PortAudio takes its buffer back after the callback; the stream is closed with the frames."""
    backend = Backend()

    async def main() -> list[float]:
        got: list[float] = []
        buffer = np.zeros((480, 1), np.float32)
        async with aclosing(DeviceMicrophone(backend).frames()) as frames:
            first = asyncio.ensure_future(anext(frames))
            await asyncio.sleep(0)
            for value in (0.1, 0.2):
                buffer[:] = value
                backend.stream.options["callback"](buffer, 480, None, None)
            got.append(float((await first)[0]))
            got.append(float((await anext(frames))[0]))
        return got

    assert virtual_loop.run(main()) == pytest.approx([0.1, 0.2])
    assert backend.stream.state == "closed"
    assert backend.stream.options["blocksize"] == 480


def test_speakers_play_in_order_with_silence_behind_and_fall_silent_at_once():
    """Pieces are cut to what the device asks for."""
    backend = Backend()
    speakers = DeviceSpeakers(backend)

    def next_samples(count: int) -> list[float]:
        out = np.full((count, 1), 9, np.float32)
        backend.stream.options["callback"](out, count, None, None)
        return out[:, 0].tolist()

    assert backend.stream.state == "started"
    speakers.play(np.array([1, 2, 3], np.float32))
    speakers.play(np.array([4], np.float32))
    assert next_samples(2) == [1, 2]
    assert next_samples(4) == [3, 4, 0, 0]
    speakers.play(np.array([5, 6], np.float32))
    speakers.flush()
    assert next_samples(1) == [0]
    speakers.close()
    assert backend.stream.state == "closed"


def test_devices_that_work_are_opened(monkeypatch: pytest.MonkeyPatch):
    """The backend is `sounddevice`."""
    monkeypatch.setitem(sys.modules, "sounddevice", Backend())
    microphone, speakers = open_devices()
    assert not microphone.finished
    speakers.close()


def pitch_hz(sound: np.ndarray, rate_hz: int) -> float:
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(np.argmax(spectrum)) * rate_hz / len(sound)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000, 96_000])
def test_a_microphone_of_any_rate_gives_24_khz(
    monkeypatch: pytest.MonkeyPatch, virtual_loop: VirtualLoop, rate_hz: int
):
    """In frames of 20 ms, at the same pitch."""
    backend = Backend(only_hz=rate_hz)
    monkeypatch.setitem(sys.modules, "sounddevice", backend)
    microphone, _ = open_devices()
    tone = np.sin(2 * np.pi * 440 * np.arange(rate_hz) / rate_hz).astype(np.float32)

    async def main() -> list[np.ndarray]:
        async with aclosing(microphone.frames()) as frames:
            first = asyncio.ensure_future(anext(frames))
            await asyncio.sleep(0)
            size = backend.stream.options["blocksize"]
            for at in range(0, rate_hz, size):
                backend.stream.options["callback"](tone[at : at + size, None], size, None, None)
            return [await first, *[await anext(frames) for _ in range(44)]]

    got = virtual_loop.run(main())
    assert backend.stream.options["samplerate"] == rate_hz
    assert {len(frame) for frame in got} == {480}
    assert pitch_hz(np.concatenate(got), 24_000) == pytest.approx(440, abs=3)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000, 96_000])
def test_speakers_of_any_rate_play_24_khz(monkeypatch: pytest.MonkeyPatch, rate_hz: int):
    """As long as it is, at the same pitch."""
    backend = Backend(only_hz=rate_hz)
    monkeypatch.setitem(sys.modules, "sounddevice", backend)
    _, speakers = open_devices()
    tone = np.sin(2 * np.pi * 440 * np.arange(24_000) / 24_000).astype(np.float32)
    for at in range(0, 24_000, 480):
        speakers.play(tone[at : at + 480])
    out = np.zeros((rate_hz, 1), np.float32)
    backend.stream.options["callback"](out, rate_hz, None, None)
    assert backend.stream.options["samplerate"] == rate_hz
    assert pitch_hz(out[: rate_hz * 9 // 10, 0], rate_hz) == pytest.approx(440, abs=3)
    assert np.abs(out[rate_hz * 93 // 100, 0]) + np.abs(out[rate_hz * 93 // 100 + 5, 0]) > 0.01


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    """None in `sys.modules` is what an absent package is to `import`."""
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(NoDevice, match=re.escape(install_command("mic"))):
        open_devices()


def test_a_missing_device_is_named(monkeypatch: pytest.MonkeyPatch):
    """PortAudio's own words are kept."""
    monkeypatch.setitem(sys.modules, "sounddevice", Backend(ValueError("No input device matching -1")))
    with pytest.raises(NoDevice, match=r"no microphone that works \(No input device"):
        open_devices()


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Any):
    """`sounddevice` is there and PortAudio is not: its import raises OSError."""
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(NoDevice, match="libportaudio2"):
        open_devices()
