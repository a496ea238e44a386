"""What a codec is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np

from voicepipe.events import Audio, Samples

__all__ = ["BadAudio", "Codec", "Decoder", "Encoder", "Stateless", "every"]


class BadAudio(ValueError):
    """A packet that is not what the codec writes; the message says what is wrong with it."""


class Decoder(Protocol):
    """Packet in, samples out (possibly none yet); raises `BadAudio`, and takes the next good packet after that."""

    def __call__(self, data: bytes, /) -> Samples: ...

    def rest(self) -> Samples:
        """What it has held up so far: the client has ended a stretch of its sound."""
        ...


Encoder: TypeAlias = Callable[[Audio], bytes]
"""Sound in, packet out (possibly none yet). An empty sound ends a stretch: what waits comes, filled up with silence."""


class Codec(Protocol):
    """How a client's audio is written. A decoder and an encoder each hold the state of one stream."""

    @property
    def rate_hz(self) -> int:
        """The sample rate of what `decoder()` gives and `encoder()` takes."""
        ...

    def decoder(self) -> Decoder: ...

    def encoder(self) -> Encoder: ...

    def pieces(self, data: bytes, ms: float) -> Iterable[bytes]:
        """A packet as several, of at most `ms` of sound where it can be cut so; decoded in order they are the same."""
        ...


@dataclass(frozen=True, slots=True)
class Stateless:
    """The decoder of packets that have nothing to do with each other."""

    decode: Callable[[bytes], Samples]

    def __call__(self, data: bytes, /) -> Samples:
        return self.decode(data)

    def rest(self) -> Samples:
        return np.zeros(0, np.float32)


def every(size: int, data: bytes) -> Iterator[bytes]:
    """`data` cut after each `size` bytes; nothing is one empty piece."""
    return (data[at : at + size] for at in range(0, max(1, len(data)), max(1, size)))
