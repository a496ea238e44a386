"""Faults of an answer, and how they are counted."""

from __future__ import annotations

import re

import pytest
from benchmarks.answers import FAULTS, Answer, Turn, faults, load

ASKED = Turn("I had pancakes for breakfast.", "pancake")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Pancakes! What was on them?", []),
        ("", ["empty"]),
        ("...", ["empty"]),
        ("A bowl of rice is a bowl of rice.", ["loops"]),
        ("Nice to hear from you.", ["repeats"]),
        ("You had pancakes for breakfast today.", []),
        ("I had pancakes for breakfast.", ["echoes"]),
        ("You love the sea.", ["invents"]),
        ("I'm glad that you're enjoying the day!", ["invents"]),
        ("You are welcome.", []),
        ("If you like the sea, go there.", []),
        ("As an AI I do not eat.", ["machine talk"]),
        ("1. **Eggs**", ["markup"]),
        ("One. Two. Three.", ["long"]),
    ],
)
def test_each_fault_is_found(text: str, expected: list[str]) -> None:
    """And none where there is none."""
    before = [("bot", "Hello! Nice to hear from you.")]
    assert [one for one in faults(Answer("smalltalk", ASKED, text, 1.0, before=before)) if one != "echoes"] == [
        one for one in expected if one != "echoes"
    ]
    assert set(expected) <= set(FAULTS)


def test_an_echo_is_the_question_said_again() -> None:
    """Five words of it in a row."""
    assert "echoes" in faults(Answer("smalltalk", ASKED, "I had pancakes for breakfast.", 1.0))
    assert "echoes" not in faults(Answer("smalltalk", ASKED, "Pancakes for breakfast are nice.", 1.0))


def test_the_questions_are_forty() -> None:
    """Each with an expression that can be read, which the question itself does not decide."""
    turns = [turn for talk in load() for turn in talk.turns]
    assert len(turns) == 40
    assert all(re.compile(turn.about) for turn in turns)
    assert len({turn.said for turn in turns}) == 40
