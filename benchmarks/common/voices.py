"""Speakers for short texts: the embedded voice, and the synthesisers that are installed as commands."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from benchmarks.common.speech import RATE_HZ
from voicepipe.client import read_recording
from voicepipe.events import Samples
from voicepipe.tts.hibari import Hibari

__all__ = ["speakers"]

Speaker = Callable[[str], Samples]

# The options of each voice. `espeak-ng -v en-us+f3` is a woman; `kal16`, `slt`, `rms` and `awb` come with flite.
_ESPEAK = ("en-us", "en-us+f3", "en-gb")
_FLITE = ("slt", "rms", "awb", "kal16")
SAYS_WITHIN_S = 20.0


def speakers() -> Mapping[str, Speaker]:
    """Return the voices of this machine by name, each of which makes a text's sound at 24 kHz."""
    found: dict[str, Speaker] = {"hibari": _embedded().synthesise}
    if shutil.which("flite"):
        found |= {f"flite {name}": _spoken("flite", "-voice", name, "-t", "{text}", "-o", "{file}") for name in _FLITE}
    if shutil.which("espeak-ng"):
        found |= {f"espeak {name}": _spoken("espeak-ng", "-v", name, "-w", "{file}", "{text}") for name in _ESPEAK}
    return found


@cache
def _embedded() -> Hibari:
    return Hibari()


def _spoken(*command: str) -> Speaker:
    def speak(text: str) -> Samples:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "said.wav"
            filled = [part.format(text=text, file=file) for part in command]
            subprocess.run(filled, check=True, timeout=SAYS_WITHIN_S, capture_output=True)
            return read_recording(file, RATE_HZ)

    return speak
