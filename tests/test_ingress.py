"""The meter at the door: how far a client is ahead of real time."""

from __future__ import annotations

from voicepipe.audio import Pcm16
from voicepipe.events import Audio
from voicepipe.ingress import Ingress, Meter


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_what_comes_in_real_time_never_piles_up():
    """20 ms every 20 ms, for a minute."""
    clock = Clock()
    meter = Meter(clock)
    for _ in range(3000):
        meter.add(20)
        clock.now += 0.02
    assert meter.level_ms < 1


def test_a_backlog_leaks_away_with_time():
    """Three seconds at once are one and a half after half of that."""
    clock = Clock()
    meter = Meter(clock)
    meter.add(3000)
    clock.now += 1.5
    assert round(meter.level_ms) == 1500


def test_silence_is_not_saved_up():
    """Nobody may flood because they were quiet for an hour."""
    clock = Clock()
    meter = Meter(clock)
    clock.now += 3600
    meter.add(500)
    assert round(meter.level_ms) == 500


def test_sound_counts_by_its_length():
    """As the codec decodes it; twice decoded is not twice received."""
    ingress = Ingress(Clock(), message_ms=0)
    codec = ingress.metered(Pcm16(8000))
    one, two = codec.decoder(), codec.decoder()
    packet = bytes(2 * 800)
    assert len(one(packet)) == len(two(packet)) == 800
    assert round(ingress.ahead_ms) == 100


def test_messages_count_whatever_is_in_them():
    """A flood of broken ones is a flood."""
    ingress = Ingress(Clock(), message_ms=5)
    for _ in range(100):
        ingress.count_message()
    assert round(ingress.ahead_ms) == 500


def test_a_metered_codec_is_otherwise_the_same():
    """Rate and encoder are its own."""
    codec = Ingress(Clock(), message_ms=0).metered(Pcm16(8000))
    silence = Audio(codec.decoder()(bytes(4)), 8000)
    assert (codec.rate_hz, codec.encoder()(silence)) == (8000, bytes(4))
