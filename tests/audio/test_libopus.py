"""libopus, as it encodes: packets of 20 ms that sound like what went in."""

import numpy as np
import pytest

from voicepipe.audio import OggOpus
from voicepipe.audio.libopus import OpusEncoder, libopus
from voicepipe.audio.ogg import OggPages
from voicepipe.events import Audio, Samples

RATE_HZ = 24_000
DELAY = 60
LIBRARY = libopus()
assert LIBRARY is not None, "PyAV is a dependency, and brings it"


def voice(seconds: float) -> Samples:
    at = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    sound = sum(np.sin(2 * np.pi * 140 * partial * at) / partial for partial in range(1, 12))
    return (0.1 * sound * (0.6 - 0.4 * np.cos(2 * np.pi * 4 * at))).astype(np.float32)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000, 48_000])
def test_there_is_a_packet_for_each_20_ms(rate_hz: int) -> None:
    """At any rate that Opus has."""
    encode = OpusEncoder(LIBRARY, rate_hz)
    packets = encode(np.zeros(5 * encode.frame, np.float32))
    assert len(packets) == 5
    assert all(0 < len(packet) < 1276 for packet in packets)


def test_a_rate_that_opus_does_not_have_is_named() -> None:
    with pytest.raises(ValueError, match="44100 Hz"):
        OpusEncoder(LIBRARY, 44_100)


def test_sound_comes_back_as_it_was() -> None:
    """2.5 ms later: with the encoder's least delay."""
    said, encode, decode = voice(1.0), OggOpus().encoder(), OggOpus().decoder()
    pages = [encode(Audio(said[at : at + 1920], RATE_HZ)) for at in range(0, len(said) - 1919, 1920)]
    heard = np.concatenate([decode(page) for page in pages])
    assert len(heard) >= len(said) - 1920
    part = said[: len(heard) - DELAY]
    assert np.sqrt(np.mean((heard[DELAY:][: len(part)] - part) ** 2)) < 0.2 * np.sqrt(np.mean(part**2))


def test_a_page_has_40_ms_and_tells_where_it_ends() -> None:
    """RFC 7845: the position counts samples of 48 kHz."""
    encode = OggOpus().encoder()
    pages = OggPages().append(b"".join(encode(Audio(voice(0.08), RATE_HZ)) for _ in range(3)))
    assert [page.begins for page in pages[:3]] == [True, False, False]
    assert pages[0].body.startswith(b"OpusHead")
    assert pages[1].body.startswith(b"OpusTags")
    assert [page.granule for page in pages[2:]] == [1920 * number for number in range(1, 7)]
    assert [page.data[26] for page in pages[2:]] == [2] * 6
