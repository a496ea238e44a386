"""The `usage` of a response: its tokens, by kind.

Sound counts as OpenAI counts it: 50 ms of the bot's are a token. Text is sent to no tokenizer for this: four characters
count as one token, as in OpenAI's rule of thumb for English (https://help.openai.com/en/articles/4936856). The language
model reads the user's words, not the sound, so that input has no audio tokens.
"""

from __future__ import annotations

from typing import Any

from voicepipe.conversation import Conversation

__all__ = ["TokenCount"]

_CHARACTERS = 4
_SPOKEN_MS = 50


class TokenCount:
    """The tokens of one response."""

    def __init__(self) -> None:
        self._read = self._written = 0
        self._spoken_ms = 0.0

    def read(self, conversation: Conversation) -> None:
        """Note what the model reads."""
        said = (len(message.text) for message in conversation.messages)
        self._read = len(conversation.system_prompt) + sum(said)

    def wrote(self, text: str) -> None:
        """Note what it has written."""
        self._written += len(text)

    def spoke(self, duration_ms: float) -> None:
        """Note the length of its sound."""
        self._spoken_ms += duration_ms

    def written(self) -> dict[str, Any]:
        """Return the counts as the client reads them."""
        read, wrote, spoke = _of_text(self._read), _of_text(self._written), round(self._spoken_ms / _SPOKEN_MS)
        cached = {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0}
        kinds = {"text_tokens": read, "audio_tokens": 0, "image_tokens": 0}
        return {
            "total_tokens": read + wrote + spoke,
            "input_tokens": read,
            "output_tokens": wrote + spoke,
            "input_token_details": {**kinds, "cached_tokens": 0, "cached_tokens_details": cached},
            "output_token_details": {"text_tokens": wrote, "audio_tokens": spoke},
        }


def _of_text(characters: int) -> int:
    return -(-characters // _CHARACTERS)
