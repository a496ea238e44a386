"""The bot's voice in the user's microphone: found by correlation, removed by WebRTC's echo canceller. No graph here."""

from __future__ import annotations

from collections import deque

import numpy as np
from pywebrtc_audio import EchoCanceller as WebRtcCanceller

from voicepipe.audio.resample import Resampler, resampler
from voicepipe.audio.webrtc import WebRtcFrames
from voicepipe.events import Audio, Samples
from voicepipe.presets import Echo

__all__ = ["EchoCanceller", "EchoFinder", "Loudspeaker"]

# The correlation is taken at about 8 kHz: speech has its energy below 4 kHz.
_CORRELATED_HZ = 8_000
# Softer than -60 dB there is nothing to compare.
_AUDIBLE = 1e-3
# Two windows find an echo at the same delay; the resolution is one sample, the room and the client's clock smear it.
_SAME_DELAY_S = 0.005
# What a loudspeaker may have in store: more is a client that does not play.
_STORE_S = 5.0
# An echo and its room go on for so long after the loudspeaker has stopped.
_TAIL_S = 1.0
# Where the loudspeaker has sounded in less than this share of a window's energy, there is little to compare.
_LEAST_ENERGY = 0.1
# WebRTC's canceller looks for an echo up to half a second late. The reference of a later one is delayed.
_REACH_S = 0.5
_LED_S = 0.2
_NOTHING: Samples = np.zeros(0, np.float32)


class Loudspeaker:
    """The client's playback: sound that was sent, read as fast as the microphone's sound comes."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._store: deque[Samples] = deque()
        self._samples = 0
        self._resample: Resampler | None = None

    @property
    def plays(self) -> bool:
        """Return whether there is sound that has not been played."""
        return self._samples > 0

    def put(self, audio: Audio) -> None:
        """Add sound that was sent to the client."""
        if self._resample is None:
            self._resample = resampler(audio.rate_hz, self._rate_hz)
        samples = self._resample(audio.samples)
        self._store.append(samples)
        self._samples += len(samples)
        while self._samples > _STORE_S * self._rate_hz:
            self._samples -= len(self._store.popleft())

    def stop(self) -> None:
        """Drop what has not been played."""
        self._store.clear()
        self._samples = 0

    def take(self, count: int) -> Samples:
        """Return what sounds during the next `count` samples of the microphone."""
        out, at = np.zeros(count, np.float32), 0
        while at < count and self._store:
            piece = self._store.popleft()
            part = piece[: count - at]
            out[at : at + len(part)] = part
            at += len(part)
            if len(part) < len(piece):
                self._store.appendleft(piece[len(part) :])
        self._samples -= at
        return out


class EchoFinder:
    """A search for the loudspeaker's sound in the microphone's.

    Of room echoes at -6 to -30 dB the correlation was 0.3 to 0.53, at one delay, window after window; with other
    people's speech it is above 0.25 in one window of some utterances (`ECHO`), at any delay. A louder user hides an
    echo until the next pause. A window takes 0.5 ms.
    """

    def __init__(self, rate_hz: int, options: Echo) -> None:
        self._options = options
        self._step = max(1, round(rate_hz / _CORRELATED_HZ))
        self._hz = rate_hz / self._step
        self._hop = round(options.hop_s * rate_hz) // self._step * self._step
        self._near = np.zeros(round(options.window_s * self._hz), np.float32)
        self._far = np.zeros(len(self._near) + round(options.longest_delay_s * self._hz), np.float32)
        self._new: list[tuple[Samples, Samples]] = []
        self._count = 0
        self._delay_s: float | None = None
        self._with = self._without = 0
        self.found = False

    @property
    def delay_s(self) -> float | None:
        """Return how late the echo was, in the window in which it was heard last."""
        return self._delay_s

    @property
    def decided(self) -> bool:
        """Return whether enough windows in a row had no echo."""
        return self._without >= self._options.windows_without

    def add(self, near: Samples, far: Samples) -> None:
        """Add sound of the microphone, and what the loudspeaker played meanwhile; both have one length."""
        self._new.append((near, far))
        self._count += len(near)
        while self._count >= self._hop:
            heard, played = (np.concatenate(sounds) for sounds in zip(*self._new, strict=True))
            self._near = self._shifted(self._near, heard[: self._hop])
            self._far = self._shifted(self._far, played[: self._hop])
            self._new = [(heard[self._hop :], played[self._hop :])]
            self._count -= self._hop
            self._judge()

    def _shifted(self, store: Samples, sound: Samples) -> Samples:
        parts = [sound[first :: self._step] for first in range(self._step)]  # a `mean` over so short an axis is slow
        coarse = sum(parts[1:], start=parts[0]) / np.float32(self._step)
        return np.concatenate([store, coarse])[-len(store) :]

    def _judge(self) -> None:
        if float(np.sqrt(np.mean(self._far**2))) < _AUDIBLE:
            return
        correlation, delay_s = self._correlation()
        if correlation >= self._options.correlation:
            same = self._delay_s is not None and abs(delay_s - self._delay_s) <= _SAME_DELAY_S
            self._with, self._without, self._delay_s = self._with + 1 if same else 1, 0, delay_s
        else:
            self._with, self._without = 0, self._without + 1
        self.found = self._with >= self._options.windows or (self.found and not self.decided)

    def _correlation(self) -> tuple[float, float]:
        """Return the greatest normalised correlation of the two, and its delay in seconds."""
        near, far = np.diff(self._near), np.diff(self._far)  # differences are whiter than speech is
        size = 1 << (len(far) - 1).bit_length()  # a delay that counts reads within `far`: nothing wraps around
        spectrum = np.fft.rfft(far, size) * np.conj(np.fft.rfft(near, size))
        found = np.abs(np.fft.irfft(spectrum, size)[: len(far) - len(near) + 1])
        sums = np.concatenate([[0.0], np.cumsum(far.astype(np.float64) ** 2)])
        energy = sums[len(near) :] - sums[: len(found)]
        heard = np.maximum(energy, _LEAST_ENERGY * energy.max()) * float(np.dot(near, near))
        correlation = found / np.sqrt(heard + 1e-12)
        best = int(np.argmax(correlation))
        return float(correlation[best]), (len(found) - 1 - best) / self._hz


class EchoCanceller:
    """Removes the bot's voice from a microphone's sound, where it is there.

    Without an echo sound passes unchanged: a canceller would take the user's voice for one and dampen it. Only the
    search for an echo runs then, while the bot speaks; and at the beginning the canceller, to have learnt the room when
    an echo is found. With an echo, cancelling takes 0.1 ms per 10 ms of sound while the bot speaks, and up to 10 ms
    wait for the end of a frame.

    Args:
        rate_hz: the microphone's: 16, 24, 32 or 48 kHz; ValueError for others
        options: when there is an echo
    """

    def __init__(self, rate_hz: int, options: Echo) -> None:
        self.rate_hz = rate_hz
        self.loudspeaker = Loudspeaker(rate_hz)
        self._finder = EchoFinder(rate_hz, options)
        self._frames = WebRtcFrames(rate_hz, 2)
        self._canceller: WebRtcCanceller | None = None
        # Whether the rest of a frame has not been returned; how much of it has been.
        self._is_late = False
        self._passed_ahead = 0
        self._quiet = self._tail = round(_TAIL_S * rate_hz)
        # The loudspeaker's sound that the canceller has not had: none, unless the echo is very late.
        self._lag = _NOTHING

    @property
    def found(self) -> bool:
        """Return whether there is an echo."""
        return self._finder.found

    @property
    def rests(self) -> bool:
        """Return whether the microphone's next sound passes unchanged: the bot has not spoken for a while."""
        return self._quiet >= self._tail and not self._is_late and not self.loudspeaker.plays

    def clean(self, near: Samples) -> Samples:
        """Return the microphone's sound without the bot's voice."""
        if self._quiet >= self._tail and not self.loudspeaker.plays:
            return self._passed(near)
        far = self.loudspeaker.take(len(near))
        self._quiet = 0 if far.any() else self._quiet + len(near)
        self._finder.add(near, far)
        if self._finder.found:
            self._is_late = True
            return self._new(self._cancelled(near, self._lagging(far)))
        if not self._finder.decided:
            self._cancelled(near, far)
            self._passed_ahead = self._frames.waiting
        return self._passed(near)

    def _new(self, samples: Samples) -> Samples:
        """Return what had not been passed before the echo was found."""
        known = min(self._passed_ahead, len(samples))
        self._passed_ahead -= known
        return samples[known:]

    def _lagging(self, far: Samples) -> Samples:
        """Return the loudspeaker's sound as late as the canceller needs it."""
        if not len(self._lag) and (delay_s := self._finder.delay_s or 0.0) > _REACH_S:
            self._lag = np.zeros(round((delay_s - _LED_S) * self.rate_hz), np.float32)
        if not len(self._lag):
            return far
        joined = np.concatenate([self._lag, far])
        self._lag = joined[len(far) :]
        return joined[: len(far)]

    def _passed(self, near: Samples) -> Samples:
        late, self._is_late = self._is_late, False
        return np.concatenate([self._new(self._frames.rest()), near]) if late else near

    def _cancelled(self, near: Samples, far: Samples) -> Samples:
        if self._canceller is None:
            self._canceller = WebRtcCanceller(self._frames.rate_hz)
        frames = self._frames.add(near, far)
        return self._frames.back(self._canceller.process(*frames)) if len(frames[0]) else _NOTHING
