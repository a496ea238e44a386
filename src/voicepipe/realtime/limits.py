"""What a client's requests may cost at the language model: tokens, functions, responses in a minute. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from voicepipe.conversation.functions import Function
from voicepipe.conversation.tokens import estimated_tokens, tool_tokens

__all__ = ["LimitExceeded", "RequestLimits", "ResponseRate"]

_MINUTE_S = 60.0


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


class ResponseRate:
    """How many responses a client asks for in a minute, of which all may come at once.

    >>> rate = ResponseRate(2, lambda: 0.0)
    >>> [rate.admits() for _ in range(3)]
    [True, True, False]
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._each_s, self._clock = _MINUTE_S / per_minute, clock
        # When all may come at once again.
        self._full_at_s = clock()

    def admits(self) -> bool:
        """Count a response, and return whether it may be made now."""
        now_s = self._clock()
        full_at_s = max(self._full_at_s, now_s) + self._each_s
        if full_at_s - now_s > _MINUTE_S + 1e-6:
            return False
        self._full_at_s = full_at_s
        return True
