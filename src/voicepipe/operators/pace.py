"""`in_real_time`: the bot's voice no faster than it is heard."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from reactivex import Observable

from voicepipe.events import Audio, Event, Speech, Spoken, Unpaced
from voicepipe.rx import Clock, Due, release_at, transduce
from voicepipe.stage import Stage, stage_factory

__all__ = ["in_real_time"]


@stage_factory(passes=True)
def in_real_time(*, lead_ms: float, frame_ms: float) -> Stage[Unpaced | Event, Speech | Event]:
    """Release `Speech` in frames of `frame_ms`, at most `lead_ms` ahead of the playback clock, and each `Spoken` word
    at the moment in which its sound is heard. Everything else passes at once.

    The playback clock starts with the first frame. Where the synthesiser falls behind, it stands still: the next frame
    goes out at once, and what follows is timed from there. Completes when the last sound has been *played*, so that a
    reply that has ended has been heard. What was made ahead waits here and is dropped when the turn is disposed.

    .. marbles::

        tts            (abcd)|       four frames of 20 ms
        in_real_time   (abc)d--|     with a lead of 40 ms; d has been played at 80 ms
    """

    def stage(source: Observable[Unpaced | Event]) -> Observable[Speech | Event]:
        return source.pipe(
            transduce(lambda clock: _Playback(clock, lead_ms / 1000, frame_ms / 1000), finish=_Playback.rest),
            release_at(),
        )

    return stage


class _Playback:
    """When each frame and word is due. `_made_s` counts the audio made, `_plays_at` is when its next sample plays."""

    def __init__(self, clock: Clock, lead_s: float, frame_s: float) -> None:
        self._clock, self._lead_s, self._frame_s = clock, lead_s, frame_s
        self._made_s = 0.0
        self._plays_at = 0.0
        self._words: deque[Spoken] = deque()

    def __call__(self, event: Unpaced | Event) -> Iterator[Due[Speech | Event]]:
        match event:
            case Speech(audio=audio):
                yield from self._frames(audio)
            case Spoken():
                self._words.append(event)
                yield from self._due_words()
            case Unpaced():
                pass  # only `Speech` derives from it: for the type checker
            case _:
                yield Due(self._clock(), event)

    def rest(self) -> Iterator[Due[Speech | Event]]:
        for word in self._words:
            yield Due(self._plays_at, word)
        yield Due(self._plays_at, None)

    def _frames(self, audio: Audio) -> Iterator[Due[Speech | Event]]:
        step = max(1, round(self._frame_s * audio.rate_hz))
        for start in range(0, len(audio.samples), step):
            yield from self._frame(Audio(audio.samples[start : start + step], audio.rate_hz))

    def _frame(self, frame: Audio) -> Iterator[Due[Speech | Event]]:
        self._plays_at = max(self._plays_at, self._clock())
        yield Due(self._plays_at - self._lead_s, Speech(frame))
        self._plays_at += frame.duration_s
        self._made_s += frame.duration_s
        yield from self._due_words()

    def _due_words(self) -> Iterator[Due[Speech | Event]]:
        """The words whose sound has begun within what is made so far."""
        while self._words and self._words[0].start_s < self._made_s:
            word = self._words.popleft()
            yield Due(self._plays_at - (self._made_s - word.start_s), word)
