"""`listen`: the ear, made of a speech recogniser and something that notices pauses."""

from __future__ import annotations

from collections.abc import Iterator

import reactivex
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.events import Audio, Event, Flush, Pause
from voicepipe.rx import transduce
from voicepipe.stage import Stage

__all__ = ["listen"]


def listen(stt: Stage[Event, Event], pauses: Stage[Audio, Event], *, flush_at: float) -> Stage[Event, Event]:
    """What is heard: words, and where speech starts, pauses and stops.

    `stt` receives the audio and all that `pauses` notices, so that it need not find speech by itself, and a `Flush`
    when a pause surer than `flush_at` begins: a streaming recogniser then hurries through its delay. What is not audio
    passes through.

    .. marbles::

        mic      a-a-a-a        a: Audio
        pauses   ----P--        P: Pause(0.9)
        stt      ------w        a word, hurried by the flush that the pause caused
        listen   ----P-w
    """

    def stage(source: Observable[Event]) -> Observable[Event]:
        def ear(mic: Observable[Event]) -> Observable[Event]:
            sound = mic.pipe(rx_ops.filter(_is_audio))
            noticed = sound.pipe(pauses, rx_ops.share())
            flushes = noticed.pipe(transduce(lambda _: _Flushing(flush_at)))
            heard = reactivex.merge(sound, noticed, flushes).pipe(stt)
            return reactivex.merge(noticed, heard, mic.pipe(rx_ops.filter(_is_not_audio)))

        return source.pipe(rx_ops.publish(ear))

    return stage


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
