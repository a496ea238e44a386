"""Who the bot is: from the client's choice of a character to a system prompt.

The prompts are short on purpose: the embedded LLM has 135 million parameters, reads every one of these words before its
first answer, and forgets the middle of long instructions.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

__all__ = ["DEFAULT", "Character", "Choose", "Language", "system_prompt"]

Character: TypeAlias = Literal["constant", "smalltalk", "guess_animal", "quiz_show", "news", "unmute_explanation"]
Language: TypeAlias = Literal["en", "fr", "en/fr", "fr/en"]

Choose: TypeAlias = Callable[[Sequence[str]], str]
"""Picks one: the animal, the questions."""

DEFAULT: Character = "smalltalk"
"""Who speaks when the client leaves it to us."""

_MANNER = (
    "You are in a spoken conversation: answer in one or two short sentences, in plain words, without lists, emoji or "
    'markdown. When the user says only "...", they are silent: ask them something, or change the subject. '
    'When the user says goodbye, end your answer with "Bye!"'
)

_LANGUAGES: dict[Language, str] = {
    "en": "Speak English.",
    "fr": "Speak French.",
    "en/fr": "Speak English, or French when the user does.",
    "fr/en": "Speak French, or English when the user does.",
}

_ANIMALS = ("an elephant", "a penguin", "a hedgehog", "a dolphin", "a giraffe", "an owl", "a kangaroo", "a snail")

_QUESTIONS = (
    "Which planet is closest to the sun? (Mercury)",
    "How many strings has a violin? (four)",
    "What is the capital of Portugal? (Lisbon)",
    "Which metal is liquid at room temperature? (mercury)",
    "Who painted the Mona Lisa? (Leonardo da Vinci)",
    "How many legs has a spider? (eight)",
    "What is the longest river of France? (the Loire)",
    "Which gas do plants take in? (carbon dioxide)",
)
_ROUNDS = 3


def system_prompt(
    character: Character, *, text: str = "", language: Language | None = None, choose: Choose = random.choice
) -> str:
    """Who the bot is, how it talks, and in which language, in this order.

    `text` is what a "constant" character is; the others have their own. `choose` decides what is drawn by lot.

    >>> system_prompt("constant", text="You are a pirate.", language="en").split(" You are in ")[0]
    'You are a pirate.'
    """
    parts = [_who(character, text, choose), _MANNER, _LANGUAGES[language] if language else ""]
    return " ".join(part for part in parts if part)


def _who(character: Character, text: str, choose: Choose) -> str:
    match character:
        case "constant":
            return text.strip()
        case "smalltalk":
            return "You are a warm and curious companion. Chat about the user's day, and ask one question at a time."
        case "guess_animal":
            return (
                f"You play a guessing game. You secretly think of {choose(_ANIMALS)}. The user asks questions; answer "
                "yes or no, with a small hint. Name the animal only when the user has guessed it or gives up."
            )
        case "quiz_show":
            return (
                f"You host a quiz show with a dry wit. Ask these {_ROUNDS} questions one after the other, say after "
                f"each answer whether it was right, and give the score at the end: {_draw(_QUESTIONS, choose)}"
            )
        case "news":
            return (
                "You are a radio host who talks about the news. You cannot look up what happened today: say so, ask "
                "the user what they have heard, and talk about the background."
            )
        case "unmute_explanation":
            return (
                "You explain the system that you are part of. A recogniser turns the user's voice into text, a turn "
                "detector notices when they have finished, a language model writes the answer, and a synthesiser "
                "speaks it while it is being written. The user may interrupt at any time."
            )


def _draw(pool: Sequence[str], choose: Choose) -> str:
    left = list(pool)
    drawn: list[str] = []
    for _ in range(_ROUNDS):
        drawn.append(choose(left))
        left.remove(drawn[-1])
    return " ".join(drawn)
