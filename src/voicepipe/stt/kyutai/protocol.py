"""Kyutai's protocol for speech to text (moshi-server): MessagePack on a WebSocket. Pure.

A message is a map with a "type". Sound is sent as an array of single floats, 80 ms at a time; each frame is answered
by a `Step` with the probability that the user has finished. Words come `delay_s` after they were said: that is the
model's delay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import ormsgpack

from voicepipe.events import Samples
from voicepipe.services import AtCapacity, ProtocolViolation
from voicepipe.services.msgpack import unpacked

__all__ = [
    "FRAME",
    "FRAME_S",
    "KEY_HEADER",
    "PATH",
    "RATE_HZ",
    "MarkerPassed",
    "Message",
    "PauseScore",
    "Ready",
    "Step",
    "WordEnded",
    "WordStarted",
    "decode",
    "encode_audio",
    "encode_marker",
]

PATH = "/api/asr-streaming"
KEY_HEADER = "kyutai-api-key"
RATE_HZ = 24_000
FRAME = 1920
FRAME_S = FRAME / RATE_HZ

PAUSE = 2
"""The index of the score that says that the user has finished."""
HALF_LIFE_S = 0.01
"""Of the pause score's average, up and down: a new value counts for 99.6 % after one step."""
STEPS_IGNORED = 12
"""A new connection's first steps carry no information on pauses: the model has not heard enough."""


def encode_audio(samples: Samples) -> bytes:
    """Encode float32 at 24 kHz from the array's memory: 4 µs for 80 ms, against 113 by a Python list."""
    return ormsgpack.packb({"type": "Audio", "pcm": samples}, option=ormsgpack.OPT_SERIALIZE_NUMPY)


def encode_marker(number: int) -> bytes:
    """Encode a marker, which returns as `MarkerPassed` when all sound before it has been transcribed."""
    return ormsgpack.packb({"type": "Marker", "id": number})


@dataclass(frozen=True, slots=True)
class Ready:
    """The first message: the server has accepted the connection."""


@dataclass(frozen=True, slots=True)
class Step:
    """A frame was processed; `pause` is the probability that the user has finished: 0…1."""

    pause: float


@dataclass(frozen=True, slots=True)
class WordStarted:
    """A word, and its start on the connection's clock."""

    text: str
    start_s: float


@dataclass(frozen=True, slots=True)
class WordEnded:
    """The end of the last word."""

    stop_s: float


@dataclass(frozen=True, slots=True)
class MarkerPassed:
    """See `encode_marker`."""

    number: int


Message: TypeAlias = Ready | Step | WordStarted | WordEnded | MarkerPassed


def decode(data: bytes, *, service: str) -> Message | None:
    """Decode a server's message; None for an unknown kind. Raises AtCapacity for its `Error`, and ProtocolViolation."""
    message = unpacked(data, service)
    try:
        match message["type"]:
            case "Step":
                return Step(float(message["prs"][PAUSE]))
            case "Word":
                return WordStarted(str(message["text"]), float(message["start_time"]))
            case "EndWord":
                return WordEnded(float(message["stop_time"]))
            case "Marker":
                return MarkerPassed(int(message["id"]))
            case "Ready":
                return Ready()
            case "Error":
                raise AtCapacity(service, str(message.get("message", "")))
            case _:
                return None
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ProtocolViolation(service, f"{message.get('type')} without {error}") from error


class PauseScore:
    """The probability that the user has finished, averaged over steps.

    It is 1 before the first speech. Each connection's first steps do not count.

    >>> score = PauseScore()
    >>> score.begin()
    >>> [score.add(0.0) for _ in range(12)][-1], round(score.add(0.0), 3)
    (None, 0.004)
    """

    def __init__(self) -> None:
        self.value = 1.0
        self._to_ignore = STEPS_IGNORED

    def begin(self) -> None:
        """Begin a connection; the average stays."""
        self._to_ignore = STEPS_IGNORED

    def add(self, pause: float) -> float | None:
        """Return the average with this step; None for a step that does not count."""
        if self._to_ignore > 0:
            self._to_ignore -= 1
            return None
        self.value += (pause - self.value) * (1 - 0.5 ** (FRAME_S / HALF_LIFE_S))
        return self.value

    def user_begins(self) -> None:
        """Reset at the first word of a message: it is not a pause, whatever the score was."""
        self.value = 0.0
