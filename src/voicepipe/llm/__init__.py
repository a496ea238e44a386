"""Language models, and the functions that ask them."""

from typing import TYPE_CHECKING

from voicepipe._lazy import lazy
from voicepipe.llm.in_process import in_process

if TYPE_CHECKING:
    from voicepipe.llm.errors import (
        LlmError,
        LlmFiltered,
        LlmGarbled,
        LlmRefused,
        LlmSaidNothing,
        LlmTimeout,
        LlmUnavailable,
    )
    from voicepipe.llm.history import History, recent, whole
    from voicepipe.llm.openai.client import Deadlines, OpenAi, OpenAiLlm, Retries
    from voicepipe.llm.smollm import SmolLM

__all__ = [
    "Deadlines",
    "History",
    "LlmError",
    "LlmFiltered",
    "LlmGarbled",
    "LlmRefused",
    "LlmSaidNothing",
    "LlmTimeout",
    "LlmUnavailable",
    "OpenAi",
    "OpenAiLlm",
    "Retries",
    "SmolLM",
    "in_process",
    "recent",
    "whole",
]

__getattr__ = lazy(
    __name__,
    {
        **dict.fromkeys(
            (
                *("LlmError", "LlmFiltered", "LlmGarbled", "LlmRefused", "LlmSaidNothing", "LlmTimeout"),
                "LlmUnavailable",
            ),
            "errors",
        ),
        **dict.fromkeys(("History", "recent", "whole"), "history"),
        **dict.fromkeys(("Deadlines", "OpenAi", "OpenAiLlm", "Retries"), "openai.client"),
        "SmolLM": "smollm",
    },
)
