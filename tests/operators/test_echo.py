"""Which words of a turn are the user's, and which are the bot's own voice."""

import pytest

from voicepipe.operators.echo import Heard, compared

SPOKEN = "The weather in Paris is sunny today, at 21 degrees, with some wind from the west.".split()  # noqa: SIM905


@pytest.mark.parametrize(
    "heard",
    [
        "The weather in Paris",
        "the weather in paris is sunny",
        "whether in Paris is sonny today",
        "at twenty one degrees with some wind",
        "In Paris.",
        "wind from the vest",
        "weather in parish is sunny today",
    ],
)
def test_the_bots_own_voice_has_no_word_of_the_users(heard: str) -> None:
    """Misread as a recogniser misreads it, and from any word on."""
    assert compared(heard, SPOKEN) == Heard("", len(heard.split()))


@pytest.mark.parametrize(
    ("heard", "own"),
    [
        ("weather in Paris stop is sunny", "stop"),
        ("The weather in Paris is sunny. No, stop!", "No, stop!"),
        ("Wait, weather in Paris is sunny", "Wait,"),
        ("is sunny today what about London", "what about London"),
    ],
)
def test_the_users_words_are_found_in_it(heard: str, own: str) -> None:
    """As they were written."""
    assert compared(heard, SPOKEN).own == own


@pytest.mark.parametrize("heard", ["What is the time?", "Stop.", "And in London?", "Is it the best?", ""])
def test_what_shares_small_words_is_the_users_whole(heard: str) -> None:
    """Two sentences about one thing do."""
    assert compared(heard, SPOKEN) == Heard(heard, 0)


def test_nothing_was_spoken() -> None:
    """Every word is the user's."""
    assert compared("Hello there.", []) == Heard("Hello there.", 0)
