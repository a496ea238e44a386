"""From deltas to words to clauses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sentence_table import SENTENCES

from voicepipe.events import ReplyText
from voicepipe.operators import at_most_sentences, by_clause, split_words
from voicepipe.testing import Marbles


def test_words_come_whole_as_soon_as_the_next_one_begins(marbles: Marbles) -> None:
    """A delta may end in the middle of a word; the word waits for its end, the last one for the stream's."""
    llm = marbles.cold("a--b--c|", a="Hel", b="lo wor", c="ld.")
    marbles.expect(llm.pipe(split_words()), "---x---(y|)", x=ReplyText("Hello"), y=ReplyText(" world."))


def test_a_delta_of_several_words_gives_them_all_at_once(marbles: Marbles) -> None:
    """Nothing is held back but the word that may go on."""
    llm = marbles.cold("a|", a="one two three")
    words = {"x": ReplyText("one"), "y": ReplyText(" two"), "z": ReplyText(" three")}
    marbles.expect(llm.pipe(split_words()), "(xy)(z|)", table=words)


def test_nothing_but_white_space_says_nothing(marbles: Marbles) -> None:
    """A model that answers with blanks has not answered."""
    marbles.expect(marbles.cold("aa|", a=" \n ").pipe(split_words()), "--|")


def test_an_error_passes_and_the_begun_word_is_dropped(marbles: Marbles) -> None:
    """An unfinished word was not spoken."""
    marbles.expect(marbles.cold("a#", a="half").pipe(split_words()), "-#")


@given(st.lists(st.text(alphabet="ab ,.\n", max_size=6), max_size=8))
def test_no_letter_is_lost_however_the_text_is_cut(deltas: list[str]) -> None:
    """The words of any cutting of a text are those of the whole text."""
    with Marbles() as marbles:
        letters = dict(zip("abcdefgh", deltas, strict=False))
        source = marbles.cold("".join(letters) + "|", table=letters)
        recorded = marbles.record(source.pipe(split_words()))
    said = "".join(one.value.delta for one in recorded if one.kind == "next")
    assert said.split() == "".join(deltas).split()
    assert not said.startswith(" ")


def test_scripts_without_spaces_are_words_behind_their_punctuation(marbles: Marbles) -> None:
    """As soon as it is clear that the punctuation has ended, and without a space that the text does not have."""
    llm = marbles.cold("a-b-c|", a="今日", b="は。元気", c="です。")
    words = {"x": ReplyText("今日は。"), "y": ReplyText("元気です。")}
    marbles.expect(llm.pipe(split_words()), "--x--(y|)", table=words)


def test_a_word_says_how_many_lines_ended_before_it(marbles: Marbles) -> None:
    """However the deltas are cut; its text has a single space."""
    llm = marbles.cold("abcd|", a="# Plan", b="\n", c="\nFirst", d=" one\n- two")
    said = [one.value for one in marbles.record(llm.pipe(split_words())) if one.kind == "next"]
    assert [word.delta for word in said] == ["#", " Plan", " First", " one", " -", " two"]
    assert [word.line_breaks for word in said] == [0, 0, 2, 0, 1, 0]


def sentences(marbles: Marbles, text: str, count: int) -> str:
    cut = marbles.cold("a|", a=text).pipe(split_words(), at_most_sentences(count))
    return "".join(one.value.delta for one in marbles.record(cut) if one.kind == "next")


@pytest.mark.parametrize("marked", [text for text in SENTENCES if "\n" not in text])
def test_a_reply_has_as_many_sentences_as_it_may_have(marbles: Marbles, marked: str) -> None:
    """Of the 60 texts, the first two: the word behind them, which may have to come, is not said."""
    first, second, *_ = marked.split("|")
    assert sentences(marbles, marked.replace("|", ""), 2) == first + second


def test_a_lists_marks_end_no_sentence(marbles: Marbles) -> None:
    """A list without full stops is one sentence."""
    assert sentences(marbles, "1. Apples\n2. Pears\n3. Plums", 2) == "1. Apples 2. Pears 3. Plums"


def clauses(marbles: Marbles, text: str) -> list[str]:
    """Return the clauses that `by_clause` makes of a text whose words come one by one."""
    source = marbles.cold("a|", a=text)
    cut = source.pipe(split_words(), by_clause(first_words=6, min_words=3, max_words=8))
    return [one.value for one in marbles.record(cut) if one.kind == "next"]


def test_the_first_clause_ends_at_the_first_punctuation(marbles: Marbles) -> None:
    """The voice begins early, even with a single word."""
    assert clauses(marbles, "Well, I know it.") == ["Well,", "I know it."]


def test_later_clauses_wait_for_some_words_but_not_beyond_a_sentence(marbles: Marbles) -> None:
    """A comma after two words does not cut; a full stop does."""
    text = "Yes. You see, my friend, this is good. No. Really."
    assert clauses(marbles, text) == ["Yes.", "You see, my friend,", "this is good.", "No.", "Really."]


def test_a_clause_without_punctuation_is_cut_where_it_grows_too_long(marbles: Marbles) -> None:
    """Six words for the first piece, eight for the others."""
    text = "a b c d e f g h i j k l m n o p"
    assert clauses(marbles, text) == ["a b c d e f", "g h i j k l m n", "o p"]


def test_abbreviations_and_decimals_do_not_end_a_clause(marbles: Marbles) -> None:
    """A dot is not always an end."""
    assert clauses(marbles, "Mr. Lorry paid 3.5 pounds.") == ["Mr. Lorry paid 3.5 pounds."]


def test_a_closing_quote_belongs_to_the_clause_that_it_ends(marbles: Marbles) -> None:
    """Punctuation inside quotes ends the clause with them."""
    assert clauses(marbles, 'He said "go!" and left.') == ['He said "go!"', "and left."]


def test_a_reply_ends_with_its_nth_sentence_and_the_model_is_stopped(marbles: Marbles) -> None:
    """An abbreviation ends none."""
    words = {"m": ReplyText("Mr."), "a": ReplyText(" No."), "b": ReplyText(' "Why?"'), "c": ReplyText(" And")}
    source = marbles.cold("m-a-b-c-|", table=words)
    marbles.expect(source.pipe(at_most_sentences(2)), "m-a-(b|)", table=words)
    marbles.expect_subscriptions(source, "^---!")


def test_each_reply_is_counted_anew(marbles: Marbles) -> None:
    """The operator may be applied to any number of replies."""
    short, stage = marbles.cold("aa|", a=ReplyText("No.")), at_most_sentences(1)
    for _ in range(2):
        marbles.expect(short.pipe(stage), "(a|)", a=ReplyText("No."))
