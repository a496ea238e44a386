"""The embedded models in this process: loaded once, shared by all sessions, and only those that are needed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

import reactivex
import structlog
from reactivex import Observable

from voicepipe.audio import resampled
from voicepipe.boundary.cores import usable_cores
from voicepipe.boundary.pending import PendingWork
from voicepipe.boundary.threads import ask_worker
from voicepipe.boundary.workers import Workers, WorkObserver
from voicepipe.conversation import Conversation
from voicepipe.engine.health_checks import Probe, ServiceKind
from voicepipe.engine.local_llm import EMBEDDED, LocalLlm, Manner, load_gguf
from voicepipe.engine.parts import InputStages, SessionPart
from voicepipe.engine.unused import unused_stage
from voicepipe.events import Audio, Event, Samples, SpeechProbability
from voicepipe.installation.installation import install_command
from voicepipe.installation.program import this_program
from voicepipe.llm.gguf import check_gguf
from voicepipe.llm.smollm import SmolLM
from voicepipe.presets import UTTERANCES
from voicepipe.session import STAGE_NAMES, StageName, Tts
from voicepipe.stage import Stage, named
from voicepipe.stt.likelihood import Phrases
from voicepipe.stt.moonshine import Moonshine, Token
from voicepipe.stt.utterances import by_utterance
from voicepipe.text.reading import Reading
from voicepipe.tts import hibari
from voicepipe.tts.clauses import Timing, clause_by_clause
from voicepipe.tts.hibari import READING, Hibari
from voicepipe.vad import silero, smart_turn
from voicepipe.vad.frames import FrameBatches, by_frame, by_frame_together, frame_batches
from voicepipe.vad.silero import Silero, VadState
from voicepipe.vad.smart_turn import SmartTurn
from voicepipe.weights import registry as models

__all__ = [
    "MODELS",
    "PACKAGES",
    "SESSIONS_PER_CORE",
    "STAGES",
    "LocalLlm",
    "LocalParts",
    "LocalStt",
    "LocalTts",
    "load_local",
    "local_probe",
    "needed_models",
]

log = structlog.get_logger()

SESSIONS_PER_CORE = 1
"""Conversations that one core carries, by `benchmarks/capacity.py`: with more, replies come late."""

BATCH = 16
"""Frames that Silero takes at once: eight cost 0.06 ms each, and more than that gain little."""
BATCH_WAIT_S = 0.01
"""How long a frame waits for those of other sessions: an eighth of the 80 ms that a host is sent at a time."""
BATCHES_FROM = 16
"""Sessions from which Silero takes frames together: with fewer, so few come within the wait that it saves nothing
(`benchmarks/cluster.py`)."""

MODELS: dict[ServiceKind, tuple[str, ...]] = {
    "stt": ("silero", "smart-turn", "moonshine"),
    "llm": ("smollm2",),
    "tts": ("hibari",),
}
"""By their names in the registry. Without Smart Turn turns end by silence alone."""

PACKAGES: dict[ServiceKind, tuple[str, ...]] = {"stt": ("onnxruntime",), "llm": ("xllamacpp",), "tts": ("onnxruntime",)}
"""The packages that run the models, by kind: without them the extra `embedded` is not installed."""

STAGES: dict[str, StageName] = {
    "silero": "vad",
    "smart-turn": "end_of_turn",
    "moonshine": "stt",
    "smollm2": "llm",
    "hibari": "tts",
}
"""The stage that each model makes: the model is needed where a pipeline uses that stage."""

_OPTIONAL = ("smart-turn",)
_TITLES = {
    "moonshine": "Moonshine",
    "silero": "Silero",
    "smart-turn": "Smart Turn",
    "smollm2": "SmolLM2-135M",
    "hibari": "hibari",
}


# ---- parts -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LocalStt:
    """Silero notices speech, Smart Turn whether it is complete, Moonshine writes it down.

    Silero or Moonshine is None where the pipeline does not use it.
    """

    silero: Silero | None
    smart_turn: SmartTurn | None
    moonshine: Moonshine | None
    pool: Workers
    observer: WorkObserver | None = None
    batches: FrameBatches[VadState] | None = None
    """Silero's, for all sessions together; None: each session has its own frames heard at once."""

    def open(self) -> SessionPart[InputStages]:
        backlog = PendingWork()

        def end_of_turn(sound: Audio) -> Observable[float]:
            return reactivex.using(backlog.busy, lambda _: self._end_of_turn(sound))

        return SessionPart(InputStages(self._vad(backlog), end_of_turn, self._stt(backlog), backlog))

    def for_sessions(self, capacity: int) -> LocalStt:
        """Return the same models for a host of so many sessions: of many, Silero takes the frames together.

        Moonshine and Smart Turn take theirs one by one in any case: see docs/design.md.
        """
        if self.silero is None or self.silero.build != "onnx" or capacity < BATCHES_FROM:
            return self
        batches = frame_batches(
            self.silero.together, silero.SILENCE, most=BATCH, wait_s=BATCH_WAIT_S, worth_from=BATCHES_FROM
        )
        return replace(self, batches=batches)

    def _vad(self, backlog: PendingWork) -> Stage[Audio, SpeechProbability]:
        if self.silero is None:
            return unused_stage("vad")
        if self.batches is not None:
            together = by_frame_together(self.batches, frame=silero.FRAME, rate_hz=silero.RATE_HZ, backlog=backlog)
            return named("VAD", together)
        detector = _timed(self.silero.stream, self.observer)
        return named("VAD", by_frame(detector, frame=silero.FRAME, rate_hz=silero.RATE_HZ))

    def _stt(self, backlog: PendingWork) -> Stage[Audio | Event, Event]:
        if self.moonshine is None:
            return unused_stage("stt")
        read, logprobs = partial(_transcribe, self.moonshine), self.moonshine.logprobs
        phrases = Phrases(self.moonshine, UTTERANCES.phrases)
        compare = partial(phrases.likeliest, within=UTTERANCES.phrases_within)
        stt = by_utterance(read, self.pool, UTTERANCES, backlog=backlog, logprobs=logprobs, compare=compare)
        return named("STT", stt)

    def probe(self) -> Probe:
        own = {"silero": self.silero, "smart-turn": self.smart_turn, "moonshine": self.moonshine}
        return _loaded("stt", [name for name, model in own.items() if model is not None])

    def _end_of_turn(self, sound: Audio) -> Observable[float]:
        model = self.smart_turn
        if model is None:
            return reactivex.empty()
        return ask_worker(lambda _: model.probability(_at_16k(sound)), self.pool, what="end_of_turn")


def _timed(
    stream: Callable[[], Callable[[Samples], float]], observer: WorkObserver | None
) -> Callable[[], Callable[[Samples], float]]:
    """Return the same detectors, which report how long each frame takes: they work on the event loop, in no pool."""
    if observer is None:
        return stream

    def begin() -> Callable[[Samples], float]:
        detect = stream()

        def timed(samples: Samples) -> float:
            began_s = perf_counter()
            probability = detect(samples)
            observer.worked("vad", perf_counter() - began_s)
            return probability

        return timed

    return begin


def _transcribe(
    model: Moonshine, samples: Samples, draft: Sequence[Token], cancelled: Callable[[], bool]
) -> tuple[str, Sequence[Token]]:
    tokens = model.tokens(samples, draft=draft, cancelled=cancelled)
    return model.text(tokens), tokens


@dataclass(frozen=True, slots=True)
class LocalTts:
    """hibari, clause by clause."""

    hibari: Hibari
    pool: Workers
    reading: Reading = READING

    def open(self) -> SessionPart[Tts]:
        tts = clause_by_clause(
            self._synthesise,
            self.pool,
            first_words=8,
            min_words=4,
            max_words=24,
            capacity=64,
            reading=self.reading,
        )
        stage = named("TTS", tts)
        return SessionPart(lambda _: stage)

    def pronouncing(self, pronunciations: Mapping[str, str]) -> LocalTts:
        """Return the voice with a dictionary of how words are said."""
        return replace(self, reading=replace(self.reading, pronunciations=pronunciations))

    def probe(self) -> Probe:
        return _loaded("tts", MODELS["tts"])

    def _synthesise(self, text: str) -> tuple[Audio, list[Timing]]:
        samples = self.hibari.synthesise(text)
        return Audio(samples, hibari.RATE_HZ), self.hibari.word_times(text, samples)


def _at_16k(sound: Audio) -> Samples:
    return resampled(sound, smart_turn.RATE_HZ).samples


# ---- loading ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class LocalParts:
    """The embedded models that were requested, and the threads in which they work."""

    stt: LocalStt | None = None
    llm: LocalLlm | None = None
    tts: LocalTts | None = None
    threads: list[Workers] = field(default_factory=list[Workers])

    def close(self) -> None:
        """Stop the threads, after what they are doing, and llama.cpp's own, which would outlive the interpreter."""
        for workers in self.threads:
            workers.close(timeout_s=2)
        if self.llm is not None:
            self.llm.close()


def needed_models(kinds: Collection[ServiceKind], uses: Collection[StageName], gguf: Path | None = None) -> list[str]:
    """Return the models of these kinds that make the stages which a pipeline uses, by their names in the registry.

    `gguf` is a file that takes the place of the language model.
    """
    names = [name for kind in kinds for name in MODELS[kind] if STAGES[name] in uses]
    return names if gguf is None else [name for name in names if name not in MODELS["llm"]]


def load_local(
    wanted: Collection[ServiceKind],
    *,
    uses: Collection[StageName] = STAGE_NAMES,
    sessions: int,
    progress: Callable[[str], None],
    gguf: Path | None = None,
    observer: WorkObserver | None = None,
) -> LocalParts:
    """Load the models of the kinds `wanted`, side by side; `progress` is called, from any thread, with what has been
    loaded.

    Of these kinds, a model whose stage is not among `uses` is not loaded. `gguf` is a language model that takes the
    place of the embedded one. `observer` receives how long the models work, and how long their work waits.

    Raises `models.ModelError`, which says what to do, when a model that is needed is not there.
    """
    cores = usable_cores()
    # On two cores one thread writes 80 tokens a second, two write 120; but as soon as the recogniser or the synthesiser
    # needs a core, too, one thread still writes 80, and two, which wait for each other, 40.
    threads = max(1, cores // 2)
    makers: dict[str, Callable[[], Any]] = {
        "smollm2": lambda: _ready(SmolLM(slots=sessions, threads=threads), EMBEDDED),
        "hibari": Hibari,
        "moonshine": Moonshine,
        "smart-turn": _smart_turn,
        "silero": Silero,
    }
    names = needed_models(wanted, uses, gguf)
    if gguf is not None and "llm" in wanted:
        check_gguf(gguf, sessions=sessions)  # before the others are loaded, which takes seconds
        makers[gguf.name] = lambda: _ready(*load_gguf(gguf, sessions=sessions, threads=threads))
        names.append(gguf.name)
    made = _load_together({name: make for name, make in makers.items() if name in names}, progress)
    parts = LocalParts()
    if "stt" in wanted or "tts" in wanted:
        pool = Workers(max(2, cores), "models", observer)
        parts.threads.append(pool)
        if "stt" in wanted:
            parts.stt = LocalStt(made.get("silero"), made.get("smart-turn"), made.get("moonshine"), pool, observer)
        if "tts" in wanted:
            parts.tts = LocalTts(made["hibari"], pool)
    if "llm" in wanted:
        model, manner = made[gguf.name if gguf else "smollm2"]
        parts.llm = LocalLlm(model, Workers(sessions, "llm", observer), list(range(sessions)), manner)
        parts.threads.append(parts.llm.writers)
    return parts


def _ready(model: SmolLM, manner: Manner) -> tuple[SmolLM, Manner]:
    """Have the model read a word while the others are loaded: its first call takes 0.15 s longer than later ones."""
    model.warm(Conversation().prompt(), 0)
    return model, manner


def _smart_turn() -> SmartTurn | None:
    try:
        return SmartTurn()
    except models.ModelMissing as missing:
        log.warning("smart_turn.missing", consequence="turns end by silence alone", detail=str(missing))
        return None


def _load_together(makers: dict[str, Callable[[], Any]], progress: Callable[[str], None]) -> dict[str, Any]:
    """Run the makers, each in a thread; the first error is raised when all are done."""

    def make(name: str) -> Any:
        began = perf_counter()
        made = makers[name]()
        progress(f"{name} ({perf_counter() - began:.1f} s)")
        return made

    with ThreadPoolExecutor(max(1, len(makers))) as pool:
        running = {name: pool.submit(make, name) for name in makers}
        return {name: future.result() for name, future in running.items()}


# ---- probes ----------------------------------------------------------------------------------------------------------


def local_probe(kind: ServiceKind, uses: Collection[StageName] = STAGE_NAMES) -> Probe:
    """Return whether those models of this kind that a pipeline uses could be loaded. Nothing is loaded."""
    needed = needed_models([kind], uses)

    async def ask() -> str:
        if absent := [package for package in PACKAGES[kind] if find_spec(package) is None]:
            raise models.ModelMissing(f"not installed: {', '.join(absent)}")
        for name in needed:
            if name not in _OPTIONAL:
                models.require(name)
        return "its models are here"

    advice = f"{install_command('embedded')}, then: {this_program()} models fetch"
    return Probe(kind, _titles(needed), "embedded", advice, ask)


def _loaded(kind: ServiceKind, names: Collection[str]) -> Probe:
    async def ask() -> str:
        return "loaded"

    return Probe(kind, _titles(names), "embedded", "", ask)


def _titles(names: Collection[str]) -> str:
    return ", ".join(title for name, title in _TITLES.items() if name in names)
