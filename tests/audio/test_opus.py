"""Ogg-Opus, with real packets of the real codec."""

from dataclasses import replace

import numpy as np
import ogg_opus
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


@pytest.mark.parametrize("garbage", [b"abc", b"x" * 100_000], ids=["3 bytes", "100,000 bytes"])
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
    with pytest.raises(BadAudio, match="not Ogg pages"):
        heard(decode, [good[0][:40], *good[1:]])
    assert len(heard(decode, pages(0.4))) > 0.3 * RATE_HZ


def complaints(decode, packets: list[bytes]) -> tuple[int, list[str]]:
    """The length of the sound of all packets, and what was said against them."""
    length, said = 0, []
    for packet in packets:
        try:
            length += len(decode(packet))
        except BadAudio as error:
            length += len(error.heard)
            said.append(str(error))
    return length, said


def test_an_empty_packet_is_no_sound() -> None:
    """It is the first part of a stream that is cut at its first byte."""
    assert len(OggOpus().decoder()(b"")) == 0


def test_a_stream_is_heard_whole_wherever_it_is_cut() -> None:
    """At every byte, into two packets."""
    stream = b"".join(pages(0.2))
    whole = OggOpus().decoder()(stream)
    for cut in range(len(stream) + 1):
        assert np.array_equal(heard(OggOpus().decoder(), [stream[:cut], stream[cut:]]), whole), cut


@pytest.mark.parametrize("size", [1, 7, 100, 1000, 1024, 4096])
def test_packets_of_any_size_are_heard_whole(size: int) -> None:
    """As from a pipe; cut into pieces, as the server does it."""
    stream = b"".join(pages(1.0))
    packets = [stream[at : at + size] for at in range(0, len(stream), size)]
    pieces = [piece for packet in packets for piece in OggOpus().pieces(packet, 80)]
    assert b"".join(pieces) == stream
    assert np.array_equal(heard(OggOpus().decoder(), pieces), OggOpus().decoder()(stream))


def wrong_checksum(page: bytes) -> bytes:
    """One bit of its sound is another."""
    return page[:-5] + bytes([page[-5] ^ 1]) + page[-4:]


@pytest.mark.parametrize(
    ("damaged", "lost_ms"),
    [
        (lambda pages: [*pages[:5], wrong_checksum(pages[5]), *pages[6:]], 40),
        (lambda pages: [*pages[:5], pages[5][:-3], *pages[6:]], 40),
        (lambda pages: [*pages[:5], b"OggS\0" + b"\xff" * 300, *pages[5:]], 0),
        (lambda pages: [*pages[:5], *[bytes(900)] * 30, *pages[5:]], 0),
        (lambda pages: [*pages[:5], pages[5][:9], pages[5][12:], *pages[6:]], 40),
    ],
    ids=["a wrong bit", "a page cut short", "a header alone", "thirty packets of PCM", "a gap"],
)
def test_what_is_damaged_costs_itself_and_is_answered_once(damaged, lost_ms: int) -> None:
    """The same stream goes on behind it."""
    length, said = complaints(OggOpus().decoder(), damaged(pages(1.0)))
    assert length == RATE_HZ - lost_ms * RATE_HZ // 1000
    assert len(said) == 1


def test_a_page_that_is_no_opus_costs_itself() -> None:
    """Its checksum is right; the reader that fails on it is replaced, and gets the stream's headers."""
    head, first, *others = ogg_opus.pages(b"".join(pages(1.0)))
    wrong = [bytes(replace(others[5], packets=(b"\xff\xff",))), bytes(replace(others[6], packets=(b"\xff\xff",)))]
    packets = [bytes(head), bytes(first), *map(bytes, others[:5]), *wrong, *map(bytes, others[7:])]
    length, said = complaints(OggOpus().decoder(), packets)
    assert length >= RATE_HZ - 2 * 960
    assert len(said) <= 1


@pytest.mark.parametrize("kind", [16, 17, 18, 19, 1, 2, 3], ids=["2.5", "5", "10", "20", "20 SILK", "40", "60"])
def test_frames_of_any_length_are_heard(kind: int) -> None:
    """2.5 to 60 ms (RFC 6716, 3.1): packets without a body are silence of their length."""
    head, tags, *_ = ogg_opus.pages(b"".join(pages(0.1)))
    packet = bytes([kind << 3])
    (ms,) = ogg_opus.frames_ms(packet)
    count = round(600 / ms)
    stream = [replace(tags, number=2 + n, granule=round(48 * ms * (n + 1)), packets=(packet,)) for n in range(count)]
    length, said = complaints(OggOpus().decoder(), [bytes(head), bytes(tags), *map(bytes, stream)])
    assert not said
    assert length == pytest.approx(0.6 * RATE_HZ, abs=0.02 * RATE_HZ)


def test_a_stream_in_another_format_is_named() -> None:
    """Once, and the Opus stream after it is heard."""
    head = ogg_opus.pages(pages(0.04)[0])[0]
    vorbis = bytes(replace(head, packets=(b"\x01vorbis" + bytes(23),)))
    length, said = complaints(OggOpus().decoder(), [vorbis, *pages(0.4)])
    assert said == ["not Ogg-Opus: a stream begins that is in another format"]
    assert length == 0.4 * RATE_HZ


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


@pytest.mark.parametrize("packet", [b"", b"abc", b"OggS", b"OggS" + bytes(100)])
def test_what_is_no_row_of_pages_is_one_piece(packet: bytes) -> None:
    """To be rejected as one."""
    assert list(OggOpus().pieces(packet, 80)) == [packet]
