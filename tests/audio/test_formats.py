"""A codec that follows what the client says of it."""

from __future__ import annotations

import numpy as np
import pytest

from voicepipe.audio import G711, BadAudio, Formats, OggOpus, Pcm16
from voicepipe.events import Audio

TONE = Audio((0.3 * np.sin(np.arange(24_000) * 0.1)).astype(np.float32), 24_000)


def test_each_way_on_its_own():
    """From the next packet on."""
    formats = Formats()
    decode, encode = formats.decoder(), formats.encoder()
    assert len(decode(bytes(960))) == 480
    assert len(encode(TONE)) == 48_000
    formats.input = G711("a")
    assert len(encode(TONE)) == 48_000
    sound = np.concatenate([decode(b"\xd5" * 160) for _ in range(50)])
    assert 23_000 < len(sound) <= 24_000
    formats.output = G711("mu")
    assert 7_700 < len(encode(TONE)) <= 8_000
    formats.input = formats.output = OggOpus()
    page = encode(TONE)
    assert page.startswith(b"OggS")
    assert len(decode(page)) > 20_000


def test_what_cannot_be_decoded_is_told():
    """As the codec has it."""
    formats, pages = Formats(), OggOpus().encoder()(TONE)
    formats.input = OggOpus()
    with pytest.raises(BadAudio, match="Ogg pages") as caught:
        formats.decoder()(pages + b"no page" + OggOpus().encoder()(TONE))
    assert len(caught.value.heard) == 48_000  # what is valid in the packet


def test_the_same_format_again_goes_on():
    """A client that repeats its settings does not break its stream."""
    formats = Formats()
    formats.input = OggOpus()
    encode, decode = OggOpus().encoder(), formats.decoder()
    first, second = encode(TONE), encode(TONE)
    heard = len(decode(first))
    formats.input = OggOpus()
    assert heard + len(decode(second)) > 40_000
    assert formats.rate_hz == Pcm16().rate_hz


def test_a_stretch_ends_with_its_last_sample():
    """Whatever is held up where the rate is changed: when the client says so, or changes its format."""
    for end in ("rest", "change"):
        formats = Formats()
        formats.input = G711("mu")
        decode = formats.decoder()
        assert len(decode.rest()) == 0
        length = sum(len(decode(b"\x80" * 160)) for _ in range(50))
        assert length < 24_000 - 400
        if end == "rest":
            length += len(decode.rest())
        else:
            formats.input = Pcm16()
            length += len(decode(bytes(960))) - 480
        assert length == 24_000


@pytest.mark.parametrize(("codec", "per_ms"), [(Pcm16(), 48), (Pcm16(8_000), 16), (G711("a"), 8)])
def test_a_long_packet_is_cut(codec, per_ms: int):
    """Into pieces of so many milliseconds; together they are the packet."""
    formats = Formats()
    formats.input = codec
    packet = bytes(range(256)) * 80
    pieces = list(formats.pieces(packet, 80))
    assert b"".join(pieces) == packet
    assert {len(piece) for piece in pieces[:-1]} == {80 * per_ms}
    assert list(formats.pieces(b"", 80)) == [b""]


def test_half_a_sample_is_in_the_last_piece():
    """Its other half comes with the next packet."""
    assert [len(piece) for piece in Pcm16().pieces(bytes(9999), 80)] == [3840, 3840, 2319]
