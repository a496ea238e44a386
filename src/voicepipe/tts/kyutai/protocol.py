"""Kyutai's protocol for text to speech (moshi-server): MessagePack on a WebSocket, words in, words and sound out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import ormsgpack

from voicepipe.events import Samples
from voicepipe.services import AtCapacity, ProtocolViolation
from voicepipe.services.msgpack import unpacked

__all__ = [
    "EOS",
    "KEY_HEADER",
    "PATH",
    "RATE_HZ",
    "STRAYS",
    "Message",
    "Options",
    "Ready",
    "Sound",
    "VoiceChoice",
    "WordSaid",
    "decode",
    "encode_text",
    "samples_of",
]

PATH = "/api/tts_streaming"
KEY_HEADER = "kyutai-api-key"
RATE_HZ = 24_000
STRAYS = 10
"""The most packets of an earlier client that may come before `Ready`."""

EOS = ormsgpack.packb({"type": "Eos"})
"""The end of the text."""

VoiceChoice: TypeAlias = str | bytes | None
"""A voice by name, a cloned one as the cloning service sent it (a whole message), or None for the server's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of the voice; None leaves one to the server."""

    cfg_alpha: float = 1.5
    seed: int | None = None
    temperature: float | None = None
    top_k: int | None = None
    max_seq_len: int | None = None
    auth_id: str | None = None

    def query(self, voice: VoiceChoice) -> dict[str, str]:
        """Return the query of a connection. A cloned voice is not in it: it is the first message.

        >>> Options(seed=7).query("a/b.wav")
        {'voice': 'a/b.wav', 'cfg_alpha': '1.5', 'format': 'PcmMessagePack', 'seed': '7'}
        """
        named = {"voice": voice} if isinstance(voice, str) else {}
        more = {name: getattr(self, name) for name in ("seed", "temperature", "top_k", "max_seq_len", "auth_id")}
        given = {name: str(value) for name, value in more.items() if value is not None}
        return {**named, "cfg_alpha": str(self.cfg_alpha), "format": "PcmMessagePack", **given}


def encode_text(text: str) -> bytes:
    """Encode a word with the space before it."""
    return ormsgpack.packb({"type": "Text", "text": text})


@dataclass(frozen=True, slots=True)
class Ready:
    """The server has accepted the connection: text may be sent."""


@dataclass(frozen=True, slots=True)
class WordSaid:
    """A word, and its place in the sound; its sound comes later."""

    text: str
    start_s: float
    stop_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """The next 80 ms: float32 at 24 kHz."""

    samples: Samples


Message: TypeAlias = Ready | WordSaid | Sound


def decode(data: bytes, *, service: str) -> Message | None:
    """Decode a server's message; None for an unknown kind. Raises AtCapacity for its `Error`, and ProtocolViolation."""
    if (sound := samples_of(data)) is not None:
        return Sound(sound)
    message = unpacked(data, service)
    try:
        match message["type"]:
            case "Text":
                return WordSaid(str(message["text"]), float(message["start_s"]), float(message["stop_s"]))
            case "Audio":
                return Sound(np.asarray(message["pcm"], np.float32))
            case "Ready":
                return Ready()
            case "Error":
                raise AtCapacity(service, str(message.get("message", "")))
            case _:
                return None
    except (KeyError, TypeError, ValueError) as error:
        raise ProtocolViolation(service, f"{message.get('type')} without {error}") from error


# ---- sound without a list --------------------------------------------------------------------------------------------

# The first bytes of the map of a sound: two keys, then an array with a length of 16 bits.
_AUDIO = b"\x82\xa4type\xa5Audio\xa3pcm\xdc"
_SINGLE = np.dtype([("kind", "u1"), ("value", ">f4")])
_FLOAT32 = 0xCA


def samples_of(data: bytes) -> Samples | None:
    """Return the samples of a sound in its usual encoding, 5 µs instead of 69; None for any other message."""
    if not data.startswith(_AUDIO) or (len(data) - len(_AUDIO) - 2) % _SINGLE.itemsize:
        return None
    values = np.frombuffer(data, _SINGLE, offset=len(_AUDIO) + 2)
    if len(values) != int.from_bytes(data[len(_AUDIO) : len(_AUDIO) + 2], "big") or (values["kind"] != _FLOAT32).any():
        return None
    return values["value"].astype(np.float32)
