"""Speech services behind an OpenAI-compatible API, for hearing and for speaking, as parts of an engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import aiohttp

from voicepipe.engine.health_checks import Probe
from voicepipe.engine.network import api_probe
from voicepipe.engine.parts import InputStages, SessionPart, StageProvider
from voicepipe.engine.pronunciations import read_pronunciations
from voicepipe.engine.settings import EngineSettings, scripts_of, secret_of
from voicepipe.presets import UTTERANCES
from voicepipe.services import ServiceObserver
from voicepipe.services.openai.requests import ApiDeadlines
from voicepipe.services.openai.retries import Retries
from voicepipe.session import Tts
from voicepipe.stt.openai import OpenAiStt, OpenAiSttOptions
from voicepipe.text.reading import Reading
from voicepipe.tts.openai import DEFAULT_VOICE, OpenAiTts, OpenAiTtsOptions

__all__ = ["SpeechApiStt", "SpeechApiTts"]

Session = Callable[[], aiohttp.ClientSession]


class SpeechApiStt:
    """A recogniser by HTTP; it takes the VAD and the end-of-turn model of `embedded`, the one in this process."""

    def __init__(
        self,
        url: str,
        settings: EngineSettings,
        http: Session,
        observer: ServiceObserver,
        embedded: StageProvider[InputStages],
    ) -> None:
        self._url, self._embedded = url, embedded
        self._stt = OpenAiStt(_stt_options(url, settings), http, observer)

    def open(self) -> SessionPart[InputStages]:
        part = self._embedded.open()
        return replace(part, stage=replace(part.stage, stt=self._stt.stage(backlog=part.stage.backlog)))

    def probe(self) -> Probe:
        return api_probe("stt", self._url, "Moonshine", self._stt.check)


class SpeechApiTts:
    """A synthesiser by HTTP, which all sessions share."""

    def __init__(self, url: str, settings: EngineSettings, http: Session, observer: ServiceObserver) -> None:
        self._url = url
        self._tts = OpenAiTts(_tts_options(url, settings), http, observer)

    def open(self) -> SessionPart[Tts]:
        return SessionPart(self._tts)

    def probe(self) -> Probe:
        return api_probe("tts", self._url, "hibari", self._tts.check)


def _stt_options(url: str, settings: EngineSettings) -> OpenAiSttOptions:
    return OpenAiSttOptions(
        url=url,
        model=settings.stt_model,
        api_key=secret_of(settings.stt_api_key),
        language=settings.stt_language,
        utterances=UTTERANCES,
        guesses=settings.stt_guesses,
        deadlines=ApiDeadlines(settings.speech_connect_s, settings.stt_answer_s, settings.stt_silent_s),
        retries=Retries(settings.stt_retries, settings.stt_answer_s),
        extra=settings.stt_extra,
    )


def _tts_options(url: str, settings: EngineSettings) -> OpenAiTtsOptions:
    reading = Reading(
        settings.tts_language,
        read_pronunciations(settings.tts_pronunciations),
        scripts_of(settings.tts_scripts or "ALL"),
    )
    return OpenAiTtsOptions(
        url=url,
        model=settings.tts_model,
        api_key=secret_of(settings.tts_api_key),
        voice=settings.tts_voice or DEFAULT_VOICE,
        rate_hz=settings.tts_rate_hz,
        # As for the embedded voice: a short first clause is soon heard, longer ones sound better.
        first_words=8,
        min_words=4,
        max_words=24,
        capacity=settings.tts_capacity,
        ahead=settings.tts_requests,
        deadlines=ApiDeadlines(settings.speech_connect_s, settings.tts_first_sound_s, settings.tts_silent_s),
        retries=Retries(settings.tts_retries, settings.tts_first_sound_s),
        reading=reading,
        extra=settings.tts_extra,
    )
