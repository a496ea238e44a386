"""Acknowledgements, by the preset of all languages."""

from __future__ import annotations

import pytest

from voicepipe.operators.acknowledgements import Acknowledgements
from voicepipe.presets import ACKNOWLEDGEMENTS, ENDPOINTING, SHORT_PHRASES

KNOWN = Acknowledgements(ENDPOINTING.acknowledgements)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "Mm-hmm.",
            "Hmmm",
            "Mmmm.",
            "Uh-huh, uh-huh.",
            "Ohhh!",
            "Yeah, yeah, yeah.",
            "Oh, really?",
            "Oh my God.",
            "Okay, cool.",
        ),
        *(
            "That makes sense.",
            "Sounds good!",
            "Go on.",
            "You're right.",
            "That’s right.",
            "Absolutely, totally.",
            "Haha.",
        ),
        *(
            "Ach so, ja.",
            "Na klar!",
            "Ich verstehe.",
            "Das stimmt.",
            "Ah bon?",
            "Tout à fait.",
            "Oui, oui, c'est vrai.",
        ),
        *(
            "Claro que sí.",
            "Ya, ya, entiendo.",
            "Sì, va bene.",
            "Ho capito.",
            "Pois é.",
            "Tá bom!",
            "Dat klopt.",
            "Yeahhh.",
        ),
    ],
)
def test_what_a_listener_says_is_an_acknowledgement(text: str) -> None:
    """Whatever its marks, its letters' case, how long a sound is drawn out, and several of them in a row."""
    assert KNOWN.matches(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "No.",
            "No way.",
            "Stop.",
            "Wait.",
            "But why?",
            "Yeah, but",
            "Okay, stop.",
            "Right, no.",
            "What?",
            "Sorry?",
            "Hello?",
        ),
        *(
            "Good morning.",
            "Yes, I have a question.",
            "Nein.",
            "Ja, aber",
            "Doch.",
            "Halt!",
            "Moment.",
            "Non.",
            "Mais",
            "Attends",
        ),
        *("Pero", "Espera", "Para", "Basta", "Ma no", "Aspetta", "Não", "Nee", "Wacht", "Anna", "Seven", "Tea"),
    ],
)
def test_what_wants_an_answer_is_none(text: str) -> None:
    """Objections, questions, names and numbers, in any language."""
    assert not KNOWN.matches(text)


@pytest.mark.parametrize(
    "text", ["No", "Stop", "Wait", "But", "What", "Hold on", "Nein", "Non", "Halt", "Warte", "Pero", "Mais"]
)
def test_an_objection_does_not_wait_for_its_next_word(text: str) -> None:
    """No acknowledgement begins with it."""
    assert not KNOWN.may_match(text)


def test_short_phrases_hold_acknowledgements_and_others() -> None:
    """A recogniser must have both to choose from."""
    acknowledgements = {phrase for phrase in SHORT_PHRASES["en"] if KNOWN.matches(phrase)}
    assert 20 < len(acknowledgements) < len(SHORT_PHRASES["en"]) - 10
    assert {"Stop", "No", "Wait", "Hold on"}.isdisjoint(acknowledgements)
    assert set(ACKNOWLEDGEMENTS) == {"de", "en", "es", "fr", "it", "nl", "pt"}
