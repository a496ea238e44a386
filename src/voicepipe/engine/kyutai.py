"""Kyutai's moshi-server, for hearing and for speaking, as parts of an engine."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import aiohttp
import reactivex

from voicepipe.boundary.pending import PendingWork
from voicepipe.conversation import Conversation
from voicepipe.engine.health_checks import Probe, ServiceKind
from voicepipe.engine.leased import leased_finder, leased_probe
from voicepipe.engine.network import kyutai_probe
from voicepipe.engine.parts import InputStages, SessionPart
from voicepipe.engine.pronunciations import read_pronunciations
from voicepipe.engine.settings import CLUSTER, EngineSettings, scripts_of
from voicepipe.events import Event, ReplyAudio, ReplyText, Warned
from voicepipe.services import (
    Address,
    Backoff,
    ControlPlane,
    Emit,
    Finder,
    Resolver,
    ServiceObserver,
    resolve_with_dns,
)
from voicepipe.session import Tts
from voicepipe.stage import Stage, named
from voicepipe.stt.kyutai.session import LONGEST_WORD_S
from voicepipe.stt.kyutai.stage import ReconnectPolicy, SttOptions
from voicepipe.stt.kyutai.stage import kyutai as kyutai_stt
from voicepipe.text.reading import Reading
from voicepipe.tts.kyutai.stage import DiscoveryOptions, Options, Speaker, TtsOptions, VoiceChoice
from voicepipe.tts.kyutai.stage import kyutai as kyutai_tts
from voicepipe.voices.catalog import CUSTOM
from voicepipe.voices.store import VoiceStore, VoiceStoreDown

__all__ = ["KyutaiStt", "KyutaiTts", "speech_probe"]

Session = Callable[[], aiohttp.ClientSession]

# Of the pauses between two searches, as Unmute has them.
_FACTOR, _LONGEST_PAUSE_S = 1.5, 1.0

# The longest clip of the embedded recogniser, by `UTTERANCES`: on a busy replica it may emit all words at its end.
_CLIP_S = 16.0

# The embedded model that a health check names for the case that there is no service.
_EMBEDDED: dict[ServiceKind, str] = {"stt": "Moonshine", "tts": "hibari"}


class KyutaiStt:
    """Speech to text, which notices pauses itself: no VAD and no end-of-turn model beside it."""

    def __init__(
        self,
        url: str,
        settings: EngineSettings,
        http: Session,
        observer: ServiceObserver,
        plane: ControlPlane | None = None,
    ) -> None:
        self._url, self._settings, self._http, self._plane = url, settings, http, plane
        self._finder = _finder("speech recognition (STT)", url, settings, observer, plane)
        self._hearing = SttOptions(
            delay_s=settings.stt_delay_s,
            notices_pauses=True,
            speech_below=settings.stt_speech_below,
            silence_above=settings.stt_silence_above,
            buffer_s=settings.stt_buffer_s,
            in_flight_s=settings.stt_in_flight_s,
            behind_s=settings.stt_behind_s,
            silent_s=settings.stt_silent_s,
            renew_after_s=settings.stt_renew_after_s,
            word_after_s=_CLIP_S if url.startswith(CLUSTER) else LONGEST_WORD_S,
        )
        self._reconnecting = ReconnectPolicy(
            pauses=_pauses(settings),
            give_up_after_s=settings.stt_give_up_after_s,
            settled_after_s=settings.stt_settled_after_s,
        )

    def open(self) -> SessionPart[InputStages]:
        key = self._settings.kyutai_api_key.get_secret_value()
        backlog = PendingWork()
        stt = kyutai_stt(
            self._finder, api_key=key, options=self._hearing, reconnect=self._reconnecting, backlog=backlog
        )
        return SessionPart(InputStages(None, lambda _: reactivex.empty(), named("STT", stt), backlog))

    def probe(self) -> Probe:
        return speech_probe("stt", self._url, self._http, self._plane)


class KyutaiTts:
    """Text to speech. A reply's connection is opened when the user begins to speak. Cloned voices are in `voices`."""

    def __init__(
        self,
        url: str,
        settings: EngineSettings,
        http: Session,
        observer: ServiceObserver,
        voices: VoiceStore | None,
        plane: ControlPlane | None = None,
    ) -> None:
        self._url, self._settings, self._http, self._voices, self._plane = url, settings, http, voices, plane
        self._finder = _finder("speech synthesis (TTS)", url, settings, observer, plane)
        self._speaking = TtsOptions(
            capacity=settings.tts_capacity,
            silent_s=settings.tts_silent_s,
            retries=settings.tts_retries,
            reading=Reading(
                settings.tts_language,
                read_pronunciations(settings.tts_pronunciations),
                scripts_of(settings.tts_scripts or "LATIN"),
            ),
        )

    def open(self) -> SessionPart[Tts]:
        speaker = self._speaker()

        def tts(conversation: Conversation) -> Stage[ReplyText, ReplyAudio | Event]:
            return named("TTS", kyutai_tts(speaker, voice=conversation.voice, options=self._speaking))

        return SessionPart(tts, ahead=speaker.prepare())

    def probe(self) -> Probe:
        return speech_probe("tts", self._url, self._http, self._plane)

    def _speaker(self) -> Speaker:
        settings = self._settings
        return _SessionsSpeaker(
            self._voices,
            self._finder,
            voice=settings.tts_voice,
            options=Options(cfg_alpha=settings.tts_cfg_alpha),
            api_key=settings.kyutai_api_key.get_secret_value(),
            discovery=DiscoveryOptions(searches=settings.tts_searches, pauses=_pauses(settings)),
            ahead_s=settings.tts_ahead_s,
        )


class _SessionsSpeaker(Speaker):
    """Speaks with voices that the synthesiser knows by name, and with cloned ones, each looked up when it is new."""

    def __init__(self, store: VoiceStore | None, finder: Finder, **options: Any) -> None:
        super().__init__(finder, **options)
        self._store = store
        self._cloned: tuple[str, VoiceChoice] = ("", None)

    async def choose(self, name: str, emit: Emit[Event]) -> VoiceChoice:
        if not name.startswith(CUSTOM):
            return await super().choose(name, emit)
        if self._store is not None and name != self._cloned[0]:
            try:
                found = await self._store.get(name)
            except VoiceStoreDown:  # it may be back for the next reply
                emit(Warned("The cloned voice is not available at the moment."))
                return self.voice
            if found is None:
                emit(Warned("The cloned voice is not kept any more."))
            self._cloned = (name, found)
        return self._cloned[1] or self.voice


def speech_probe(kind: ServiceKind, url: str, http: Session, plane: ControlPlane | None) -> Probe:
    """Return the check of a Kyutai server, or of a stage of a cluster."""
    if url.startswith(CLUSTER):
        return leased_probe(kind, url, plane)
    return kyutai_probe(kind, url, http, _EMBEDDED[kind])


def _finder(
    service: str, url: str, settings: EngineSettings, observer: ServiceObserver, plane: ControlPlane | None
) -> Finder:
    if url.startswith(CLUSTER):
        return leased_finder(service, url, plane, settings, observer)
    return Finder(
        service,
        Address.parse(url),
        resolve=Resolver(resolve_with_dns, cache_s=settings.find_resolve_every_s),
        tries=settings.find_tries,
        try_s=settings.find_try_s,
        random=Random(),
        observer=observer,
    )


def _pauses(settings: EngineSettings) -> Backoff:
    return Backoff(settings.find_first_pause_s, _FACTOR, _LONGEST_PAUSE_S)
