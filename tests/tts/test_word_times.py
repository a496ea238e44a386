"""From the words that a voice says to those that are written."""

from __future__ import annotations

from voicepipe.events import WordSpoken
from voicepipe.text.reading import Reading, read_aloud, said_text
from voicepipe.tts.word_times import WordTracker, written_times

ENGLISH = Reading()


def times(text: str, *, parts: int = 0) -> list[tuple[str, float, float]]:
    """Return the written words of a text, of which the voice says each word in 1 s, or which it reports in `parts`."""
    units = read_aloud(text, ENGLISH)
    spoken = said_text(units).split()
    said = [(word, float(at), at + 1.0) for at, word in enumerate(spoken)]
    if parts:
        said = [(f"part{at}", float(at), at + 1.0) for at in range(parts)]
    return [(one.word, one.start_s, one.stop_s) for one in written_times(units, said, 0.0, 9.0)]


def test_a_number_has_the_time_of_all_its_words() -> None:
    assert times("It cost $5 then.") == [("It", 0, 1), ("cost", 1, 2), ("$5", 2, 4), ("then.", 4, 5)]


def test_written_words_that_are_said_together_share_their_time() -> None:
    assert times("about 5 km here") == [("about", 0, 1), ("5", 1, 2), ("km", 2, 3), ("here", 3, 4)]


def test_words_without_sound_share_the_time_of_a_neighbour() -> None:
    """Of the word before them; at the beginning of the one behind."""
    assert times("👍 good now 😀") == [("👍", 0, 0.5), ("good", 0.5, 1), ("now", 1, 1.5), ("😀", 1.5, 2)]


def test_a_voice_that_reports_phrases_gives_the_words_of_each() -> None:
    assert [word for word, _, _ in times("one two three four", parts=2)] == ["one two", "three four"]


def test_a_clause_without_sound_keeps_its_words() -> None:
    units = read_aloud("今日は。元気。", ENGLISH)
    assert list(written_times(units, [], 2.0, 2.0)) == [
        WordSpoken("今日は。", 2, 2),
        WordSpoken("元気。", 2, 2, glued=True),
    ]


# ---- a voice that reports words as it says them ----------------------------------------------------------------------


def tracker(text: str) -> WordTracker:
    made = WordTracker()
    for unit in read_aloud(text, ENGLISH):
        made.add(unit)
    return made


def words(events: list[WordSpoken]) -> list[str]:
    return [event.word for event in events]


def test_reported_words_are_those_that_are_written() -> None:
    """Each comes with the first of the words that are said for it; one without sound comes with the next."""
    made = tracker("It *cost* 😀 $5.")
    assert words(made.said("It", 0, 1)) == ["It"]
    assert words(made.said("cost", 1, 2)) == ["*cost*"]
    assert words(made.said("five", 2, 3)) == ["😀", "$5."]
    assert words(made.said("dollars", 3, 4)) == []
    assert made.rest() == []


def test_a_voice_may_split_and_write_words_otherwise() -> None:
    """As one word, in other letters, or with some of its own."""
    made = tracker("Well, don't go there now 👍")
    assert words(made.said("WELL", 0, 1)) == ["Well,"]
    assert words(made.said("do", 1, 2)) + words(made.said("n't", 2, 3)) == ["don't"]
    assert words(made.said("gothere", 3, 4)) == ["go", "there"]
    assert words(made.said("xyz", 4, 5)) == ["now"]
    assert made.said("—", 5, 6) == []
    assert made.rest() == [WordSpoken("👍", 5, 5)]


def test_a_word_that_is_left_out_is_reported_with_the_next_one() -> None:
    made = tracker("one two three")
    assert words(made.said("one", 0, 1)) == ["one"]
    assert words(made.said("three", 1, 2)) == ["two", "three"]


def test_after_a_restart_all_words_come_again() -> None:
    made = tracker("one two")
    assert words(made.said("one", 0, 1)) == ["one"]
    made.restart()
    assert words(made.said("one", 0, 1)) == ["one"]
