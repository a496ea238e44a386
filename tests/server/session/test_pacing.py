"""The meter of received sound: how far a client is ahead of real time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest

from voicepipe.audio import Pcm16
from voicepipe.boundary.pending import PendingWork
from voicepipe.events import Audio
from voicepipe.server.session.pacing import AudioMeter, IngressPacer
from voicepipe.testing import VirtualLoop


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_what_comes_in_real_time_never_piles_up():
    """20 ms every 20 ms, for a minute."""
    clock = Clock()
    meter = AudioMeter(clock)
    for _ in range(3000):
        meter.add(20)
        clock.now += 0.02
    assert meter.level_ms < 1


def test_a_backlog_leaks_away_with_time():
    """Three seconds at once are one and a half after half of that."""
    clock = Clock()
    meter = AudioMeter(clock)
    meter.add(3000)
    clock.now += 1.5
    assert round(meter.level_ms) == 1500


def test_silence_is_not_saved_up():
    """Nobody may flood because they were quiet for an hour."""
    clock = Clock()
    meter = AudioMeter(clock)
    clock.now += 3600
    meter.add(500)
    assert round(meter.level_ms) == 500


def test_a_faster_leak():
    """Ten times real time: a second is let through in a tenth of one."""
    clock = Clock()
    meter = AudioMeter(clock, speed=10)
    meter.add(1000)
    clock.now += 0.04
    assert round(meter.level_ms) == 600


def new_pacer(clock: Callable[[], float], **changed: float) -> IngressPacer:
    return IngressPacer(clock, **{"lead_ms": 500, "speed": 10, "message_ms": 0} | changed)


def test_sound_counts_by_its_length():
    """As the codec decodes it; twice decoded is not twice received."""
    pacer = new_pacer(Clock())
    codec = pacer.metered(Pcm16(8000))
    one, two = codec.decoder(), codec.decoder()
    packet = bytes(2 * 800)
    assert len(one(packet)) == len(two(packet)) == 800
    assert round(pacer.ahead_ms) == 100


def test_messages_count_whatever_is_in_them():
    """A flood of tiny ones is a flood."""
    pacer = new_pacer(Clock(), message_ms=5)
    for _ in range(100):
        pacer.count_message()
    assert round(pacer.ahead_ms) == 500


def test_a_metered_codec_is_otherwise_the_same():
    """Rate, encoder and pieces are its own."""
    codec = new_pacer(Clock()).metered(Pcm16(8000))
    silence = Audio(codec.decoder()(bytes(4)), 8000)
    assert (codec.rate_hz, codec.encoder()(silence)) == (8000, bytes(4))
    assert [len(piece) for piece in codec.pieces(bytes(2000), 80)] == [1280, 720]


# ---- a recording ----------------------------------------------------------------------------------------------------


def fed(loop: VirtualLoop, seconds: float, *, backlog: PendingWork | None = None, **changed: float) -> list[float]:
    """When each piece of 80 ms of a recording comes in."""
    pacer = new_pacer(loop.time, **changed)
    pacer.backlog = backlog or pacer.backlog
    decode, came_s = pacer.metered(Pcm16(8000)).decoder(), list[float]()

    async def feed() -> None:
        for _ in range(round(seconds / 0.08)):
            await pacer.room()
            decode(bytes(2 * 640))
            came_s.append(loop.time())

    loop.run(feed())
    return came_s


def test_a_recording_comes_in_at_its_speed(virtual_loop: VirtualLoop):
    """Its first half second at once, a minute in six seconds, evenly."""
    came_s = fed(virtual_loop, 60)
    assert came_s.count(0.0) == 7
    assert came_s[-1] == pytest.approx(6, abs=0.07)
    assert max(after - before for before, after in pairwise(came_s)) < 0.01


def test_a_recording_waits_for_the_ear(virtual_loop: VirtualLoop):
    """And comes in when that is clear again."""
    backlog = PendingWork()
    virtual_loop.call_at(0.2, lambda: virtual_loop.call_at(0.7, backlog.busy().dispose))
    came_s = fed(virtual_loop, 60, backlog=backlog)
    assert not [at_s for at_s in came_s if 0.2 < at_s < 0.7]
    assert came_s[-1] == pytest.approx(6.4, abs=0.05)  # what it might have been ahead by meanwhile comes at once


def test_no_client_is_held_below_real_time(virtual_loop: VirtualLoop):
    """By a recogniser that has never done, either: that is live sound to it."""
    backlog = PendingWork()
    backlog.busy()
    came_s = fed(virtual_loop, 20, backlog=backlog)
    assert came_s[-1] == pytest.approx(19.5, abs=0.09)


def test_live_sound_does_not_wait(virtual_loop: VirtualLoop):
    """Nor what a bad line has held up for less than the lead."""
    backlog = PendingWork()
    backlog.busy()
    pacer = new_pacer(virtual_loop.time)
    pacer.backlog, decode = backlog, pacer.metered(Pcm16(8000)).decoder()

    async def microphone() -> None:
        for _ in range(100):
            await asyncio.sleep(0.4)
            for _ in range(5):
                assert pacer.has_room
                decode(bytes(2 * 640))

    virtual_loop.run(microphone())
