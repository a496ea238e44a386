"""The boundary WebSocket read → graph: no queue, a meter.

What a client sends is decoded and enters the graph in the reader's own call, so nothing can pile up here. But a client
may send faster than people speak: a backlog after an outage, a file at full speed, a flood. Sound that comes faster
than it could have been spoken is heard later and later, so what is too much is measured in milliseconds of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from voicepipe.audio import Codec, Decoder, Encoder
from voicepipe.events import Samples

__all__ = ["Ingress", "Meter"]

Clock = Callable[[], float]


class Meter:
    """A leaky bucket: fills by the milliseconds that are added, and leaks a millisecond per millisecond.

    >>> now = [0.0]
    >>> meter = Meter(lambda: now[0])
    >>> meter.add(100); meter.add(100); now[0] = 0.15
    >>> round(meter.level_ms)
    50
    """

    __slots__ = ("_clock", "_empty_at")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._empty_at = clock()

    def add(self, ms: float) -> None:
        self._empty_at = max(self._empty_at, self._clock()) + ms / 1000

    @property
    def level_ms(self) -> float:
        return max(0.0, (self._empty_at - self._clock()) * 1000)


class Ingress:
    """How far a client is ahead of real time.

    Sound counts by its length, as the codec of `metered` decodes it; and each message counts `message_ms`, whatever is
    in it, so that a flood of small or broken ones counts, too. `clock` gives seconds.
    """

    def __init__(self, clock: Clock, *, message_ms: float) -> None:
        self._clock, self._message_ms = clock, message_ms
        self._messages = Meter(clock)
        self._sound: list[Meter] = []

    def count_message(self) -> None:
        self._messages.add(self._message_ms)

    def metered(self, codec: Codec) -> Codec:
        """The same codec, whose decoders tell how much sound they give."""
        return _Metered(codec, self)

    @property
    def ahead_ms(self) -> float:
        return max(meter.level_ms for meter in (self._messages, *self._sound))

    def new_meter(self) -> Meter:
        """One per decoder: a pipeline that decodes the same packets twice has not received twice as much."""
        self._sound.append(Meter(self._clock))
        return self._sound[-1]


@dataclass(frozen=True, slots=True)
class _Metered:
    codec: Codec
    ingress: Ingress

    @property
    def rate_hz(self) -> int:
        return self.codec.rate_hz

    def decoder(self) -> Decoder:
        decode, meter, rate_hz = self.codec.decoder(), self.ingress.new_meter(), self.codec.rate_hz

        def metered(data: bytes) -> Samples:
            samples = decode(data)
            meter.add(len(samples) / rate_hz * 1000)
            return samples

        return metered

    def encoder(self) -> Encoder:
        return self.codec.encoder()
