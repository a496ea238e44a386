"""What a character says word for word."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CharacterLines"]


@dataclass(frozen=True, slots=True)
class CharacterLines:
    """What a character says word for word, for a language model that is too small or too slow to find the words itself.

    `opening` is the bot's first sentence, `idle_prompts` what it says to a silence, one after the other. `examples` are
    pairs of what a user says and what the bot answers, which a small model imitates. `warning` is what the client is
    told where the model cannot play the character. All are empty where there is nothing to say.
    """

    opening: str = ""
    idle_prompts: tuple[str, ...] = ()
    examples: tuple[tuple[str, str], ...] = ()
    warning: str = ""
