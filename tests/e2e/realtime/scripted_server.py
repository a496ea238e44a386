"""A server process whose ear, mind and voice are scripted: what a client sends is what counts here, not what is said.

Loud sound is speech, and whoever speaks says `HEARD`. The bot answers `ANSWER`, or, to a text of two words and more,
`WRITTEN`; to "long" it goes on for ever. A word takes 0.2 s. Prints the address that it listens at.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import reactivex
from reactivex import Observable

from voicepipe.conversation import Conversation
from voicepipe.events import (
    Audio,
    Event,
    Flush,
    ReplyText,
    Speech,
    SpeechStarted,
    Spoken,
    SynthesisEnded,
    SynthesisStarted,
    Transcribed,
    Voice,
    Word,
)
from voicepipe.loading import load_pipeline
from voicepipe.rx import transduce
from voicepipe.server import ServerSettings, run_server

HEARD = "Hello there."
ANSWER = "Nice to meet you."
WRITTEN = "I have read that."
ENDLESS = " ".join(["on and"] * 200)
RATE_HZ = 24_000
WORD_S = 0.2


class ScriptedEngine:
    """Stages for any number of sessions."""

    max_sessions = 8

    def stages(self) -> Any:
        return SimpleNamespace(
            vad=transduce(lambda _: _Loudness()),
            end_of_turn=lambda _: reactivex.just(0.9),
            stt=transduce(lambda _: _recognise),
            llm=_answer,
            tts=transduce(lambda _: _Synthesis()),
            close=lambda: None,
        )

    async def health(self) -> dict[str, bool]:
        return {"stt_up": True, "tts_up": True, "llm_up": True, "voice_cloning_up": False}

    def close(self) -> None:
        """Nothing is held."""


class _Loudness:
    def __init__(self) -> None:
        self._at_s = 0.0

    def __call__(self, audio: Audio) -> Iterator[Voice]:
        for start in range(0, len(audio.samples), RATE_HZ // 50):
            frame = audio.samples[start : start + RATE_HZ // 50]
            self._at_s += len(frame) / RATE_HZ
            yield Voice(float(np.abs(frame).max() > 0.1), self._at_s)


def _recognise(event: Event) -> Iterator[Event]:
    match event:
        case SpeechStarted(at_s=at_s):
            for number, word in enumerate(HEARD.split()):
                yield Word(word, at_s + number * WORD_S, at_s + (number + 1) * WORD_S)
        case Flush(at_s=at_s):
            yield Transcribed(at_s)
        case _:
            pass


def _answer(conversation: Conversation) -> Observable[str]:
    said = conversation.prompt()[-1]["content"]
    if "long" in said or "long" in conversation.system_prompt:
        return reactivex.just(ENDLESS)
    return reactivex.just(ANSWER if said == HEARD else WRITTEN)


class _Synthesis:
    """A tone for each word."""

    def __init__(self) -> None:
        self._at_s = 0.0

    def __call__(self, text: ReplyText) -> Iterator[Event]:
        tone = np.sin(np.arange(int(WORD_S * RATE_HZ)) * 0.05).astype(np.float32) * np.float32(0.3)
        start_s, self._at_s = self._at_s, self._at_s + WORD_S
        yield text
        yield SynthesisStarted(text.delta)
        yield SynthesisEnded(WORD_S)
        yield Speech(Audio(tone, RATE_HZ))
        yield Spoken(text.delta.strip(), start_s, self._at_s)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--api-key", action="append", default=[])
    settings = ServerSettings(port=0, api_keys=tuple(parser.parse_args().api_key))
    ready = lambda url: print(f"Listening on {url}", flush=True)  # noqa: T201
    asyncio.run(run_server(load_pipeline(None), ScriptedEngine(), settings, ready=ready))


if __name__ == "__main__":
    main()
