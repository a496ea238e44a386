"""The user's sound: real frames of something like speech, in which each word can be identified.

Each frame of a word carries the word's number in the lowest bits of its first samples. It is inaudible, and a scripted
recogniser need not guess: it hears the words in whatever a pipeline drops, delays or inserts.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voicepipe.events import Audio, Samples

__all__ = ["FRAME_S", "LOUD", "Microphone", "is_loud", "word_in", "words_in"]

FRAME_S = 0.02
LOUD = 0.02
"""A frame is voice if its loudest sample is above this."""
# Of the user's voice: the bot's has 130 Hz, and would be found again in one that has it, too.
PITCH_HZ = 187
# The eight bits before a word's number.
_SIGN = 0b10110010
_SIGN_BITS = np.unpackbits(np.array([_SIGN], np.uint8))
_MARK = 24


class Microphone:
    """The user's sound, frame by frame. `words` are all words said so far; a word's number is its place, from 1."""

    def __init__(self, word_s: float, rate_hz: int) -> None:
        self.words: list[str] = []
        self.frames_a_word = max(1, round(word_s / FRAME_S))
        self._rate_hz = rate_hz
        self._frames: deque[bytes] = deque()
        self._silence = bytes(2 * round(FRAME_S * rate_hz))

    def say(self, text: str) -> None:
        """Say `text` after what is still being said."""
        for word in text.split():
            self.words.append(word)
            self._frames.extend(self._voice(self.frames_a_word, len(self.words)))

    def cough(self, length_s: float) -> None:
        """Make a voice without words."""
        self._frames.extend(self._voice(round(length_s / FRAME_S), 0))

    def frame(self) -> bytes:
        """Return the next 20 ms, as PCM16."""
        return self._frames.popleft() if self._frames else self._silence

    def is_voice(self, frame: bytes) -> bool:
        """Return whether the user is audible in a frame of this microphone."""
        return frame is not self._silence

    def _voice(self, frames: int, number: int) -> Iterator[bytes]:
        return (_marked(place, number, self._rate_hz) for place in range(frames))


def is_loud(audio: Audio) -> bool:
    """Return whether the samples are audible."""
    samples = audio.samples
    return bool(samples.any()) and float(max(samples.max(), -samples.min())) > LOUD  # `any` is fast for silence


def word_in(frame: Samples) -> int | None:
    """Return the number of a frame's word; 0 for a voice without words, None for no mark at all."""
    if len(frame) < _MARK:
        return None
    sign, high, low = np.packbits(_lowest_bits(frame[:_MARK])).tolist()
    return high * 256 + low if sign == _SIGN else None


def words_in(samples: Samples, rate_hz: int) -> list[tuple[int, int]]:
    """Return the numbers of the words in a clip, in order, each with the number of its frames."""
    bits = _lowest_bits(samples)
    if len(bits) < _MARK:
        return []
    windows = np.lib.stride_tricks.sliding_window_view(bits[: len(bits) - _MARK + 8], len(_SIGN_BITS))
    places = np.flatnonzero((windows == _SIGN_BITS).all(axis=1))
    frame = round(FRAME_S * rate_hz)
    if not len(places):
        return []
    first = int(np.bincount(places % frame).argmax())  # noise has the mark here and there, a voice in every frame
    found = Counter(word_in(samples[place : place + _MARK]) for place in places[places % frame == first])
    return [(number, count) for number, count in found.items() if number]


def _lowest_bits(samples: Samples) -> NDArray[np.uint8]:
    return (np.rint(samples * 32768).astype(np.int32) & 1).astype(np.uint8)


@lru_cache(maxsize=8192)
def _marked(place: int, number: int, rate_hz: int) -> bytes:
    """Return frame number `place` of a word."""
    samples = _sound(place, rate_hz).copy()
    bits = np.unpackbits(np.array([_SIGN, number >> 8, number & 255], np.uint8))
    samples[:_MARK] = (samples[:_MARK] & ~1) | bits
    return samples.astype("<i2").tobytes()


@lru_cache(maxsize=512)
def _sound(place: int, rate_hz: int) -> NDArray[Any]:
    from voicepipe.testing.marbles.sound import speech

    sound = speech(place * FRAME_S * 1000, FRAME_S * 1000, rate_hz, PITCH_HZ)
    return (np.clip(sound.samples, -1, 1) * 32767).astype(np.int16)
