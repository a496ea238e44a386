"""G.711, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from voicepipe.audio import G711
from voicepipe.audio.g711 import Law
from voicepipe.events import Audio

RATE_HZ = 8000

# The ends of the segments, by tables 1 and 2 of ITU-T G.711: levels of 13 bits (A-law) and 14 bits (µ-law), in 16.
_MU = {0x80: 8031, 0x8F: 4191, 0x9F: 2079, 0xAF: 1023, 0xBF: 495, 0xCF: 231, 0xDF: 99, 0xEF: 33, 0xFE: 2, 0xFF: 0}
_A = {0xAA: 4032, 0xA5: 2112, 0xB5: 1056, 0x85: 528, 0x95: 264, 0xE5: 132, 0xF5: 66, 0xC5: 33, 0xD5: 1}
MU = {code: 4 * level for code, level in _MU.items()} | {code & 0x7F: -4 * level for code, level in _MU.items()}
A = {code: 8 * level for code, level in _A.items()} | {code & 0x7F: -8 * level for code, level in _A.items()}


def decoded(law: Law, data: bytes) -> list[int]:
    return [round(float(level) * 32768) for level in G711(law).decoder()(data)]


def encoded(law: Law, levels: list[int]) -> bytes:
    return G711(law).encoder()(Audio(np.array(levels, np.float32) / np.float32(32768), RATE_HZ))


def mu(level: int) -> int:
    """The reference of ITU-T G.191, one sample."""
    magnitude = min(((~level) >> 2 if level < 0 else level >> 2) + 33, 0x1FFF)
    rest, segment = magnitude >> 6, 1
    while rest:
        rest, segment = rest >> 1, segment + 1
    code = (8 - segment) << 4 | 0x0F - (magnitude >> segment & 0x0F)
    return code | 0x80 if level >= 0 else code


def a(level: int) -> int:
    """The reference of ITU-T G.191, one sample."""
    code = (~level) >> 4 if level < 0 else level >> 4
    if code > 15:
        segment = 1
        while code > 31:
            code, segment = code >> 1, segment + 1
        code = code - 16 + (segment << 4)
    return (code | 0x80 if level >= 0 else code) ^ 0x55


@pytest.mark.parametrize(("law", "table"), [("mu", MU), ("a", A)])
def test_levels_are_those_of_the_recommendation(law: Law, table: dict[int, int]):
    """At the ends of the segments, and around zero."""
    assert decoded(law, bytes(table)) == list(table.values())


@pytest.mark.parametrize(("law", "reference"), [("mu", mu), ("a", a)])
def test_every_level_is_encoded_as_the_reference_does(law: Law, reference):
    """All 65536."""
    levels = list(range(-32768, 32768))
    assert encoded(law, levels) == bytes(map(reference, levels))


@pytest.mark.parametrize("law", ["mu", "a"])
def test_what_was_decoded_is_encoded_alike(law: Law):
    """But for the second zero of µ-law."""
    codes = [code for code in range(256) if (law, code) != ("mu", 0x7F)]
    assert encoded(law, decoded(law, bytes(codes))) == bytes(codes)


@pytest.mark.parametrize("law", ["mu", "a"])
def test_too_loud_is_as_loud_as_can_be(law: Law):
    """Not the other sign."""
    loud = G711(law).encoder()(Audio(np.array([2.0, -2.0], np.float32), RATE_HZ))
    assert decoded(law, loud)[0] > 32_000
    assert decoded(law, loud)[1] < -32_000


@pytest.mark.parametrize("law", ["mu", "a"])
def test_a_voice_at_24_khz_comes_through(law: Law):
    """In pieces as in one; a tone below 4 kHz is that tone, one above it is gone."""
    at_s = np.arange(24_000) / 24_000
    for pitch_hz, survives in ((1000, True), (6000, False)):
        tone = (0.5 * np.sin(2 * np.pi * pitch_hz * at_s)).astype(np.float32)
        encode, decode = G711(law).encoder(), G711(law).decoder()
        pieces = [encode(Audio(tone[at : at + 1920], 24_000)) for at in range(0, 24_000, 1920)]
        sound = np.concatenate([decode(piece) for piece in pieces])
        assert 7_700 < len(sound) <= 8_000
        loudness = float(np.sqrt(np.mean(sound[1000:7000] ** 2)))
        assert loudness == pytest.approx(0.354, abs=0.01) if survives else loudness < 0.02
