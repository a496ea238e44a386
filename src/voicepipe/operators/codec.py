"""`decode` and `encode`: between what the client's codec writes and sound."""

from __future__ import annotations

from collections.abc import Iterator

from voicepipe.audio import BadAudio, Codec
from voicepipe.events import Audio, AudioReceived, ClientMessage, Event, InputRejected, Speech, SpeechEncoded
from voicepipe.rx import transduce
from voicepipe.stage import Stage

__all__ = ["decode", "encode"]


def decode(codec: Codec) -> Stage[ClientMessage, Audio | InputRejected]:
    """The microphone's sound, in the caller's stack: a packet costs tens of microseconds, a thread would cost more.

    A packet that cannot be decoded becomes `InputRejected`, which names it, and the next good one is heard again.
    What is not audio is left behind.

    .. marbles::

        received   a-b-c|       a, c: AudioReceived   b: AudioReceived of garbage
        decode     A-r-C|       A, C: Audio   r: InputRejected
    """
    return transduce(lambda _: _Decoding(codec))


class _Decoding:
    def __init__(self, codec: Codec) -> None:
        self._decode, self._rate_hz = codec.decoder(), codec.rate_hz

    def __call__(self, message: ClientMessage) -> Iterator[Audio | InputRejected]:
        if not isinstance(message, AudioReceived):
            return
        try:
            samples = self._decode(message.data)
        except BadAudio as error:
            yield InputRejected("invalid_audio", str(error), "audio", message.message_id)
        else:
            if len(samples):
                yield Audio(samples, self._rate_hz)


def encode(codec: Codec) -> Stage[Event, Event]:
    """`Speech` as the client's codec writes it; everything else passes.

    A codec that packs sound into packets may keep the last few milliseconds until more comes.

    .. marbles::

        spoken   a-b-c|     a, c: Speech   b: any other event
        encode   A-b-C|     A, C: SpeechEncoded
    """
    return transduce(lambda _: _Encoding(codec))


class _Encoding:
    def __init__(self, codec: Codec) -> None:
        self._encode = codec.encoder()

    def __call__(self, event: Event) -> Iterator[Event]:
        if not isinstance(event, Speech):
            yield event
        elif data := self._encode(event.audio):
            yield SpeechEncoded(data, event.audio.duration_s * 1000)
