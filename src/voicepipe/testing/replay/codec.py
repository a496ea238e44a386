"""The codec of a session that is run again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from voicepipe.audio import BadAudio, Decoder, Pcm16
from voicepipe.audio.codec import Codec
from voicepipe.audio.formats import codec_of
from voicepipe.events import Samples
from voicepipe.recording.codec import SeededCodec
from voicepipe.recording.records import Header, SoundDecoded

__all__ = ["SilentCodec", "initial_codec"]


def initial_codec(header: Header) -> Codec:
    """Return the codec of packets that name no format: a session without a server may have PCM of another rate."""
    return Pcm16(header.rate_hz) if header.audio_format == "audio/pcm" else codec_of(header.audio_format)


@dataclass(frozen=True, slots=True)
class SilentCodec(SeededCodec):
    """Decode each packet to as much silence as the packet of the session had of sound.

    Args:
        lengths: What was decoded, in order.
    """

    lengths: deque[SoundDecoded] = field(default_factory=deque[SoundDecoded])

    @classmethod
    def of(cls, codec: Codec, serial: Callable[[], int], decoded: Iterable[SoundDecoded]) -> SilentCodec:
        """Return the codec of a session."""
        return cls(codec, serial=serial, lengths=deque(decoded))

    def decoders(self) -> Callable[[Codec], Decoder]:
        return lambda _: _Silence(self.lengths)


@dataclass(frozen=True, slots=True)
class _Silence:
    lengths: deque[SoundDecoded]

    def __call__(self, _: bytes, /) -> Samples:
        decoded = self.lengths.popleft() if self.lengths else SoundDecoded(0)
        silence = np.zeros(decoded.samples, np.float32)
        if decoded.fault:
            raise BadAudio(decoded.fault, silence)
        return silence

    def rest(self) -> Samples:
        return self(b"")
