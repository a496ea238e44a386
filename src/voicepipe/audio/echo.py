"""The bot's voice in the user's microphone: found by correlation, removed by WebRTC's echo canceller. No graph here."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
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
# The canceller learns the room from so much sound before the first window with an echo; a whole second is no better.
_LEARNT_S = 0.5
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
    echo until the next pause. A window takes 0.17 ms: it is a sum over its hops, each of which is correlated once, if
    there is sound in it. While the loudspeaker plays, the search holds 0.13 MB.
    """

    def __init__(self, rate_hz: int, options: Echo) -> None:
        self._options = options
        self._step = max(1, round(rate_hz / _CORRELATED_HZ))
        self._hz = rate_hz / self._step
        self._hop = max(1, round(options.hop_s * rate_hz) // self._step)
        hops = max(1, round(options.window_s / options.hop_s))
        self._window = self._hop * hops
        # Of the window, all hops but the newest.
        self._hops: deque[_Hop] = deque(maxlen=hops - 1)
        self._delays = round(options.longest_delay_s * self._hz) + 1
        self._size = _fast_size(self._hop + self._delays - 1)
        self._near = np.zeros(self._hop + 1, np.float32)
        self._far: Samples | None = None
        self._new: list[tuple[Samples, Samples]] = []
        self._count = 0
        self._delay_s: float | None = None
        self._agreed_s: float | None = None
        self._with = self._without = 0
        self.found = False

    @property
    def delay_s(self) -> float | None:
        """Return how late the echo is: in the first window, and then in the last two that agreed."""
        return self._agreed_s

    @property
    def decided(self) -> bool:
        """Return whether enough windows in a row had no echo."""
        return self._without >= self._options.windows_without

    @property
    def suspects(self) -> bool:
        """Return whether the last window had an echo: the next one may find it."""
        return self._with > 0

    def add(self, near: Samples, far: Samples) -> None:
        """Add sound of the microphone, and what the loudspeaker played meanwhile; both have one length."""
        self._new.append((near, far))
        self._count += len(near)
        hop = self._hop * self._step
        while self._count >= hop:
            heard, played = (np.concatenate(sounds) for sounds in zip(*self._new, strict=True))
            if self._far is None:
                self._far = np.zeros(self._window + self._delays, np.float32)
            self._shift(self._near, heard[:hop])
            self._shift(self._far, played[:hop])
            self._new = [(heard[hop:].copy(), played[hop:].copy())]  # a view would keep the whole hop
            self._count -= hop
            self._judge(self._far)

    def rest(self) -> None:
        """Forget the loudspeaker's sound, which has been over for longer than an echo takes."""
        self._far = None
        self._hops.extend([_Hop(None, hop.energy) for hop in self._hops])
        self._new.clear()
        self._count = 0

    def _shift(self, store: Samples, sound: Samples) -> None:
        """Put a hop behind the stored sound; as much of the oldest goes."""
        parts = [sound[first :: self._step] for first in range(self._step)]  # a `mean` over so short an axis is slow
        store[: -self._hop] = store[self._hop :]
        store[-self._hop :] = sum(parts[1:], start=parts[0]) / np.float32(self._step)

    def _judge(self, far: Samples) -> None:
        window = [*self._hops, self._correlated(far)]
        self._hops.append(window[-1])
        if not _is_audible(far):
            return
        correlation, delay_s = self._correlation(window, far)
        if correlation >= self._options.correlation:
            same = self._delay_s is not None and abs(delay_s - self._delay_s) <= _SAME_DELAY_S
            self._with, self._without, self._delay_s = self._with + 1 if same else 1, 0, delay_s
            self._agreed_s = delay_s if same or self._agreed_s is None else self._agreed_s
        else:
            self._with, self._without = 0, self._without + 1
        self.found = self._with >= self._options.windows or (self.found and not self.decided)

    def _correlated(self, played: Samples) -> _Hop:
        """Correlate the new hop of the microphone's sound, from the longest delay to none."""
        # Differences are whiter than speech is.
        near, far = np.diff(self._near), np.diff(played[-self._hop - self._delays :])
        energy = float(np.dot(near, near))
        if not _is_audible(self._near) or not far.any():
            return _Hop(None, energy)
        # A delay that counts reads within `far`: nothing wraps around.
        spectrum = np.fft.rfft(far, self._size) * np.conj(np.fft.rfft(near, self._size))
        products = np.fft.irfft(spectrum, self._size)[: self._delays].astype(np.float32)  # a view would keep all of it
        return _Hop(products, energy)

    def _correlation(self, window: Sequence[_Hop], far: Samples) -> tuple[float, float]:
        """Return the greatest normalised correlation of the window, and its delay in seconds."""
        found = np.zeros(self._delays, np.float32)
        for hop in window:
            if hop.products is not None:
                found += hop.products
        near = sum(hop.energy for hop in window)
        energy = self._energies(far)
        heard = np.maximum(energy, _LEAST_ENERGY * energy.max()) * near
        correlation = np.abs(found) / np.sqrt(heard + 1e-12)
        best = int(np.argmax(correlation))
        return float(correlation[best]), (self._delays - 1 - best) / self._hz

    def _energies(self, far: Samples) -> NDArray[np.float64]:
        """Return the energy of the loudspeaker's sound in the window, from the longest delay to none.

        It is summed anew for each window: sums that are kept take 0.1 MB, and save 30 µs.
        """
        sums = np.zeros(len(far), np.float64)
        np.cumsum(np.diff(far) ** 2, out=sums[1:])
        return sums[self._window :] - sums[: self._delays]


@dataclass(frozen=True, slots=True)
class _Hop:
    """A hop of the microphone's sound: its products with the loudspeaker's at each delay, and its energy.

    Without products the loudspeaker was silent, or the microphone.
    """

    products: Samples | None
    energy: float


def _is_audible(sound: Samples) -> bool:
    return float(np.dot(sound, sound)) >= _AUDIBLE**2 * len(sound)


def _fast_size(least: int) -> int:
    """Return the next size without a prime factor above 3: an FFT of it is fast, and 2 ** n may be twice as long."""
    return min(2**twos * 3**threes for twos in range(4, 24) for threes in range(4) if 2**twos * 3**threes >= least)


class EchoCanceller:
    """Removes the bot's voice from a microphone's sound, where it is there.

    Without an echo sound passes unchanged: a canceller would take the user's voice for one and dampen it. Only the
    search for an echo runs then, while the bot speaks. The first window with an echo makes the canceller, which takes
    0.5 MB, and which learns the room from the half second before: 5 ms of computing. With an echo, cancelling takes
    0.1 ms per 10 ms of sound while the bot speaks, and up to 10 ms wait for the end of a frame.

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
        # Sound that the canceller may have to learn from, in half precision: 48 kB.
        self._unlearnt: deque[tuple[NDArray[np.float16], NDArray[np.float16]]] = deque()
        self._unlearnt_samples = 0
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
        if self._quiet >= self._tail and not self.loudspeaker.plays:
            self._rest()
            return self._passed(near)
        self._finder.add(near, far)
        if self._finder.suspects:
            self._learn()
        if self._finder.found:
            self._is_late = True
            return self._new(self._cancelled(near, far))
        self._keep(near, far)
        return self._passed(near)

    def _rest(self) -> None:
        """Keep no sound: the bot has not spoken for a while."""
        self._finder.rest()
        self._forget()

    def _keep(self, near: Samples, far: Samples) -> None:
        """Keep sound that has passed unchanged, while an echo may be found."""
        if self._finder.decided:
            return self._forget()
        self._unlearnt.append((near.astype(np.float16), far.astype(np.float16)))
        self._unlearnt_samples += len(near)
        while self._unlearnt_samples > _LEARNT_S * self.rate_hz:
            self._unlearnt_samples -= len(self._unlearnt.popleft()[0])
        return None

    def _forget(self) -> None:
        self._unlearnt.clear()
        self._unlearnt_samples = 0

    def _learn(self) -> None:
        """Let the canceller hear what has passed unchanged."""
        if self._unlearnt:
            near, far = (np.concatenate(sounds, dtype=np.float32) for sounds in zip(*self._unlearnt, strict=True))
            self._cancelled(near, far)
            self._passed_ahead = self._frames.waiting
            self._forget()

    def _new(self, samples: Samples) -> Samples:
        """Return what had not been passed before the echo was found."""
        known = min(self._passed_ahead, len(samples))
        self._passed_ahead -= known
        return samples[known:]

    def _lagging(self, far: Samples) -> Samples:
        """Return the loudspeaker's sound as late as the canceller needs it; never later than the echo is."""
        delay_s, lag_s = self._finder.delay_s or 0.0, len(self._lag) / self.rate_hz
        if delay_s < lag_s or (not lag_s and delay_s > _REACH_S):
            lag_s = delay_s - _LED_S if delay_s > _REACH_S else 0.0
            self._lag = np.zeros(round(lag_s * self.rate_hz), np.float32)
        joined = np.concatenate([self._lag, far])
        self._lag = joined[len(far) :]
        return joined[: len(far)]

    def _passed(self, near: Samples) -> Samples:
        late, self._is_late = self._is_late, False
        return np.concatenate([self._new(self._frames.rest()), near]) if late else near

    def _cancelled(self, near: Samples, far: Samples) -> Samples:
        if self._canceller is None:
            self._canceller = WebRtcCanceller(self._frames.rate_hz)
        frames = self._frames.add(near, self._lagging(far))
        return self._frames.back(self._canceller.process(*frames)) if len(frames[0]) else _NOTHING
