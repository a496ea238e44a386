"""A server process for Unmute's page: the default pipeline with scripted recogniser, model and synthesiser.

The user says the next of `SAID`; the bot says what `ANSWERS` has for it, `WORD_S` a word. Prints the address that
it listens at. Needs `tests/helpers` on its path. Its one argument is the folder for recordings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from scripted_stages import scripted_stages
from unmute_talk import ANSWERS, SAID, SAID_WORD_S

from voicepipe.conversation import Conversation
from voicepipe.engine.health_checks import KINDS
from voicepipe.events import Audio, Event, FlushRequested, SpeechStarted, Transcribed, WordRecognised
from voicepipe.loader import load_pipeline
from voicepipe.rx import transduce
from voicepipe.server import ServerSettings, run_server

_DELAY_S = 0.2


class _Engine:
    """Stages for any number of sessions."""

    max_sessions = 8
    kinds = KINDS
    calls_functions, gives_logprobs, loading = True, False, False

    def stages(self) -> Any:
        return replace(scripted_stages(_answer), stt=transduce(lambda _: _Recogniser()))

    async def health(self) -> dict[str, bool]:
        return {"stt_up": True, "tts_up": True, "llm_up": True, "voice_cloning_up": False}

    def close(self) -> None:
        """Nothing is held."""


def _answer(conversation: Conversation) -> str:
    return ANSWERS[conversation.prompt()[-1]["content"]]


class _Recogniser:
    """Knows a word `_DELAY_S` after it was spoken, and all that was spoken when it is hurried."""

    def __init__(self) -> None:
        self._said = iter(SAID)
        self._at_s = 0.0
        self._words: list[WordRecognised] = []

    def __call__(self, event: Event) -> Iterator[Event]:
        match event:
            case Audio():
                self._at_s += event.duration_s
                yield from self._until(self._at_s - _DELAY_S)
            case SpeechStarted(at_s=at_s):
                times = [at_s + SAID_WORD_S * number for number in range(100)]
                words = next(self._said).split()
                self._words += [WordRecognised(*word) for word in zip(words, times, times[1:], strict=False)]
            case FlushRequested(at_s=at_s):
                yield from self._until(self._at_s)
                yield Transcribed(at_s)
            case _:
                pass

    def _until(self, at_s: float) -> Iterator[WordRecognised]:
        while self._words and self._words[0].stop_s <= at_s:
            yield self._words.pop(0)


def main() -> None:
    # On a busy machine the page's first message may be read so late that it would be greeted as somebody else.
    settings = ServerSettings(port=0, greeting_after_s=10)
    ready = lambda url: print(f"Listening on {url}", flush=True)  # noqa: T201
    asyncio.run(run_server(load_pipeline(None), _Engine(), settings, ready=ready))


if __name__ == "__main__":
    main()
