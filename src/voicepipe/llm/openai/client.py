"""A language model behind an OpenAI-compatible API: OpenAI itself, vLLM, llama.cpp, Ollama, Mistral and others.

The thin I/O twin of `voicepipe.llm.openai.stream`, over aiohttp.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import structlog
from reactivex import Observable

from voicepipe.conversation import Conversation
from voicepipe.events import FunctionCallWritten, MaxTokensReached, StageFailed
from voicepipe.llm.errors import LlmError, LlmFiltered, LlmGarbled, LlmUnavailable
from voicepipe.llm.history import History
from voicepipe.llm.openai.dialect import RequestDialect
from voicepipe.llm.openai.refusals import KIND
from voicepipe.llm.openai.stream import Answer
from voicepipe.llm.openai.tool_calls import Said, offered
from voicepipe.rx import from_async
from voicepipe.services.errors import FailureReason
from voicepipe.services.observer import NULL_OBSERVER, ServiceObserver
from voicepipe.services.openai.client import ApiClient, body_of
from voicepipe.services.openai.retries import Patience, Retries
from voicepipe.stage import naming

__all__ = ["Deadlines", "OpenAi", "OpenAiLlm", "Retries"]

log = structlog.get_logger()

# Of one event; a token's has some hundreds.
_MAX_EVENT_BYTES = 1_000_000
# Of the answer's body; the second is an answer in one piece, of a cache, or a service that does not stream.
_STREAMS = ("text/event-stream", "application/json")
# After the last word, for the end of the body, so that the connection can be used again: 1 ms where it is read.
_LINGER_S = 0.1


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Bound the time of an answer. Keep-alives do not count as text.

    Args:
        connect_s: the time for TCP and TLS
        first_text_s: the time from the request to the first text, retries included
        next_text_s: the time from each text to the next one, and to the end
    """

    connect_s: float
    first_text_s: float
    next_text_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAi:
    """Options of a model behind an OpenAI-compatible API.

    Args:
        url: the service's address, with or without `/v1`
        model: the model's name; None is the only one that the service has
        api_key: the key; None where the service wants none
        max_tokens: the bound of an answer, kept by the service and, in pieces of text, by the client
        opening_temperature: the sampling temperature of the first answer
        temperature: that of later answers
        history: what of the conversation the model is told
        deadlines: how long an answer may take
        retries: how often it is requested again
        extra: further fields of the request, such as `{"chat_template_kwargs": {"enable_thinking": False}}`
        certificate: the SHA-256 of the service's certificate; empty: TLS is checked as usual
    """

    url: str
    model: str | None
    api_key: str | None = field(repr=False)
    max_tokens: int
    opening_temperature: float
    temperature: float
    history: History
    deadlines: Deadlines
    retries: Retries
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])
    certificate: str = ""


class OpenAiLlm:
    """The LLM of every session: called with a conversation, it gives the answer's text, piece by piece.

    The functions of the conversation's `generation` are offered to the model. What it calls comes as
    `FunctionCallWritten` and `FunctionCalled`, behind the text; `MaxTokensReached` where it had to stop, and last
    `TokensCounted`.

    A refusal, and an answer that a filter stops, end with a `StageFailed` behind their text.

    Disposing an answer closes its connection, which tells the service to stop. Errors are `LlmError`s.

    Args:
        options: Where the model is, and how it answers.
        http: Returns the process's one client session, on the running loop: connections stay open between answers.
        observer: Receives how long the service takes to begin an answer, and the attempts that are repeated. What an
            answer holds, and how it ends, the metrics know from the answer itself.
    """

    def __init__(
        self,
        options: OpenAi,
        http: Callable[[], aiohttp.ClientSession],
        observer: ServiceObserver = NULL_OBSERVER,
    ) -> None:
        self._options, self._observer = options, observer
        self._api = ApiClient(
            KIND,
            http,
            url=options.url,
            model=options.model,
            api_key=options.api_key,
            connect_s=options.deadlines.connect_s,
            answer_s=options.deadlines.first_text_s,
            certificate=options.certificate,
        )
        self._dialect = RequestDialect()
        self._reasoning_first = False
        self.answered_s: float | None = None
        """The time at which the last answer ended, in seconds of the loop's clock; None before the first one."""

    def __call__(self, conversation: Conversation) -> Observable[Said | StageFailed]:
        return from_async(lambda: self.answer(conversation), "LLM").pipe(naming("LLM"))

    async def model(self) -> str:
        """The configured model's name, or the only one's. LlmRefused when there are several to choose from."""
        return await self._api.model()

    async def check(self) -> str:
        """Return the name of the model that would answer now, with a remark where the service does not list it.

        Raises:
            LlmError: The service cannot be reached, does not accept the key, or there is no model to be asked.
        """
        return await self._api.check()

    async def request(self, conversation: Conversation) -> None:
        """Request an answer, and drop what it says. Raises LlmError."""
        async with aclosing(self.answer(conversation)) as answer:
            async for _ in answer:
                pass

    # ---- an answer --------------------------------------------------------------------------------------------------

    async def answer(self, conversation: Conversation) -> AsyncGenerator[Said | StageFailed, None]:
        """Yield the pieces of an answer; closing the generator stops the model. Raises LlmError."""
        began_s = asyncio.get_running_loop().time()
        due_s = began_s + self._options.deadlines.first_text_s
        begun, patience = False, Patience(self._options.retries)
        while True:
            try:
                async with aclosing(self._attempt(conversation, began_s, due_s)) as texts:
                    async for text in texts:
                        begun = True
                        yield text
            except LlmUnavailable as error:
                pause_s = None if begun else patience.pause_s(error.retry_after_s, error.why)
                if pause_s is None or asyncio.get_running_loop().time() + pause_s >= due_s:
                    raise
                self._observer.missed(error.why)
                log.warning("llm.asked_again", reason=str(error), pause_s=pause_s)
                await asyncio.sleep(pause_s)
            except LlmFiltered as error:
                if not begun:
                    raise
                yield StageFailed("LLM", error)  # no exception: the text before it, such as a refusal's, is spoken
                return
            else:
                return

    async def _attempt(self, conversation: Conversation, began_s: float, due_s: float) -> AsyncGenerator[Said, None]:
        late = ("did not answer in time", f"no text within {self._options.deadlines.first_text_s:g} s")
        clock = asyncio.get_running_loop().time
        tried_s = clock()
        response = await self._api.within(due_s, late, self._ask(conversation))
        self._observer.pinged(clock() - tried_s)
        self._observer.found(clock() - began_s)
        answer = Answer(
            self._api.where,
            max_event_bytes=_MAX_EVENT_BYTES,
            functions=frozenset(function.name for function in conversation.generation.functions),
            reasoning_first=self._reasoning_first,
        )
        try:
            async with aclosing(self._texts(response, answer, due_s, late)) as texts:
                async for text in texts:
                    yield text
            if answer.complete:
                await _read_to_the_end(response, answer)
            self.answered_s = asyncio.get_running_loop().time()
        finally:
            self._learn(answer)
            response.close()  # where the end has been read, the connection is back in its pool already
        if answer.usage is not None:
            yield answer.usage

    def _learn(self, answer: Answer) -> None:
        """Remember whether the model begins with reasoning without a tag, as DeepSeek's chat templates make it."""
        if answer.begins_with_reasoning is not None:
            self._reasoning_first = answer.begins_with_reasoning

    async def _texts(
        self, response: aiohttp.ClientResponse, answer: Answer, due_s: float, late: tuple[str, str]
    ) -> AsyncGenerator[Said, None]:
        """The pieces of text and of calls, `max_tokens` at most, each in time; `MaxTokensReached` instead of more."""
        clock, next_s, left = (
            asyncio.get_running_loop().time,
            self._options.deadlines.next_text_s,
            self._options.max_tokens,
        )
        while not answer.complete:
            chunk = await self._api.within(due_s, late, _next_bytes(response))
            for text in answer.feed(chunk) if chunk else answer.finish():
                left -= isinstance(text, str | FunctionCallWritten)
                if left < 0:
                    yield MaxTokensReached()
                    return
                yield text
                due_s, late = clock() + next_s, ("fell silent in the middle of its answer", f"for {next_s:g} s")

    async def _ask(self, conversation: Conversation) -> aiohttp.ClientResponse:
        """The answer's beginning: its stream is open."""
        model = await self._api.model()
        while True:
            response = await self._api.post(
                self._api.endpoint.chat,
                json=self._dialect.applied(self._request(conversation, model)),
                headers={"Accept": "text/event-stream"},
            )
            try:
                if await self._accepts(response, model):
                    return response
            except BaseException:
                response.close()
                raise

    async def _accepts(self, response: aiohttp.ClientResponse, model: str) -> bool:
        """Return whether the answer begins; otherwise the request is to be made once more. Raises LlmError."""
        if response.status != 200:
            said = await body_of(response)
            if response.status in (400, 422) and self._dialect.learn(said):
                log.info("llm.adapted", where=self._api.where, refused=said[:200].decode(errors="replace"))
                response.release()
                return False
            raise await self._api.refused(response, said, model)
        if response.content_type not in _STREAMS:
            what = f"{response.content_type} instead of a stream of events"
            raise LlmGarbled(self._api.where, "sent an invalid message", what, why=FailureReason.NONSENSE)
        return True

    def _request(self, conversation: Conversation, model: str) -> dict[str, Any]:
        options, wishes = self._options, offered(conversation.generation)
        wishes["max_tokens"] = min(options.max_tokens, wishes.get("max_tokens", options.max_tokens))
        return {
            "model": model,
            "messages": options.history(conversation).prompt(calls=True),
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": options.temperature if conversation.messages else options.opening_temperature,
            **wishes,
            **options.extra,
        }


async def _next_bytes(response: aiohttp.ClientResponse) -> bytes:
    """Return the next event of the stream; an answer in one piece is its only event."""
    if response.content_type != "application/json":
        return await response.content.readany()
    body = await body_of(response)
    return b"data: " + b" ".join(body.splitlines()) + b"\n\n" if body else b""


async def _read_to_the_end(response: aiohttp.ClientResponse, answer: Answer) -> None:
    with suppress(TimeoutError, aiohttp.ClientError, OSError, LlmError):
        async with asyncio.timeout(_LINGER_S):
            while chunk := await response.content.readany():
                list(answer.feed(chunk))
