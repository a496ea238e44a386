"""Server-sent events: the same whatever way the bytes are cut."""

from __future__ import annotations

from itertools import chain, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.services.openai.sse import EventTooLong, SseParser


def events(*chunks: bytes, max_event_bytes: int = 1000) -> list[str]:
    parser = SseParser(max_event_bytes=max_event_bytes)
    return [*(data for chunk in chunks for data in parser.feed(chunk)), *parser.finish()]


def cut(whole: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(whole) + 1) for place in places), len(whole)]
    return [whole[a:b] for a, b in pairwise(edges)]


places = st.lists(st.integers(0, 10_000), max_size=30)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_an_event_ends_with_an_empty_line(end: bytes) -> None:
    """Whichever way the server ends its lines."""
    parser = SseParser(max_event_bytes=100)
    assert list(parser.feed(b"data: one" + end)) == []
    assert list(parser.feed(end)) == ["one"]
    assert list(parser.feed(b"data:two" + end * 2)) == ["two"]


def test_several_data_lines_are_one_text() -> None:
    """One space after the colon belongs to the format, a second one to the text."""
    assert events(b"data: a\ndata:  b\ndata\ndata:c\n\n") == ["a\n b\n\nc"]


def test_comments_and_other_fields_are_skipped() -> None:
    """So are events without data, and a byte order mark."""
    assert events(b"\xef\xbb\xbfdata: a\n: ping\nevent: x\nid: 7\nretry: 1\n\nevent: y\n\n:\n\n") == ["a"]


def test_an_event_at_the_end_needs_no_empty_line() -> None:
    """Some servers leave it out."""
    assert events(b"data: a\n\ndata: b") == ["a", "b"]


def test_a_letter_cut_in_two_is_whole_again_and_a_broken_one_is_marked() -> None:
    """Bytes are joined before they are read as text."""
    assert events(b"data: \xc3", b"\xa9\n\n", b"data: \xff\n\n") == ["é", "\ufffd"]


@given(st.lists(st.text(max_size=20), max_size=6), st.sampled_from([b"\n", b"\r\n", b"\r"]), places)
def test_what_was_written_is_read(texts: list[str], end: bytes, where: list[int]) -> None:
    """Any text without line ends, cut anywhere."""
    lines = [text.replace("\r", "").replace("\n", "") for text in texts]
    whole = b"".join(b"data: " + line.encode() + end + end for line in lines)
    assert events(*cut(whole, where)) == lines


@given(st.one_of(st.binary(max_size=300), st.text("da:t \r\n\ufeff", max_size=300).map(str.encode)), places)
def test_any_bytes_cut_anywhere_give_the_same(whole: bytes, where: list[int]) -> None:
    """Garbage, too."""
    assert events(*cut(whole, where)) == events(whole)


@given(st.text("da:t\n", max_size=60).map(str.encode), places)
def test_whether_it_is_too_long_does_not_depend_on_the_cuts(whole: bytes, where: list[int]) -> None:
    """The parts before it come out first or do not."""

    def outcome(*chunks: bytes) -> list[str] | None:
        try:
            return events(*chunks, max_event_bytes=8)
        except EventTooLong:
            return None

    assert outcome(*cut(whole, where)) == outcome(whole)


@pytest.mark.parametrize("part", [b"data: xxxx\n", b":", b"x", b"data: " + b"x" * 30])
def test_an_event_without_end_is_an_error(part: bytes) -> None:
    """Memory is bounded, whatever a server sends."""
    parser = SseParser(max_event_bytes=20)
    with pytest.raises(EventTooLong, match="20 bytes"):
        list(chain.from_iterable(parser.feed(part) for _ in range(100)))
