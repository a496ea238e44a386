"""The reading of 120 texts, of which nothing is lost."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reading_table import READINGS, READINGS_ELSEWHERE

from voicepipe.text.reading import Reader, Reading, read_aloud, said_text
from voicepipe.text.words import words_of

ENGLISH = Reading()
TABLE = [row for table in READINGS.values() for row in table]
WITHIN_A_LINE = [row for row in TABLE if "\n" not in row[0] and row[0][0] not in "#>|-" and "St." not in row[0]]
OTHERS = [(language, *row) for language, table in READINGS_ELSEWHERE.items() for row in table]


def said(text: str, reading: Reading = ENGLISH) -> str:
    return said_text(read_aloud(text, reading))


def test_there_are_at_least_120() -> None:
    assert len({written for written, _ in TABLE}) >= 120


@pytest.mark.parametrize(("written", "spoken"), TABLE)
def test_texts_are_read(written: str, spoken: str) -> None:
    assert said(written) == spoken


@pytest.mark.parametrize(("written", "spoken"), TABLE)
def test_what_was_read_is_read_as_it_is(written: str, spoken: str) -> None:
    """A voice that reads its text once more says the same."""
    assert said(spoken) == spoken


@pytest.mark.parametrize(("written", "spoken"), WITHIN_A_LINE)
def test_a_text_is_read_alike_within_a_sentence(written: str, spoken: str) -> None:
    """Words before and after it change nothing, other than that a sentence has begun."""
    assert spoken.rstrip(".") in said(f"Well, {written}  Then we went.")


@pytest.mark.parametrize(("language", "written", "spoken"), OTHERS)
def test_other_languages(language: str, written: str, spoken: str) -> None:
    assert said(written, Reading(language)) == spoken


@pytest.mark.parametrize("written", [written for written, _ in TABLE])
def test_the_transcript_stays_as_it_is_written(written: str) -> None:
    """The units have all words, in order, however the text is read."""
    units = read_aloud(written, ENGLISH)
    assert [word for unit in units for word in unit.words] == words_of(written)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
@example("² ½ ٣ ௧ ① Ⅳ 1⁄2 ５ km")
@example("$ $$ $1$ 5$ €,€ 1,2,3 1.2.3. 10:99 99/99/99 +1 -- [](()) <a <b> **")
def test_any_text_is_read_and_no_word_is_lost(text: str) -> None:
    for language in ("en", "de"):
        units = read_aloud(text, Reading(language))
        assert [word for unit in units for word in unit.words] == words_of(text)


@given(
    st.lists(
        st.sampled_from(
            [
                "5",
                "$5",
                "km",
                "-",
                "=",
                "x",
                "May",
                "1,",
                "2024",
                "No.",
                "St.",
                "p.m.",
                "[a",
                "](b)",
                "<b",
                "**c**",
                "1/2",
                "+1",
                "555",
                "1234",
                "%",
                "Dr.",
                "_",
                "|",
            ]
        ),
        max_size=9,
    )
)
def test_any_row_of_such_words_is_read(words: list[str]) -> None:
    units = read_aloud(" ".join(words), ENGLISH)
    assert [word.text for unit in units for word in unit.words] == words


def test_users_pronunciations_come_first() -> None:
    """With punctuation and markup around them, and in upper case for an entry in lower case; others as ever."""
    own = Reading(
        pronunciations={"qt": "cute", "Nguyen": "win", "SQL": "sequel", "5G": "five gee", "C++": "see plus plus"}
    )
    assert said("Is **QT** 5 good, Nguyen's SQL?", own) == "Is cute five good, win's sequel?"
    assert said("5G and C++. A qtx, nguyen.", own) == "five gee and see plus plus. A qtx, nguyen."


def test_a_script_that_the_voice_cannot_say_is_marked() -> None:
    """It has no sound, and stays in the transcript; other scripts are said as they are."""
    latin = Reading(scripts=frozenset({"LATIN"}))
    units = read_aloud("The word 猫 is naïve.", latin)
    assert said_text(units) == "The word is naïve."
    assert [unit.unsayable for unit in units] == [False, False, True, False, False]
    assert said("今日は。元気です。") == "今日は。元気です。"
    assert said("สวัสดี ครับ") == "สวัสดี ครับ"


def test_most_words_are_read_at_once() -> None:
    """A word waits for the next one only if that can change how it is said."""
    reader = Reader(ENGLISH)
    waited = sum(not list(reader(word)) for word in words_of("Well, this is how a long text is said, word by word."))
    assert waited == 1  # "a", which may be a letter of a formula
