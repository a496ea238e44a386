"""OpenAI's chat completions as pure functions: what is asked, what an answer's stream says, what a refusal means.

The facts are those of `POST /v1/chat/completions` with `stream` and of `GET /v1/models`, as OpenAI, vLLM, llama.cpp,
Ollama, Mistral and Gemini speak them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any, cast

from voicepipe.events import MaxTokensReached
from voicepipe.llm.errors import LlmError, LlmGarbled, LlmRefused, LlmUnavailable
from voicepipe.llm.openai.sse import EventTooLong, SseParser
from voicepipe.llm.openai.tool_calls import Calls, NotACall, Said
from voicepipe.services.errors import FailureReason

__all__ = ["Answer", "Usage", "lists", "model_names", "refusal", "retry_after_s"]

_DONE = "[DONE]"
_OPENAI = "it should be an OpenAI-compatible service"
# Characters of what a server says that an error repeats.
_SHOWN = 300


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request, as the server counts them."""

    prompt_tokens: int
    completion_tokens: int


class Answer:
    """One answer, read from its stream. `where` is what errors say of the service.

    `complete`: there will be no more of it. `usage`, which comes after the text, is None where it is not told.
    """

    def __init__(self, where: str, *, max_event_bytes: int) -> None:
        self.complete = False
        self.usage: Usage | None = None
        self._where, self._events = where, SseParser(max_event_bytes=max_event_bytes)
        self._calls = Calls()

    def feed(self, chunk: bytes) -> Iterator[Said]:
        """The text in these bytes, a piece per event. Keep-alives, which have no choices or no content, give nothing.

        Function calls come as `FunctionCallWritten`, piece by piece, and `FunctionCalled`, each as soon as it is
        complete; `MaxTokensReached` comes last where the answer was cut at its length.

        LlmGarbled for what is no chat completion; LlmUnavailable or LlmRefused for an error that the server tells in
        the middle of its answer. Text after the end is ignored.
        """
        try:
            for data in self._events.feed(chunk):
                yield from self._event(data)
        except EventTooLong as error:
            raise LlmGarbled(self._where, "sent an invalid message", str(error), why=FailureReason.NONSENSE) from None

    def finish(self) -> Iterator[Said]:
        """The connection was closed in order. LlmUnavailable when the answer was not at its end."""
        for data in self._events.finish():
            yield from self._event(data)
        if not self.complete:
            raise LlmUnavailable(self._where, "broke off in the middle of its answer")

    def _event(self, data: str) -> Iterator[Said]:
        if data.strip() == _DONE:
            yield from self._complete()
            return
        chunk = self._chunk(data)
        if (fault := chunk.get("error")) is not None:
            raise _told(self._where, fault)
        self._count(chunk.get("usage"))
        match chunk.get("choices"):
            case None | []:
                pass
            case [choice, *_]:
                yield from self._choice(choice, data)
            case _:
                raise self._garbled(data)

    def _choice(self, choice: Any, data: str) -> Iterator[Said]:
        match choice:
            case {"delta": {} as delta}:
                yield from self._delta(cast("dict[str, Any]", delta), data)
            case {"delta": None} | {"finish_reason": _}:
                pass
            case _:
                raise self._garbled(data)
        if reason := choice.get("finish_reason"):
            yield from self._complete(limited=reason == "length")

    def _delta(self, delta: dict[str, Any], data: str) -> Iterator[Said]:
        text, calls = delta.get("content"), delta.get("tool_calls")
        if not isinstance(text, str | None) or not isinstance(calls, list | None):
            raise self._garbled(data)
        if self.complete:
            return
        if text:
            yield text
        try:
            for call in cast("list[Any]", calls or []):
                yield from self._calls.take(call)
        except NotACall:
            raise self._garbled(data) from None

    def _complete(self, *, limited: bool = False) -> Iterator[Said]:
        if not self.complete:
            self.complete = True
            yield from self._calls.finish(cut=limited)
            if limited:
                yield MaxTokensReached()

    def _chunk(self, data: str) -> dict[str, Any]:
        try:
            chunk = json.loads(data)
        except (ValueError, RecursionError):
            raise self._garbled(data) from None
        if not isinstance(chunk, dict):
            raise self._garbled(data)
        return cast("dict[str, Any]", chunk)

    def _garbled(self, data: str) -> LlmGarbled:
        what = f"no part of a chat completion is {_short(data)!r}"
        return LlmGarbled(self._where, "sent an invalid message", what, why=FailureReason.NONSENSE)

    def _count(self, usage: Any) -> None:
        match usage:
            case {"prompt_tokens": int(prompt), "completion_tokens": int(completion)}:
                self.usage = Usage(prompt, completion)
            case _:
                pass


def model_names(where: str, body: bytes) -> list[str]:
    """The names in the answer of `/v1/models`. LlmGarbled when it is none."""
    try:
        return [str(model["id"]) for model in json.loads(body)["data"]]
    except (KeyError, TypeError, ValueError, RecursionError):
        what = f"{where}/v1/models lists no models; {_OPENAI}"
        raise LlmGarbled(where, "sent an invalid message", what, why=FailureReason.NONSENSE) from None


def lists(names: Sequence[str], model: str) -> bool:
    """Return whether a list of models has a model, in this spelling or another usual one.

    >>> lists(["models/gemini-2.0-flash", "llama3.2:latest"], "llama3.2"), lists(["a"], "b")
    (True, False)
    """
    return _plain_name(model) in map(_plain_name, names)


def _plain_name(model: str) -> str:
    return model.removeprefix("models/").removesuffix(":latest")


def refusal(
    where: str, status: int, headers: Mapping[str, str], body: bytes, *, model: str, models: Sequence[str] | None
) -> LlmError:
    """What an HTTP status other than 200 means, with what the server says about it.

    `models` are those that it has, where this is known.
    """
    said = f"{status} {_said(body)}".strip()
    match status:
        case 401 | 403:
            return LlmRefused(
                where, "does not accept our key", f"set llm_api_key ({said})", why=FailureReason.FORBIDDEN
            )
        case 404 if models and not lists(models, model):
            return LlmRefused(where, "is not set up", f"it has no {model!r}: set llm_model to {' or '.join(models)}")
        case 404:
            return LlmRefused(where, "is not set up", f"{_OPENAI} ({said})")
        case 429 | 503:
            wait_s = retry_after_s(headers)
            return LlmUnavailable(where, "has too much to do", said, why=FailureReason.FULL, retry_after_s=wait_s)
        case status if status >= 500:
            return LlmUnavailable(where, "is out of order", said, retry_after_s=retry_after_s(headers) or 0.0)
        case _:
            return LlmRefused(where, "refuses the request", said)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """When the server wants to be asked again: seconds, or a date, which is read against the server's own `Date`.

    >>> retry_after_s({"Retry-After": "1.5"}), retry_after_s({})
    (1.5, None)
    """
    told = headers.get("Retry-After", "")
    try:
        seconds = float(told)
    except ValueError:
        pass
    else:
        return max(0.0, seconds) if isfinite(seconds) else None
    try:
        return max(0.0, (parsedate_to_datetime(told) - parsedate_to_datetime(headers["Date"])).total_seconds())
    except (KeyError, TypeError, ValueError):
        return None


def _told(where: str, fault: Any) -> LlmError:
    """An error within the stream: `{"message": …, "code": 500}`, or a text."""
    code = cast("dict[str, Any]", fault).get("code") if isinstance(fault, dict) else None
    said = _said(json.dumps({"error": fault}).encode())
    if isinstance(code, int) and 400 <= code < 500 and code != 429:
        return LlmRefused(where, "refuses the request", f"{code} {said}")
    return LlmUnavailable(where, "failed in the middle of its answer", said)


def _said(body: bytes) -> str:
    """What the server says, out of the shapes in which servers say it."""
    text = body.decode(errors="replace")
    try:
        said = json.loads(text)
        for key in ("error", "message", "detail"):
            said = cast("dict[str, Any]", said).get(key, said) if isinstance(said, dict) else said
        text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
    except (ValueError, RecursionError):
        pass
    return _short(text)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
