"""Function calling: what the model may call, its calls, and what comes back. Part of the vocabulary.

A call, in order, as a reply emits it: `FunctionCallWritten…` and `FunctionCalled` when the client shall run it, who
answers with an `ItemCreated`; `FunctionCalled(here=True)`, `FunctionDelayed`, `FunctionReturned` when a function of the
pipeline's own was called (see `voicepipe.operators.with_tools`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from voicepipe.events.base import Event

__all__ = [
    "Function",
    "FunctionCall",
    "FunctionCallWritten",
    "FunctionCalled",
    "FunctionDelayed",
    "FunctionReturned",
    "Generation",
]


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


@dataclass(frozen=True, slots=True)
class FunctionCallWritten(Event):
    """The model writes a call: the next piece of its arguments; the first may be empty."""

    id: str
    name: str
    delta: str


@dataclass(frozen=True, slots=True)
class FunctionCalled(Event):
    """The call is complete. `here`: it is run by the pipeline; else the client shall run it."""

    call: FunctionCall
    here: bool = False


@dataclass(frozen=True, slots=True)
class FunctionDelayed(Event):
    """The functions that were called have not returned after `after_s`."""

    after_s: float


@dataclass(frozen=True, slots=True)
class FunctionReturned(Event):
    """What the call `id` gave, or what went wrong with it, as the model is told."""

    id: str
    output: str
