"""A language model for tests behind the OpenAI-compatible API: answers by what the user said last, or repeats it."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from aiohttp import web

from voicepipe.testing.servers.base import FakeServer, Visit, hang, trickle
from voicepipe.testing.servers.failing import Fails

__all__ = ["Answers", "LlmServer"]

Answers: TypeAlias = Mapping[str, str] | Callable[[list[dict[str, Any]]], str]
"""What it answers: by what the user said last, or by all messages."""


class LlmServer(FakeServer):
    """`POST /v1/chat/completions`, as a stream of events or whole, and `GET /v1/models`.

    The first delta comes after `first_token_s`, the next ones every `token_s`; a delta is a word with the space before
    it. Before the first text come chunks that mean nothing: only a role, an empty text, no choices, a comment. Asked
    for it (`stream_options.include_usage`), the last chunk counts tokens. What is in no `answers` is repeated.
    `Visit.notes` has each request's body, and "cancelled" when the client went before the end. In mid-answer it fails
    after `dies_after` deltas. With an `api_key`, who does not bring it as a bearer token gets 401.
    """

    def __init__(
        self,
        answers: Answers | None = None,
        *,
        models: Sequence[str] = ("fake",),
        first_token_s: float = 0.1,
        token_s: float = 0.02,
        keep_alives: bool = True,
        api_key: str | None = None,
        dies_after: int = 2,
        retry_after_s: float = 1.0,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(host=host, port=port)
        self.answers: Answers = answers or {}
        self.models, self.first_token_s, self.token_s, self.keep_alives = models, first_token_s, token_s, keep_alives
        self.api_key, self.dies_after, self.retry_after_s = api_key, dies_after, retry_after_s

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The bodies of the chat completions that were asked for."""
        return [note for visit in self.visits for note in visit.notes if isinstance(note, dict)]

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/v1/models", self._list_models)
        router.add_post("/v1/chat/completions", self._complete)

    def refusal(self, status: int) -> web.Response:
        """OpenAI's form of an error."""
        headers = {"Retry-After": f"{self.retry_after_s:g}"} if status in (429, 503) else {}
        kind = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}.get(status, "api_error")
        error = {"message": f"told to answer {status}", "type": kind, "param": None, "code": kind}
        return web.json_response({"error": error}, status=status, headers=headers)

    async def _list_models(self, request: web.Request) -> web.Response:
        if not self._allowed(request):
            return self.refusal(401)
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "voicepipe"} for name in self.models]
        return web.json_response({"object": "list", "data": data})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        visit, body = self.visit(request), await request.json()
        visit.notes.append(body)
        if not self._allowed(request):
            return self.refusal(401)
        if visit.fails is Fails.FULL:
            return self.refusal(503)
        if body.get("model") not in self.models:
            return self.refusal(404)
        if not body.get("stream"):
            return web.json_response(_whole(body, self._answer(body["messages"])))
        try:
            return await self._stream(request, visit, body)
        except (asyncio.CancelledError, ConnectionError):
            visit.notes.append("cancelled")
            raise

    async def _stream(self, request: web.Request, visit: Visit, body: dict[str, Any]) -> web.StreamResponse:
        if visit.fails is Fails.SILENT:
            await hang()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        await response.prepare(request)
        async for chunk in self._chunks(visit, body):
            await response.write(chunk)
        await response.write_eof()
        return response

    async def _chunks(self, visit: Visit, body: dict[str, Any]) -> AsyncIterator[bytes]:
        head = {"id": "chatcmpl-fake", "object": "chat.completion.chunk", "created": 0, "model": body["model"]}
        if self.keep_alives:
            yield b": keep-alive\n\n"
            for choices in (
                [_choice({"role": "assistant"})],
                [],
                [_choice({"content": None})],
                [_choice({"content": ""})],
            ):
                yield _event({**head, "choices": choices})
        await asyncio.sleep(self.first_token_s)
        count = 0
        for count, delta in enumerate(self._deltas(visit, body), 1):
            if count > self.dies_after and (wrong := await self._go_wrong(visit)) is not None:
                yield wrong
                if self.trouble(visit) is Fails.EARLY:
                    return
            yield _event({**head, "choices": [_choice({"content": delta})]})
            await asyncio.sleep(self.token_s)
        yield _event({**head, "choices": [_choice({}, "stop")]})
        options: dict[str, Any] = body.get("stream_options") or {}
        if options.get("include_usage"):
            yield _event({**head, "choices": [], "usage": _usage(body, count)})
        yield b"data: [DONE]\n\n"

    async def _go_wrong(self, visit: Visit) -> bytes | None:
        """What is written in place of the next delta, if anything; some failures write nothing any more."""
        match self.trouble(visit):
            case Fails.DIES | Fails.DOWN:
                self.cut(visit)
                await hang()
            case Fails.MUTE | Fails.SILENT:
                await hang()
            case Fails.SLOW:
                await trickle(self._open[visit], b"5\r\ndata:\r\n")
            case Fails.GARBAGE:
                return b"data: {no JSON at all\n\n"
            case Fails.EARLY:
                return b""
            case _:
                pass
        return None

    def _deltas(self, visit: Visit, body: dict[str, Any]) -> Iterator[str]:
        words = self._answer(body["messages"]).split()
        endless = itertools.cycle(words or ["and"])
        said = endless if self.trouble(visit) is Fails.ENDLESS else iter(words)
        return (f" {word}" if number else word for number, word in enumerate(said))

    def _answer(self, messages: list[dict[str, Any]]) -> str:
        if callable(self.answers):
            return self.answers(messages)
        said = next((message["content"] for message in reversed(messages) if message["role"] == "user"), "")
        return self.answers.get(said, f"You said: {said}")

    def _allowed(self, request: web.Request) -> bool:
        return self.api_key is None or request.headers.get("Authorization") == f"Bearer {self.api_key}"


def _choice(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish}


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"


def _usage(body: dict[str, Any], count: int) -> dict[str, int]:
    asked = sum(len(str(message["content"]).split()) for message in body["messages"])
    return {"prompt_tokens": asked, "completion_tokens": count, "total_tokens": asked + count}


def _whole(body: dict[str, Any], answer: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": answer}
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": _usage(body, len(answer.split())),
    }
