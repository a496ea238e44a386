"""`Synthesis`: one reply's voice, from words to the messages of Kyutai's protocol."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator

import numpy as np

from voicepipe.audio import resampler
from voicepipe.events import Audio, Event, ReplyAudio, ReplyText, Samples, WordSpoken
from voicepipe.host import wire
from voicepipe.rx import LoopScheduler
from voicepipe.rx.publish import LoopSubject
from voicepipe.stage import Stage
from voicepipe.tts.kyutai.protocol import RATE_HZ

__all__ = ["FRAME", "MOST_TEXT", "Synthesis", "TooMuchText"]

FRAME = 1920
"""80 ms at 24 kHz: the sound of one message."""

MOST_TEXT = 20_000
"""The characters of one reply, at most: five times the longest answer that a session asks a model for."""


class TooMuchText(ValueError):
    """A reply is longer than `MOST_TEXT`."""


class Synthesis:
    """One reply.

    Args:
        voice: The stage that speaks it.
    """

    def __init__(self, voice: Stage[ReplyText, ReplyAudio | Event]) -> None:
        self._scheduler = LoopScheduler(asyncio.get_running_loop())
        self._words: LoopSubject[ReplyText] = LoopSubject()
        self._out: deque[bytes] = deque()
        self._held: Samples = np.zeros(0, np.float32)
        self._rate_hz: int = RATE_HZ
        self._resample = resampler(RATE_HZ, RATE_HZ)
        self._characters = 0
        self.fresh = asyncio.Event()
        """Set when there are messages to be sent, or the reply is over."""
        self.done = False
        """Whether the whole reply has been spoken."""
        self.error: Exception | None = None
        """The error that ended the voice."""
        self._running = self._words.pipe(voice).subscribe(
            self._told, self._failed, self._completed, scheduler=self._scheduler
        )

    def say(self, text: str) -> None:
        """Speak more text: a word, with the space before it. Raises TooMuchText."""
        self._characters += len(text)
        if self._characters > MOST_TEXT:
            raise TooMuchText(f"a reply may have {MOST_TEXT} characters")
        self._words.on_next(ReplyText(text))

    def finish(self) -> None:
        """Note that no more text follows."""
        self._words.on_completed()

    def messages(self) -> Iterator[bytes]:
        """Yield the messages that are to be sent, and forget them."""
        self.fresh.clear()
        while self._out:
            yield self._out.popleft()

    async def close(self, grace_s: float = 1.0) -> None:
        """Dispose the voice, and wait up to `grace_s` for its tasks."""
        self._running.dispose()
        if left := self._scheduler.tasks.copy():
            await asyncio.wait(left, timeout=grace_s)

    # ---- what is spoken ---------------------------------------------------------------------------------------------

    def _told(self, event: ReplyAudio | Event) -> None:
        match event:
            case WordSpoken(word=text, start_s=start_s, stop_s=stop_s):
                self._out.append(wire.spoken_text(text, start_s, stop_s))
            case ReplyAudio(audio=audio):
                self._sound(self._at_24k(audio))
            case _:
                return
        self.fresh.set()

    def _at_24k(self, audio: Audio) -> Samples:
        if audio.rate_hz == self._rate_hz:
            return self._resample(audio.samples)
        rest = self._resample.rest()
        self._rate_hz = audio.rate_hz
        self._resample = resampler(audio.rate_hz, RATE_HZ)
        return np.concatenate([rest, self._resample(audio.samples)])

    def _sound(self, samples: Samples) -> None:
        samples = np.concatenate([self._held, samples])
        whole = len(samples) // FRAME * FRAME
        self._out += [wire.encode_audio(samples[at : at + FRAME]) for at in range(0, whole, FRAME)]
        self._held = samples[whole:]

    def _completed(self) -> None:
        self._sound(self._resample.rest())
        if len(self._held):
            self._out.append(wire.encode_audio(self._held))
        self.done = True
        self.fresh.set()

    def _failed(self, error: Exception) -> None:
        self.error = error
        self.fresh.set()
