"""A language model for tests behind the OpenAI-compatible API: answers by the user's last message, or repeats it."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from typing import Any

from aiohttp import web

from voicepipe.events import FunctionCall
from voicepipe.testing.servers.base import Visit, hang
from voicepipe.testing.servers.chat_answers import Answers, Delta, deltas, endless, message, scripted
from voicepipe.testing.servers.chat_rules import BadRequest, check
from voicepipe.testing.servers.failing import Fails
from voicepipe.testing.servers.openai_server import OpenAiServer
from voicepipe.testing.servers.quirks import FUNCTION, QUIRKS, Quirk

__all__ = ["LlmServer"]


class LlmServer(OpenAiServer):
    """`POST /v1/chat/completions`, as a stream of events or whole, and `GET /v1/models`.

    The first delta comes after `first_token_s`, the next ones every `token_s`; a delta is a word with the space before
    it, or a piece of a function call. Before the first text come chunks without content: only a role, an empty text, no
    choices, a comment. On request (`stream_options.include_usage`), the last chunk counts tokens.

    `answers` are texts and `FunctionCall("", name, arguments)`s, or lists of them, by the last message; or a function
    that is called with all messages and returns one. A call without an id gets a new one each time. A message that is
    not in `answers` is repeated, a result, too; a call of a function that is not offered is left out. It stops after
    `max_tokens` deltas. A request that OpenAI would refuse, such as a call without a result, gets 400 with the reason.

    `Visit.notes` has each request's body, and "cancelled" if the client left before the end. In mid-answer it fails
    after `dies_after` deltas. With an `api_key`, a request without it as a bearer token gets 401.

    The first answer comes `load_s` later: the model is loaded for it, and not if the client leaves before (`loaded`).

    With a `quirk`, one of `voicepipe.testing.servers.quirks`, every answer is the stream of that quirk.
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
        quirk: str | None = None,
        load_s: float = 0.0,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(models=models, api_key=api_key, retry_after_s=retry_after_s, host=host, port=port)
        self.answers: Answers = answers or {}
        self.first_token_s, self.token_s, self.keep_alives = first_token_s, token_s, keep_alives
        self.dies_after = dies_after
        self.quirk = None if quirk is None else QUIRKS[quirk]
        self.load_s, self.loaded = load_s, not load_s
        self._calls = itertools.count(1)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        super().add_routes(router)
        router.add_post("/v1/chat/completions", self._complete)

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        visit, body = self.visit(request), _json(await request.text())
        visit.notes.append(body)
        if (refusal := self.turned_away(request, visit)) is not None:
            return refusal
        try:
            check(body)
            if body.get("model") not in self.models:
                return self.refusal(404)
            answer = _Answer(body, self._scripted(body), never_ends=self.trouble(visit) is Fails.ENDLESS)
        except BadRequest as wrong:
            return self.bad_request(wrong.message, wrong.param, wrong.code)
        if not body.get("stream"):
            return web.json_response(answer.whole())
        return await self._stream(request, visit, answer)

    def _scripted(self, body: dict[str, Any]) -> list[str | FunctionCall]:
        """Return the answer, each of its calls with an id."""
        return [
            replace(part, id=f"call_{next(self._calls)}") if isinstance(part, FunctionCall) and not part.id else part
            for part in scripted(self.answers, body)
        ]

    async def _stream(self, request: web.Request, visit: Visit, answer: _Answer) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        try:
            if visit.fails is Fails.SILENT:
                await hang()
            await response.prepare(request)
            if not self.loaded:
                await asyncio.sleep(self.load_s)
                self.loaded = True
            async for chunk in self._chunks(visit, answer) if self.quirk is None else self._odd(self.quirk, answer):
                await response.write(chunk)
            await response.write_eof()
        except asyncio.CancelledError:
            visit.notes.append("cancelled")
            raise
        except ConnectionError:  # the client has left, noticed while writing: not a failure
            visit.notes.append("cancelled")
        return response

    async def _chunks(self, visit: Visit, answer: _Answer) -> AsyncIterator[bytes]:
        if self.keep_alives:
            yield b": keep-alive\n\n"
            for delta in ({"role": "assistant"}, None, {"content": None}, {"content": ""}):
                yield answer.chunk(delta)
        await asyncio.sleep(self.first_token_s)
        for count, delta in enumerate(answer, 1):
            if count > self.dies_after and (wrong := await self.go_wrong(visit)) is not None:
                yield wrong
                if self.trouble(visit) is Fails.EARLY:
                    return
            yield answer.chunk(delta)
            await asyncio.sleep(self.token_s)
        yield answer.chunk({}, answer.finish_reason)
        options: dict[str, Any] = answer.request.get("stream_options") or {}
        if options.get("include_usage"):
            yield answer.chunk(None, usage=answer.usage)
        yield b"data: [DONE]\n\n"

    async def _odd(self, quirk: Quirk, answer: _Answer) -> AsyncIterator[bytes]:
        """Yield the quirk's stream, with a call of the first function that is offered."""
        await asyncio.sleep(self.first_token_s)
        tools: list[dict[str, Any]] = answer.request.get("tools") or [{"function": {"name": FUNCTION}}]
        for event in quirk.events(tools[0]["function"]["name"]):
            yield event
            await asyncio.sleep(self.token_s)


class _Answer:
    """One answer under way: its deltas, up to its limit, in OpenAI's form."""

    def __init__(self, request: dict[str, Any], parts: list[str | FunctionCall], *, never_ends: bool) -> None:
        self.request = request
        self._parts, self._never_ends = parts, never_ends
        self._calls = any(isinstance(part, FunctionCall) for part in parts)
        self._limit: int | None = request.get("max_tokens") or request.get("max_completion_tokens")
        self._count, self._limited = 0, False

    def __iter__(self) -> Iterator[Delta]:
        for delta in endless(self._parts) if self._never_ends else deltas(self._parts):
            if self._count == self._limit and not self._never_ends:
                self._limited = True
                return
            self._count += 1
            yield delta

    @property
    def finish_reason(self) -> str:
        """Return the finish reason; a function that had to be called is not the model's own choice."""
        if self._limited:
            return "length"
        return "tool_calls" if self._calls and not isinstance(self.request.get("tool_choice"), dict) else "stop"

    @property
    def usage(self) -> dict[str, int]:
        asked = sum(len(str(said["content"]).split()) for said in self.request["messages"] if said.get("content"))
        return {"prompt_tokens": asked, "completion_tokens": self._count, "total_tokens": asked + self._count}

    def chunk(self, delta: Delta | None, finish: str | None = None, **more: Any) -> bytes:
        """Return an event of the stream; without a delta it has no choices."""
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
        event = {**self._head("chat.completion.chunk"), "choices": choices, **more}
        return b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\n\n"

    def whole(self) -> dict[str, Any]:
        """Return the answer in one piece."""
        told = message(list(self))
        choice = {"index": 0, "message": told, "finish_reason": self.finish_reason}
        return {**self._head("chat.completion"), "choices": [choice], "usage": self.usage}

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": "chatcmpl-fake", "object": kind, "created": 0, "model": self.request["model"]}


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
