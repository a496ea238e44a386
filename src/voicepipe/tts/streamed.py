"""Sound of clauses that comes in pieces, without the times of its words, which are estimated. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate, pairwise

import numpy as np

from voicepipe.events import Audio, Event, ReplyAudio, Samples, SynthesisEnded, TextNotSpoken, WordSpoken
from voicepipe.text.words import shows_something
from voicepipe.tts.clauses import ReadClause
from voicepipe.tts.word_times import written_times

__all__ = ["PcmReader", "StreamedReply"]

FRAME_S = 0.08
"""The length of a piece's frames, and how much sound is held back until it is known whether more follows: the words
that are left at the end of a clause come before their sound."""

LETTERS_PER_S = 14.0
"""Of the first clause, a space for each word included: English is spoken with 150 words a minute, of 4.7 letters."""


class PcmReader:
    r"""Bytes of 16-bit samples, cut anywhere, to float32.

    >>> pcm = PcmReader()
    >>> len(pcm(b"\x00")), pcm(b"\x40\x00\xc0").tolist()
    (0, [0.5, -0.5])
    """

    def __init__(self) -> None:
        self._half = b""

    def __call__(self, data: bytes) -> Samples:
        data = self._half + data
        whole = len(data) // 2 * 2
        self._half = data[whole:]
        return np.frombuffer(data[:whole], "<i2").astype(np.float32) / np.float32(32_768)


class StreamedReply:
    """The sound and the words of consecutive clauses: `begin` each, give its `sound`, and `end` it.

    A word comes before its sound. Its time is an estimate: the letters of a clause take as long as those of the clause
    before it did.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._letters_per_s = LETTERS_PER_S
        self._made_s = self._from_s = 0.0
        self._held: Samples = np.zeros(0, np.float32)
        self._words: deque[WordSpoken] = deque()
        self._clause: ReadClause | None = None
        self._warned = False

    def begin(self, clause: ReadClause) -> None:
        """Begin a clause; its sound follows that of the last one."""
        self._clause, self._from_s = clause, self._made_s
        spoken = clause.spoken.split()
        bounds = [self._made_s + letters / self._letters_per_s for letters in _bounds(spoken)]
        times = [(word, start, stop) for word, (start, stop) in zip(spoken, pairwise(bounds), strict=True)]
        self._words = deque(written_times(clause.units, times, self._made_s, bounds[-1]))

    def sound(self, audio: Audio) -> Iterator[ReplyAudio | Event]:
        """Add sound; yield what is complete of it, in whole frames, with its words before it.

        The rate is that of the clause: it does not change within one.
        """
        self._rate_hz, frame = audio.rate_hz, round(FRAME_S * audio.rate_hz)
        self._held = np.concatenate([self._held, audio.samples])
        ready = (len(self._held) // frame - 1) * frame
        if ready > 0:
            until_s = self._made_s + ready / self._rate_hz
            while self._words and self._words[0].start_s < until_s:
                yield self._words.popleft()
            yield self._piece(ready)

    def end(self) -> Iterator[ReplyAudio | Event]:
        """Yield the rest of the clause's sound, with the words that are left before it."""
        clause, total_s = self._clause, self._made_s + len(self._held) / self._rate_hz
        assert clause is not None
        length_s = total_s - self._from_s
        if (not length_s or clause.unsayable) and not self._warned and (clause.spoken or clause.unsayable):
            self._warned = True
            yield TextNotSpoken.of(clause.written)
        yield from self._left(total_s)
        if len(self._held):
            yield self._piece(len(self._held))
        if clause.spoken:
            yield SynthesisEnded(length_s)
        if length_s:
            self._letters_per_s = _bounds(clause.spoken.split())[-1] / length_s

    def _piece(self, size: int) -> ReplyAudio:
        piece, self._held = self._held[:size], self._held[size:]
        self._made_s += size / self._rate_hz
        return ReplyAudio(Audio(piece, self._rate_hz))

    def _left(self, until_s: float) -> Iterator[WordSpoken]:
        """Yield the words that are left, from here to the end of the clause; without any sound only those to see."""
        words = list(self._words)
        self._words.clear()
        bounds = _bounds([word.word for word in words])
        per_letter_s = (until_s - self._made_s) / max(1, bounds[-1])
        for word, (start, stop) in zip(words, pairwise(bounds), strict=True):
            if until_s or shows_something(word.word):
                yield replace(
                    word, start_s=self._made_s + start * per_letter_s, stop_s=self._made_s + stop * per_letter_s
                )


def _bounds(words: list[str]) -> list[int]:
    """Return where each word begins, in letters, and where the last one ends; a space belongs to its word."""
    return list(accumulate((len(word) + 1 for word in words), initial=0))
