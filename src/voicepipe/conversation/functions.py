"""Function calling as data: functions, calls, and how the model answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Function", "FunctionCall", "Generation"]


@dataclass(frozen=True, slots=True)
class Function:
    """A function that the model may call. `parameters` is the JSON Schema of its arguments, which are one object."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A call: `arguments` is JSON as the model wrote it, and may be invalid. `id` refers to the call in its result.

    `extra` holds further fields of the service, which it expects back with the call (Gemini signs its thoughts).
    """

    id: str
    name: str
    arguments: str = "{}"
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False, repr=False)


@dataclass(frozen=True, slots=True)
class Generation:
    """The options of the model's answer. None means: as the model is configured.

    `choice` "auto" allows function calls, "none" forbids and "required" demands them. `must_call` names the function
    that the model has to call. `max_tokens` limits the answer.
    """

    functions: tuple[Function, ...] = ()
    choice: Literal["auto", "none", "required"] = "auto"
    must_call: str = ""
    max_tokens: int | None = None
    temperature: float | None = None
