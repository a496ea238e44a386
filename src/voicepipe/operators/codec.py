"""`decode` and `encode`: between what the client's codec writes and sound."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from voicepipe.audio import BadAudio, Codec
from voicepipe.events import (
    Audio,
    AudioReceived,
    ClientMessage,
    Event,
    InputCleared,
    InputCommitted,
    InputRejected,
    ReplyAudio,
    ReplyEnded,
    ReplyInterrupted,
    Samples,
    SettingsChanged,
    SpeechEncoded,
    TurnTaking,
)
from voicepipe.rx import transduce
from voicepipe.stage import Stage, stage_factory

__all__ = ["decode", "encode"]


@stage_factory(gives=(Audio, InputRejected), takes=(AudioReceived,), passes=True)
def decode(codec: Codec) -> Stage[ClientMessage, Audio | Event]:
    """Emit the microphone's sound, in the caller's stack: a packet costs tens of microseconds, a thread more.

    A packet that cannot be decoded becomes `InputRejected`, which names it, behind the sound of its valid parts; the
    next good one is heard again.
    All other messages of the client pass, each at its place in the sound: this is their only way into the graph. The
    sound that the decoder still holds comes before a message that ends or clears a turn (`InputCommitted`,
    `InputCleared`), and the `TurnTaking` of new settings comes before the settings.

    Args:
        codec: The format of the client's sound, `session.codec`.

    .. marbles::

        received   a-b-c-s|       a, c: AudioReceived   b: AudioReceived of garbage   s: SettingsChanged
        decode     A-r-C-s|       A, C: Audio   r: InputRejected
    """
    return transduce(lambda _: _Decoding(codec))


class _Decoding:
    def __init__(self, codec: Codec) -> None:
        self._decode, self._rate_hz = codec.decoder(), codec.rate_hz

    def __call__(self, message: ClientMessage) -> Iterator[Audio | Event]:
        match message:
            case AudioReceived():
                yield from self._sound(message)
            case InputCommitted() | InputCleared():
                yield from self._audio(self._decode.rest())
                yield message
            case SettingsChanged(turns=TurnTaking() as turns):
                yield turns
                yield message
            case _:
                yield message

    def _sound(self, message: AudioReceived) -> Iterator[Audio | InputRejected]:
        try:
            samples = self._decode(message.data)
        except BadAudio as error:
            yield from self._audio(error.heard)
            yield InputRejected("invalid_audio", str(error), "audio", message.message_id)
        else:
            yield from self._audio(samples)

    def _audio(self, samples: Samples) -> Iterator[Audio]:
        if len(samples):
            yield Audio(samples, self._rate_hz)


@stage_factory(gives=(SpeechEncoded,), takes=(ReplyAudio,), passes=True)
def encode(codec: Codec) -> Stage[ReplyAudio | Event, Event]:
    """Emit `ReplyAudio` as the client's codec writes it; everything else passes.

    A codec that packs sound into packets may keep the last few milliseconds until more comes; at a reply's end they
    come out before it, and those of a reply that was cut are dropped: they must not sound at the start of the next.

    Args:
        codec: The format of the client's sound, `session.codec`.

    .. marbles::

        spoken   a-b-c|     a, c: ReplyAudio   b: any other event
        encode   A-b-C|     A, C: SpeechEncoded
    """
    return transduce(lambda _: _Encoding(codec))


class _Encoding:
    def __init__(self, codec: Codec) -> None:
        self._encode = codec.encoder()
        self._end = Audio(np.zeros(0, np.float32), codec.rate_hz)

    def __call__(self, event: ReplyAudio | Event) -> Iterator[Event]:
        match event:
            case ReplyAudio(audio=audio):
                yield from self._encoded(audio)
            case ReplyEnded():
                yield from self._encoded(self._end)
                yield event
            case ReplyInterrupted():
                self._encode(self._end)
                yield event
            case _:
                yield event

    def _encoded(self, audio: Audio) -> Iterator[SpeechEncoded]:
        if data := self._encode(audio):
            yield SpeechEncoded(data, audio.duration_s * 1000)
