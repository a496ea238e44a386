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
    formats.given = G711("a")
    assert len(encode(TONE)) == 48_000
    sound = np.concatenate([decode(b"\xd5" * 160) for _ in range(50)])
    assert 23_000 < len(sound) <= 24_000
    formats.wanted = G711("mu")
    assert 7_700 < len(encode(TONE)) <= 8_000
    formats.given = formats.wanted = OggOpus()
    page = encode(TONE)
    assert page.startswith(b"OggS")
    assert len(decode(page)) > 20_000


def test_what_cannot_be_decoded_is_told():
    """As the codec has it."""
    formats = Formats()
    with pytest.raises(BadAudio, match="two bytes"):
        formats.decoder()(b"odd")


def test_the_same_format_again_goes_on():
    """A client that repeats its settings does not break its stream."""
    formats = Formats()
    formats.given = OggOpus()
    encode, decode = OggOpus().encoder(), formats.decoder()
    first, second = encode(TONE), encode(TONE)
    heard = len(decode(first))
    formats.given = OggOpus()
    assert heard + len(decode(second)) > 40_000
    assert formats.rate_hz == Pcm16().rate_hz
