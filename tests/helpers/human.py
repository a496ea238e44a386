"""Speech of people: utterances of the recordings in `moonshine-voice`, and the error rate of their recognition."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voicepipe.client import read_recording

__all__ = [
    "BEST_OF_TIMES",
    "SPRING_OF_HOPE",
    "TALKING_ABOUT",
    "TWO_CITIES_OPENING",
    "Utterance",
    "loudness",
    "word_errors",
    "words",
]

RATE_HZ = 24_000


@dataclass(frozen=True)
class Utterance:
    """A stretch of a recording, with a little of the room before and after it, and its words."""

    recording: str
    start_s: float
    stop_s: float
    words: str

    def pcm(self, recordings: Path) -> bytes:
        """PCM16 at 24 kHz; `recordings` is the fixture."""
        sound = read_recording(recordings / f"{self.recording}.wav")
        said = sound[int(self.start_s * RATE_HZ) : int(self.stop_s * RATE_HZ)]
        return (np.clip(said, -1, 1) * 32767).astype("<i2").tobytes()

    def word_error_rate(self, heard: str) -> float:
        """Wrong, missing and invented words, for each word that was said."""
        return word_errors(self.words, heard) / len(words(self.words))


def word_errors(said: str, heard: str) -> int:
    """The number of words that are wrong, missing or invented.

    What a recogniser writes for the same sound differs between processors by a word here and there: their kernels round
    differently. So texts are judged by this number, with a tolerance, and never compared.
    """
    understood = words(heard)
    costs = list(range(len(understood) + 1))
    for number, word in enumerate(words(said), 1):
        before, costs[0] = costs[0], number
        for at, other in enumerate(understood, 1):
            before, costs[at] = costs[at], min(before + (word != other), costs[at] + 1, costs[at - 1] + 1)
    return costs[-1]


def words(text: str) -> list[str]:
    return re.sub(r"[^a-z' ]", " ", text.lower()).split()


def loudness(pcm: bytes) -> float:
    """Root mean square; full scale is 1."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float64) / 32768
    return float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0


BEST_OF_TIMES = Utterance("two_cities", 1.0, 4.7, "It was the best of times, it was the worst of times.")
SPRING_OF_HOPE = Utterance("two_cities", 17.4, 20.6, "It was the spring of hope, it was the winter of despair.")
TWO_CITIES_OPENING = Utterance(
    "two_cities",
    0.0,
    24.6,
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness, it"
    " was the epoch of belief, it was the epoch of incredulity, it was the season of Light, it was the season of"
    " Darkness, it was the spring of hope, it was the winter of despair, we had everything before us, we had nothing"
    " before us,",
)
TALKING_ABOUT = Utterance("endgame_nagg_nell", 17.45, 18.95, "What are you talking about?")
"""By another speaker, and short: to interrupt with."""
