"""The codecs of a client that names the format of its packets and of the sound that it gets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from voicepipe.audio.codec import BadAudio, Codec, Decoder, Encoder
from voicepipe.audio.g711 import G711
from voicepipe.audio.opus import OggOpus
from voicepipe.audio.pcm import Pcm16
from voicepipe.audio.resample import Resampler, resampler
from voicepipe.conversation import AudioFormat
from voicepipe.events import Samples

__all__ = ["ClientCodec", "Count", "codec_of"]

_CODECS: dict[AudioFormat, Codec] = {
    "audio/pcm": Pcm16(),
    "audio/pcmu": G711("mu"),
    "audio/pcma": G711("a"),
    "audio/opus": OggOpus(),
}

Count: TypeAlias = Callable[[float], None]
"""Takes the length of decoded sound in milliseconds."""


def codec_of(audio_format: AudioFormat) -> Codec:
    """Return the codec of a format: PCM and Opus at 24 kHz, G.711 at 8 kHz."""
    return _CODECS[audio_format]


@dataclass(frozen=True, slots=True)
class ClientCodec:
    """The codec of one client: the format in which it begins, and any other that it names.

    Decoded sound always has the rate of `initial`; resampling from another rate adds a few milliseconds.

    Args:
        initial: The codec of what names no format.
        meter: Makes a function that is told how much sound a stream of packets gives; None: nothing counts it.
    """

    initial: Codec
    meter: Callable[[], Count] | None = None

    @property
    def rate_hz(self) -> int:
        return self.initial.rate_hz

    def codec(self, audio_format: AudioFormat | None) -> Codec:
        """Return the codec of a format; None: of what names none."""
        return self.initial if audio_format is None else codec_of(audio_format)

    def decoders(self) -> Callable[[Codec], Decoder]:
        """Return a function that makes the decoders of one stream of packets, one for each format it comes in."""
        count = self.meter() if self.meter is not None else None

        def decoder(codec: Codec) -> Decoder:
            decode = codec.decoder()
            if codec.rate_hz != self.rate_hz:
                decode = _Resampling(decode, resampler(codec.rate_hz, self.rate_hz, "LQ"))
            return decode if count is None else _Metered(decode, count, self.rate_hz / 1000)

        return decoder

    def decoder(self) -> Decoder:
        return self.decoders()(self.initial)

    def encoder(self) -> Encoder:
        return self.initial.encoder()

    def pieces(self, data: bytes, ms: float) -> Iterable[bytes]:
        return self.initial.pieces(data, ms)


@dataclass(frozen=True, slots=True)
class _Resampling:
    decode: Decoder
    resample: Resampler

    def __call__(self, data: bytes, /) -> Samples:
        try:
            return self.resample(self.decode(data))
        except BadAudio as error:
            raise BadAudio(str(error), self.resample(error.heard)) from None

    def rest(self) -> Samples:
        return np.concatenate([self.resample(self.decode.rest()), self.resample.rest()])


@dataclass(frozen=True, slots=True)
class _Metered:
    decode: Decoder
    count: Count
    per_ms: float

    def __call__(self, data: bytes, /) -> Samples:
        try:
            return self._counted(self.decode(data))
        except BadAudio as error:
            self._counted(error.heard)
            raise

    def rest(self) -> Samples:
        return self._counted(self.decode.rest())

    def _counted(self, samples: Samples) -> Samples:
        self.count(len(samples) / self.per_ms)
        return samples
