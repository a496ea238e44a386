"""Text that can be encoded and spoken."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from voicepipe.llm.openai.clean import CleanText, cleaned

ANYTHING = st.text(st.one_of(st.characters(), st.sampled_from("\ud83d\ude00\x00\ufffd\n\ta")), max_size=12)


@given(ANYTHING, st.lists(st.integers(0, 12), max_size=4))
def test_any_cut_gives_the_same_text(text: str, places: list[int]) -> None:
    """Which can be encoded."""
    edges = sorted({0, len(text), *(place for place in places if place < len(text))})
    clean = CleanText()
    said = "".join(clean(text[a:b]) for a, b in pairwise(edges))
    assert said == cleaned(text)
    said.encode()


def test_what_is_removed_and_what_is_not() -> None:
    """Line ends and tabs are layout; a pair is one letter."""
    assert cleaned("a\x00\x1b\ufffd\ufeffb\tc\n\ud83d\ude00\ud83d") == "ab\tc\n\U0001f600"
