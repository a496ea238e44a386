"""`ReplayBuffer`: the user's sound on its way to the recogniser: what waits, and what may have to be sent again. Pure.

There are two clocks. The microphone's clock counts the user's audio since the session began. A connection's clock
counts the frames sent on it; they differ by silence pushed to speed up the model, by sound sent again on a new
connection, and by dropped sound. Each frame has its place on the first clock; the buffer keeps the order on the second.
"""

from __future__ import annotations

from array import array
from collections import deque

import numpy as np
from numpy.typing import NDArray

from voicepipe.audio import resampler
from voicepipe.events import Audio, Samples
from voicepipe.stt.kyutai.protocol import FRAME, FRAME_S, RATE_HZ

__all__ = ["SILENCE", "Frame", "Framer", "ReplayBuffer"]

SILENCE: Samples = np.zeros(FRAME, np.float32)
SILENCE.flags.writeable = False

KEPT_STEPS = 1024
"""Frames whose place is remembered after they were heard, 82 s: words refer to the last few seconds."""


class Frame:
    """80 ms for the recogniser, and their place in the user's audio. Pushed silence starts and stops at one moment.
    Without samples it is a marker."""

    __slots__ = ("_samples", "start_s", "stop_s")

    def __init__(self, samples: Samples, start_s: float, stop_s: float) -> None:
        self._samples: Samples | NDArray[np.float16] = samples
        self.start_s, self.stop_s = start_s, stop_s

    @property
    def samples(self) -> Samples:
        """The sound; its values have 11 bits after `compact`."""
        return self._samples.astype(np.float32, copy=False)

    def compact(self) -> None:
        """Take half the memory: two seconds of sound are kept for a connection that may break, and then sent again."""
        self._samples = self._samples.astype(np.float16, copy=False)

    @property
    def is_marker(self) -> bool:
        return not len(self._samples)

    @property
    def pushed(self) -> bool:
        return self.stop_s <= self.start_s


class Framer:
    """Cut the microphone's audio into frames of 80 ms at 24 kHz. `heard_s` is how much audio has come."""

    def __init__(self) -> None:
        self.heard_s = 0.0
        self._resample = resampler(RATE_HZ, RATE_HZ)
        self._rate_hz = RATE_HZ
        self._held: Samples = np.zeros(0, np.float32)
        # The start of the held sound.
        self._begin_s = 0.0

    def add(self, audio: Audio) -> list[Frame]:
        """Return the frames that are complete."""
        if audio.rate_hz != self._rate_hz:
            self._rate_hz, self._resample = audio.rate_hz, resampler(audio.rate_hz, RATE_HZ)
        self.heard_s += audio.duration_s
        return self._add(self._resample(audio.samples))

    @property
    def framed_s(self) -> float:
        """Return how much audio is in frames."""
        return self._begin_s

    def rest(self) -> list[Frame]:
        """Return the held sound, padded with silence to whole frames."""
        pieces = self._add(self._resample.rest())
        if not len(self._held):
            return pieces
        length_s = len(self._held) / RATE_HZ
        samples, self._held = np.concatenate([self._held, SILENCE[len(self._held) :]]), self._held[:0]
        return [*pieces, self._take(samples, length_s)]

    def _add(self, samples: Samples) -> list[Frame]:
        self._held = np.concatenate([self._held, samples])
        pieces: list[Frame] = []
        while len(self._held) >= FRAME:
            pieces.append(self._take(self._held[:FRAME], FRAME_S))
            self._held = self._held[FRAME:]
        return pieces

    def _take(self, samples: Samples, length_s: float) -> Frame:
        start_s, self._begin_s = self._begin_s, self._begin_s + length_s
        return Frame(samples, start_s, self._begin_s)


class ReplayBuffer:
    """Frames in order: transcribed ones are dropped, sent ones are kept to be sent again, new ones wait.

    Up to `capacity` frames are kept, and up to `in_flight` may be sent and not yet heard. When it is full the oldest is
    dropped: a sent frame is then lost only if the connection breaks, an unsent one is lost.
    """

    def __init__(self, *, capacity: int, in_flight: int) -> None:
        self._capacity, self._in_flight = capacity, in_flight
        self._pieces: deque[Frame] = deque()
        # How many of the frames have been sent on this connection.
        self._sent = 0
        self._steps = 0
        self._unheard: deque[Frame] = deque()
        self._places = _Places()

    # ---- what goes out ----------------------------------------------------------------------------------------------

    def add(self, piece: Frame) -> float:
        """Add a frame; return how many seconds of unsent user audio were dropped to make room."""
        self._pieces.append(piece)
        lost_s = 0.0
        while len(self._pieces) > self._capacity:
            oldest = self._pieces.popleft()
            if self._sent:
                self._sent -= 1
            else:
                lost_s += oldest.stop_s - oldest.start_s
        return lost_s

    def next(self) -> Frame | None:
        """Return the next frame to send; None if there is none, or too many have not been heard yet."""
        if self._sent >= len(self._pieces) or len(self._unheard) >= self._in_flight:
            return None
        piece = self._pieces[self._sent]
        self._sent += 1
        if not piece.is_marker:
            self._unheard.append(piece)
        return piece

    def rewind(self) -> None:
        """Begin a new connection: all frames that were not transcribed are sent again."""
        self._sent, self._steps = 0, 0
        self._unheard.clear()
        self._places.clear()

    def clear(self) -> None:
        """Drop all frames: none is sent any more."""
        self._pieces.clear()
        self.rewind()

    def understood(self, until_s: float) -> None:
        """Note that sound before this moment need not be sent again."""
        while self._sent and self._pieces and self._pieces[0].stop_s <= until_s:
            self._pieces.popleft()
            self._sent -= 1

    @property
    def waiting(self) -> bool:
        """Return whether there are unsent frames."""
        return self._sent < len(self._pieces)

    @property
    def kept(self) -> int:
        """The number of frames that were not transcribed."""
        return len(self._pieces)

    @property
    def behind(self) -> int:
        """The number of frames that wait or are on their way."""
        return len(self._pieces) - self._sent + len(self._unheard)

    @property
    def unheard(self) -> int:
        """The number of sent frames without a step."""
        return len(self._unheard)

    # ---- what comes back --------------------------------------------------------------------------------------------

    def step(self) -> Frame | None:
        """Return the frame that the recogniser has just heard; None for a step too many."""
        self._steps += 1
        if not self._unheard:
            last_s = self._places[-1][1] if len(self._places) else 0.0
            self._places.append(last_s, last_s)
            return None
        piece = self._unheard.popleft()
        self._places.append(piece.start_s, piece.stop_s)
        return piece

    def clock_s(self, delay_s: float) -> float:
        """Return the connection's clock: it starts at minus the delay, and a step is 80 ms."""
        return self._steps * FRAME_S - delay_s

    def audio_s(self, stream_s: float) -> float:
        """Return the place in the user's audio of a moment of the connection's clock."""
        if not len(self._places):
            return self._pieces[0].start_s if self._pieces else 0.0
        frame, rest = divmod(round(stream_s * RATE_HZ), FRAME)
        place = frame - (self._steps - len(self._places))
        if place < 0:
            return self._places[0][0]
        if place >= len(self._places):
            return self._places[-1][1]
        start_s, stop_s = self._places[place]
        return min(start_s + rest / RATE_HZ, stop_s)


class _Places:
    """The start and stop, in the user's audio, of the last steps' frames: at least `KEPT_STEPS` of them.

    Numbers in an array take 16 kB; as pairs of floats they would take 90 kB of each conversation.
    """

    _MORE = 128
    """The oldest go so many at a time."""

    def __init__(self) -> None:
        self._numbers = array("d")

    def __len__(self) -> int:
        return len(self._numbers) // 2

    def __getitem__(self, place: int) -> tuple[float, float]:
        first = 2 * (place if place >= 0 else place + len(self))
        return self._numbers[first], self._numbers[first + 1]

    def append(self, start_s: float, stop_s: float) -> None:
        self._numbers.append(start_s)
        self._numbers.append(stop_s)
        if len(self) >= KEPT_STEPS + self._MORE:
            del self._numbers[: 2 * self._MORE]

    def clear(self) -> None:
        del self._numbers[:]
