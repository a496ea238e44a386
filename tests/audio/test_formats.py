"""The codecs of a client that names its formats."""

from __future__ import annotations

import numpy as np
import pytest

from voicepipe.audio import G711, BadAudio, ClientCodec, OggOpus, Pcm16, codec_of
from voicepipe.events import Audio

TONE = Audio((0.3 * np.sin(np.arange(24_000) * 0.1)).astype(np.float32), 24_000)
CLIENT = ClientCodec(Pcm16(24_000))


def test_the_codecs_of_the_formats():
    """A client names them by their media types."""
    assert [codec_of(name) for name in ("audio/pcm", "audio/pcmu", "audio/pcma", "audio/opus")] == [
        Pcm16(24_000),
        G711("mu"),
        G711("a"),
        OggOpus(24_000),
    ]
    assert CLIENT.codec(None) == Pcm16(24_000)
    assert CLIENT.codec("audio/pcmu") == G711("mu")


def test_sound_has_one_rate():
    """That of the first codec, whatever the rate of the others."""
    decoder = CLIENT.decoders()
    assert len(decoder(Pcm16())(bytes(960))) == 480
    decode = decoder(G711("a"))
    sound = np.concatenate([*(decode(b"\xd5" * 160) for _ in range(50)), decode.rest()])
    assert len(sound) == 24_000
    assert len(decoder(OggOpus())(OggOpus().encoder()(TONE))) > 20_000


def test_a_packet_that_cannot_be_decoded():
    """Its valid parts are heard, also where they are resampled."""
    pages = OggOpus(48_000).encoder()(TONE)
    with pytest.raises(BadAudio, match="Ogg pages") as caught:
        CLIENT.decoders()(OggOpus(48_000))(pages + b"no page" + OggOpus().encoder()(TONE))
    assert 46_000 < len(caught.value.heard) <= 48_000


def test_one_meter_counts_a_stream_in_all_its_formats():
    """The valid parts of a bad packet, and what is held back until the end, too."""
    counted: list[list[float]] = []

    def meter():
        counted.append([])
        return counted[-1].append

    decoder = ClientCodec(Pcm16(24_000), meter).decoders()
    decoder(Pcm16())(bytes(4800))
    decode = decoder(G711("mu"))
    decode(bytes(800))
    decode.rest()
    with pytest.raises(BadAudio):
        decoder(OggOpus())(OggOpus().encoder()(TONE) + b"no page" + OggOpus().encoder()(TONE))
    (lengths,) = counted
    assert sum(lengths[:3]) == pytest.approx(200)
    assert lengths[3] == 2000


@pytest.mark.parametrize(("codec", "per_ms"), [(Pcm16(), 48), (Pcm16(8_000), 16), (G711("a"), 8)])
def test_a_long_packet_is_cut(codec, per_ms: int):
    """Into pieces of so many milliseconds; together they are the packet."""
    packet = bytes(range(256)) * 80
    pieces = list(ClientCodec(codec).pieces(packet, 80))
    assert b"".join(pieces) == packet
    assert {len(piece) for piece in pieces[:-1]} == {80 * per_ms}
    assert list(codec.pieces(b"", 80)) == [b""]


def test_half_a_sample_is_in_the_last_piece():
    """Its other half comes with the next packet."""
    assert [len(piece) for piece in Pcm16().pieces(bytes(9999), 80)] == [3840, 3840, 2319]
