"""PCM16, cut anywhere."""

import numpy as np
import pytest

from voicepipe.audio import Pcm16
from voicepipe.client.samples import read_sample

SOUND = (8000 * np.sin(np.arange(12_000) * 0.1)).astype("<i2")
NOISE = np.random.default_rng(7).integers(-9000, 9000, 12_000).astype("<i2")
COARSE = (SOUND // 256 * 256).astype("<i2")


def heard(packets: list[bytes]) -> np.ndarray:
    decode = Pcm16().decoder()
    return np.concatenate([decode(packet) for packet in packets])


@pytest.mark.parametrize("sound", [SOUND, NOISE, COARSE, np.zeros(12_000, "<i2")], ids=["tone", "noise", "8 bit", "0"])
@pytest.mark.parametrize("size", [1, 3, 959, 961, 4095, 1024])
def test_samples_are_joined_over_packets(sound, size: int):
    """Byte for byte as in one piece."""
    data = sound.tobytes()
    packets = [data[at : at + size] for at in range(0, len(data), size)]
    assert np.array_equal(heard(packets), heard([data]))


@pytest.mark.parametrize("sound", [SOUND, COARSE], ids=["tone", "8 bit"])
def test_one_odd_packet_shifts_the_packets_behind_it(sound):
    """A stream whose first packet has an odd length, and all others an even one."""
    data = sound.tobytes()
    assert np.array_equal(
        heard([data[:101], *(data[at : at + 960] for at in range(101, len(data), 960))]), heard([data])
    )


def test_a_lost_byte_costs_the_packet_it_was_in():
    """The halves of all later samples are not swapped: that is loud noise."""
    packets = [SOUND[at : at + 480].tobytes() for at in range(0, len(SOUND), 480)]
    sound = heard([*packets[:3], packets[3][:-1], *packets[4:]])
    assert np.array_equal(sound[-480 * 20 :], heard([SOUND.tobytes()])[-480 * 20 :])


@pytest.mark.models
def test_the_same_with_speech():
    """Cut anywhere it is whole, and after a lost byte it is found again."""
    data = (read_sample("question") * 32767).astype("<i2").tobytes()
    packets = [data[:101], *(data[at : at + 960] for at in range(101, len(data), 960))]
    assert np.array_equal(heard(packets), heard([data]))
    lost = heard([data[:959], *(data[at : at + 960] for at in range(960, len(data), 960))])
    assert np.array_equal(lost[-48_000:], heard([data])[-48_000:])


def test_half_a_sample_ends_with_its_turn():
    """The sound behind a commit begins with a whole sample."""
    decode = Pcm16().decoder()
    decode(b"\x00\x40\x07")
    assert len(decode.rest()) == 0
    assert decode(b"\x00\x40") == [0.5]
