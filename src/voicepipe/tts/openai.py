"""A voice behind an OpenAI-compatible API: `POST /v1/audio/speech`, clause by clause, its PCM streamed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import structlog

from voicepipe.boundary.overflow import Overflow
from voicepipe.boundary.tasks import async_stage
from voicepipe.conversation import Conversation
from voicepipe.events import Audio, Event, Overflowed, ReplyAudio, ReplyText, Warned
from voicepipe.services.errors import FailureReason
from voicepipe.services.observer import NULL_OBSERVER, ServiceObserver
from voicepipe.services.openai.errors import ApiRefused
from voicepipe.services.openai.requests import ApiAnswer, ApiDeadlines, ApiRequests
from voicepipe.services.openai.retries import Retries
from voicepipe.stage import Stage, named
from voicepipe.text.reading import Reading
from voicepipe.tts.clause_sound import ClauseSound, OpenClause, OpenedClauses
from voicepipe.tts.clauses import ReadClause, speak_clauses
from voicepipe.tts.streamed import StreamedReply

__all__ = ["DEFAULT_VOICE", "OpenAiTts", "OpenAiTtsOptions"]

log = structlog.get_logger()

DEFAULT_VOICE = "alloy"
"""For a service that is told none: OpenAI requires a voice, and most compatible servers know this name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAiTtsOptions:
    """Options of a voice behind an OpenAI-compatible API.

    Args:
        url: the service's address, with or without `/v1`
        model: the model's name; None is the only one that the service has
        api_key: the key; None where the service wants none
        voice: the voice of a conversation that names none, and in place of one that the service does not know
        rate_hz: the rate of its PCM, where the answer does not say it: 16 bits, one channel
        first_words: as in `by_clause`, and so are `min_words` and `max_words`
        min_words: the shortest later clause
        max_words: the longest clause
        capacity: how many clauses wait; one more fails the turn
        ahead: how many clauses are requested at once: the next one while the last one is still coming
        deadlines: how long the sound of a clause may take
        retries: how often a clause of which there is no sound yet is requested again
        reading: the language of numbers and signs, the user's pronunciations, and the scripts that the voice can say
        extra: further fields of the request, such as `{"instructions": "Speak calmly.", "speed": 1.1}`
    """

    url: str
    model: str | None
    api_key: str | None = field(repr=False)
    voice: str
    rate_hz: int
    first_words: int
    min_words: int
    max_words: int
    capacity: int
    ahead: int
    deadlines: ApiDeadlines
    retries: Retries
    reading: Reading
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])


class OpenAiTts:
    """The TTS of every session: called with a conversation, it gives the stage that speaks the reply in its voice.

    The stage passes the reply's words. Each clause is a request; its sound is emitted as it comes, and the clause
    behind it is requested meanwhile. Each `WordSpoken` comes before its sound, at an estimated time: the API tells
    none. `SynthesisStarted` comes with each clause, `SynthesisEnded` behind its last sound. A voice that the service
    refuses is replaced by that of `options` (`Warned`).

    Disposing drops the requests, with their connections. Fails with an `ApiError`, which says what to do, and
    with BoundaryFull if too many clauses wait.

    Args:
        options: Where the service is, and how it speaks.
        http: Returns the process's one client session, on the running loop: connections stay open between clauses.
        observer: Receives what happens, for metrics.
    """

    def __init__(
        self,
        options: OpenAiTtsOptions,
        http: Callable[[], aiohttp.ClientSession],
        observer: ServiceObserver = NULL_OBSERVER,
    ) -> None:
        self._options = options
        self._requests = ApiRequests(
            "speech synthesis (TTS)",
            "tts",
            http,
            url=options.url,
            model=options.model,
            api_key=options.api_key,
            deadlines=options.deadlines,
            retries=options.retries,
            observer=observer,
        )
        self._unknown_voices: set[str] = set()

    def __call__(self, conversation: Conversation) -> Stage[ReplyText, ReplyAudio | Event]:
        options = self._options

        def spoken(clauses: AsyncIterator[ReadClause]) -> AsyncIterable[ReplyAudio | Event]:
            return self._speak(clauses, conversation.voice or options.voice)

        in_task: Stage[ReadClause, ReplyAudio | Event | Overflowed] = async_stage(
            spoken, boundary="TTS", capacity=options.capacity, overflow=Overflow.FAIL_TURN
        )
        speak = speak_clauses(
            in_task,
            first_words=options.first_words,
            min_words=options.min_words,
            max_words=options.max_words,
            reading=options.reading,
        )
        return named("TTS", speak)

    async def check(self) -> str:
        """Return the name of the model that would speak now. Raises ApiError: it cannot, and what to do."""
        return await self._requests.client.check()

    async def _speak(self, clauses: AsyncIterator[ReadClause], voice: str) -> AsyncGenerator[ReplyAudio | Event, None]:
        async def opened(clause: ReadClause) -> OpenClause:
            return await self._open(clause, voice)

        parts, reply = OpenedClauses(clauses, opened, self._options.ahead), StreamedReply(self._options.rate_hz)
        try:
            async with aclosing(parts.in_order()) as opened_parts:
                async for part in opened_parts:
                    async with aclosing(_events(part, reply)) as events:
                        async for event in events:
                            yield event
        except (asyncio.CancelledError, GeneratorExit):
            if parts.is_busy:
                self._requests.observer.interrupted()
            raise
        finally:
            await parts.close()

    async def _open(self, clause: ReadClause, voice: str) -> OpenClause:
        """Request the sound of a clause; return it when it has begun. Raises ApiError."""
        default = self._options.voice
        chosen = default if voice in self._unknown_voices else voice
        self._requests.observer.sent(len(clause.spoken.split()))
        try:
            return OpenClause(clause, await self._request(clause, chosen))
        except ApiRefused as error:
            if chosen == default or error.why is FailureReason.FORBIDDEN:
                raise
            sound = await self._request(clause, default)  # so it was the voice
            self._unknown_voices.add(chosen)
            log.warning("tts.voice_unknown", voice=chosen, instead=default, reason=str(error))
            return OpenClause(clause, sound, Warned(f"There is no voice “{chosen}”: another one speaks."))

    async def _request(self, clause: ReadClause, voice: str) -> ClauseSound:
        def body(model: str) -> dict[str, Any]:
            fields = {"model": model, "input": clause.spoken, "voice": voice, "response_format": "pcm"}
            return {"json": {**fields, **self._options.extra}}

        async def begun(answer: ApiAnswer) -> ClauseSound:
            sound = ClauseSound(answer, clause, self._options.rate_hz, self._requests.observer, asked_s)
            await sound.begin()
            return sound

        asked_s = asyncio.get_running_loop().time()
        return await self._requests.ask(self._requests.client.endpoint.speech, body, begun)


async def _events(part: OpenClause, reply: StreamedReply) -> AsyncGenerator[ReplyAudio | Event, None]:
    """Yield what a clause gives, as its sound comes."""
    if part.warning is not None:
        yield part.warning
    reply.begin(part.clause)
    if part.sound is not None:
        async with aclosing(part.sound.pieces()) as pieces:
            async for piece in pieces:
                for event in reply.sound(Audio(piece, part.sound.rate_hz)):
                    yield event
    for event in reply.end():
        yield event
