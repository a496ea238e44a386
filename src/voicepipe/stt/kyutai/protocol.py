"""Speech to text as Kyutai's moshi-server speaks it: MessagePack on a WebSocket, and what its figures mean. Pure.

A message is a map with a "type". The sound goes out as an array of single floats, 80 ms at a time; for each of these
frames a `Step` comes back, with how surely the user has finished. Words come `delay_s` after they were said: that is
what the model is behind by.
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
"""Which of a step's scores says that the user has finished."""
HALF_LIFE_S = 0.01
"""Of the pause score's average, up and down: a new value counts for 99.6 % after one step."""
STEPS_IGNORED = 12
"""A new connection's first steps say nothing of pauses yet: the model has not heard enough."""


def encode_audio(samples: Samples) -> bytes:
    """float32 at 24 kHz, straight from the array's memory: 4 µs for 80 ms; by a Python list it would be 113."""
    return ormsgpack.packb({"type": "Audio", "pcm": samples}, option=ormsgpack.OPT_SERIALIZE_NUMPY)


def encode_marker(number: int) -> bytes:
    """Comes back as `MarkerPassed` when all that was sent before it has been transcribed."""
    return ormsgpack.packb({"type": "Marker", "id": number})


@dataclass(frozen=True, slots=True)
class Ready:
    """The first message: there is room."""


@dataclass(frozen=True, slots=True)
class Step:
    """A frame was heard; `pause` is how surely the user has finished: 0…1."""

    pause: float


@dataclass(frozen=True, slots=True)
class WordStarted:
    """A word, and when it began, on the connection's clock."""

    text: str
    start_s: float


@dataclass(frozen=True, slots=True)
class WordEnded:
    """The last word ended here."""

    stop_s: float


@dataclass(frozen=True, slots=True)
class MarkerPassed:
    """See `encode_marker`."""

    number: int


Message: TypeAlias = Ready | Step | WordStarted | WordEnded | MarkerPassed


def decode(data: bytes, *, service: str) -> Message | None:
    """A server's message; None for a kind that we do not know. Raises AtCapacity for its `Error`, and
    ProtocolViolation.
    """
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
    """How surely the user has finished, averaged over steps.

    It is 1 before anybody has spoken. Each connection's first steps do not count.

    >>> score = PauseScore()
    >>> score.begin()
    >>> [score.add(0.0) for _ in range(12)][-1], round(score.add(0.0), 3)
    (None, 0.004)
    """

    def __init__(self) -> None:
        self.value = 1.0
        self._to_ignore = STEPS_IGNORED

    def begin(self) -> None:
        """A connection begins; what was known stays."""
        self._to_ignore = STEPS_IGNORED

    def add(self, pause: float) -> float | None:
        """The average with this step in it; None for a step that does not count."""
        if self._to_ignore > 0:
            self._to_ignore -= 1
            return None
        self.value += (pause - self.value) * (1 - 0.5 ** (FRAME_S / HALF_LIFE_S))
        return self.value

    def user_begins(self) -> None:
        """The first word of a message: however sure the model was of a pause, there is none."""
        self.value = 0.0
