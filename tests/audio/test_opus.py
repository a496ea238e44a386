"""Ogg-Opus, with real packets of the real codec."""

import numpy as np
import pytest

from voicepipe.audio import BadAudio, OggOpus
from voicepipe.events import Audio, Samples

RATE_HZ = 24_000


def tone(seconds: float) -> Samples:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * RATE_HZ)) / RATE_HZ)).astype(np.float32)


def pages(seconds: float) -> list[bytes]:
    """A fresh stream, 40 ms a page; the first packet carries the stream's headers."""
    encode, sound = OggOpus().encoder(), tone(seconds)
    return [encode(Audio(sound[i : i + 960], RATE_HZ)) for i in range(0, len(sound), 960)]


def heard(decode, packets: list[bytes]) -> Samples:
    return np.concatenate([decode(packet) for packet in packets])


def test_what_is_encoded_is_heard_again() -> None:
    """All of it, at the same pitch."""
    sound = heard(OggOpus().decoder(), pages(1.0))
    assert len(sound) == pytest.approx(RATE_HZ, rel=0.05)
    spectrum = np.abs(np.fft.rfft(sound[RATE_HZ // 4 : RATE_HZ // 2]))
    assert np.argmax(spectrum) * RATE_HZ / (RATE_HZ // 4) == pytest.approx(440, abs=5)


def test_a_stream_that_begins_in_the_middle_is_skipped_to_its_next_beginning() -> None:
    """A browser that reconnects first sends pages of its old stream."""
    decode = OggOpus().decoder()
    assert len(heard(decode, pages(0.4)[3:])) == 0
    assert len(heard(decode, pages(0.4))) > 0.3 * RATE_HZ


def test_what_an_outage_has_left_behind_comes_in_one_packet() -> None:
    """15 s of it: sphn's reader alone fails at more than 5 s. What follows is heard, too."""
    packets, decode = pages(16.0), OggOpus().decoder()
    assert len(decode(b"".join(packets[:375]))) == 15 * RATE_HZ
    assert len(heard(decode, packets[375:])) == RATE_HZ


def test_a_new_beginning_in_the_middle_starts_a_new_stream() -> None:
    """Without an error."""
    decode = OggOpus().decoder()
    assert len(heard(decode, [*pages(0.2), *pages(0.4)])) > 0.5 * RATE_HZ


@pytest.mark.parametrize("garbage", [b"abc", b"x" * 100_000, b"Ogg"], ids=["3 bytes", "100,000 bytes", "half a magic"])
def test_garbage_is_named_and_the_next_stream_heard(garbage: bytes) -> None:
    """After a good start or at once."""
    decode = OggOpus().decoder()
    heard(decode, pages(0.2))
    with pytest.raises(BadAudio, match=f"packet of {len(garbage)} bytes"):
        decode(garbage)
    assert len(heard(decode, pages(0.4))) > 0.3 * RATE_HZ


def test_a_page_with_a_broken_body_is_named() -> None:
    """It looks like Ogg and is not Opus."""
    decode, good = OggOpus().decoder(), pages(0.2)
    with pytest.raises(BadAudio, match="not Ogg-Opus"):
        heard(decode, [good[0][:40], *good[1:]])
    assert len(heard(decode, pages(0.4))) > 0.3 * RATE_HZ


def test_an_empty_packet_is_garbage() -> None:
    """Nothing is no page."""
    with pytest.raises(BadAudio, match="0 bytes"):
        OggOpus().decoder()(b"")


def test_sound_at_another_rate_is_resampled() -> None:
    """A voice at 16 kHz goes out at 24 kHz."""
    encode = OggOpus().encoder()
    packet = encode(Audio(np.zeros(16_000, np.float32), 16_000))
    assert len(OggOpus().decoder()(packet)) > 0.9 * RATE_HZ


@pytest.mark.parametrize(("ms", "most"), [(80, 0.08), (200, 0.2), (1, 0.04)])
def test_a_long_packet_is_cut_between_pages(ms: float, most: float) -> None:
    """Into pieces that say the same as the whole, none longer than was asked for, or than a page."""
    packet = b"".join(pages(2.0))
    pieces = OggOpus().pieces(packet, ms)
    assert b"".join(pieces) == packet
    decode = OggOpus().decoder()
    sounds = [decode(piece) for piece in pieces]
    assert max(map(len, sounds)) <= most * RATE_HZ
    assert np.array_equal(np.concatenate(sounds), OggOpus().decoder()(packet))


def test_a_stream_that_begins_in_a_packet_begins_a_piece() -> None:
    """So that it is heard, though what is before it is not."""
    packet = b"".join([*pages(0.2)[2:], *pages(0.4)])
    decode = OggOpus().decoder()
    assert len(heard(decode, list(OggOpus().pieces(packet, 80)))) == pytest.approx(0.4 * RATE_HZ, rel=0.05)


@pytest.mark.parametrize("packet", [b"", b"abc", b"OggS", b"OggS" + bytes(100), pages(0.2)[0][:-1]])
def test_what_is_no_row_of_pages_is_one_piece(packet: bytes) -> None:
    """To be rejected as one."""
    assert list(OggOpus().pieces(packet, 80)) == [packet]
