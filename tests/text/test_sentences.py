"""The ends of sentences in 60 texts, as the words arrive one at a time."""

from __future__ import annotations

import pytest
from sentence_table import SENTENCES

from voicepipe.text.sentences import ends_before, ends_with
from voicepipe.text.words import Word, words_of


def sentences(text: str) -> tuple[list[str], list[bool]]:
    """Return the sentences of a text, and of each whether it ended at once, without the next word."""
    found: list[str] = []
    at_once: list[bool] = []
    sentence: list[Word] = []

    def cut(*, early: bool) -> None:
        found.append("".join(word.text if word.glued else f" {word.text}" for word in sentence).strip())
        at_once.append(early)
        sentence.clear()

    for word in words_of(text):
        if sentence and ends_before([one.text for one in sentence], word):
            cut(early=False)
        sentence.append(word)
        if ends_with([one.text for one in sentence]):
            cut(early=True)
    if sentence:
        cut(early=False)
    return found, at_once


def test_there_are_sixty() -> None:
    assert len(set(SENTENCES)) == 60


@pytest.mark.parametrize("marked", SENTENCES)
def test_a_sentence_ends_where_it_ends(marked: str) -> None:
    """At the mark, with its last word or with the next one: none waits for the end of the text."""
    found, _ = sentences(marked.replace("|", ""))
    assert found == [one.strip() for one in marked.split("|")]


def test_most_ends_do_not_wait_for_the_next_word() -> None:
    """A voice begins earlier by that word."""
    early = [one for marked in SENTENCES for one in sentences(marked.replace("|", ""))[1][:-1]]
    assert sum(early) > 0.75 * len(early)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Say no. 5 people did.", "Say no."),
        ("See no. 5 now.", "See no. 5 now."),
        ("Add 2 tbsp. of oil. Stir.", "Add 2 tbsp. of oil."),
        ("Be there at 10 a.m. Monday. Please.", "Be there at 10 a.m. Monday."),
        ("It is 6 ft. 2 in. tall. Big.", "It is 6 ft. 2 in. tall."),
        ("Il est 14 h. M. Dupont arrive.", "Il est 14 h."),
        ("最高！」と言った。はい。", "最高！」と言った。"),
    ],
)
def test_other_texts(text: str, first: str) -> None:
    """Kinds that the sixty have once, or not."""
    assert sentences(text)[0][0] == first
