"""What a codec is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from voicepipe.events import Audio, Samples

__all__ = ["BadAudio", "Codec", "Decoder", "Encoder"]


class BadAudio(ValueError):
    """A packet that is not what the codec writes; the message says what is wrong with it."""


Decoder: TypeAlias = Callable[[bytes], Samples]
"""Packet in, samples out (possibly none yet); raises `BadAudio`, and takes the next good packet after that."""

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
