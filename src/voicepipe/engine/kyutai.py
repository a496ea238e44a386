"""Kyutai's moshi-server, for hearing and for speaking, as parts of an engine."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import aiohttp
import reactivex

from voicepipe.boundary.pending import PendingWork
from voicepipe.engine.health_checks import Probe
from voicepipe.engine.network import kyutai_probe
from voicepipe.engine.parts import InputStages, SessionPart
from voicepipe.engine.settings import EngineSettings
from voicepipe.events import Event, ReplyAudio, ReplyText, Warned
from voicepipe.services import (
    Address,
    Backoff,
    Emit,
    Finder,
    Resolver,
    ServiceObserver,
    ServiceSocket,
    resolve_with_dns,
)
from voicepipe.stage import Stage, named
from voicepipe.stt.kyutai.stage import ReconnectPolicy, SttOptions
from voicepipe.stt.kyutai.stage import kyutai as kyutai_stt
from voicepipe.text.reading import Reading
from voicepipe.tts.kyutai.stage import DiscoveryOptions, Options, Speaker, TtsOptions, VoiceChoice
from voicepipe.tts.kyutai.stage import kyutai as kyutai_tts
from voicepipe.voices.catalog import CUSTOM
from voicepipe.voices.store import VoiceStore, VoiceStoreDown

__all__ = ["KyutaiStt", "KyutaiTts"]

Session = Callable[[], aiohttp.ClientSession]

# Of the pauses between two searches, as Unmute has them.
_FACTOR, _LONGEST_PAUSE_S = 1.5, 1.0


class KyutaiStt:
    """Speech to text, which notices pauses itself: no VAD and no end-of-turn model beside it."""

    def __init__(self, url: str, settings: EngineSettings, http: Session, observer: ServiceObserver) -> None:
        self._url, self._settings, self._http = url, settings, http
        self._finder = _finder("speech recognition (STT)", url, settings, observer)
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
        return kyutai_probe("stt", self._url, self._http, "Moonshine")


class KyutaiTts:
    """Text to speech. A reply's connection is opened when the user begins to speak. Cloned voices are in `voices`."""

    def __init__(
        self,
        url: str,
        settings: EngineSettings,
        http: Session,
        observer: ServiceObserver,
        voices: VoiceStore | None,
    ) -> None:
        self._url, self._settings, self._http, self._voices = url, settings, http, voices
        self._finder = _finder("speech synthesis (TTS)", url, settings, observer)
        self._speaking = TtsOptions(
            capacity=settings.tts_capacity,
            silent_s=settings.tts_silent_s,
            retries=settings.tts_retries,
            reading=Reading(
                settings.tts_language,
                settings.tts_pronunciations,
                frozenset(map(str.upper, settings.tts_scripts)) or None,
            ),
        )

    def open(self) -> SessionPart[Stage[ReplyText, ReplyAudio | Event]]:
        choice = _Choice(self._settings.tts_voice, self._voices)
        speaker = self._speaker(choice)
        stage = named("TTS", kyutai_tts(speaker, options=self._speaking))
        return SessionPart(stage, ahead=speaker.prepare(), speak_with=choice.choose)

    def probe(self) -> Probe:
        return kyutai_probe("tts", self._url, self._http, "hibari")

    def _speaker(self, choice: _Choice) -> Speaker:
        settings = self._settings
        return _SessionsSpeaker(
            choice,
            self._finder,
            options=Options(cfg_alpha=settings.tts_cfg_alpha),
            api_key=settings.kyutai_api_key.get_secret_value(),
            discovery=DiscoveryOptions(searches=settings.tts_searches, pauses=_pauses(settings)),
            ahead_s=settings.tts_ahead_s,
        )


class _Choice:
    """The voice of one session: a name that the synthesiser knows, or what was cloned, once it has been looked up."""

    def __init__(self, default: str | None, voices: VoiceStore | None) -> None:
        self._voices = voices
        self._voice: VoiceChoice = default
        self._wanted: str | None = None

    def choose(self, name: str) -> None:
        if name.startswith(CUSTOM):
            self._wanted = name
        else:
            self._voice, self._wanted = name, None

    def __call__(self) -> VoiceChoice:
        return self._voice

    async def look_up(self) -> str | None:
        """Return a warning for the user if the voice is not available, before a connection is opened."""
        name, self._wanted = self._wanted, None
        if name is None or self._voices is None:
            return None
        try:
            found = await self._voices.get(name)
        except VoiceStoreDown:
            self._wanted = name  # it may be back for the next reply
            return "The cloned voice is not available at the moment."
        if found is None:
            return "The cloned voice is not kept any more."
        self._voice = found
        return None


class _SessionsSpeaker(Speaker):
    """Speaks with the voice of the choice, which is looked up where it was cloned."""

    def __init__(self, choice: _Choice, finder: Finder, **options: Any) -> None:
        super().__init__(finder, voice=choice, **options)
        self._choice = choice

    async def connect(self, emit: Emit[Event]) -> ServiceSocket:
        if warning := await self._choice.look_up():
            emit(Warned(warning))
        return await super().connect(emit)


def _finder(service: str, url: str, settings: EngineSettings, observer: ServiceObserver) -> Finder:
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
