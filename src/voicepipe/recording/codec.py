"""The codec of a client in a recording: it draws nothing at random, and the length of what it decodes is noted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from voicepipe.audio import BadAudio, Codec, Decoder, Encoder, OggOpus
from voicepipe.audio.formats import ClientCodec
from voicepipe.conversation import AudioFormat
from voicepipe.events import Samples
from voicepipe.recording.records import SoundDecoded

__all__ = ["RecordedCodec", "SeededCodec", "serials"]


def serials(session_id: str) -> Callable[[], int]:
    """Return the serial numbers of a session's Ogg streams: random ones, and the same when the session runs again."""
    random = Random(session_id)
    return lambda: random.getrandbits(32)


def _seeded(codec: Codec, serial: Callable[[], int] | None) -> Codec:
    return replace(codec, serial=serial) if isinstance(codec, OggOpus) and serial is not None else codec


@dataclass(frozen=True, slots=True)
class SeededCodec(ClientCodec):
    """The client's codec; its Ogg streams get their serial numbers from `serial`."""

    serial: Callable[[], int] | None = None

    def codec(self, audio_format: AudioFormat | None) -> Codec:
        # A zero-argument `super()` needs the class cell, which a class with slots that a decorator makes has not.
        return _seeded(ClientCodec.codec(self, audio_format), self.serial)

    def encoder(self) -> Encoder:
        return _seeded(self.initial, self.serial).encoder()


@dataclass(frozen=True, slots=True)
class RecordedCodec(SeededCodec):
    """Decode as the client's codec, and note how many samples each packet gave.

    Args:
        note: Takes the note.
    """

    note: Callable[[SoundDecoded], None] = lambda _: None

    def decoders(self) -> Callable[[Codec], Decoder]:
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
