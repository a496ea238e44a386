"""The limits of a client's requests to the language model: tokens, functions, responses in a minute. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from voicepipe.conversation.functions import Function
from voicepipe.conversation.tokens import estimated_tokens, tool_tokens

__all__ = ["LimitExceeded", "RequestLimits"]


class LimitExceeded(Exception):
    """A request would cost too much. The message is for the client.

    Args:
        message: what is too much, and the limit
        field: which field, as a path in the session's settings, the item or the response
    """

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.message, self.field = message, field


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimits:
    """The limits of one session.

    Args:
        prompt_tokens: of instructions, functions and notes together, and of one message (estimated)
        tools: how many functions there may be
        responses_per_minute: how many the client may ask for; what it says is answered besides
    """

    prompt_tokens: int = 6_000
    tools: int = 128
    responses_per_minute: int = 120

    def check_fixed(self, instructions: str, functions: tuple[Function, ...], notes_tokens: int) -> None:
        """Check what each prompt has in front. Raises LimitExceeded with the field `instructions` or `tools`."""
        if len(functions) > self.tools:
            raise LimitExceeded(f"{len(functions)} functions are too many: {self.tools} is the limit.", "tools")
        told, called = estimated_tokens(instructions), tool_tokens(functions)
        if told + called + notes_tokens > self.prompt_tokens:
            parts = f"Instructions, functions and system messages would take {told} + {called} + {notes_tokens} tokens"
            field = "tools" if called > told else "instructions"
            raise LimitExceeded(f"{parts} (estimated): {self.prompt_tokens} is the limit.", field)

    def check_message(self, text: str, other_tokens: int, field: str) -> int:
        """Check a message, beside others that go with it, and return its tokens. Raises LimitExceeded."""
        tokens = estimated_tokens(text)
        if tokens + other_tokens > self.prompt_tokens:
            with_others = f" with {other_tokens} before it" if other_tokens else ""
            what = f"It takes {tokens} tokens{with_others} (estimated): {self.prompt_tokens} is the limit."
            raise LimitExceeded(what, field)
        return tokens
