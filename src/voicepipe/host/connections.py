"""The I/O of a host's WebSockets: a reader and a writer around `Recognition` and `Synthesis`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Protocol

import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from voicepipe.conversation import Conversation
from voicepipe.host import wire
from voicepipe.host.hosted import HostedStt, HostedTts
from voicepipe.host.recognition import Recognition
from voicepipe.host.synthesis import Synthesis, TooMuchText

__all__ = ["recognise", "speak"]

log = structlog.get_logger()


class _Talks(Protocol):
    """A source of messages for a client, which may fail."""

    fresh: asyncio.Event
    error: Exception | None

    def messages(self) -> Iterator[bytes]: ...


async def recognise(socket: web.WebSocketResponse, stage: HostedStt) -> None:
    """Serve a recogniser on an open socket, until the client or the recogniser ends."""
    part = stage.open()
    try:
        hearing = Recognition(part.stage, stage.endpointing)
        try:
            async with _writing(socket, hearing):
                await _hear(socket, hearing)
        finally:
            await hearing.close()
    finally:
        part.close()


async def _hear(socket: web.WebSocketResponse, hearing: Recognition) -> None:
    try:
        async for message in socket:
            if message.type is not WSMsgType.BINARY:
                continue
            match wire.decode(message.data):
                case wire.Sound(samples=samples):
                    await hearing.sound(samples)
                case wire.Marker(number=number):
                    await hearing.flush()
                    hearing.send(wire.encode_marker(number))
                case _:
                    pass
    except wire.BadMessage as bad:
        await _end(socket, WSCloseCode.INVALID_TEXT, str(bad))
    except Exception as error:
        if hearing.error is None:
            raise
        await _failed(socket, "stt", error)


async def speak(socket: web.WebSocketResponse, stage: HostedTts, voice: str) -> None:
    """Serve a reply's voice on an open socket; closes it in order behind the last sound."""
    part = stage.open()
    try:
        speaking = Synthesis(part.stage(Conversation(voice=voice)))
        try:
            async with _writing(socket, speaking):
                await _read_aloud(socket, speaking)
        finally:
            await speaking.close()
    finally:
        part.close()


async def _read_aloud(socket: web.WebSocketResponse, speaking: Synthesis) -> None:
    try:
        async for message in socket:
            if message.type is not WSMsgType.BINARY:
                continue
            match wire.decode(message.data):
                case wire.Text(text=text):
                    speaking.say(text)
                case wire.EndOfText():
                    speaking.finish()
                case _:
                    pass
    except wire.BadMessage as bad:
        await _end(socket, WSCloseCode.INVALID_TEXT, str(bad))
    except TooMuchText as long:
        await _end(socket, WSCloseCode.MESSAGE_TOO_BIG, str(long))


@asynccontextmanager
async def _writing(socket: web.WebSocketResponse, talks: _Talks) -> AsyncGenerator[None]:
    """Send what there is to be sent, beside the reader."""
    writer = asyncio.get_running_loop().create_task(_write(socket, talks), name="writes to a client")
    try:
        yield
    finally:
        writer.cancel()
        await asyncio.wait((writer,))


async def _write(socket: web.WebSocketResponse, talks: _Talks) -> None:
    with suppress(ConnectionError):  # the reader ends, too
        while True:
            await talks.fresh.wait()
            for message in talks.messages():
                await socket.send_bytes(message)
            if talks.error is not None:
                await _failed(socket, "stage", talks.error)
                return
            if isinstance(talks, Synthesis) and talks.done:
                await socket.close()
                return


async def _failed(socket: web.WebSocketResponse, what: str, error: Exception) -> None:
    """Close with code 1011. The client is told no more than that: an error may hold what was said."""
    if not socket.closed:
        log.error("host.stage_failed", stage=what, exc_info=error)
        await _end(socket, WSCloseCode.INTERNAL_ERROR, "the stage failed")


async def _end(socket: web.WebSocketResponse, code: WSCloseCode, why: str) -> None:
    with suppress(ConnectionError):
        await socket.close(code=code, message=why.encode()[:120])
