"""The types that OpenAI publishes for server events, in strict mode: an integer is no float, and nothing is absent.

Its Python client accepts nearly everything; clients in Go, Rust and Swift refuse an event of another type.
"""

from __future__ import annotations

import functools
import importlib.util
import json
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

__all__ = ["check_published"]

_EXTENSIONS = ("audio/opus",)
"""Formats of voicepipe's own, which no published type knows."""
_UNPUBLISHED = ("transcription_session.created", "session.resumed", "session.closed")
"""The first is sent by OpenAI in beta, and waited for by the agents SDK; openai-python has no type for it. The others
are voicepipe's own, for clients that ask for them."""


def check_published(dialect: str, event: dict[str, Any]) -> None:
    """Raise AssertionError for an event that is not of its published type, where `openai` is installed."""
    kinds = _types().get(dialect)
    if kinds is None:
        return
    kind = event["type"]
    if kind in _UNPUBLISHED or kind.startswith("app."):  # an application's own
        return
    assert kind in kinds, f"{kind} is no server event of {dialect}"
    text = json.dumps(_with_model(event) if dialect == "beta" else event)
    if any(extension in text for extension in _EXTENSIONS):
        return
    errors: list[str] = []
    for published in kinds[kind]:
        try:
            published.validate_json(text, strict=True)
        except ValidationError as error:
            errors.append(str(error))
        else:
            return
    raise AssertionError(f"{text} is not of the published type: {errors[0]}")


def _with_model(event: dict[str, Any]) -> dict[str, Any]:
    """The published names of models are OpenAI's own, where a session repeats the client's."""
    return {**event, "session": {**event["session"], "model": "gpt-realtime"}} if "session" in event else event


@functools.cache
def _types() -> Mapping[str, Mapping[str, list[TypeAdapter[Any]]]]:
    if importlib.util.find_spec("openai") is None:
        return {}
    from openai.types.beta.realtime import RealtimeServerEvent as BetaEvent
    from openai.types.realtime import RealtimeServerEvent as GaEvent

    return {"ga": _by_type(GaEvent), "beta": _by_type(BetaEvent)}


def _by_type(union: Any) -> Mapping[str, list[TypeAdapter[Any]]]:
    members = get_args(get_args(union)[0])
    found: dict[str, list[TypeAdapter[Any]]] = {}
    for member in members:
        for kind in get_args(member.model_fields["type"].annotation):
            found.setdefault(kind, []).append(TypeAdapter(member))
    return found
