"""`decode` and `encode`: between what the client's codec writes and sound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from voicepipe.audio import BadAudio, ClientCodec, Codec
from voicepipe.conversation import AudioFormat
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
    ReplyStarted,
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
    `InputCleared`) and before a packet in another format; the `TurnTaking` of new settings comes before the settings.

    Args:
        codec: `session.codec`: the rate of the sound, and the format of packets that name none. A packet in another
            format (`AudioReceived.audio_format`) is resampled to that rate, which delays it by a few milliseconds.

    .. marbles::

        received   a-b-c-s|       a, c: AudioReceived   b: AudioReceived of garbage   s: SettingsChanged
        decode     A-r-C-s|       A, C: Audio   r: InputRejected
    """
    client = codec if isinstance(codec, ClientCodec) else ClientCodec(codec)
    return transduce(lambda _: _Decoding(client))


class _Decoding:
    def __init__(self, codec: ClientCodec) -> None:
        self._client, self._rate_hz = codec, codec.rate_hz
        self._decoder = codec.decoders()
        self._format: AudioFormat | None = None
        self._codec = codec.initial
        self._decode = self._decoder(self._codec)

    def __call__(self, message: ClientMessage) -> Iterable[Audio | Event]:
        return self._sound(message) if isinstance(message, AudioReceived) else self._other(message)

    def _other(self, message: Event) -> Iterator[Audio | Event]:
        match message:
            case InputCommitted() | InputCleared():
                yield from self._audio(self._decode.rest())
                yield message
            case SettingsChanged(turns=TurnTaking() as turns):
                yield turns
                yield message
            case _:
                yield message

    def _sound(self, message: AudioReceived) -> Iterable[Audio | InputRejected]:
        before = () if message.audio_format == self._format else self._change(message.audio_format)
        try:
            samples = self._decode(message.data)
        except BadAudio as error:
            rejected = InputRejected("invalid_audio", str(error), "audio", message.message_id)
            return (*before, *self._audio(error.heard), rejected)
        return (*before, *self._audio(samples)) if before else self._audio(samples)

    def _change(self, audio_format: AudioFormat | None) -> tuple[Audio, ...]:
        """Decode in another format. The same codec by another name goes on: its stream has not ended."""
        self._format = audio_format
        if (codec := self._client.codec(audio_format)) != self._codec:
            rest = self._audio(self._decode.rest())
            self._codec, self._decode = codec, self._decoder(codec)
            return rest
        return ()

    def _audio(self, samples: Samples) -> tuple[Audio, ...]:
        return (Audio(samples, self._rate_hz),) if len(samples) else ()


@stage_factory(gives=(SpeechEncoded,), takes=(ReplyAudio,), passes=True)
def encode(codec: Codec) -> Stage[ReplyAudio | Event, Event]:
    """Emit `ReplyAudio` as the client's codec writes it; everything else passes.

    A reply has one format from its start to its end: that of its conversation (`ReplyStarted`,
    `Conversation.output_format`), or else the last that the client's settings have named (`SettingsChanged`), which is
    also that of sound outside of a reply.

    A codec that packs sound into packets may keep the last few milliseconds until more comes; at a reply's end they
    come out before it, and those of a reply that was cut are dropped: they must not sound at the start of the next.

    Args:
        codec: `session.codec`: the format until one is named.

    .. marbles::

        spoken   a-b-c|     a, c: ReplyAudio   b: any other event
        encode   A-b-C|     A, C: SpeechEncoded
    """
    client = codec if isinstance(codec, ClientCodec) else ClientCodec(codec)
    return transduce(lambda _: _Encoding(client))


class _Encoding:
    def __init__(self, codec: ClientCodec) -> None:
        self._client, self._codec = codec, codec.initial
        self._encode = codec.encoder()
        self._end = Audio(np.zeros(0, np.float32), codec.rate_hz)
        # The format of the client's settings; during a reply, of what comes after it.
        self._format: AudioFormat | None = None
        self._is_replying = False

    def __call__(self, event: ReplyAudio | Event) -> Iterator[Event]:
        match event:
            case ReplyAudio(audio=audio):
                yield from self._encoded(audio)
            case ReplyStarted(conversation=conversation):
                self._is_replying = True
                self._use(conversation.output_format or self._format)
                yield event
            case ReplyEnded():
                yield from self._encoded(self._end)
                self._end_reply()
                yield event
            case ReplyInterrupted():
                self._encode(self._end)
                self._end_reply()
                yield event
            case SettingsChanged(output_format=str(audio_format)):
                self._format = audio_format
                if not self._is_replying:
                    self._use(audio_format)
                yield event
            case _:
                yield event

    def _end_reply(self) -> None:
        self._is_replying = False
        if self._format is not None:
            self._use(self._format)

    def _use(self, audio_format: AudioFormat | None) -> None:
        """Write in this format from now on. The same one goes on: an Opus stream has its headers once."""
        if (codec := self._client.codec(audio_format)) != self._codec:
            self._codec, self._encode = codec, codec.encoder()

    def _encoded(self, audio: Audio) -> Iterator[SpeechEncoded]:
        if data := self._encode(audio):
            yield SpeechEncoded(data, audio.duration_s * 1000)
