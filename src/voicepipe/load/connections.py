"""A simulated user's connection, in any dialect; what the server sends reads as messages of Unmute's dialect."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Literal, Protocol, TypeAlias, cast, get_args

from voicepipe.audio import Pcm16
from voicepipe.client.audio_connection import AudioConnection
from voicepipe.client.socket import ClientSocket, Message, open_socket, parsed, websocket_url
from voicepipe.client.unmute import connect as connect_unmute
from voicepipe.events import Samples

__all__ = [
    "DIALECTS",
    "Dialect",
    "OpenAiConnection",
    "UserConnection",
    "as_unmute",
    "connect",
    "default_instructions",
    "opens",
]

Dialect: TypeAlias = Literal["ga", "beta", "unmute"]
"""OpenAI's Realtime API, its beta, or Unmute's protocol."""
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)

_PROTOCOLS: Final[dict[Dialect, tuple[str, ...]]] = {"ga": (), "beta": ("realtime", "openai-beta.realtime-v1")}
_BETA = {"response.output_audio.": "response.audio.", "response.output_audio_transcript.": "response.audio_transcript."}


class UserConnection(Protocol):
    """An open conversation, as `voicepipe.client.unmute.ClientConnection` is one."""

    async def send_audio(self, samples: Samples) -> None: ...
    def sound(self, delta: str) -> Samples: ...
    def __aiter__(self) -> AsyncIterator[Message]: ...
    @property
    def close_code(self) -> int | None: ...
    @property
    def close_reason(self) -> str: ...
    async def close(self) -> None: ...


class OpenAiConnection(AudioConnection):
    """A connection in one of OpenAI's dialects, with PCM16 at 24 kHz both ways."""

    def __init__(self, socket: ClientSocket) -> None:
        super().__init__(socket, Pcm16(24_000))

    async def __aiter__(self) -> AsyncIterator[Message]:
        while (text := await self._socket.receive()) is not None:
            for message in as_unmute(parsed(text) or {"type": ""}):
                yield message


def default_instructions(dialect: Dialect) -> str:
    """Return what the bot is told where a user of the load has no instructions of its own."""
    return "smalltalk" if dialect == "unmute" else "You are on the phone. Answer in one or two short sentences."


def opens(dialect: Dialect) -> bool:
    """Return whether the bot speaks first: in Unmute's protocol it does."""
    return dialect == "unmute"


@asynccontextmanager
async def connect(
    url: str, dialect: Dialect, *, instructions: str, key: str | None, open_s: float = 10.0
) -> AsyncGenerator[UserConnection]:
    """Open a conversation and send its settings.

    Args:
        url: The server's address.
        dialect: The protocol.
        instructions: The bot's instructions, or in Unmute's protocol a character's name.
        key: The API key.
        open_s: How long the handshake may take, in seconds.

    Raises:
        CannotConnect: No server listens, or it is full, refuses, or speaks another protocol.
    """
    if dialect == "unmute":
        async with connect_unmute(url, instructions=instructions, api_key=key, open_timeout_s=open_s) as connection:
            yield connection
        return
    socket = await open_socket(websocket_url(url), key=key, timeout_s=open_s, protocols=_PROTOCOLS[dialect])
    try:
        connection = OpenAiConnection(socket)
        with suppress(ConnectionResetError):  # closed at once: the reader gets the reason
            await connection.send(_settings(dialect, instructions))
        yield connection
    finally:
        await socket.close()


def _settings(dialect: Dialect, instructions: str) -> Message:
    session: dict[str, Any] = {"instructions": instructions}
    if dialect == "ga":
        session |= {"type": "realtime", "output_modalities": ["audio"]}
    else:
        session |= {"modalities": ["audio", "text"], "input_audio_format": "pcm16", "output_audio_format": "pcm16"}
    return {"type": "session.update", "session": session}


def as_unmute(message: Message) -> Iterator[Message]:
    """Yield a message of OpenAI's as Unmute's protocol says it; most are the same, and some say nothing there.

    >>> list(as_unmute({"type": "response.output_audio_transcript.delta", "delta": " you", "item_id": "i"}))
    [{'type': 'response.text.delta', 'delta': ' you'}]
    """
    kind = str(message["type"])
    for name, beta in _BETA.items():
        kind = kind.replace(name, beta)
    match kind:
        case "response.audio_transcript.delta" | "response.output_text.delta":
            yield {"type": "response.text.delta", "delta": message.get("delta")}
        case "response.done":
            yield from _ended(message)
        case "error":
            error = _object(message, "error")
            yield {"type": "error", "error": {"type": "error", "message": str(error.get("message"))}}
        case "response.audio.done" | "response.text.delta":
            pass  # the sound may be interrupted, or the text is that of the transcript
        case _:
            yield {**message, "type": kind}


def _object(message: Message, name: str) -> Message:
    """Return an object of a message; an empty one where the server has sent anything else."""
    value: Any = message.get(name)
    return cast("Message", value) if isinstance(value, dict) else {}


def _ended(message: Message) -> Iterator[Message]:
    response = _object(message, "response")
    yield message
    match response.get("status"):
        case "cancelled":
            yield {"type": "unmute.interrupted_by_vad"}
        case "failed":
            details = _object(_object(response, "status_details"), "error")
            yield {"type": "error", "error": {"type": "error", "message": str(details.get("message") or "it failed")}}
            yield {"type": "response.audio.done"}
        case _:
            yield {"type": "response.audio.done"}
