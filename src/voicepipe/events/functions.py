"""Function calling: what the model may call, its calls, and what comes back. Part of the vocabulary.

A call, in order, as a reply emits it: `FunctionCallWritten…` and `FunctionCalled` when the client shall run it, who
answers with an `ItemCreated`; `FunctionCalled(here=True)`, `FunctionDelayed`, `FunctionReturned` when a function of the
pipeline's own was called (see `voicepipe.operators.with_tools`).
"""

from __future__ import annotations

from dataclasses import dataclass

from voicepipe.conversation.functions import FunctionCall
from voicepipe.events.base import Event

__all__ = ["FunctionCallWritten", "FunctionCalled", "FunctionDelayed", "FunctionReturned"]


@dataclass(frozen=True, slots=True)
class FunctionCallWritten(Event):
    """The model writes a call: the next piece of its arguments; the first may be empty."""

    id: str
    name: str
    delta: str


@dataclass(frozen=True, slots=True)
class FunctionCalled(Event):
    """The call is complete. `server_side`: it is run by the pipeline; else the client shall run it."""

    call: FunctionCall
    server_side: bool = False


@dataclass(frozen=True, slots=True)
class FunctionDelayed(Event):
    """The functions that were called have not returned after `after_s`."""

    after_s: float


@dataclass(frozen=True, slots=True)
class FunctionReturned(Event):
    """What the call `id` gave, or what went wrong with it, as the model is told."""

    id: str
    output: str
