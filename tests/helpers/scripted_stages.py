"""Scripted stages without a clock of their own: they run in virtual time and in real time.

Loud sound is speech, recognised as `HEARD`. A word of the bot takes `WORD_S`, and is a tone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import reactivex

from voicepipe.conversation import Conversation
from voicepipe.events import (
    Audio,
    Event,
    FlushRequested,
    ReplyAudio,
    ReplyText,
    SpeechProbability,
    SpeechStarted,
    SynthesisEnded,
    SynthesisStarted,
    Transcribed,
    WordRecognised,
    WordSpoken,
)
from voicepipe.rx import transduce
from voicepipe.session import Stages

HEARD = "Hello there."
RATE_HZ = 24_000
WORD_S = 0.2
_FRAME = RATE_HZ // 50


def scripted_stages(answer: Callable[[Conversation], str], close: Callable[[], None] = lambda: None) -> Any:
    """One session's; `answer` is what the model says to a conversation."""
    return Stages(
        vad=transduce(lambda _: _Loudness()),
        end_of_turn=lambda _: reactivex.just(0.9),
        stt=transduce(lambda _: _recognise),
        llm=lambda conversation: reactivex.just(answer(conversation)),
        tts=lambda _: transduce(lambda _: _Synthesis()),
        on_close=(close,),
    )


class _Loudness:
    def __init__(self) -> None:
        self._at_s = 0.0

    def __call__(self, audio: Audio) -> Iterator[SpeechProbability]:
        for start in range(0, len(audio.samples), _FRAME):
            frame = audio.samples[start : start + _FRAME]
            self._at_s += len(frame) / RATE_HZ
            yield SpeechProbability(float(np.abs(frame).max() > 0.1), self._at_s)


def _recognise(event: Event) -> Iterator[Event]:
    match event:
        case SpeechStarted(at_s=at_s):
            for number, word in enumerate(HEARD.split()):
                yield WordRecognised(word, at_s + number * WORD_S, at_s + (number + 1) * WORD_S)
        case FlushRequested(at_s=at_s):
            yield Transcribed(at_s)
        case _:
            pass


class _Synthesis:
    def __init__(self) -> None:
        self._at_s = 0.0

    def __call__(self, text: ReplyText) -> Iterator[Event]:
        tone = np.sin(np.arange(int(WORD_S * RATE_HZ)) * 0.05).astype(np.float32) * np.float32(0.3)
        start_s, self._at_s = self._at_s, self._at_s + WORD_S
        yield text
        yield SynthesisStarted(text.delta)
        yield SynthesisEnded(WORD_S)
        yield ReplyAudio(Audio(tone, RATE_HZ))
        yield WordSpoken(text.delta.strip(), start_s, self._at_s)
