"""From settings to an engine: a service where there is a URL, the embedded model where there is none."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from voicepipe.boundary.cores import usable_cores
from voicepipe.boundary.workers import WorkObserver
from voicepipe.engine.health_checks import KINDS, Check, Checks, Probe, ServiceKind
from voicepipe.engine.http import Http
from voicepipe.engine.kyutai import KyutaiStt, KyutaiTts, speech_probe
from voicepipe.engine.leased import leased_llm, leased_probe
from voicepipe.engine.network import NetworkLlm, kyutai_probe
from voicepipe.engine.parts import InputStages, StageProvider
from voicepipe.engine.pronunciations import read_pronunciations
from voicepipe.engine.settings import CLUSTER, EngineSettings
from voicepipe.engine.speech import SpeechApiStt, SpeechApiTts
from voicepipe.engine.unused import UNUSED_LLM, UNUSED_STT, UNUSED_TTS
from voicepipe.events import Audio, Event
from voicepipe.presets import SPECULATION
from voicepipe.services.lease import ControlPlane
from voicepipe.services.observer import NULL_OBSERVER, ServiceObserver
from voicepipe.session import STAGE_NAMES, Llm, Service, StageName, Stages, Tts
from voicepipe.stage import Stage
from voicepipe.voices.store import VoiceStore

if TYPE_CHECKING:
    from voicepipe.engine.local import LocalParts

__all__ = [
    "ComposedEngine",
    "Observe",
    "build_engine",
    "check_all",
    "embedded_kinds",
    "embedded_uses",
    "sessions_of",
    "used_kinds",
]

P = TypeVar("P")

Observe = Callable[[Service], ServiceObserver]
"""The observers of the services that report: connections, misses, what is sent and received."""

# aiohttp's own default. The connections of the LLM last for minutes, whatever a name has come to mean.
_RESOLVE_EVERY_S = 10


class ComposedEngine:
    """An engine of three parts. `checks` asks those of the network, and voice cloning where there is one."""

    def __init__(
        self,
        stt: StageProvider[InputStages],
        llm: StageProvider[Llm],
        tts: StageProvider[Tts],
        *,
        max_sessions: int,
        checks: Checks,
        kinds: Sequence[ServiceKind] = KINDS,
        http: Http,
        local: LocalParts | None,
        speculations: int = 0,
    ) -> None:
        self._speculations = speculations
        self.max_sessions, self.checks, self.kinds = max_sessions, checks, kinds
        self.calls_functions = local is None or local.llm is None
        self.gives_logprobs = local is not None and local.stt is not None
        self.loading = False  # `build_engine` returns when all is loaded
        self._stt, self._llm, self._tts = stt, llm, tts
        self._http, self._local = http, local

    def stages(self) -> Stages:
        """A new session's own stages. What the recogniser hears also makes the other two ready for the reply."""
        hearing, llm, tts = self._stt.open(), self._llm.open(), self._tts.open()
        heard = hearing.stage
        stt = _behind(heard.stt, [ahead for ahead in (llm.ahead, tts.ahead) if ahead is not None])
        return Stages(
            heard.vad,
            heard.end_of_turn,
            stt,
            llm.stage,
            tts.stage,
            backlog=heard.backlog,
            on_close=(hearing.close, llm.close, tts.close),
            ahead=llm.instructed,
            speculations=self._speculations,
        )

    def warm(self) -> None:
        """Have a service load its language model, now and when a session opens. On the running loop."""
        if isinstance(self._llm, NetworkLlm) and self._llm.warmth is not None:
            self._llm.warmth.start()

    async def health(self) -> dict[str, bool]:
        return await self.checks.health()

    async def disconnect(self) -> None:
        if isinstance(self._llm, NetworkLlm) and self._llm.warmth is not None:
            await self._llm.warmth.close()
        await self._http.close()

    def close(self) -> None:
        if self._local is not None:
            self._local.close()


def _behind(stt: Stage[Audio | Event, Event], ahead: Sequence[Stage[Event, Event]]) -> Stage[Audio | Event, Event]:
    if not ahead:
        return stt
    return lambda source: stt(source).pipe(*ahead)


def used_kinds(uses: Collection[StageName]) -> list[Service]:
    """Return the kinds of service or model to which the stages belong that a pipeline uses."""
    stages: dict[Service, set[StageName]] = {"stt": {"vad", "end_of_turn", "stt"}, "llm": {"llm"}, "tts": {"tts"}}
    return [kind for kind, names in stages.items() if not names.isdisjoint(uses)]


def embedded_kinds(settings: EngineSettings, uses: Collection[StageName] = STAGE_NAMES) -> list[ServiceKind]:
    """Return what a pipeline uses that runs in this process: on embedded models, or on a GGUF file."""
    uses = embedded_uses(settings, uses)
    urls: dict[Service, str | None] = {
        "stt": settings.stt_kyutai,
        "llm": settings.llm_service,
        "tts": _tts_place(settings),
    }
    return [kind for kind in used_kinds(uses) if urls[kind] is None]


def _tts_place(settings: EngineSettings) -> str | None:
    return settings.tts_kyutai or settings.tts_openai


def embedded_uses(settings: EngineSettings, uses: Collection[StageName] = STAGE_NAMES) -> set[StageName]:
    """Return the stages that may need an embedded model: of a recogniser by HTTP those that notice pauses."""
    return set(uses) - ({"stt"} if settings.stt_openai is not None else set())


def build_engine(
    settings: EngineSettings,
    *,
    max_sessions: int | None,
    uses: Collection[StageName] = STAGE_NAMES,
    progress: Callable[[str], None] = lambda _: None,
    observe: Observe = lambda _: NULL_OBSERVER,
    models: WorkObserver | None = None,
    voices: VoiceStore | None = None,
    processes: int = 1,
    plane: ControlPlane | None = None,
) -> ComposedEngine:
    """The engine that the settings describe. Only the models that it needs are loaded, or imported.

    `uses` are the stages that the pipeline uses: the others fail when a session uses them all the same (NotLoaded).
    `max_sessions` None: what the embedded models carry on this machine's cores, divided by the number of `processes`
    that do so, or, where there are none, `network_sessions`. `observe` gives the observer of each service, and `models`
    receives how long embedded models work. `voices` is where cloned voices are looked up; it stays
    open. `plane` leases the replicas of stages that are on a cluster; it stays open, too. Raises `models.ModelError`
    and ImportError for models that are not here.
    """
    http = Http(keep_alive_s=settings.keep_alive_s, resolve_every_s=_RESOLVE_EVERY_S)
    embedded, kinds = embedded_kinds(settings, uses), _kinds(uses)
    sessions = max_sessions or sessions_of(settings, embedded, processes)
    local = _load(settings, embedded, embedded_uses(settings, uses), sessions, progress, models)
    parts = _Parts(settings, kinds, http, local, observe, voices, plane)
    stt, llm, tts = parts.stt(), parts.llm(), parts.tts()
    probed: dict[ServiceKind, StageProvider[Any]] = {"stt": stt, "llm": llm, "tts": tts}
    probes = [part.probe() for kind, part in probed.items() if kind in kinds]
    checks = _checks(settings, [*probes, *_cloning(settings, kinds, http)], kinds)
    return ComposedEngine(
        stt,
        llm,
        tts,
        max_sessions=sessions,
        checks=checks,
        kinds=kinds,
        http=http,
        local=local,
        speculations=_speculations(settings, embedded),
    )


def _speculations(settings: EngineSettings, embedded: Collection[ServiceKind]) -> int:
    """Return how many replies may be begun ahead in a turn: without a setting, as many as cost nothing."""
    if settings.llm_speculations is not None:
        return settings.llm_speculations
    return SPECULATION.per_turn if {"llm", "tts"}.issubset(embedded) else 0


async def check_all(
    settings: EngineSettings, uses: Collection[StageName] = STAGE_NAMES, plane: ControlPlane | None = None
) -> list[Check]:
    """Check everything that the settings name and that a pipeline uses, with no model loaded.

    `plane` tells of the stages of a cluster.
    """
    http, kinds = Http(keep_alive_s=settings.keep_alive_s, resolve_every_s=_RESOLVE_EVERY_S), _kinds(uses)
    try:
        return await _checks(settings, list(_probes(settings, uses, http, plane)), kinds).all()
    finally:
        await http.close()


def sessions_of(settings: EngineSettings, embedded: Collection[ServiceKind], processes: int = 1) -> int:
    """Return the conversations that one of `processes` carries, as far as the settings name no number.

    Args:
        settings: Those of the engine.
        embedded: What runs in each process.
        processes: The number of processes.
    """
    if not embedded or (list(embedded) == ["stt"] and settings.stt_openai is not None):
        return settings.network_sessions  # a VAD takes 0.5 % of a core, and the end-of-turn model 1 %
    from voicepipe.engine.local import SESSIONS_PER_CORE

    return max(1, usable_cores() * SESSIONS_PER_CORE // processes)


def _kinds(uses: Collection[StageName]) -> list[ServiceKind]:
    """Voice cloning belongs to the synthesiser."""
    used = used_kinds(uses)
    return [kind for kind in KINDS if kind in used or (kind == "voice_cloning" and "tts" in used)]


def _load(
    settings: EngineSettings,
    embedded: Collection[ServiceKind],
    uses: Collection[StageName],
    sessions: int,
    progress: Callable[[str], None],
    models: WorkObserver | None,
) -> LocalParts | None:
    if not embedded:
        return None
    from voicepipe.engine.local import load_local

    local = load_local(
        embedded, uses=uses, sessions=sessions, progress=progress, gguf=settings.llm_file, observer=models
    )
    if local.tts is not None and settings.tts_pronunciations:
        local.tts = local.tts.pronouncing(read_pronunciations(settings.tts_pronunciations))
    return local


@dataclass(frozen=True, slots=True)
class _Parts:
    """Each part: of the network where the settings have its URL, else the one that was loaded; none that is unused."""

    settings: EngineSettings
    kinds: Collection[ServiceKind]
    http: Http
    local: LocalParts | None
    observe: Observe
    voices: VoiceStore | None
    plane: ControlPlane | None

    def stt(self) -> StageProvider[InputStages]:
        if "stt" not in self.kinds:
            return UNUSED_STT
        if self.settings.stt_kyutai is not None:
            observer, session = self.observe("stt"), self.http.session
            return KyutaiStt(self.settings.stt_kyutai, self.settings, session, observer, self.plane)
        if self.settings.stt_openai is not None:
            embedded = (self.local and self.local.stt) or UNUSED_STT
            observer = self.observe("stt")
            return SpeechApiStt(self.settings.stt_openai, self.settings, self.http.session, observer, embedded)
        return _loaded(self.local and self.local.stt)

    def llm(self) -> StageProvider[Llm]:
        if "llm" not in self.kinds:
            return UNUSED_LLM
        if self.settings.llm_service is not None:
            place, observer = self.settings.llm_service, self.observe("llm")
            if place.startswith(CLUSTER):
                return leased_llm(place, self.plane, self.settings, self.http.session, observer)
            return NetworkLlm.make(place, self.settings, self.http.session, observer)
        return _loaded(self.local and self.local.llm)

    def tts(self) -> StageProvider[Tts]:
        if "tts" not in self.kinds:
            return UNUSED_TTS
        if self.settings.tts_kyutai is not None:
            observer, session = self.observe("tts"), self.http.session
            return KyutaiTts(self.settings.tts_kyutai, self.settings, session, observer, self.voices, self.plane)
        if self.settings.tts_openai is not None:
            return SpeechApiTts(self.settings.tts_openai, self.settings, self.http.session, self.observe("tts"))
        return _loaded(self.local and self.local.tts)


def _loaded(part: P | None) -> P:
    assert part is not None, "what has no URL was loaded"
    return part


# ---- probes ----------------------------------------------------------------------------------------------------------


def _checks(settings: EngineSettings, probes: Sequence[Probe], kinds: Sequence[ServiceKind]) -> Checks:
    return Checks(probes, within_s=settings.health_timeout_s, kinds=kinds)


def _probes(
    settings: EngineSettings, uses: Collection[StageName], http: Http, plane: ControlPlane | None
) -> Iterator[Probe]:
    """Of services, and of models that are not loaded."""
    kinds, embedded = _kinds(uses), embedded_kinds(settings, uses)
    for kind in embedded:
        from voicepipe.engine.local import local_probe
        from voicepipe.engine.local_llm import gguf_probe

        if kind == "llm" and settings.llm_file is not None:
            yield gguf_probe(settings.llm_file, sessions=sessions_of(settings, embedded))
        else:
            yield local_probe(kind, embedded_uses(settings, uses))
    if settings.stt_kyutai is not None and "stt" in kinds:
        yield speech_probe("stt", settings.stt_kyutai, http.session, plane)
    if settings.stt_openai is not None and "stt" in kinds:
        yield SpeechApiStt(settings.stt_openai, settings, http.session, NULL_OBSERVER, UNUSED_STT).probe()
    if settings.llm_service is not None and "llm" in kinds:
        if settings.llm_service.startswith(CLUSTER):
            yield leased_probe("llm", settings.llm_service, plane)
        else:
            yield NetworkLlm.make(settings.llm_service, settings, http.session).probe()
    if settings.tts_kyutai is not None and "tts" in kinds:
        yield speech_probe("tts", settings.tts_kyutai, http.session, plane)
    if settings.tts_openai is not None and "tts" in kinds:
        yield SpeechApiTts(settings.tts_openai, settings, http.session, NULL_OBSERVER).probe()
    yield from _cloning(settings, kinds, http)


def _cloning(settings: EngineSettings, kinds: Collection[ServiceKind], http: Http) -> Iterator[Probe]:
    if settings.voice_cloning_url is not None and "voice_cloning" in kinds:
        yield kyutai_probe("voice_cloning", settings.voice_cloning_url, http.session, "")
