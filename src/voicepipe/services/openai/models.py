"""The list of models of a service, which may have spellings of its own. No I/O."""

from __future__ import annotations

import json
from collections.abc import Sequence

__all__ = ["lists", "model_names"]


def model_names(body: bytes) -> list[str] | None:
    """Return the names in the answer of `/v1/models`; None where it lists none.

    >>> model_names(b'{"object": "list", "data": [{"id": "tiny"}]}'), model_names(b"<html>")
    (['tiny'], None)
    """
    try:
        return [str(model["id"]) for model in json.loads(body)["data"]]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


def lists(names: Sequence[str], model: str) -> bool:
    """Return whether a list of models has a model, in this spelling or another usual one.

    >>> lists(["models/gemini-2.0-flash", "llama3.2:latest"], "llama3.2"), lists(["a"], "b")
    (True, False)
    """
    return _plain_name(model) in map(_plain_name, names)


def _plain_name(model: str) -> str:
    return model.removeprefix("models/").removesuffix(":latest")
