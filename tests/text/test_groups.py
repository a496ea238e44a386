"""Which words are read together."""

import pytest

from voicepipe.text.groups import LONGEST, Grouper
from voicepipe.text.words import Word, words_of


def groups(text: str) -> list[str]:
    grouper = Grouper()
    made = [group for word in words_of(text) for group in grouper(word)] + list(grouper.rest())
    return [" ".join(word.text for word in group.words) for group in made]


@pytest.mark.parametrize(
    ("text", "together"),
    [
        ("I ran 5 km today", ["I", "ran", "5 km", "today"]),
        ("so 7 - 2 = 5 is", ["so", "7 - 2 = 5", "is"]),
        ("on May 1, 2024, we", ["on", "May 1, 2024,", "we"]),
        ("May I go", ["May", "I", "go"]),
        ("I have 5. Two left", ["I", "have", "5.", "Two", "left"]),
        ("read [the docs](https://e.com) now", ["read", "[the docs](https://e.com)", "now"]),
        ("call +1 555 123 4567 now", ["call", "+1 555 123 4567", "now"]),
        ("see No. 10 Downing", ["see", "No. 10", "Downing"]),
        ("5\nkm", ["5", "km"]),
    ],
)
def test_words_that_belong_together(text: str, together: list[str]) -> None:
    assert groups(text) == together


def test_a_plain_word_does_not_wait() -> None:
    """A voice that gets words one by one gets most of them at once."""
    grouper = Grouper()
    assert [len(list(grouper(word))) for word in words_of("Well, this is a man now!")] == [1, 1, 1, 0, 2, 1]


def test_markup_that_never_ends_is_text() -> None:
    grouper = Grouper()
    assert any(list(grouper(Word("[word"))) for _ in range(LONGEST + 1))
