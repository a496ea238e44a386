"""A recogniser behind an OpenAI-compatible API: `POST /v1/audio/transcriptions`, by utterance."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import aiohttp
import numpy as np
import structlog
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.audio import resampled
from voicepipe.boundary.overflow import Overflow
from voicepipe.boundary.pending import PendingWork
from voicepipe.boundary.requests import in_task
from voicepipe.events import Audio, Event, Warned
from voicepipe.presets import Utterances
from voicepipe.rx import transduce
from voicepipe.services.errors import ServiceError
from voicepipe.services.observer import NULL_OBSERVER, ServiceObserver
from voicepipe.services.openai.requests import ApiAnswer, ApiDeadlines, ApiRequests
from voicepipe.services.openai.retries import Retries
from voicepipe.stage import Stage, named
from voicepipe.stt.clips import RATE_HZ, Clip, Clips, Settle, is_guess, length_ms
from voicepipe.stt.transcript import TranscriptStream, whole_text
from voicepipe.stt.utterances import Agreement, Guess, believed

__all__ = ["OpenAiStt", "OpenAiSttOptions"]

log = structlog.get_logger()

_FRAME_S = 0.08
# As in `voicepipe.tts.streamed`: where the words end that have come, in a clip of which more is coming.
_LETTERS_PER_S = 14.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAiSttOptions:
    """Options of a recogniser behind an OpenAI-compatible API.

    Args:
        url: the service's address, with or without `/v1`
        model: the model's name; None is the only one that the service has
        api_key: the key; None where the service wants none
        language: the language that is spoken, by ISO 639-1; None: the service finds out
        utterances: how clips are cut, and when their text is believed
        guesses: whether clips that grow are requested, too: words come while the user speaks, and each second of sound
            is sent several times
        deadlines: how long the text of a clip may take
        retries: how often a clip is requested again
        extra: further fields of the request, such as `{"prompt": "Words that may come: voicepipe."}`
    """

    url: str
    model: str | None
    api_key: str | None = field(repr=False)
    language: str | None
    utterances: Utterances
    guesses: bool
    deadlines: ApiDeadlines
    retries: Retries
    extra: Mapping[str, str] = field(default_factory=dict[str, str])


class OpenAiStt:
    """A stage that emits `WordRecognised` and `Transcribed`, from `Audio` and a VAD's edges, as `by_utterance` does.

    Each clip is a request: at a pause the whole clip, before it is known whether the user has finished. The service is
    asked for a stream, and where it gives one, words come with its deltas.

    A clip that the service does not recognise in time has no words: the user is told (`Warned`), once until it is back,
    and the conversation goes on; the log has the reason, and what to do. Disposing drops the request.

    Args:
        options: Where the service is, and how it is asked.
        http: Returns the process's one client session, on the running loop: connections stay open between clips.
        observer: Receives what happens, for metrics.
    """

    def __init__(
        self,
        options: OpenAiSttOptions,
        http: Callable[[], aiohttp.ClientSession],
        observer: ServiceObserver = NULL_OBSERVER,
    ) -> None:
        self._options = options
        self._requests = ApiRequests(
            "speech recognition (STT)",
            "stt",
            http,
            url=options.url,
            model=options.model,
            api_key=options.api_key,
            deadlines=options.deadlines,
            retries=options.retries,
            observer=observer,
        )

    def __call__(self, source: Observable[Audio | Event]) -> Observable[Event]:
        return self.stage()(source)

    def stage(self, *, backlog: PendingWork | None = None) -> Stage[Audio | Event, Event]:
        """Return the stage of a session.

        Args:
            backlog: Counts whole clips until they are recognised.
        """
        options, utterances = self._options, self._options.utterances

        def heard(source: Observable[Audio | Event]) -> Observable[Event]:
            return source.pipe(
                transduce(lambda _: Clips(utterances)),
                rx_ops.filter(lambda item: options.guesses or not is_guess(item)),
                in_task(
                    _Reader(self._requests, options).read,
                    boundary="STT",
                    capacity=utterances.waiting_clips,
                    overflow=Overflow.DROP_OLDEST,
                    optional=is_guess,
                    lost_ms=length_ms,
                    backlog=backlog,
                ),
                transduce(lambda _: Agreement(utterances.unsure_words)),
            )

        return named("STT", heard)

    async def check(self) -> str:
        """Return the name of the model that would answer now. Raises ApiError: it cannot, and what to do."""
        return await self._requests.client.check()


class _Reader:
    """Have one session's clips recognised, one at a time."""

    def __init__(self, requests: ApiRequests, options: OpenAiSttOptions) -> None:
        self._requests, self._options = requests, options
        self._is_outage = False

    async def read(self, item: Clip | Settle, emit: Callable[[Guess | Settle | Event], None]) -> Guess | Settle | Event:
        if isinstance(item, Settle):
            return item
        if item.voiced_s * 1000 < self._options.utterances.voiced_ms:
            return Guess((), item)
        reading = _Reading(item, self._options.utterances, self._requests, emit)
        try:
            text = await self._requests.ask(
                self._requests.client.endpoint.transcriptions, lambda model: {"data": self._form(item, model)}, reading
            )
        except ServiceError as error:
            self._lost(error, emit, told=item.whole)
            return Guess((), item)
        self._is_outage = False
        return Guess(believed(text, item, self._options.utterances), item)

    def _lost(self, error: ServiceError, emit: Callable[[Event], None], *, told: bool) -> None:
        log.warning("stt.clip_lost", reason=str(error))
        if told and not self._is_outage:
            self._is_outage = True
            emit(Warned(f"{error.user_message} Please say that again.", service_lost=True))

    def _form(self, clip: Clip, model: str) -> aiohttp.FormData:
        form = aiohttp.FormData()
        form.add_field("file", _wav(clip.sound), filename="speech.wav", content_type="audio/wav")
        language = self._options.language
        fields = {"model": model, "response_format": "json", "stream": "true" if clip.whole else "false"}
        for name, value in {**fields, **({"language": language} if language else {}), **self._options.extra}.items():
            form.add_field(name, value)
        return form


class _Reading:
    """Reads the answer for one clip: called with it, returns its text."""

    def __init__(
        self, clip: Clip, utterances: Utterances, requests: ApiRequests, emit: Callable[[Guess], None]
    ) -> None:
        self._clip, self._utterances, self._requests, self._emit = clip, utterances, requests, emit
        self._asked_s, self._came = asyncio.get_running_loop().time(), 0
        requests.observer.sent(round(clip.sound.duration_s / _FRAME_S))

    async def __call__(self, answer: ApiAnswer) -> str:
        try:
            streamed = answer.content_type == "text/event-stream"
            text = await (self._streamed(answer) if streamed else self._whole(answer))
        except ValueError as error:
            raise answer.invalid(str(error)) from None
        observer, clock = self._requests.observer, asyncio.get_running_loop().time
        self._count(text)
        observer.generated(self._clip.sound.duration_s, clock() - self._asked_s)
        await answer.finish()
        return text

    async def _whole(self, answer: ApiAnswer) -> str:
        return whole_text(await answer.whole(), answer.content_type)

    async def _streamed(self, answer: ApiAnswer) -> str:
        stream = TranscriptStream()
        while not stream.complete and (chunk := await answer.next()):
            for text in stream.feed(chunk):
                self._heard(text)
        stream.finish()
        if not stream.complete:
            raise answer.broken("it ended before the text had")
        return stream.text

    def _heard(self, text: str) -> None:
        """Emit the words of a text that goes on; its last one may not be complete."""
        known = " ".join(text.split()[: None if text[-1:].isspace() else -1])
        self._count(known)
        words = believed(known, self._clip, self._utterances)
        if words and self._clip.whole:
            until_s = min(self._clip.stop_s, self._clip.start_s + (len(known) + 1) / _LETTERS_PER_S)
            self._emit(Guess(words, replace(self._clip, stop_s=until_s), sure=True))

    def _count(self, text: str) -> None:
        """Report the words that are new."""
        count = len(text.split())
        if count and not self._came:
            self._requests.observer.first_item(asyncio.get_running_loop().time() - self._asked_s)
        if count > self._came:
            self._requests.observer.received(count - self._came)
            self._came = count


def _wav(sound: Audio) -> bytes:
    """Return the sound as a WAV file of 16 bits, at 16 kHz: what recognisers work with."""
    samples = np.clip(resampled(sound, RATE_HZ).samples, -1, 1)
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE_HZ)
        writer.writeframes((samples * 32_767).astype(np.dtype("<i2")).tobytes())
    return file.getvalue()
