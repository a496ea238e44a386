"""A recording as sound and text: the user on the left, the bot on the right, and what both said."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np

from voicepipe.audio import BadAudio, Decoder, resampled
from voicepipe.audio.formats import ClientCodec, codec_of
from voicepipe.events import (
    Audio,
    AudioReceived,
    ReplyAudio,
    ReplyInterrupted,
    ReplyStarted,
    Samples,
    SettingsChanged,
    SpeechEncoded,
)
from voicepipe.recording.file import Recording
from voicepipe.recording.records import (
    Emitted,
    Entry,
    MessageReceived,
    SoundEncoded,
    StageAnswered,
    StageAnsweredAtOnce,
)
from voicepipe.testing.replay.turns import turns

__all__ = ["RATE_HZ", "blocks_of", "printable", "sound_of", "transcript_of"]

RATE_HZ = 24_000
_BLOCK = 60 * RATE_HZ
_BEYOND = 600 * RATE_HZ
"""Samples that may be behind the end of the session: a few bytes of Opus can hold much silence."""
_STEPS = 32_768.0  # of 16 bits
_GAP_S = 0.25  # sound that is so much behind the clock comes after a pause


def transcript_of(recording: Recording) -> str:
    """Return what was said, a line for each turn and reply, with its time since the session's begin."""
    lines: list[str] = []
    for turn in turns(recording.emitted(), recording.header.at_s):
        if turn.heard:
            lines.append(f"{_clock(turn.at_s)}  user  {turn.heard}")
        if turn.said:
            lines.append(f"{_clock(turn.at_s)}  bot   {turn.said}{' [interrupted]' if turn.interrupted else ''}")
        if turn.failed:
            lines.append(f"{_clock(turn.at_s)}        [the {turn.failed} failed]")
    return "".join(f"{printable(line)}\n" for line in lines)


def printable(text: str) -> str:
    r"""Return a text without control characters: a terminal obeys them, and a recording may be of others.

    >>> printable("Hi\x1b[2J")
    'Hi\ufffd[2J'
    """
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def sound_of(recording: Recording) -> tuple[Samples, Samples]:
    """Return the sound of the user and of the bot, equally long, at 24 kHz; silence where it is not kept."""
    both = np.concatenate([np.zeros((0, 2), np.float32), *blocks_of(recording)])
    return both[:, 0], both[:, 1]


def blocks_of(recording: Recording) -> Iterator[Samples]:
    """Yield the sound of the user, at the left, and of the bot, as `sound_of`: a minute of shape (n, 2) at a time."""
    sound = _Sound(recording)
    at_s = 0.0
    for record in recording.records:
        if isinstance(record, Entry):
            at_s = record.at_s - recording.header.at_s
        sound.note(at_s, record)
    length = max(sound.user.length, sound.bot.length, round(recording.duration_s * RATE_HZ))
    for begin in range(0, length, _BLOCK):
        stop = min(length, begin + _BLOCK)
        yield np.stack([sound.user.between(begin, stop), sound.bot.between(begin, stop)], axis=1)


class _Sound:
    """The two tracks while a recording is read."""

    def __init__(self, recording: Recording) -> None:
        header = recording.header
        longest = round(recording.duration_s * RATE_HZ) + _BEYOND
        self.user, self.bot = _Track(longest), _Track(longest)
        self._client = ClientCodec(codec_of(header.audio_format)) if header.sound else None
        self._decoders: dict[Any, Decoder] = {}
        self._format: Any = header.audio_format
        self._bots_decoder: Any = None
        self._made: deque[Audio] = deque()

    def note(self, at_s: float, record: Any) -> None:
        match record:
            case MessageReceived(message=AudioReceived() as packet):
                self._hear(at_s, packet)
            case StageAnswered(value=ReplyAudio(audio=audio)) | StageAnsweredAtOnce(value=ReplyAudio(audio=audio)):
                self._made.append(audio)
            case Emitted(event=event):
                self._said(at_s, event)
            case _:
                pass

    def _hear(self, at_s: float, packet: AudioReceived) -> None:
        if self._client is None:
            return
        decoder = self._decoders.get(packet.audio_format)
        if decoder is None:
            decoder = self._decoders[packet.audio_format] = self._client.decoders()(
                self._client.codec(packet.audio_format)
            )
        try:
            samples = decoder(packet.data)
        except BadAudio as error:
            samples = error.heard
        heard = resampled(Audio(samples, self._client.rate_hz), RATE_HZ).samples
        self.user.add(at_s - len(heard) / RATE_HZ, heard)

    def _said(self, at_s: float, event: Any) -> None:
        match event:
            case ReplyStarted(conversation=conversation):
                self._made.clear()
                self._format = conversation.output_format or self._format
                self._bots_decoder = None
            case SettingsChanged(output_format=str(audio_format)):
                self._format = audio_format
            case ReplyInterrupted():
                self.bot.cut(at_s)
                self._made.clear()
            case SpeechEncoded(data=data, duration_ms=ms):
                self.bot.add(at_s, self._played(ms / 1000) if self._made else self._decoded(data))
            case SoundEncoded(duration_ms=ms):
                self.bot.add(at_s, self._played(ms / 1000))
            case _:
                pass

    def _decoded(self, data: bytes) -> Samples:
        codec = codec_of(self._format)
        self._bots_decoder = self._bots_decoder or codec.decoder()
        try:
            return resampled(Audio(self._bots_decoder(data), codec.rate_hz), RATE_HZ).samples
        except BadAudio as error:
            return error.heard

    def _played(self, seconds: float) -> Samples:
        """Return the next seconds of what the synthesiser has made."""
        parts: list[Samples] = []
        while seconds > 1e-9 and self._made:
            audio = self._made.popleft()
            taken = min(len(audio.samples), round(seconds * audio.rate_hz))
            seconds -= taken / audio.rate_hz
            parts.append(resampled(Audio(audio.samples[:taken], audio.rate_hz), RATE_HZ).samples)
            if taken < len(audio.samples):
                self._made.appendleft(Audio(audio.samples[taken:], audio.rate_hz))
            if not taken:
                break
        return np.concatenate([np.zeros(0, np.float32), *parts])


class _Track:
    """Sound in one piece after the other, as 16 bits: each at its time, or behind the last."""

    def __init__(self, longest: int) -> None:
        self._parts: list[tuple[int, np.ndarray[tuple[int], np.dtype[np.int16]]]] = []
        self._longest, self.length = longest, 0

    def add(self, at_s: float, samples: Samples) -> None:
        at = round(max(0.0, at_s) * RATE_HZ)
        if at < self.length + round(_GAP_S * RATE_HZ) and self._parts:
            at = self.length
        if at + len(samples) <= self._longest:
            self._parts.append((at, np.clip(np.rint(samples * _STEPS), -_STEPS, _STEPS - 1).astype(np.int16)))
            self.length = at + len(samples)

    def cut(self, at_s: float) -> None:
        """Drop what would be played from a time on."""
        end = round(at_s * RATE_HZ)
        self._parts = [(at, samples[: max(0, end - at)]) for at, samples in self._parts if at < end]
        self.length = min(self.length, end)

    def between(self, begin: int, stop: int) -> Samples:
        """Return the samples between two places."""
        block = np.zeros(stop - begin, np.float32)
        first = bisect_right(self._parts, begin, key=lambda part: part[0] + len(part[1]))
        for at, samples in self._parts[first:]:
            if at >= stop:
                break
            kept = samples[max(0, begin - at) : stop - at]
            block[max(0, at - begin) :][: len(kept)] = kept / _STEPS
        return block


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60):02}:{seconds % 60:04.1f}"
