"""`listen`: a speech recogniser together with a stage that notices pauses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from reactivex import Observable

from voicepipe.events import (
    Audio,
    Event,
    FlushRequested,
    InputCleared,
    InputCommitted,
    Pause,
    SpeechStarted,
    SpeechStopped,
    Transcribed,
    TurnTaking,
    WordRecognised,
)
from voicepipe.rx import feedback, merge, of_type, transduce
from voicepipe.rx.publish import publish
from voicepipe.stage import Stage, stage_factory

__all__ = ["listen"]


@stage_factory(gives=(SpeechStarted, SpeechStopped, Pause, WordRecognised, Transcribed), takes=(Audio,), passes=True)
def listen(
    stt: Stage[Audio | Event, Event], pauses: Stage[Audio | Event, Event] | None = None, *, flush_at: float
) -> Stage[Audio | Event, Event]:
    """Emit what is heard: words, and where speech starts, pauses and stops.

    What is not audio passes through. Where the client ends what was said (`InputCommitted`, `InputCleared`), the
    recogniser is flushed, too, and the event tells the place of that in the sound (`at_s`): all before it is there when
    `Transcribed` has come so far.

    Args:
        stt: Receives the audio and then all that `pauses` notices in it, so that it need not find speech by itself.
        pauses: Receives the audio, and how the client wants turns to be taken (`TurnTaking`), if that comes with it.
            Without it the recogniser notices pauses itself, and its own `Pause` is what flushes it.
        flush_at: A pause that is surer than this sends `FlushRequested` to `stt`: a streaming recogniser then hurries
            through its delay.

    .. marbles::

        mic      a-a-a-a-a      a: Audio
        pauses   --p---P--      p: Pause(0)   P: Pause(0.9)
        stt      --------w      a word, hurried by the flush that P caused
        listen   --p---P-w
    """

    recognise = _noticing(stt, flush_at) if pauses is None else _told(stt, pauses, flush_at)

    def stage(source: Observable[Audio | Event]) -> Observable[Event]:
        def hear(mic: Observable[Audio | Event]) -> Observable[Event]:
            heard = mic.pipe(of_type(Audio, FlushRequested, TurnTaking), recognise)
            return merge(heard, mic.pipe(transduce(lambda _: _passing)))

        return source.pipe(transduce(lambda _: _Placing()), publish(hear))

    return stage


def _noticing(stt: Stage[Audio | Event, Event], flush_at: float) -> Stage[Audio | Event, Event]:
    """A recogniser that notices pauses: the one loop there is, from its pauses to its flushes."""
    return feedback(stt, lambda _: _Flushing(flush_at))


def _told(
    stt: Stage[Audio | Event, Event], pauses: Stage[Audio | Event, Event], flush_at: float
) -> Stage[Audio | Event, Event]:
    """A recogniser beside something that notices pauses."""

    def stage(sound: Observable[Audio | Event]) -> Observable[Event]:
        def hear(noticed: Observable[Event]) -> Observable[Event]:
            flushes = noticed.pipe(transduce(lambda _: _Flushing(flush_at)))
            return merge(noticed, merge(sound, noticed, flushes).pipe(stt))

        # `publish` connects `pauses` last: the recogniser has the sound before it is told what was noticed in it.
        return sound.pipe(of_type(Audio, TurnTaking), pauses, publish(hear))

    return stage


def _passing(event: Audio | Event) -> tuple[Event, ...]:
    return () if isinstance(event, (Audio, FlushRequested)) else (event,)


class _Placing:
    """Counts the sound, and flushes the recogniser where the client ends what was said."""

    def __init__(self) -> None:
        self._samples, self._rate_hz = 0, 1

    def __call__(self, event: Audio | Event) -> tuple[Audio | Event, ...]:
        match event:
            case Audio():
                # A sum of seconds would differ by a rounding with the number of packets.
                self._samples, self._rate_hz = self._samples + len(event.samples), event.rate_hz
                return (event,)
            case InputCommitted() | InputCleared():
                at_s = self._samples / self._rate_hz
                return FlushRequested(at_s), replace(event, at_s=at_s)
            case _:
                return (event,)


class _Flushing:
    """One `FlushRequested` per pause."""

    def __init__(self, flush_at: float) -> None:
        self._flush_at, self._flushed = flush_at, True

    def __call__(self, event: Event) -> Iterator[FlushRequested]:
        if not isinstance(event, Pause):
            return
        paused = event.probability > self._flush_at
        if paused and not self._flushed:
            yield FlushRequested(event.at_s)
        self._flushed = paused
