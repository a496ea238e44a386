"""The codec of a client without consent to its sound: the length of what it decodes is noted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from voicepipe.audio import BadAudio, Decoder
from voicepipe.audio.codec import Codec
from voicepipe.audio.formats import ClientCodec
from voicepipe.events import Samples
from voicepipe.recording.records import SoundDecoded

__all__ = ["RecordedCodec"]


@dataclass(frozen=True, slots=True)
class RecordedCodec(ClientCodec):
    """Decode as the client's codec, and note how many samples each packet gave.

    Args:
        note: Takes the note.
    """

    note: Callable[[SoundDecoded], None] = lambda _: None

    def decoders(self) -> Callable[[Codec], Decoder]:
        # A zero-argument `super()` needs the class cell, which a class with slots that a decorator makes has not.
        made = ClientCodec.decoders(self)
        return lambda codec: _Noted(made(codec), self.note)


@dataclass(frozen=True, slots=True)
class _Noted:
    decode: Decoder
    note: Callable[[SoundDecoded], None]

    def __call__(self, data: bytes, /) -> Samples:
        try:
            samples = self.decode(data)
        except BadAudio as error:
            self.note(SoundDecoded(len(error.heard), str(error)))
            raise
        self.note(SoundDecoded(len(samples)))
        return samples

    def rest(self) -> Samples:
        samples = self.decode.rest()
        self.note(SoundDecoded(len(samples)))
        return samples
