"""A language model behind an OpenAI-compatible API: OpenAI itself, vLLM, llama.cpp, Ollama, Mistral and others.

The thin I/O twin of `voicepipe.llm.openai.stream`, over aiohttp.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp
import structlog
from reactivex import Observable

from voicepipe.conversation import Conversation
from voicepipe.events import FunctionCallWritten, MaxTokensReached, StageFailed
from voicepipe.llm.errors import LlmError, LlmFiltered, LlmGarbled, LlmRefused, LlmTimeout, LlmUnavailable
from voicepipe.llm.history import History
from voicepipe.llm.openai.dialect import RequestDialect
from voicepipe.llm.openai.endpoint import Endpoint
from voicepipe.llm.openai.models import lists, model_names
from voicepipe.llm.openai.refusals import refusal
from voicepipe.llm.openai.stream import Answer
from voicepipe.llm.openai.tool_calls import Said, offered
from voicepipe.rx import from_async
from voicepipe.services.errors import FailureReason
from voicepipe.services.proxies import proxy_for
from voicepipe.stage import naming

__all__ = ["Deadlines", "OpenAi", "OpenAiLlm", "Retries", "reason"]

T = TypeVar("T")

log = structlog.get_logger()

# Of one event; a token's has some hundreds.
_MAX_EVENT_BYTES = 1_000_000
# Of an answer that is no stream: an error, the list of models (OpenRouter's has 600 kB).
_MAX_BODY_BYTES = 1_000_000
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


@dataclass(frozen=True, slots=True)
class Retries:
    """Request an answer that has not begun again when the service is unavailable.

    Args:
        times: the number of further requests to a service that fails, or says nothing
        longest_wait_s: how long a busy service is waited for, all its `Retry-After`s together; one that names a longer
            time is not asked again
    """

    times: int
    longest_wait_s: float


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
    """

    def __init__(self, options: OpenAi, http: Callable[[], aiohttp.ClientSession]) -> None:
        self._options, self._http = options, http
        self._endpoint = Endpoint.parse(options.url)
        self._where = self._endpoint.base.removesuffix("/v1")
        self._model = options.model
        self._dialect = RequestDialect()
        self._reasoning_first = False
        self.answered_s: float | None = None
        """When the last answer ended, by the loop's clock; None before the first one."""

    def __call__(self, conversation: Conversation) -> Observable[Said | StageFailed]:
        return from_async(lambda: self._answer(conversation), "LLM").pipe(naming("LLM"))

    async def models(self) -> list[str]:
        """Return the names of the models that the service has.

        Raises:
            LlmError: It does not tell.
        """
        status, headers, body = await self._get(self._endpoint.models)
        if status != 200:
            raise refusal(self._where, status, headers, body, model=self._model or "", models=None)
        return model_names(self._where, body)

    async def model(self) -> str:
        """The configured model's name, or the only one's. LlmRefused when there are several to choose from."""
        if self._model is None:
            match await self.models():
                case [name]:
                    self._model = name
                case []:
                    raise LlmRefused(self._where, "is not set up", "it has no models")
                case names:
                    choice = f"set llm_model to one of its models: {', '.join(names)}"
                    raise LlmRefused(self._where, "is not set up", choice)
        return self._model

    async def check(self) -> str:
        """Return the name of the model that would answer now, with a remark where the service does not list it.

        Many services list nothing, or other spellings: only where no model is set is the list needed.

        Raises:
            LlmError: The service cannot be reached, does not accept the key, or there is no model to be asked.
        """
        wanted = self._options.model
        if wanted is None:
            await self.models()  # also where the name is known already: the service may be gone
            return await self.model()
        status, headers, body = await self._get(self._endpoint.models)
        if status == 401 or status >= 500:
            raise refusal(self._where, status, headers, body, model=wanted, models=None)
        try:
            names = model_names(self._where, body) if status == 200 else []
        except LlmError:
            names = []
        if not names:
            return f"{wanted} (the service lists no models)"
        return wanted if lists(names, wanted) else f"{wanted} (not listed; the service has {', '.join(names[:8])})"

    async def request(self, conversation: Conversation) -> None:
        """Request an answer, and drop what it says. Raises LlmError."""
        async with aclosing(self._answer(conversation)) as answer:
            async for _ in answer:
                pass

    # ---- an answer --------------------------------------------------------------------------------------------------

    async def _answer(self, conversation: Conversation) -> AsyncGenerator[Said | StageFailed, None]:
        due_s = asyncio.get_running_loop().time() + self._options.deadlines.first_text_s
        begun, patience = False, _Patience(self._options.retries)
        while True:
            try:
                async with aclosing(self._attempt(conversation, due_s)) as texts:
                    async for text in texts:
                        begun = True
                        yield text
            except LlmUnavailable as error:
                pause_s = None if begun else patience.pause_s(error)
                if pause_s is None or asyncio.get_running_loop().time() + pause_s >= due_s:
                    raise
                log.warning("llm.asked_again", reason=str(error), pause_s=pause_s)
                await asyncio.sleep(pause_s)
            except LlmFiltered as error:
                if not begun:
                    raise
                yield StageFailed("LLM", error)  # no exception: the text before it, such as a refusal's, is spoken
                return
            else:
                return

    async def _attempt(self, conversation: Conversation, due_s: float) -> AsyncGenerator[Said, None]:
        late = ("did not answer in time", f"no text within {self._options.deadlines.first_text_s:g} s")
        response = await self._within(due_s, late, self._ask(conversation))
        answer = Answer(
            self._where,
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
            chunk = await self._within(due_s, late, _next_bytes(response))
            for text in answer.feed(chunk) if chunk else answer.finish():
                left -= isinstance(text, str | FunctionCallWritten)
                if left < 0:
                    yield MaxTokensReached()
                    return
                yield text
                due_s, late = clock() + next_s, ("fell silent in the middle of its answer", f"for {next_s:g} s")

    async def _ask(self, conversation: Conversation) -> aiohttp.ClientResponse:
        """The answer's beginning: its stream is open."""
        model = await self.model()
        while True:
            response = await self._http().post(
                self._endpoint.chat,
                json=self._dialect.applied(self._request(conversation, model)),
                headers=self._headers(Accept="text/event-stream"),
                proxy=proxy_for(self._endpoint.chat),
                timeout=self._timeout,
                allow_redirects=False,  # it would turn the POST into a GET
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
            said = await _body(response)
            if response.status in (400, 422) and self._dialect.learn(said):
                log.info("llm.adapted", where=self._where, refused=said[:200].decode(errors="replace"))
                response.release()
                return False
            models = await self._models_or_none() if response.status == 404 else None
            self._model = self._options.model  # one that was found, and is not there any more, is looked for again
            raise refusal(self._where, response.status, response.headers, said, model=model, models=models)
        if response.content_type not in _STREAMS:
            what = f"{response.content_type} instead of a stream of events"
            raise LlmGarbled(self._where, "sent an invalid message", what, why=FailureReason.NONSENSE)
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

    # ---- HTTP -------------------------------------------------------------------------------------------------------

    @property
    def _timeout(self) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(total=None, sock_connect=self._options.deadlines.connect_s)

    def _headers(self, **more: str) -> dict[str, str]:
        return {**more, **self._endpoint.key_headers(self._options.api_key)}

    async def _get(self, url: str) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body, within the time for a first text."""

        async def get() -> tuple[int, Mapping[str, str], bytes]:
            proxy, headers = proxy_for(url), self._headers()
            async with self._http().get(url, headers=headers, proxy=proxy, timeout=self._timeout) as response:
                return response.status, response.headers, await _body(response)

        within_s = self._options.deadlines.first_text_s
        due_s = asyncio.get_running_loop().time() + within_s
        return await self._within(due_s, ("did not answer in time", f"within {within_s:g} s"), get())

    async def _models_or_none(self) -> list[str] | None:
        try:
            return await self.models()
        except LlmError:
            return None

    async def _within(self, due_s: float, late: tuple[str, str], work: Awaitable[T]) -> T:
        """What `work` gives; LlmTimeout(…, *late) when it is due; what goes wrong on the way as LlmError."""
        try:
            async with asyncio.timeout_at(due_s):
                return await work
        except LlmError:
            raise
        except aiohttp.ConnectionTimeoutError:
            connect_s = self._options.deadlines.connect_s
            what = f"no connection within {connect_s:g} s"
            raise LlmUnavailable(self._where, "cannot be reached", what, why=FailureReason.TIMED_OUT) from None
        except TimeoutError:
            raise LlmTimeout(self._where, *late, why=FailureReason.TIMED_OUT) from None
        except aiohttp.ClientConnectorError as error:
            raise LlmUnavailable(self._where, "cannot be reached", reason(error), why=FailureReason.REFUSED) from error
        except (aiohttp.ClientError, OSError) as error:
            what = str(error) or type(error).__name__
            raise LlmUnavailable(self._where, "broke the connection", what) from error


def reason(error: aiohttp.ClientConnectorError) -> str:
    """Why there is no connection, in the system's words: asyncio's own say only that there is none."""
    number, said = error.os_error.errno, error.os_error.strerror
    return os.strerror(number) if number and number > 0 else said or str(error.os_error)


class _Patience:
    """How often, and how long, one answer is asked for again."""

    def __init__(self, retries: Retries) -> None:
        self._left, self._left_s = retries.times, retries.longest_wait_s

    def pause_s(self, error: LlmUnavailable) -> float | None:
        """Return how long to wait before the next request; None: it has failed."""
        pause_s = error.retry_after_s
        if pause_s is None or pause_s > self._left_s:
            return None
        if error.why is not FailureReason.FULL or not pause_s:
            self._left -= 1
        self._left_s -= pause_s
        return pause_s if self._left >= 0 else None


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """Its beginning, where it is endless."""
    body = b""
    while len(body) < _MAX_BODY_BYTES and (chunk := await response.content.readany()):
        body += chunk
    return body


async def _next_bytes(response: aiohttp.ClientResponse) -> bytes:
    """What comes next of the stream; an answer in one piece comes as its only event."""
    if response.content_type != "application/json":
        return await response.content.readany()
    body = await _body(response)
    return b"data: " + b" ".join(body.splitlines()) + b"\n\n" if body else b""


async def _read_to_the_end(response: aiohttp.ClientResponse, answer: Answer) -> None:
    with suppress(TimeoutError, aiohttp.ClientError, OSError, LlmError):
        async with asyncio.timeout(_LINGER_S):
            while chunk := await response.content.readany():
                list(answer.feed(chunk))
