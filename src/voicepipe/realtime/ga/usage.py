"""The `usage` of a response: its tokens, by kind.

Text counts as the language model's service or its tokenizer counts it (`TokensCounted`): the prompts and the answers of
all requests that the reply took. What nothing counted is estimated at four characters a token, OpenAI's rule of thumb
for English (https://help.openai.com/en/articles/4936856): a service without `usage`, a reply that was cut before its
model had finished, a model of the pipeline's own. A text that no model wrote has cost none.

Sound counts as OpenAI counts it: 50 ms of the bot's are a token. The language model reads the user's words, not the
sound, so that input has no audio tokens.
"""

from __future__ import annotations

from typing import Any

from voicepipe.conversation import Conversation
from voicepipe.events import TokensCounted

__all__ = ["TokenCount"]

_CHARACTERS = 4
_SPOKEN_MS = 50


class TokenCount:
    """The tokens of one response."""

    def __init__(self) -> None:
        self._read = self._written = 0
        self._counted: TokensCounted | None = None
        self._spoken_ms = 0.0

    def read(self, conversation: Conversation) -> None:
        """Note what the model reads: nothing where the bot says a text of the pipeline's word for word."""
        if conversation.verbatim:
            self.counted(TokensCounted(0, 0))
        said = (len(message.text) for message in conversation.messages)
        self._read = len(conversation.system_prompt) + sum(said)

    def wrote(self, text: str) -> None:
        """Note what it has written."""
        self._written += len(text)

    def counted(self, tokens: TokensCounted) -> None:
        """Note what one request has cost, which takes the place of the estimate."""
        before = self._counted or TokensCounted(0, 0)
        self._counted = TokensCounted(
            before.read + tokens.read, before.written + tokens.written, before.cached + tokens.cached
        )

    def spoke(self, duration_ms: float) -> None:
        """Note the length of its sound."""
        self._spoken_ms += duration_ms

    def written(self) -> dict[str, Any]:
        """Return the counts as the client reads them."""
        text = self._counted or TokensCounted(_of_text(self._read), _of_text(self._written))
        spoke = round(self._spoken_ms / _SPOKEN_MS)
        cached = {"text_tokens": text.cached, "audio_tokens": 0, "image_tokens": 0}
        kinds = {"text_tokens": text.read, "audio_tokens": 0, "image_tokens": 0}
        return {
            "total_tokens": text.read + text.written + spoke,
            "input_tokens": text.read,
            "output_tokens": text.written + spoke,
            "input_token_details": {**kinds, "cached_tokens": text.cached, "cached_tokens_details": cached},
            "output_token_details": {"text_tokens": text.written, "audio_tokens": spoke},
        }


def _of_text(characters: int) -> int:
    return -(-characters // _CHARACTERS)
