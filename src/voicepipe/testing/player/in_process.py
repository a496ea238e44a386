"""The scripted services as models in this process: real threads and boundaries, models in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import reactivex
from reactivex import Observable

from voicepipe.boundary.threads import ask_worker
from voicepipe.conversation import GREETING, Conversation, Message, Role
from voicepipe.events import Audio, Event, Samples
from voicepipe.llm.in_process import TokenUse, in_process
from voicepipe.presets import UTTERANCES
from voicepipe.session import Tts
from voicepipe.stage import Stage, named
from voicepipe.stt.utterances import by_utterance
from voicepipe.testing.loop.napping import NappingWorkers
from voicepipe.testing.loop.virtual_loop import VirtualLoop
from voicepipe.testing.marbles.services import Call, Calls
from voicepipe.testing.marbles.sound import speech
from voicepipe.testing.marbles.sources import Scene
from voicepipe.testing.marbles.timeline import ScriptedError
from voicepipe.testing.player.microphone import Microphone, words_in
from voicepipe.testing.player.script import NotScripted, ServiceScript, last_said
from voicepipe.tts.clauses import Timing, clause_by_clause

__all__ = ["Models"]

LOOK_S = 0.05
"""The interval, in seconds, at which a stalled model reads its ticket."""
CLOSE_S = 1.0


class Models(Calls):
    """A pool for STT and TTS, and one for the LLM, as in the engine.

    `rate_hz` is the recogniser's rate: at another one the marks of the words would be lost by resampling.
    """

    rate_hz = 16_000

    def __init__(self, cast: ServiceScript, microphone: Microphone, loop: VirtualLoop) -> None:
        super().__init__(Scene(loop))
        self._cast, self._microphone, self._loop = cast, microphone, loop
        self._pool = NappingWorkers(2, "scripted models", loop)
        self._writers = NappingWorkers(1, "scripted llm", loop)
        self._model = in_process(self, self._writers, max_tokens=120, slot=None)
        self._broken = False
        self.missed: list[str] = []
        """The requests without a scripted answer, as sentences."""
        speak = clause_by_clause(self._synthesise, self._pool, first_words=8, min_words=4, max_words=24, capacity=64)
        self.stt: Stage[Audio | Event, Event] = named("STT", by_utterance(self._transcribe, self._pool, UTTERANCES))
        self.tts: Tts = lambda _: named("TTS", speak)

    @property
    def asked(self) -> list[Call]:
        """The requests to the LLM."""
        return self.calls

    def deafen(self) -> None:
        """Let the recogniser fail when it is used next."""
        self._broken = True

    def close(self) -> None:
        """Stop the threads after their current work."""
        self._pool.close(CLOSE_S)
        self._writers.close(CLOSE_S)

    # ---- the stages -------------------------------------------------------------------------------------------------

    def end_of_turn(self, _: Audio) -> Observable[float]:
        probability = self._cast.finished
        if probability is None:
            return reactivex.empty()
        return ask_worker(lambda _: self._after(self._cast.verdict_s, probability), self._pool)

    def llm(self, conversation: Conversation) -> Observable[str]:
        return self.logged(lambda _: self._model(conversation), asked=lambda: last_said(conversation))

    # ---- the models -------------------------------------------------------------------------------------------------

    def _after(self, seconds: float, answer: float) -> float:
        self._pool.nap(seconds)
        return answer

    def _transcribe(self, samples: Samples, _: Sequence[int], cancelled: Callable[[], bool]) -> tuple[str, list[int]]:
        """Return complete words in full, and the first letters of a word that has only begun."""
        self._pool.nap(self._cast.flush_s)
        if self._broken:
            raise ScriptedError("the scripted recogniser was told to fail")
        if self._cast.deaf or cancelled():
            return "", []
        words = [self._begun(number, frames) for number, frames in words_in(samples, self.rate_hz)]
        return " ".join(self._cast.misheard.get(word, word) for word in words), []

    def _begun(self, number: int, frames: int) -> str:
        """Return as much of a word as there is sound of it."""
        word = self._microphone.words[number - 1]
        return word[: max(1, round(len(word) * frames / self._microphone.frames_a_word))]

    def stream(
        self,
        messages: list[dict[str, str]],
        on_text: Callable[[str], None],
        *,
        cancelled: Callable[[], bool],
        max_tokens: int,
        slot: int | None = None,
        use: TokenUse | None = None,
    ) -> None:
        """The LLM: see `voicepipe.llm.in_process.Model`."""
        del max_tokens, slot, use
        try:
            answer = self._cast.answer_to(_asked(messages))
        except NotScripted as error:
            self.missed.append(str(error))
            raise
        self._writers.nap(answer.after_s)
        for number, word in enumerate([*answer.text.split(), ""]):
            if number == answer.fails_after:
                raise ScriptedError("the scripted LLM was told to fail")
            while number == answer.stalls_after and not cancelled():
                self._writers.nap(LOOK_S)
            if cancelled():
                return
            on_text(f"{word} ")
            if answer.word_s:
                self._writers.nap(answer.word_s)

    def _synthesise(self, text: str) -> tuple[Audio, list[Timing]]:
        cast, words = self._cast, text.split()
        if cast.tts_fails_at in words or (cast.tts_fails_after is not None and len(words) > cast.tts_fails_after):
            raise ScriptedError("the scripted TTS was told to fail")
        self._pool.nap(cast.tts_delay_s)
        audio = speech(0, cast.tts_word_s * len(words) * 1000, 24_000)
        return audio, [(word, n * cast.tts_word_s, (n + 1) * cast.tts_word_s) for n, word in enumerate(words)]


def _asked(messages: Sequence[dict[str, str]]) -> Conversation:
    """Return a prompt as the conversation that it was made of: without the greeting before a bot that opens."""
    system = "\n".join(one["content"] for one in messages if one["role"] == "system")
    said = [Message(cast("Role", one["role"]), one["content"]) for one in messages if one["role"] != "system"]
    return Conversation(system, tuple(said[1:] if said[:1] == [Message("user", GREETING)] else said))
