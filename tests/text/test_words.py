"""Words, and the pieces of scripts that have no spaces between words."""

from hypothesis import given
from hypothesis import strategies as st

from voicepipe.text.words import LONGEST, Word, pieces, words_of


def test_scripts_without_spaces_are_cut_behind_their_punctuation() -> None:
    """A closing quotation mark belongs to the piece that it ends; what may go on waits."""
    assert pieces("今日は、元気です。「はい。」と") == (["今日は、", "元気です。", "「はい。」"], "と")
    assert pieces("你好！今天") == (["你好！"], "今天")
    assert pieces(["ठीक", "है।हाँ"][1]) == (["है।"], "हाँ")
    assert pieces("元気。") == ([], "元気。")


def test_other_scripts_are_not_cut() -> None:
    """Their words have spaces, and their marks stand within words: "3.5", "e.g.", "naïve,"."""
    for token in ("3.5", "e.g.", "naïve,well", "كيف؟حالك"):
        assert pieces(token) == ([], token)


def test_a_long_run_without_punctuation_is_cut() -> None:
    """A reply without any mark is said in pieces all the same."""
    whole, rest = pieces("あ" * (2 * LONGEST + 3))
    assert [len(piece) for piece in [*whole, rest]] == [LONGEST, LONGEST, 3]


def test_a_word_knows_the_lines_and_the_words_before_it() -> None:
    assert words_of("One\n\ntwo 三。四") == [
        Word("One"),
        Word("two", line_breaks=2),
        Word("三。"),
        Word("四", glued=True),
    ]


@given(st.text(alphabet="ab。、」今日ก १।? \n", max_size=30))
def test_nothing_is_lost(text: str) -> None:
    """The words have all characters but white space."""
    assert "".join(word.text for word in words_of(text)) == "".join(text.split())
