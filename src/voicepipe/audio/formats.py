"""A codec for clients that choose and change their formats during a session, one for each direction."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from voicepipe.audio.codec import BadAudio, Codec, Decoder, Encoder
from voicepipe.audio.pcm import Pcm16
from voicepipe.audio.resample import Resampler, resampler
from voicepipe.events import Audio, Samples

__all__ = ["Formats"]


class Formats:
    """The codecs of `input` and `output`. Both may be set at any time, and apply from the next packet on.

    Decoded sound has `rate_hz`, whatever the codec's rate; resampling adds a few milliseconds.
    """

    def __init__(self, rate_hz: int = 24_000) -> None:
        self.input: Codec = Pcm16(rate_hz)
        self.output: Codec = Pcm16(rate_hz)
        self._rate_hz = rate_hz

    @property
    def rate_hz(self) -> int:
        return self._rate_hz

    def decoder(self) -> Decoder:
        return _Decoder(self)

    def encoder(self) -> Encoder:
        return _Encoder(self)

    def pieces(self, data: bytes, ms: float) -> Iterable[bytes]:
        return self.input.pieces(data, ms)


_NOTHING: Samples = np.zeros(0, np.float32)


class _Decoder:
    def __init__(self, formats: Formats) -> None:
        self._formats = formats
        self._codec: Codec | None = None
        self._decode: Decoder
        self._resample: Resampler

    def __call__(self, data: bytes, /) -> Samples:
        codec, before = self._formats.input, _NOTHING
        if codec != self._codec:
            before = self.rest()
            self._codec, self._decode = codec, codec.decoder()
            self._resample = resampler(codec.rate_hz, self._formats.rate_hz, "LQ")
        try:
            return _joined(before, self._resample(self._decode(data)))
        except BadAudio as error:
            raise BadAudio(str(error), _joined(before, self._resample(error.heard))) from None

    def rest(self) -> Samples:
        if self._codec is None:
            return _NOTHING
        return np.concatenate([self._resample(self._decode.rest()), self._resample.rest()])


def _joined(before: Samples, samples: Samples) -> Samples:
    return np.concatenate([before, samples]) if len(before) else samples


class _Encoder:
    def __init__(self, formats: Formats) -> None:
        self._formats = formats
        self._codec: Codec | None = None
        self._encode: Encoder

    def __call__(self, audio: Audio) -> bytes:
        codec = self._formats.output
        if codec != self._codec:
            self._codec, self._encode = codec, codec.encoder()
        return self._encode(audio)
