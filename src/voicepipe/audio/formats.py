"""A codec for clients that say only later how they write their audio, and may change it: each way on its own."""

from __future__ import annotations

from collections.abc import Callable

from voicepipe.audio.codec import Codec, Decoder, Encoder
from voicepipe.audio.pcm import Pcm16
from voicepipe.audio.resample import resampler
from voicepipe.events import Audio, Samples

__all__ = ["Formats"]


class Formats:
    """What `given` is written in, and `wanted`; both may be set at any time and hold from the next packet on.

    What is decoded comes at `rate_hz`, whatever the rate of the codec; another rate costs a few milliseconds.
    """

    def __init__(self, rate_hz: int = 24_000) -> None:
        self.given: Codec = Pcm16(rate_hz)
        self.wanted: Codec = Pcm16(rate_hz)
        self._rate_hz = rate_hz

    @property
    def rate_hz(self) -> int:
        return self._rate_hz

    def decoder(self) -> Decoder:
        return _Decoder(self)

    def encoder(self) -> Encoder:
        return _Encoder(self)


class _Decoder:
    def __init__(self, formats: Formats) -> None:
        self._formats = formats
        self._codec: Codec | None = None
        self._decode: Decoder
        self._resample: Callable[[Samples], Samples]

    def __call__(self, data: bytes) -> Samples:
        codec = self._formats.given
        if codec != self._codec:
            self._codec, self._decode = codec, codec.decoder()
            self._resample = resampler(codec.rate_hz, self._formats.rate_hz, "LQ")
        return self._resample(self._decode(data))


class _Encoder:
    def __init__(self, formats: Formats) -> None:
        self._formats = formats
        self._codec: Codec | None = None
        self._encode: Encoder

    def __call__(self, audio: Audio) -> bytes:
        codec = self._formats.wanted
        if codec != self._codec:
            self._codec, self._encode = codec, codec.encoder()
        return self._encode(audio)
