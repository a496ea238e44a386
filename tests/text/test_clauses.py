"""Clauses for a voice: early, and never within what is read together."""

from __future__ import annotations

import pytest
from reading_table import READINGS
from sentence_table import SENTENCES

from voicepipe.text.clauses import Clause, ClauseCutter
from voicepipe.text.groups import Grouper
from voicepipe.text.words import Word, words_of


def cut(text: str) -> list[tuple[int, Clause]]:
    """Return the clauses of a text, each with the number of words that had come when it was cut."""
    cutter = ClauseCutter(first_words=8, min_words=4, max_words=24)
    came = [(number, clause) for number, word in enumerate(words_of(text), 1) for clause in cutter(word)]
    return came + [(len(words_of(text)), clause) for clause in cutter.rest()]


def clauses(text: str) -> list[str]:
    return [str(clause) for _, clause in cut(text)]


@pytest.mark.parametrize("marked", SENTENCES)
def test_a_clause_ends_with_each_sentence_and_at_most_one_word_later(marked: str) -> None:
    """None waits for the end of the reply, and none holds a part of two sentences."""
    ends, came = 0, cut(marked.replace("|", ""))
    for sentence in marked.split("|")[:-1]:
        ends += len(words_of(sentence))
        assert any(sum(len(one.words) for _, one in came[: at + 1]) == ends for at in range(len(came))), sentence
        assert next(number for number, one in came if number >= ends) <= ends + 1


@pytest.mark.parametrize("text", [text for table in READINGS.values() for text, _ in table if "\n" not in text])
def test_what_is_read_together_is_not_cut(text: str) -> None:
    """Wherever it stands in a long text without punctuation."""
    grouper = Grouper()
    groups = [group.words for word in words_of(text) for group in grouper(word)] + [g.words for g in grouper.rest()]
    for before in range(18, 24):
        cutter = ClauseCutter(first_words=24, min_words=4, max_words=24)
        words = [Word("so")] * before + words_of(text)
        made = [clause for word in words for clause in cutter(word)] + list(cutter.rest())
        edges, at = {before}, 0
        for group in groups:
            at += len(group)
            edges.add(before + at)
        ends, at = set[int](), 0
        for clause in made:
            at += len(clause.words)
            ends.add(at)
        assert all(end <= before or end in edges for end in ends), [str(one) for one in made]


def test_lines_end_clauses() -> None:
    """A heading and a list's item are said on their own; a table's rule is said with the next row, silently."""
    assert clauses("# Plan\nFirst\n- one\n- two") == ["# Plan", "First", "- one", "- two"]
    assert [one.ends_line for _, one in cut("# Plan\n- one")] == [True, False]
    assert clauses("| a |\n|---|\n| c |\n\nEnd") == ["| a |", "|---| | c |", "End"]


def test_scripts_without_spaces_are_cut_at_their_punctuation() -> None:
    """The pieces are not joined by spaces."""
    assert clauses("今日は。元気です、はい。") == ["今日は。", "元気です、はい。"]
    assert clauses("كيف حالك؟ أنا بخير، شكرا.") == ["كيف حالك؟", "أنا بخير، شكرا."]


def test_a_long_clause_waits_for_the_end_of_a_link_but_not_for_ever() -> None:
    text = "a b c d e f g [the docs](https://e.com) h"
    assert clauses(text)[0] == "a b c d e f g [the docs](https://e.com)"
    assert max(len(one.words) for _, one in cut("[" + "word " * 60)) <= 24 + 12
