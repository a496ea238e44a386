"""The lines of a character."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CharacterLines"]


@dataclass(frozen=True, slots=True)
class CharacterLines:
    """The lines of a character, for a language model that is too small or too slow to find the words itself.

    `opening` is the bot's first sentence, `idle_prompts` its sentences after silences, in order. `examples` are pairs
    of a user's sentence and the bot's answer, which a small model imitates. `warning` is a sentence for the client
    where the model cannot play the character. An empty field means that there is no such sentence.
    """

    opening: str = ""
    idle_prompts: tuple[str, ...] = ()
    examples: tuple[tuple[str, str], ...] = ()
    warning: str = ""
