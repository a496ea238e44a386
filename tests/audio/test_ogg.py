"""Ogg pages out of bytes, without a codec."""

import numpy as np
import ogg_opus
import pytest

from voicepipe.audio import OggOpus
from voicepipe.audio.ogg import OggPages, OggWriter, page_starts
from voicepipe.events import Audio

STREAM = OggOpus().encoder()(Audio(np.zeros(9600, np.float32), 24_000))
PAGES = [bytes(page) for page in ogg_opus.pages(STREAM)]


def test_pages_are_those_of_another_reader():
    """With what their headers say."""
    found = OggPages().append(STREAM)
    assert [page.data for page in found] == PAGES
    assert [(page.begins, page.granule) for page in found] == [
        (page.begins, page.granule) for page in ogg_opus.pages(STREAM)
    ]
    assert found[0].body.startswith(b"OpusHead")


def test_a_page_comes_with_its_last_byte():
    """Not before."""
    pages = OggPages()
    assert [len(pages.append(bytes([byte]))) for byte in PAGES[0]] == [0] * (len(PAGES[0]) - 1) + [1]


@pytest.mark.parametrize("byte", range(len(PAGES[3])))
def test_a_wrong_byte_costs_its_page(byte: int):
    """Whichever it is, and the pages before and behind are whole."""
    pages = OggPages()
    wrong = bytes([PAGES[3][byte] ^ 0x10])
    found = pages.append(b"".join([*PAGES[:3], PAGES[3][:byte] + wrong + PAGES[3][byte + 1 :], *PAGES[4:]]))
    assert [page.data for page in found] == [*PAGES[:3], *PAGES[4:]]
    assert pages.faults == 1


def test_no_more_is_kept_than_a_page():
    """Of bytes that are none, nothing."""
    pages = OggPages()
    for _ in range(100):
        pages.append(b"OggS\0" + bytes(21) + b"\xff" * 1000)
    assert pages.append(b"".join(PAGES))
    assert pages.faults == 1


def test_starts_are_found_in_a_part_of_a_stream():
    """As far as their headers are whole."""
    part = STREAM[10 : 20 - len(PAGES[-1])]
    assert [part[start.at : start.at + 4] for start in page_starts(part)] == [b"OggS"] * len(page_starts(part))
    assert len(page_starts(part)) == len(PAGES) - 2


@pytest.mark.parametrize("size", [0, 1, 254, 255, 256, 510, 1275])
def test_what_is_written_is_read(size: int):
    """Packets of any length, with a checksum; the first page begins the stream."""
    writer = OggWriter(7)
    first, second = (writer.page([b"a" * size, b"b"], granule) for granule in (0, 960))
    pages = OggPages()
    read = pages.append(first + second)
    assert [page.data for page in read] == [first, second]
    assert [(page.begins, page.granule, page.serial, page.body) for page in read] == [
        (True, 0, b"\7\0\0\0", b"a" * size + b"b"),
        (False, 960, b"\7\0\0\0", b"a" * size + b"b"),
    ]
    assert pages.faults == 0
