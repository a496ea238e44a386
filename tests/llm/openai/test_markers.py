"""Markers in a text that is cut anywhere."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from voicepipe.llm.openai.markers import Marker, MarkerSplitter

MARKERS = ["<think>", "</think>", "<|end|>", "[x]"]
PARTS = st.lists(st.sampled_from([*MARKERS, "<THINK>", "<", "</", "[", "think>", "a", " "]), max_size=8)


def split(*pieces: str) -> list[str | Marker]:
    """The tokens, with neighbouring texts joined."""
    splitter, tokens = MarkerSplitter(MARKERS), list[str | Marker]()
    for token in [*(token for piece in pieces for token in splitter(piece)), *splitter.finish()]:
        if isinstance(token, str) and tokens and isinstance(tokens[-1], str):
            tokens[-1] += token
        else:
            tokens.append(token)
    return tokens


@given(PARTS, st.lists(st.integers(0, 60), max_size=8))
def test_any_cut_gives_the_same_tokens(parts: list[str], places: list[int]) -> None:
    """And no letter is lost, or comes twice."""
    whole = "".join(parts)
    edges = sorted({0, len(whole), *(place for place in places if place < len(whole))})
    assert split(*(whole[a:b] for a, b in pairwise(edges))) == split(whole)
    assert "".join(one.name if isinstance(one, Marker) else one for one in split(whole)).lower() == whole.lower()


def test_only_what_may_be_a_marker_waits() -> None:
    """A text is never later than it has to be."""
    splitter = MarkerSplitter(MARKERS)
    assert list(splitter("One <b> two <th")) == ["One <b> two "]
    assert list(splitter("ree")) == ["<three"]
    assert list(splitter("<|EnD|>!")) == [Marker("<|end|>"), "!"]
