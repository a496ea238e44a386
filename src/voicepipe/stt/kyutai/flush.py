"""State of a recogniser across connections: the last word emitted, and pending flushes. Pure."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from voicepipe.stt.kyutai.protocol import FRAME_S
from voicepipe.stt.kyutai.replay_buffer import Frame

__all__ = ["FlushTracker", "WordDeduplicator"]

SAME_WORD_S = 0.16
"""Two frames: the tolerance in a word's start when another connection hears it again."""


class WordDeduplicator:
    """The last emitted word, so that it is not emitted again when its sound is sent again."""

    def __init__(self) -> None:
        self._text = ""
        self._start_s = -math.inf
        self._stop_s: float | None = None
        self._replayed_until_s = -math.inf

    @property
    def until_s(self) -> float:
        """The time before which all words have been emitted."""
        return self._start_s if self._stop_s is None else self._stop_s

    def begin(self, text: str, start_s: float) -> None:
        self._text, self._start_s, self._stop_s = text, start_s, None

    def end(self, stop_s: float) -> None:
        if stop_s > self._start_s and (self._stop_s is None or stop_s > self._stop_s):
            self._stop_s = stop_s

    def replay(self, until_s: float) -> None:
        """Note that sound up to here may be heard again."""
        self._replayed_until_s = until_s

    def is_repeated(self, text: str, start_s: float) -> bool:
        if start_s > self._replayed_until_s:
            return False
        if self._stop_s is not None:
            return start_s < self._stop_s - FRAME_S / 4
        again = text == self._text and abs(start_s - self._start_s) <= SAME_WORD_S
        return again or start_s < self._start_s - FRAME_S / 2


class FlushTracker:
    """The silence that speeds up the model, and the end of a flush: `frames` of silence are enough. Flushes may
    overlap, and the end of each is reported."""

    def __init__(self, delay_s: float) -> None:
        self.frames = math.ceil(delay_s / FRAME_S - 1e-9) + 1
        # After this many frames behind a flush's moment the model's clock has passed it.
        self._steps = math.floor(delay_s / FRAME_S + 1e-9) + 1
        self._wanted: deque[_Flush] = deque()

    @property
    def on(self) -> bool:
        return bool(self._wanted)

    def begin(self, until_s: float, *, framed_s: float) -> None:
        """Begin a flush: the words before `until_s` are needed. `framed_s` is how much sound is in frames; a resampler
        may hold back the last of it."""
        self._wanted.append(_Flush(until_s, min(until_s, framed_s), self._steps))

    def begin_anew(self) -> None:
        """Begin again on a new connection, where the same sound is sent again."""
        for flush in self._wanted:
            flush.left = self._steps

    def passed(self, piece: Frame | None) -> float | None:
        """Return the moment of the flush that ends with the step of `piece`; of several the last."""
        for flush in self._wanted:
            flush.left -= piece is None or piece.start_s >= flush.from_s - 1e-6
        until_s = None
        while self._wanted and self._wanted[0].left <= 0:
            until_s = self._wanted.popleft().until_s
        return until_s


@dataclass(slots=True)
class _Flush:
    until_s: float
    from_s: float
    left: int
