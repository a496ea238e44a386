"""Word errors are counted as everybody counts them."""

from __future__ import annotations

import pytest
from benchmarks.accuracy import edits, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("In short,, the period", ["in", "short", "the", "period"]),
        ("Don't — STOP, please-now.", ["don't", "stop", "please", "now"]),
        ("it’s 1859 ' ''", ["it's"]),
        ("", []),
    ],
)
def test_words_are_letters_and_apostrophes(text: str, expected: list[str]) -> None:
    """Everything else divides them or is left out."""
    assert words(text) == expected


@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        ("it was the best", 0),
        ("it was a best", 1),
        ("it the best", 1),
        ("well it was the best", 1),
        ("", 4),
        ("best the was it", 4),
    ],
)
def test_errors_are_wrong_missing_and_invented_words(heard: str, expected: int) -> None:
    """The fewest that explain the difference."""
    assert edits(["it", "was", "the", "best"], heard.split()) == expected
