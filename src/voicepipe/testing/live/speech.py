"""The sound of a live scenario's user: recordings by their text, or the embedded voice."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np

from voicepipe.client import read_recording
from voicepipe.events import Samples

__all__ = ["RATE_HZ", "Speak", "cough", "embedded_voice", "file_name", "with_recordings"]

RATE_HZ = 24_000

Speak: TypeAlias = Callable[[str], Samples]
"""Returns the sound of a text: float32 of shape (n,) at 24 kHz."""

_ENDINGS = (".wav", ".flac", ".mp3", ".ogg", ".opus")


def embedded_voice() -> Speak:
    """Return the embedded voice. A text is synthesised once.

    Raises:
        ImportError: The embedded models are not installed.
    """
    from voicepipe.tts import Hibari

    voice = Hibari()
    said: dict[str, Samples] = {}

    def speak(text: str) -> Samples:
        if text not in said:
            said[text] = voice.synthesise(text)
        return said[text]

    return speak


def with_recordings(folder: Path, otherwise: Callable[[], Speak]) -> Speak:
    """Return a voice that plays `hello-there.wav` for "Hello there!", and synthesises what has no recording.

    Args:
        folder: The folder of the recordings: WAV, FLAC, MP3 or Ogg.
        otherwise: Makes the voice of what has no recording, when it is needed first.
    """
    made: list[Speak] = []

    def speak(text: str) -> Samples:
        found = (folder / f"{file_name(text)}{ending}" for ending in _ENDINGS)
        if (path := next((path for path in found if path.exists()), None)) is not None:
            return read_recording(path)
        if not made:
            made.append(otherwise())
        return made[0](text)

    return speak


def file_name(text: str) -> str:
    """Return the name of a text's recording, without the ending.

    >>> file_name("What time is it, please?")
    'what-time-is-it-please'
    """
    return "-".join(re.findall(r"\w+", text.lower()))


def cough(length_s: float) -> Samples:
    """Return a burst of noise of this length: a voice without words."""
    noise = np.random.default_rng(0).normal(0, 0.2, round(length_s * RATE_HZ))
    return np.clip(noise, -1, 1).astype(np.float32)
