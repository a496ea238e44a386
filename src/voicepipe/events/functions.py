"""Events of function calling: calls and their results.

A call in order, as a reply emits it: `FunctionCallWritten…` and `FunctionCalled` for a function of the client, which
answers with an `ItemCreated`; `FunctionCalled(server_side=True)`, `FunctionDelayed`, `FunctionReturned` for a function
of the pipeline (see `voicepipe.operators.with_tools`). After a barge-in, `FunctionContinues` comes between them.
"""

from __future__ import annotations

from dataclasses import dataclass

from voicepipe.conversation.functions import FunctionCall
from voicepipe.events.base import Event

__all__ = ["FunctionCallWritten", "FunctionCalled", "FunctionContinues", "FunctionDelayed", "FunctionReturned"]


@dataclass(frozen=True, slots=True)
class FunctionCallWritten(Event):
    """The model writes a call: the next piece of its arguments. The first piece may be empty."""

    id: str
    name: str
    delta: str


@dataclass(frozen=True, slots=True)
class FunctionCalled(Event):
    """A call is complete. The pipeline runs it if `server_side`, otherwise the client.

    `server` is the client's label of the tool server (MCP) that has the function, if it is one of those.
    """

    call: FunctionCall
    server_side: bool = False
    server: str = ""


@dataclass(frozen=True, slots=True)
class FunctionDelayed(Event):
    """Called functions have not returned after `after_s`."""

    after_s: float


@dataclass(frozen=True, slots=True)
class FunctionContinues(Event):
    """The reply of the call `id` is over, and the function goes on: its `FunctionReturned` comes later.

    With `taken_over_by`, a later call of the same function with the same arguments has the result instead.
    """

    id: str
    taken_over_by: str = ""


@dataclass(frozen=True, slots=True)
class FunctionReturned(Event):
    """The result of the call `id`, or its error, as the model reads it. A later one of the same call replaces it.

    `failed`: it is an error.
    """

    id: str
    output: str
    failed: bool = False
