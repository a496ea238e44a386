"""`Completions`: a language model behind `POST /v1/chat/completions`, streamed or whole."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

import structlog
from aiohttp import web

from voicepipe.conversation import Conversation
from voicepipe.events import Event
from voicepipe.host.chat import AnswerEncoder, BadRequest, conversation_of
from voicepipe.host.hosted import HostedLlm
from voicepipe.rx import LoopScheduler

__all__ = ["Completions"]

_HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}

log = structlog.get_logger()


class Completions:
    """The routes of one model. A client that closes its connection stops the model."""

    def __init__(self, stage: HostedLlm) -> None:
        self._stage = stage

    async def models(self, _: web.Request) -> web.StreamResponse:
        """List the one model."""
        model = {"id": self._stage.name, "object": "model", "owned_by": "voicepipe"}
        return web.json_response({"object": "list", "data": [model]})

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a conversation."""
        try:
            body = await request.json()
            conversation = conversation_of(body)
        except (BadRequest, json.JSONDecodeError, UnicodeDecodeError) as bad:
            return _error(400, "invalid_request_error", f"{bad}")
        encoder = AnswerEncoder(f"chatcmpl-{secrets.token_hex(12)}", self._stage.name, int(time.time()))
        pieces = _pieces(self._stage, conversation)
        if body.get("stream"):
            return await _stream(request, pieces, encoder)
        return await _whole(pieces, encoder)


async def _whole(pieces: AsyncGenerator[str | Event], encoder: AnswerEncoder) -> web.Response:
    try:
        async with aclosing(pieces):
            async for piece in pieces:
                list(encoder.piece(piece))
    except Exception as error:
        return _failed(error)
    return web.json_response(encoder.whole()) if encoder.error is None else _failed(encoder.error)


async def _stream(
    request: web.Request, pieces: AsyncGenerator[str | Event], encoder: AnswerEncoder
) -> web.StreamResponse:
    """Send the answer as it is written. A failure before its first piece has a status; later the stream breaks off."""
    response: web.StreamResponse | None = None
    try:
        async with aclosing(pieces):
            async for piece in pieces:
                for chunk in encoder.piece(piece):
                    response = response or await _begin(request)
                    await response.write(chunk)
        if encoder.error is not None:
            raise encoder.error  # noqa: TRY301 — as one that the model raised
    except ConnectionError:
        raise  # the client has gone
    except Exception as error:
        if response is None:
            return _failed(error)
        log.exception("host.answer_broken")
        if request.transport is not None:
            request.transport.abort()
        return response
    response = response or await _begin(request)
    for chunk in encoder.rest():
        await response.write(chunk)
    return response


async def _begin(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers=_HEADERS)
    await response.prepare(request)
    return response


async def _pieces(stage: HostedLlm, conversation: Conversation) -> AsyncGenerator[str | Event]:
    """Yield the model's answer; closing the generator stops the model."""
    scheduler = LoopScheduler(asyncio.get_running_loop())
    queue: asyncio.Queue[str | Event | Exception | None] = asyncio.Queue()
    running = stage.llm(conversation).subscribe(
        queue.put_nowait, queue.put_nowait, lambda: queue.put_nowait(None), scheduler=scheduler
    )
    try:
        while (item := await queue.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        running.dispose()
        if left := scheduler.tasks.copy():
            await asyncio.wait(left, timeout=1)


def _failed(error: Exception) -> web.Response:
    log.error("host.stage_failed", stage="llm", exc_info=error)
    return _error(500, "server_error", "the model failed")


def _error(status: int, kind: str, message: str) -> web.Response:
    return web.json_response({"error": {"message": message, "type": kind}}, status=status)
