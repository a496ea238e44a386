"""Hibari: text to speech, English, one voice, for a clause or a sentence at a time.

Measured on one core: 0.8 s to load and warm up, 175 MB; 12 ms for "Hello there.", 40…60 ms for 15 words. The network
pads each sentence with about 280 ms of silence before it and 260…500 ms after it, which is cut to `LEAD_S` and
`TAIL_S`: the first word is heard a quarter of a second earlier.

scipy (`hibari-tts[fast]`) makes no difference with numpy 2, whose Fourier transform keeps single precision, too.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from voicepipe.events import Samples
from voicepipe.text.reading import Reading, read_aloud, said_text
from voicepipe.text.words import Word, has_letters
from voicepipe.tts.word_times import written_times

__all__ = ["RATE_HZ", "READING", "Hibari", "speakable"]

RATE_HZ = 24_000

LEAD_S = 0.02
"""Silence before the first sound: a soft consonant begins below the threshold of sound."""

TAIL_S = 0.25
"""Silence after the last sound of a sentence; after a comma, half of it."""

_FRAME = 120  # 5 ms
# RMS of an audible frame, of full scale. The silence around the speech is at -140 dB, the speech at -20 dB.
_SOUND = 10 ** (-55 / 20)

_ENDS = ".!?…"
_PAUSES = ",;:—" + _ENDS

# Of the words that the voice's own tables expand, those that are words otherwise.
_MISREAD = re.compile(
    r"\b(no|nos|No|Nos|fig|Fig|est|ed|eds|vol|Vol|ch|Ch|pp|Sun|Sat|Mar|Wed|Mon|Jan|Jun|Gen|Rep|Hon|Col|Co|Inc|St|Ave|Mt"
    r"|Rev|Gov|Pres|Sen|co|Mar|Apr|Dec|Fri|Thu|Tue|Aug|Sep|Oct|Nov|Feb|Jul|Bros|Corp|Dept|Univ)([.!?])"
)

READING = Reading(scripts=frozenset({"LATIN", "FULLWIDTH", "MODIFIER", "COMBINING", "FEMININE", "MASCULINE"}))
"""English, in Latin letters: the voice leaves out all others without a word."""


class Hibari:
    """The voice, loaded and warmed up: the first call is as quick as the next. Thread-safe: it is immutable.

    Args:
        threads: How many cores one call may use.
    """

    RATE_HZ = RATE_HZ

    def __init__(self, *, threads: int = 1) -> None:
        hibari: Any = importlib.import_module("hibari")  # has no types
        # Any other voice would be downloaded from a model hub.
        self._voice = hibari.Hibari(threads=threads)
        # This sets up the lexicons, the reader of unknown words, onnxruntime and numpy, which are lazy.
        self.synthesise("Zyxgrath says hello to the world, in 1984.")

    def synthesise(self, text: str) -> Samples:
        """Synthesise `text`; the same text gives the same sound.

        Returns:
            float32 of shape (n,) at 24 kHz, several sentences as one sound; empty if nothing can be said.
        """
        said = speakable(text)
        spoken = [self._say(phonemes) for phonemes in self._voice.phonemize(said)] if said else []
        return np.concatenate(spoken) if spoken else np.zeros(0, np.float32)

    def word_times(self, text: str, samples: Samples) -> list[tuple[str, float, float]]:
        """Return when each word of `text` is spoken in `samples`, which `synthesise` made of it: (word, start_s,
        stop_s).

        The words are those of `text.split()`, with punctuation, in order and without gaps. The times are estimates:
        each word takes its share of the sound in proportion to its phonemes. Empty if `samples` are.
        """
        sound = _sound(samples)
        units = read_aloud(_unglued(text), READING)
        spoken = said_text(units).split()
        if sound is None or not spoken:
            return []
        first, last = (sample / RATE_HZ for sample in sound)
        ends = np.cumsum(self._lengths(spoken))
        bounds = first + (last - first) * np.concatenate([[0], ends / ends[-1]])
        times = [(word, float(bounds[at]), float(bounds[at + 1])) for at, word in enumerate(spoken)]
        return [(word.word, word.start_s, word.stop_s) for word in written_times(units, times, first, last)]

    def _say(self, phonemes: str) -> Samples:
        """Return the sound of one sentence, without the silence around it."""
        samples: Samples = self._voice.from_phonemes(phonemes, seed=0)
        sound = _sound(samples)
        if sound is None:
            return samples[:0]
        tail = TAIL_S if phonemes.rstrip("\"'”’) ").endswith(tuple(_ENDS)) else TAIL_S / 2
        return samples[max(0, sound[0] - int(LEAD_S * RATE_HZ)) : sound[1] + int(tail * RATE_HZ)]

    def _lengths(self, words: Sequence[str]) -> list[float]:
        """Return each word's length in phonemes; in letters if the two texts cannot be matched word by word."""
        phonemes = " ".join(self._voice.phonemize(_apart(" ".join(words)))).split()
        if len(phonemes) != len(words):
            return [0.1 + sum(map(str.isalpha, word)) for word in words]
        phonemes[-1] = phonemes[-1].rstrip(_PAUSES)  # the pause after the last word is no part of the sound
        return [sum(_length(phoneme) for phoneme in word) for word in phonemes]


def speakable(text: str) -> str:
    """Return `text` as it is said, without what the voice would misread; "" if nothing is said."""
    said = said_text(read_aloud(text, READING))
    return _apart(said) if has_letters(said) else ""


def _apart(said: str) -> str:
    """Return a text of which the voice takes no word for an abbreviation: it reads "no." as "number".

    Abbreviations are in full already; a space before the full stop, which the voice ignores, keeps its table out.
    """
    return _MISREAD.sub(r"\1 \2", said)


def _unglued(text: str) -> list[Word]:
    return [Word(word) for word in text.split()]


def _length(phoneme: str) -> float:
    """Return the length in phonemes: a pause counts as several, a mark of stress as none."""
    if phoneme in "ˈˌ":
        return 0.0
    return 4.0 if phoneme in _ENDS else 2.0 if phoneme in _PAUSES else 1.0


def _sound(samples: Samples) -> tuple[int, int] | None:
    """Return the first and the last audible sample (exclusive), to 5 ms; None if there is none."""
    frames = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME)
    loud = np.flatnonzero(np.square(frames).mean(axis=1) > _SOUND**2)
    return (int(loud[0]) * _FRAME, (int(loud[-1]) + 1) * _FRAME) if len(loud) else None
