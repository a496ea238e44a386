"""Function calling as data: what the model may call, its calls, and how it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Function", "FunctionCall", "Generation"]


@dataclass(frozen=True, slots=True)
class Function:
    """What the model may call. `parameters` is the JSON Schema of its arguments, which are one object."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """One call: `arguments` is JSON as the model wrote it, which may be wrong. `id` names the call in its result.

    `extra` is what else the service wrote about it, and wants to read again with it (Gemini signs its thoughts).
    """

    id: str
    name: str
    arguments: str = "{}"
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False, repr=False)


@dataclass(frozen=True, slots=True)
class Generation:
    """How the model shall answer. What is None is as the model is configured.

    `choice` "auto": it may call functions; "none": it must not; "required": it must. `must_call` names the function
    that it must call. `max_tokens` bounds the answer.
    """

    functions: tuple[Function, ...] = ()
    choice: Literal["auto", "none", "required"] = "auto"
    must_call: str = ""
    max_tokens: int | None = None
    temperature: float | None = None
