"""`listen`: the ear, made of a speech recogniser and something that notices pauses."""

from __future__ import annotations

from collections.abc import Iterator

from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.events import Audio, Event, Flush, Pause, SpeechStarted, SpeechStopped, Transcribed, TurnTaking, Word
from voicepipe.rx import feedback, merged, transduce
from voicepipe.stage import Stage, stage_factory

__all__ = ["listen"]


@stage_factory(gives=(SpeechStarted, SpeechStopped, Pause, Word, Transcribed), takes=(Audio,), passes=True)
def listen(
    stt: Stage[Event, Event], pauses: Stage[Audio, Event] | None = None, *, flush_at: float
) -> Stage[Event, Event]:
    """What is heard: words, and where speech starts, pauses and stops.

    `pauses` receives the audio, and how the client wants turns to be taken (`TurnTaking`), if that comes with it.
    `stt` receives the audio and all that `pauses` notices, so that it need not find speech by itself, and a `Flush`
    when a pause surer than `flush_at` begins: a streaming recogniser then hurries through its delay. Without `pauses`
    the recogniser notices them itself, and its own `Pause` is what flushes it. What is not audio passes through.

    .. marbles::

        mic      a-a-a-a-a      a: Audio
        pauses   --p---P--      p: Pause(0)   P: Pause(0.9)
        stt      --------w      a word, hurried by the flush that P caused
        listen   --p---P-w
    """

    def stage(source: Observable[Event]) -> Observable[Event]:
        def hear(mic: Observable[Event]) -> Observable[Event]:
            ear = _noticing(stt, flush_at) if pauses is None else _told(stt, _with_turns(mic, pauses), flush_at)
            heard = mic.pipe(rx_ops.filter(_is_audio), ear)
            return merged(heard, mic.pipe(rx_ops.filter(_is_not_audio)))

        return source.pipe(rx_ops.publish(hear))

    return stage


def _noticing(stt: Stage[Event, Event], flush_at: float) -> Stage[Event, Event]:
    """A recogniser that notices pauses: the one loop there is, from its pauses to its flushes."""
    return feedback(stt, lambda _: _Flushing(flush_at))


def _told(stt: Stage[Event, Event], pauses: Stage[Audio, Event], flush_at: float) -> Stage[Event, Event]:
    """A recogniser beside something that notices pauses."""

    def stage(sound: Observable[Event]) -> Observable[Event]:
        noticed = sound.pipe(pauses, rx_ops.share())
        flushes = noticed.pipe(transduce(lambda _: _Flushing(flush_at)))
        return merged(noticed, merged(sound, noticed, flushes).pipe(stt))

    return stage


def _with_turns(mic: Observable[Event], pauses: Stage[Audio, Event]) -> Stage[Audio, Event]:
    """`pauses`, who hears beside the sound how the client wants turns to be taken."""
    turns = mic.pipe(rx_ops.filter(lambda event: isinstance(event, TurnTaking)))
    return lambda sound: merged(turns, sound).pipe(pauses)


def _is_audio(event: Event) -> bool:
    return isinstance(event, Audio)


def _is_not_audio(event: Event) -> bool:
    return not isinstance(event, Audio)


class _Flushing:
    """One `Flush` per pause."""

    def __init__(self, flush_at: float) -> None:
        self._flush_at, self._flushed = flush_at, True

    def __call__(self, event: Event) -> Iterator[Flush]:
        if not isinstance(event, Pause):
            return
        paused = event.probability > self._flush_at
        if paused and not self._flushed:
            yield Flush(event.at_s)
        self._flushed = paused
