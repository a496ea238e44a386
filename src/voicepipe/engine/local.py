"""The embedded models in this process: loaded once, shared by all sessions."""

from __future__ import annotations

import heapq
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import reactivex
import structlog
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe import models
from voicepipe.audio import resampled
from voicepipe.boundary import ask_worker
from voicepipe.events import Audio, Event, ReplyText, Samples, Voice
from voicepipe.llm.in_process import in_process
from voicepipe.llm.smollm import SmolLM
from voicepipe.operators import EndOfTurn, at_most_sentences, by_word
from voicepipe.session import Llm
from voicepipe.stage import Stage, named
from voicepipe.stt.moonshine import Moonshine
from voicepipe.stt.utterances import by_utterance
from voicepipe.tts import hibari
from voicepipe.tts.clauses import Timing, clause_by_clause
from voicepipe.tts.hibari import Hibari
from voicepipe.vad import silero, smart_turn
from voicepipe.vad.frames import by_frame
from voicepipe.vad.silero import Silero
from voicepipe.vad.smart_turn import SmartTurn
from voicepipe.workers import Workers

__all__ = ["LocalEngine", "LocalStages"]

log = structlog.get_logger()

SESSIONS_PER_CORE = 1
"""Conversations that one core carries, by `benchmarks/capacity.py`: with more, replies come late."""


@dataclass(frozen=True, slots=True)
class LocalStages:
    """One session's stages on this process's models."""

    vad: Stage[Audio, Voice]
    end_of_turn: EndOfTurn
    stt: Stage[Event, Event]
    llm: Llm
    tts: Stage[ReplyText, Event]
    release: Callable[[], None]

    def close(self) -> None:
        """Give the LLM's slot back."""
        self.release()


@dataclass(slots=True)
class LocalEngine:
    """Silero, Smart Turn, Moonshine, SmolLM2 and hibari, a pool of threads for the ear and the voice, one for the LLM.

    What each boundary holds is written in `stages`. Without Smart Turn's file turns end by silence alone.
    """

    max_sessions: int
    silero: Silero
    smart_turn: SmartTurn | None
    moonshine: Moonshine
    smollm: SmolLM
    hibari: Hibari
    _pool: Workers
    _writers: Workers
    _free_slots: list[int]
    """Of the LLM; each session keeps its prompt warm in one of its own."""

    @classmethod
    def load(cls, *, max_sessions: int | None = None, progress: Callable[[str], None] = lambda _: None) -> LocalEngine:
        """Load all models, side by side; `progress` is told, from any thread, what has been loaded.

        Raises `models.ModelError`, which says what to do, when a model that is needed is not there.
        """
        cores = os.cpu_count() or 1
        sessions = max_sessions or max(1, cores * SESSIONS_PER_CORE)
        makers: dict[str, Callable[[], Any]] = {
            # On two cores one thread writes 80 tokens a second, two write 120; but as soon as the ear or the voice
            # needs a core, too, one thread still writes 80, and two, which wait for each other, 40.
            "smollm": lambda: SmolLM(slots=sessions, threads=max(1, cores // 2)),
            "hibari": Hibari,
            "moonshine": Moonshine,
            "smart-turn": _smart_turn,
            "silero": Silero,
        }
        made = _load_together(makers, progress)
        return cls(
            sessions,
            made["silero"],
            made["smart-turn"],
            made["moonshine"],
            made["smollm"],
            made["hibari"],
            Workers(max(2, cores), "models"),
            Workers(sessions, "llm"),
            list(range(sessions)),
        )

    def stages(self) -> LocalStages:
        """A new session's stages. The capacities are what a listener would still wait for, not what memory holds."""
        slot = heapq.heappop(self._free_slots)
        return LocalStages(
            vad=named("VAD", by_frame(self.silero.stream, frame=silero.FRAME, rate_hz=silero.RATE_HZ)),
            end_of_turn=self._end_of_turn,
            stt=named(
                "STT",
                by_utterance(
                    self._transcribe,
                    self._pool,
                    margin_ms=200,
                    partial_every_ms=320,
                    unsure_words=2,
                    shortest_ms=120,
                    join_up_to_s=4,
                    longest_s=12,
                    capacity=4,
                ),
            ),
            llm=self._llm(slot),
            tts=named(
                "TTS",
                clause_by_clause(self._synthesise, self._pool, first_words=8, min_words=4, max_words=24, capacity=64),
            ),
            release=lambda: heapq.heappush(self._free_slots, slot),
        )

    def health(self) -> dict[str, bool]:
        """All that is loaded is up; there is no voice cloning among the embedded models."""
        return {"stt_up": True, "tts_up": True, "llm_up": True, "voice_cloning_up": False}

    def close(self) -> None:
        """Stop the threads, after what they are doing."""
        self._pool.close(timeout_s=2)
        self._writers.close(timeout_s=2)

    def _llm(self, slot: int) -> Llm:
        """A model of 135 million parameters answers best where it answers briefly."""
        answer = in_process(self.smollm, self._writers, max_tokens=120, slot=slot)
        return lambda conversation: answer(conversation).pipe(
            by_word(), at_most_sentences(2), rx_ops.map(lambda text: text.delta)
        )

    def _end_of_turn(self, sound: Audio) -> Observable[float]:
        model = self.smart_turn
        if model is None:
            return reactivex.empty()
        return ask_worker(lambda _: model.probability(_at_16k(sound)), self._pool)

    def _transcribe(
        self, samples: Samples, draft: Sequence[int], cancelled: Callable[[], bool]
    ) -> tuple[str, Sequence[int]]:
        tokens = self.moonshine.tokens(samples, draft=draft, cancelled=cancelled)
        return self.moonshine.text(tokens), tokens

    def _synthesise(self, text: str) -> tuple[Audio, list[Timing]]:
        samples = self.hibari.synthesise(text)
        return Audio(samples, hibari.RATE_HZ), self.hibari.word_times(text, samples)


def _at_16k(sound: Audio) -> Samples:
    return resampled(sound, smart_turn.RATE_HZ).samples


def _smart_turn() -> SmartTurn | None:
    try:
        return SmartTurn()
    except models.ModelMissing as missing:
        log.warning("smart_turn.missing", consequence="turns end by silence alone", detail=str(missing))
        return None


def _load_together(makers: dict[str, Callable[[], Any]], progress: Callable[[str], None]) -> dict[str, Any]:
    """What each maker makes, made in as many threads; the first error is raised when all are done."""

    def make(name: str) -> Any:
        began = perf_counter()
        made = makers[name]()
        progress(f"{name} ({perf_counter() - began:.1f} s)")
        return made

    with ThreadPoolExecutor(len(makers)) as pool:
        running = {name: pool.submit(make, name) for name in makers}
        return {name: future.result() for name, future in running.items()}
