"""About how many tokens a text takes: for bounds, where the model's own vocabulary is not known."""

from __future__ import annotations

import json
from collections.abc import Sequence

from voicepipe.conversation.functions import Function

__all__ = ["FRAME_TOKENS", "estimated_tokens", "tool_tokens"]

FRAME_TOKENS = 8
"""The number of tokens that a chat template adds to a message, at most."""


def estimated_tokens(text: str) -> int:
    """About how many tokens a message of this text takes, rather too many than too few.

    A token per three bytes, and eight for the message's frame. English has over four bytes a token, French and German
    three to four, Chinese and Japanese (three bytes a letter) about a letter a token, in the usual vocabularies.
    """
    return FRAME_TOKENS + len(text.encode()) // 3


def tool_tokens(functions: Sequence[Function]) -> int:
    """About how many tokens these functions take in a prompt.

    Args:
        functions: What the model may call.
    """
    return sum(estimated_tokens(one.name + one.description + json.dumps(one.parameters)) for one in functions)
