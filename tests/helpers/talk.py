"""One user, scripted services, and the default pipeline between them, in virtual time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import reactivex as rx
from reactivex import Observable

from voicepipe.audio import Pcm16
from voicepipe.events import (
    Audio,
    AudioReceived,
    ClientMessage,
    Event,
    FlushRequested,
    SettingsChanged,
    SpeechEncoded,
    SpeechProbability,
    SpeechStarted,
    Transcribed,
    WordRecognised,
)
from voicepipe.loader import load_pipeline
from voicepipe.rx import transduce
from voicepipe.session import SessionRunner, Stages
from voicepipe.testing import Marbles

RATE_HZ = 24_000
FRAME_S = 0.02
WORD_S = 0.3


@dataclass(frozen=True)
class Heard:
    """An event that the client received, and its time in seconds."""

    at_s: float
    event: Event


class Talk:
    """Runs one conversation. The user's words are known to the recogniser, which hears them when they are over."""

    def __init__(self, marbles: Marbles, llm: Any, tts: Any, *, end_of_turn: float = 0.9) -> None:
        self.marbles = marbles
        self.heard: list[Heard] = []
        self.ended_s: float | None = None
        self._said: list[str] = []
        self._stages = Stages(
            vad=transduce(lambda _: _Loudness()),
            end_of_turn=lambda _: rx.timer(0.06).pipe(rx.operators.map(lambda _: end_of_turn)),
            stt=self._recognise,
            llm=llm,
            tts=lambda _: tts,
        )

    def run(
        self,
        script: list[tuple[float, str]],
        until_s: float,
        pipeline: str | None = None,
        sent: Sequence[tuple[float, ClientMessage]] = ((0.0, SettingsChanged("Be brief.")),),
    ) -> None:
        """Play a conversation up to `until_s`.

        Args:
            script: from which second on the user says what; a cough is "*". Silence in between.
            until_s: the length of the conversation
            pipeline: its file; None: the default one
            sent: what the client sends at which second
        """
        self.marbles.run(self._talk(script, until_s, pipeline, sent=sent))

    def run_muted(self, script: list[tuple[float, str]], mute_at_s: float, until_s: float) -> None:
        """The same with a microphone that sends nothing at all from a moment on."""
        self.marbles.run(self._talk(script, until_s, None, mute_at_s))

    def times(self, kind: type) -> list[float]:
        return [round(one.at_s, 3) for one in self.heard if isinstance(one.event, kind)]

    def events(self, kind: type) -> list[Any]:
        return [one.event for one in self.heard if isinstance(one.event, kind)]

    def sounding(self) -> list[float]:
        """The times at which sound was sent to the client, in seconds."""
        return self.times(SpeechEncoded)

    async def _talk(
        self,
        script: list[tuple[float, str]],
        until_s: float,
        pipeline: str | None,
        mute_at_s: float = 1e9,
        sent: Sequence[tuple[float, ClientMessage]] = ((0.0, SettingsChanged("Be brief.")),),
    ) -> None:
        loop = asyncio.get_running_loop()
        self._said = [text for _, text in script]
        began = loop.time()
        running = SessionRunner(
            load_pipeline(pipeline),
            session_id="test",
            codec=Pcm16(),
            stages=self._stages,
            emit=lambda event: self.heard.append(Heard(loop.time() - began, event)),
        )
        waiting = deque(sent)
        for number, samples in enumerate(self._microphone(script, until_s)):
            await asyncio.sleep(max(0.0, began + number * FRAME_S - loop.time()))
            while waiting and waiting[0][0] <= number * FRAME_S:
                running.receive(waiting.popleft()[1])
            if running.ended.done():
                self.ended_s = round(loop.time() - began, 3)
                break
            if number * FRAME_S < mute_at_s:
                running.receive(AudioReceived(samples))
        await running.close(grace_s=1)

    def _microphone(self, script: list[tuple[float, str]], until_s: float) -> Iterator[bytes]:
        level = np.zeros(int(until_s * RATE_HZ), "<i2")
        for at_s, text in script:
            start, length_s = int(at_s * RATE_HZ), 0.2 if text == "*" else WORD_S * len(text.split())
            level[start : start + int(length_s * RATE_HZ)] = 8000
        step = int(FRAME_S * RATE_HZ)
        for start in range(0, len(level), step):
            yield level[start : start + step].tobytes()

    def _recognise(self, source: Observable[Event]) -> Observable[Event]:
        return source.pipe(transduce(lambda _: _Recogniser(iter(self._said))))


class _Loudness:
    """A VAD: loud is speech."""

    def __init__(self) -> None:
        self._at_s = 0.0

    def __call__(self, audio: Audio) -> Iterator[SpeechProbability]:
        self._at_s += audio.duration_s
        yield SpeechProbability(float(np.abs(audio.samples).max() > 0.1), round(self._at_s, 6))


class _Recogniser:
    """Knows what will be said; the first word comes 0.5 s after the voice, the rest when the user has paused."""

    def __init__(self, said: Iterator[str]) -> None:
        self._said = said
        self._words: list[str] = []
        self._first_at: float | None = None
        self._at_s = 0.0

    def __call__(self, event: Event) -> Iterator[Event]:
        match event:
            case Audio():
                self._at_s += event.duration_s
                if self._first_at is not None and self._at_s >= self._first_at and self._words:
                    self._first_at = None
                    yield WordRecognised(self._words.pop(0), self._at_s - WORD_S, self._at_s)
            case SpeechStarted(at_s=at_s):
                self._words += next(self._said).replace("*", "").split()
                self._first_at = at_s + 0.5
            case FlushRequested(at_s=at_s):
                yield from (WordRecognised(word, at_s - WORD_S, at_s) for word in self._words)
                self._words, self._first_at = [], None
                yield Transcribed(at_s)
            case _:
                pass
