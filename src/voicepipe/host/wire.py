"""The server's side of Kyutai's wire: MessagePack maps with a "type". Pure.

`voicepipe.stt.kyutai.protocol` and `voicepipe.tts.kyutai.protocol` are the client's side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
import ormsgpack

from voicepipe.events import Samples
from voicepipe.stt.kyutai.protocol import encode_audio, encode_marker
from voicepipe.tts.kyutai.protocol import samples_of

__all__ = [
    "READY",
    "BadMessage",
    "EndOfText",
    "FromClient",
    "Marker",
    "Sound",
    "Text",
    "decode",
    "encode_audio",
    "encode_marker",
    "error",
    "spoken_text",
    "step",
    "word",
    "word_end",
]

READY = ormsgpack.packb({"type": "Ready"})
"""The first message of a connection that has a place."""

SCORES = 4
"""The number of scores in a step, as moshi-server sends them; a client reads the third, that of a pause."""


class BadMessage(ValueError):
    """A client's message does not follow the protocol. The text says what is wrong."""


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """Sound for a recogniser: float32 at 24 kHz."""

    samples: Samples


@dataclass(frozen=True, slots=True)
class Marker:
    """A request to be told when all sound before it has been transcribed."""

    number: int


@dataclass(frozen=True, slots=True)
class Text:
    """A word for a voice, with the space before it."""

    text: str


@dataclass(frozen=True, slots=True)
class EndOfText:
    """No more text follows."""


FromClient: TypeAlias = Sound | Marker | Text | EndOfText


def decode(data: bytes) -> FromClient | None:
    """Decode a client's message; None for an unknown kind. Raises BadMessage."""
    if (samples := samples_of(data)) is not None:
        return Sound(samples)
    try:
        message: Any = ormsgpack.unpackb(data)
        return _message(cast("dict[str, Any]", message))
    except (ormsgpack.MsgpackDecodeError, KeyError, TypeError, ValueError, OverflowError) as problem:
        raise BadMessage(f"{type(problem).__name__}: {problem}") from problem


def _message(message: dict[str, Any]) -> FromClient | None:
    match message["type"]:
        case "Audio":
            return Sound(np.asarray(message["pcm"], np.float32).reshape(-1))
        case "Marker":
            return Marker(int(message["id"]))
        case "Text":
            return Text(str(message["text"]))
        case "Eos":
            return EndOfText()
        case _:
            return None


def error(message: str) -> bytes:
    """Encode the refusal of a connection for which there is no place."""
    return ormsgpack.packb({"type": "Error", "message": message})


def step(number: int, pause: float) -> bytes:
    """Encode that 80 ms of sound were processed, with the probability that the user has finished."""
    return ormsgpack.packb({"type": "Step", "step_idx": number, "prs": [pause] * SCORES})


def word(text: str, start_s: float) -> bytes:
    """Encode a recognised word, and its start in the sound of this connection."""
    return ormsgpack.packb({"type": "Word", "text": text, "start_time": start_s})


def word_end(stop_s: float) -> bytes:
    """Encode the end of the last word."""
    return ormsgpack.packb({"type": "EndWord", "stop_time": stop_s})


def spoken_text(text: str, start_s: float, stop_s: float) -> bytes:
    """Encode a spoken word and its place in the sound of this connection."""
    return ormsgpack.packb({"type": "Text", "text": text, "start_s": start_s, "stop_s": stop_s})
