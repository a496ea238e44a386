"""Microphone and speakers on a PortAudio of our own; the real one needs a machine with ears."""

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
    """What `sounddevice` calls a stream: remembers how it was opened."""

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

    def __init__(self, fault: Exception | None = None) -> None:
        super().__init__(fault=fault, InputStream=self._open, OutputStream=self._open)

    def _open(self, **options: Any) -> Stream:
        self.stream = Stream(**options)
        return self.stream

    def check_input_settings(self, **_: Any) -> None:
        if self.fault is not None:
            raise self.fault

    def check_output_settings(self, **_: Any) -> None:
        pass


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


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    """None in `sys.modules` is what an absent package is to `import`."""
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(NoDevice, match=re.escape(install_command("mic"))):
        open_devices()


def test_a_missing_device_is_named(monkeypatch: pytest.MonkeyPatch):
    """PortAudio's own words are kept."""
    monkeypatch.setitem(sys.modules, "sounddevice", Backend(ValueError("No input device matching -1")))
    with pytest.raises(NoDevice, match=r"no microphone that works at 24000 Hz.*No input device"):
        open_devices()


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Any):
    """`sounddevice` is there and PortAudio is not: its import raises OSError."""
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(NoDevice, match="libportaudio2"):
        open_devices()
