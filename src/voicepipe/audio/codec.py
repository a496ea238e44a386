"""`Codec`: between a client's packets and samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np

from voicepipe.events import Audio, Samples

__all__ = ["BadAudio", "Codec", "Decoder", "Encoder", "Stateless", "every"]


class BadAudio(ValueError):
    """A packet is not in the codec's format; the message says what is wrong.

    `heard` is the sound of those parts of the packet that are valid.
    """

    def __init__(self, message: str, heard: Samples | None = None) -> None:
        super().__init__(message)
        self.heard: Samples = np.zeros(0, np.float32) if heard is None else heard


class Decoder(Protocol):
    """Decode packets to samples (possibly none yet). Packets may cut the stream anywhere.

    Raises `BadAudio`, and accepts the next valid packet. Consecutive packets with one fault raise it once.
    """

    def __call__(self, data: bytes, /) -> Samples: ...

    def rest(self) -> Samples:
        """Return the samples held back so far: the client has ended a piece of its sound. Half a sample is dropped."""
        ...


Encoder: TypeAlias = Callable[[Audio], bytes]
"""Sound in, packet out (possibly empty). Empty sound ends a piece: held samples are padded with silence and
returned."""


class Codec(Protocol):
    """The format of a client's audio. A decoder and an encoder each hold the state of one stream."""

    @property
    def rate_hz(self) -> int:
        """The sample rate of `decoder()`'s output and `encoder()`'s input."""
        ...

    def decoder(self) -> Decoder: ...

    def encoder(self) -> Encoder: ...

    def pieces(self, data: bytes, ms: float) -> Iterable[bytes]:
        """Split a packet into pieces of up to `ms` of sound where possible; decoded in order they give the same
        sound."""
        ...


@dataclass(frozen=True, slots=True)
class Stateless:
    """A decoder of packets that are independent of each other."""

    decode: Callable[[bytes], Samples]

    def __call__(self, data: bytes, /) -> Samples:
        return self.decode(data)

    def rest(self) -> Samples:
        return np.zeros(0, np.float32)


def every(size: int, data: bytes) -> Iterator[bytes]:
    """Yield `data` in pieces of `size` bytes; empty data is one empty piece."""
    return (data[at : at + size] for at in range(0, max(1, len(data)), max(1, size)))
