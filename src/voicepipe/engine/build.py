"""From settings to an engine: a service where there is a URL, the embedded model where there is none."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

from voicepipe.backlog import Backlog
from voicepipe.engine.checks import Check, Checks, Kind, Probe
from voicepipe.engine.http import Http
from voicepipe.engine.kyutai import KyutaiEar, KyutaiVoice
from voicepipe.engine.network import NetworkLlm, kyutai_probe
from voicepipe.engine.parts import Ear, Part
from voicepipe.engine.settings import EngineSettings
from voicepipe.events import Audio, Event, ReplyText, Voice
from voicepipe.operators import EndOfTurn
from voicepipe.services.observer import NOBODY, ServiceObserver
from voicepipe.session import Llm
from voicepipe.stage import Stage
from voicepipe.voices import VoiceStore

if TYPE_CHECKING:
    from voicepipe.engine.local import LocalParts

__all__ = ["Assembled", "Observe", "SessionStages", "build_engine", "check_all", "embedded_kinds"]

P = TypeVar("P")

Observe = Callable[[Literal["stt", "tts"]], ServiceObserver]
"""Who is told what happens with each service that tells: connections, misses, what is sent and received."""

_RESOLVE_EVERY_S = 10
"""aiohttp's own default. The connections of the LLM last for minutes, whatever a name has come to mean."""


@dataclass(frozen=True, slots=True)
class SessionStages:
    """One session's stages."""

    vad: Stage[Audio, Voice] | None
    end_of_turn: EndOfTurn
    stt: Stage[Event, Event]
    llm: Llm
    tts: Stage[ReplyText, Event]
    closing: tuple[Callable[[], None], ...]
    chosen: Callable[[str], None]
    backlog: Backlog
    """What the ear has not done with: a recording waits for it."""

    def speak_with(self, voice: str) -> None:
        """The client has chosen: from the next reply on."""
        self.chosen(voice)

    def close(self) -> None:
        """Give back what they hold of the models and services."""
        for close in self.closing:
            close()


class Assembled:
    """An engine of three parts. `checks` asks those of the network, and voice cloning where there is one."""

    def __init__(
        self,
        ear: Part[Ear],
        llm: Part[Llm],
        voice: Part[Stage[ReplyText, Event]],
        *,
        max_sessions: int,
        checks: Checks,
        http: Http,
        local: LocalParts | None,
    ) -> None:
        self.max_sessions, self.checks = max_sessions, checks
        self.calls_functions = local is None or local.llm is None
        self._ear, self._llm, self._voice = ear, llm, voice
        self._http, self._local = http, local

    def stages(self) -> SessionStages:
        """A new session's own stages. What the recogniser hears also makes the other two ready for the reply."""
        ear, llm, voice = self._ear.open(), self._llm.open(), self._voice.open()
        heard = ear.stage
        stt = _behind(heard.stt, [ahead for ahead in (llm.ahead, voice.ahead) if ahead is not None])
        closing = (ear.close, llm.close, voice.close)
        hearing = (heard.vad, heard.end_of_turn, stt)
        return SessionStages(*hearing, llm.stage, voice.stage, closing, voice.speak_with, heard.backlog)

    async def health(self) -> dict[str, bool]:
        return await self.checks.health()

    async def disconnect(self) -> None:
        await self._http.close()

    def close(self) -> None:
        if self._local is not None:
            self._local.close()


def _behind(stt: Stage[Event, Event], ahead: Sequence[Stage[Event, Event]]) -> Stage[Event, Event]:
    if not ahead:
        return stt
    return lambda source: stt(source).pipe(*ahead)


def embedded_kinds(settings: EngineSettings) -> list[Kind]:
    """What runs in this process: on embedded models, or on a GGUF file."""
    urls: dict[Kind, str | None] = {"stt": settings.stt_url, "llm": settings.llm_service, "tts": settings.tts_url}
    return [kind for kind, url in urls.items() if url is None]


def build_engine(
    settings: EngineSettings,
    *,
    max_sessions: int | None,
    progress: Callable[[str], None] = lambda _: None,
    observe: Observe = lambda _: NOBODY,
    voices: VoiceStore | None = None,
) -> Assembled:
    """The engine that the settings describe. Only the models that it needs are loaded, or imported.

    `max_sessions` None: what the embedded models carry on this machine's cores, or, where there are none,
    `network_sessions`. `voices` is where cloned voices are looked up; it stays open. Raises `models.ModelError` and
    ImportError for models that are not here.
    """
    http = Http(keep_alive_s=settings.keep_alive_s, resolve_every_s=_RESOLVE_EVERY_S)
    embedded = embedded_kinds(settings)
    sessions = max_sessions or _sessions(settings, embedded)
    local = _load(settings, embedded, sessions, progress)
    parts = _Parts(settings, http, local, observe, voices)
    ear, llm, voice = parts.ear(), parts.llm(), parts.voice()
    probes = [ear.probe(), llm.probe(), voice.probe(), *_cloning(settings, http)]
    return Assembled(ear, llm, voice, max_sessions=sessions, checks=_checks(settings, probes), http=http, local=local)


async def check_all(settings: EngineSettings) -> list[Check]:
    """How everything is that the settings name, with no model loaded."""
    http = Http(keep_alive_s=settings.keep_alive_s, resolve_every_s=_RESOLVE_EVERY_S)
    try:
        return await _checks(settings, list(_probes(settings, http))).all()
    finally:
        await http.close()


def _sessions(settings: EngineSettings, embedded: Collection[Kind]) -> int:
    if not embedded:
        return settings.network_sessions
    from voicepipe.engine.local import SESSIONS_PER_CORE

    return max(1, (os.cpu_count() or 1) * SESSIONS_PER_CORE)


def _load(
    settings: EngineSettings, embedded: Collection[Kind], sessions: int, progress: Callable[[str], None]
) -> LocalParts | None:
    if not embedded:
        return None
    from voicepipe.engine.local import load_local

    return load_local(embedded, sessions=sessions, progress=progress, gguf=settings.llm_file)


@dataclass(frozen=True, slots=True)
class _Parts:
    """Each part: of the network where the settings have its URL, else the one that was loaded."""

    settings: EngineSettings
    http: Http
    local: LocalParts | None
    observe: Observe
    voices: VoiceStore | None

    def ear(self) -> Part[Ear]:
        if self.settings.stt_url is not None:
            return KyutaiEar(self.settings.stt_url, self.settings, self.http.session, self.observe("stt"))
        return _loaded(self.local and self.local.ear)

    def llm(self) -> Part[Llm]:
        if self.settings.llm_service is not None:
            return NetworkLlm.make(self.settings.llm_service, self.settings, self.http.session)
        return _loaded(self.local and self.local.llm)

    def voice(self) -> Part[Stage[ReplyText, Event]]:
        if self.settings.tts_url is not None:
            return KyutaiVoice(
                self.settings.tts_url, self.settings, self.http.session, self.observe("tts"), self.voices
            )
        return _loaded(self.local and self.local.voice)


def _loaded(part: P | None) -> P:
    assert part is not None, "what has no URL was loaded"
    return part


# ---- probes ----------------------------------------------------------------------------------------------------------


def _checks(settings: EngineSettings, probes: Sequence[Probe]) -> Checks:
    return Checks(probes, within_s=settings.health_timeout_s)


def _probes(settings: EngineSettings, http: Http) -> Iterator[Probe]:
    """Of services, and of models that are not loaded."""
    from voicepipe.engine.local import local_probe
    from voicepipe.engine.local_llm import gguf_probe

    if settings.stt_url is None:
        yield local_probe("stt")
    else:
        yield kyutai_probe("stt", settings.stt_url, http.session, "Moonshine")
    if settings.llm_file is not None:
        yield gguf_probe(settings.llm_file, sessions=_sessions(settings, embedded_kinds(settings)))
    elif settings.llm_service is None:
        yield local_probe("llm")
    else:
        yield NetworkLlm.make(settings.llm_service, settings, http.session).probe()
    if settings.tts_url is None:
        yield local_probe("tts")
    else:
        yield kyutai_probe("tts", settings.tts_url, http.session, "hibari")
    yield from _cloning(settings, http)


def _cloning(settings: EngineSettings, http: Http) -> Iterator[Probe]:
    if settings.voice_cloning_url is not None:
        yield kyutai_probe("voice_cloning", settings.voice_cloning_url, http.session, "")
