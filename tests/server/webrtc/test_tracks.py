"""The sound of a call: the reply to packets, packets to what the pipeline hears."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("aiortc")

from voicepipe.server.webrtc.opus import has_fec
from voicepipe.server.webrtc.tracks import RATE_HZ, HeardSound, ReplyTrack

TONE = (np.sin(np.arange(RATE_HZ) * 2 * np.pi * 440 / RATE_HZ) * 12_000).astype("<i2")


async def packets(track: ReplyTrack, count: int) -> list[bytes]:
    return [bytes(await track.recv()) for _ in range(count)]


def loudness(pcm: bytes) -> float:
    samples = np.frombuffer(pcm, "<i2").astype(float)
    return float(np.sqrt(np.mean(samples**2))) if len(samples) else 0.0


async def test_what_is_played_is_heard_in_real_time(virtual_loop):
    """A second of a tone is 50 packets in a second."""
    track, heard = ReplyTrack(), HeardSound()
    track.push(TONE.tobytes())
    began = virtual_loop.time()
    sound = b"".join(heard.push(number, packet) for number, packet in enumerate(await packets(track, 50)))
    assert virtual_loop.time() - began == pytest.approx(0.98)
    assert len(sound) / 2 / RATE_HZ == pytest.approx(1, abs=0.02)
    assert loudness(sound) == pytest.approx(12_000 / np.sqrt(2), rel=0.1)


async def test_a_reply_that_is_cut_is_silent_with_the_next_packet():
    track, heard = ReplyTrack(), HeardSound()
    track.push(TONE.tobytes())
    before = b"".join(heard.push(number, packet) for number, packet in enumerate(await packets(track, 20)))
    track.clear()
    after = [heard.push(20 + number, packet) for number, packet in enumerate(await packets(track, 20))]
    assert loudness(before) > 8_000
    assert loudness(b"".join(after[2:])) < 50


def likeness(one: bytes, other: bytes) -> float:
    """The correlation of two sounds."""
    return float(np.corrcoef(np.frombuffer(one, "<i2").astype(float), np.frombuffer(other, "<i2").astype(float))[0, 1])


def frame(sound: bytes, number: int) -> bytes:
    return sound[number * 960 : (number + 1) * 960]


async def heard_without(*lost: int) -> tuple[bytes, bytes, HeardSound]:
    """The sound of a voice that glides, with all of its packets and without some."""
    pitch_hz = 120 + 60 * np.arange(RATE_HZ) / RATE_HZ
    phase = np.cumsum(pitch_hz) * 2 * np.pi / RATE_HZ
    voice = sum(np.sin(n * phase) / n for n in range(1, 12)) * 6_000
    track, whole, holed = ReplyTrack(), HeardSound(), HeardSound()
    track.push(np.asarray(voice).astype("<i2").tobytes())
    sent = list(enumerate(await packets(track, 50)))
    assert sum(has_fec(packet) for _, packet in sent) > 40, "the reply is sent without FEC"
    all_of_it = b"".join(whole.push(number, packet) for number, packet in sent)
    rest = b"".join(holed.push(number, packet) for number, packet in sent if number not in lost)
    return all_of_it, rest, holed


async def test_a_lost_packet_is_restored_from_the_one_behind_it():
    """The time of what follows is right."""
    whole, holed, heard = await heard_without(25)
    assert len(holed) == len(whole) == 50 * 960
    assert likeness(frame(whole, 25), frame(holed, 25)) > 0.9
    assert heard.order.lost == 1


async def test_of_more_lost_packets_all_but_the_last_are_concealed():
    """As loud as the sound before them, and fading."""
    whole, holed, heard = await heard_without(*range(25, 32))
    assert len(holed) == len(whole)
    assert likeness(frame(whole, 31), frame(holed, 31)) > 0.8
    levels = [loudness(frame(holed, number)) / loudness(frame(whole, number)) for number in range(25, 31)]
    assert levels[0] > 0.5
    assert levels[-1] < 0.3
    assert heard.order.lost == 7


async def test_silence_is_encoded_once_it_has_settled():
    track = ReplyTrack()
    sent = await packets(track, 30)
    assert len(set(sent[12:])) == 1


async def test_after_a_stall_nothing_is_sent_in_a_burst(virtual_loop, monkeypatch):
    """The time of the packets goes on as the clock did."""
    track = ReplyTrack()
    await packets(track, 5)
    real, jumped = virtual_loop.time, 5.0
    monkeypatch.setattr(virtual_loop, "time", lambda: real() + jumped)
    one = await track.recv()
    two = await track.recv()
    assert one.pts / 48_000 == pytest.approx(5.1, abs=0.05)
    assert (two.pts - one.pts) / 48_000 == pytest.approx(0.02)


def test_what_is_no_opus_is_silence() -> None:
    """One frame of it, and the next packet is heard."""
    heard = HeardSound()
    assert loudness(b"".join(heard.push(number, b"\xff" * 3) for number in range(3))) == 0


async def test_more_than_a_minute_that_waits_is_dropped_and_counted():
    track = ReplyTrack()
    for _ in range(61):
        track.push(TONE.tobytes())
    assert track.lost_ms == pytest.approx(1000)
