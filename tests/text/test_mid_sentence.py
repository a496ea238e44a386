"""Texts that stop in mid-sentence, as recognisers write them, in four languages."""

from __future__ import annotations

import pytest

from voicepipe.presets import ENDPOINTING
from voicepipe.text.mid_sentence import goes_on


def stops_in_mid_sentence(text: str) -> bool:
    return goes_on(text, ENDPOINTING.clause_openers, ENDPOINTING.open_ends)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "When is tea",
            "When is tea?",
            "When does the train leave.",
            "When am I on",
            "When won't it",
        ),
        *(
            "When isn't he at home.",
            "When may I call",
            "When can’t you come.",
            "And when is tea",
            "Well, when do we eat.",
        ),
        *("Quand est-ce que tu viens", "Quand viens-tu", "Quand arrive-t-il.", "Cuándo vienes"),
        *("Wann kommst du", "Why if not?"),
    ],
)
def test_a_question_with_when_is_over(text: str) -> None:
    """The verb, or its subject behind it, tells the question from the clause; a mark is often missing."""
    assert not stops_in_mid_sentence(text)


@pytest.mark.parametrize(
    "text",
    [
        *("When it rains tomorrow", "When I was a child.", "If is what I said", "As is the custom here", "If you can"),
        *(
            "Well, if it rains tomorrow.",
            "And when I was a child",
            "So because it rained",
            "But after the meeting on Friday.",
        ),
        *("Okay. When I come home", "No, because my sister", "Oh, well, if you think so"),
        *("Wenn es morgen regnet", "Ja, aber wenn es regnet.", "Weil ich keine Zeit habe"),
        *("Quand je vais à Paris", "Oui, quand il fait beau.", "Cuando viene mi hermana", "Pues cuando llueve"),
        *("A cup of tea and", "I think that my", "Um", "If."),
    ],
)
def test_a_clause_alone_goes_on(text: str) -> None:
    """The main clause is still to come; words like "well" before it say nothing."""
    assert stops_in_mid_sentence(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "If it rains, I stay.",
            "When I was a child, we lived by the sea.",
            "Well, if so?",
            "Well.",
            "So.",
            "Okay, so",
            "",
        ),
        *("Plan A.", "Yes, and no.", "I see", "When?", "Tea, please."),
    ],
)
def test_a_whole_sentence_is_over(text: str) -> None:
    """A comma within it has the main clause behind it; a word alone is an answer."""
    assert not stops_in_mid_sentence(text)
