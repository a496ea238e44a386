"""The list of models of a service, which may have spellings of its own. No I/O."""

from __future__ import annotations

import json
from collections.abc import Sequence

from voicepipe.llm.errors import LlmGarbled
from voicepipe.services.errors import FailureReason

__all__ = ["lists", "model_names"]


def model_names(where: str, body: bytes) -> list[str]:
    """The names in the answer of `/v1/models`. LlmGarbled when it is none."""
    try:
        return [str(model["id"]) for model in json.loads(body)["data"]]
    except (KeyError, TypeError, ValueError, RecursionError):
        what = f"{where}/v1/models lists no models; it should be an OpenAI-compatible service"
        raise LlmGarbled(where, "sent an invalid message", what, why=FailureReason.NONSENSE) from None


def lists(names: Sequence[str], model: str) -> bool:
    """Return whether a list of models has a model, in this spelling or another usual one.

    >>> lists(["models/gemini-2.0-flash", "llama3.2:latest"], "llama3.2"), lists(["a"], "b")
    (True, False)
    """
    return _plain_name(model) in map(_plain_name, names)


def _plain_name(model: str) -> str:
    return model.removeprefix("models/").removesuffix(":latest")
