"""Function calling as data: functions, calls, and how the model answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Function", "FunctionCall", "Generation", "ToolFilter", "ToolServer"]


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
class ToolFilter:
    """A choice among the tools of a server: those of these `names`, and those that only read, or only those that do
    not. None chooses all."""

    names: frozenset[str] | None = None
    read_only: bool | None = None

    def matches(self, name: str, *, read_only: bool) -> bool:
        """Return whether a tool is chosen."""
        return (self.names is None or name in self.names) and self.read_only in (None, read_only)


@dataclass(frozen=True, slots=True)
class ToolServer:
    """A server of the Model Context Protocol that a client names among its functions: its tools may be called, too.

    Args:
        label: the client's name of the server
        url: its address (streamable HTTP)
        headers: of each request; they hold the client's keys, and are not in the text of this object
        allow: the tools that the model may call
        always: the tools that need the client's approval for each call; None: see `never`
        never: the tools that need none. Without both, each call needs it
    """

    label: str
    url: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    allow: ToolFilter = ToolFilter()
    always: ToolFilter | None = None
    never: ToolFilter | None = None

    def needs_approval(self, name: str, *, read_only: bool) -> bool:
        """Return whether the client has to approve each call of a tool."""
        if self.always is not None and self.always.matches(name, read_only=read_only):
            return True
        if self.never is not None and self.never.matches(name, read_only=read_only):
            return False
        return self.always is None or self.never is not None


@dataclass(frozen=True, slots=True)
class Generation:
    """The options of the model's answer. None means: as the model is configured.

    `servers` have more functions, which the server of the session calls.

    `choice` "auto" allows function calls, "none" forbids and "required" demands them. `must_call` names the function
    that the model has to call. `max_tokens` limits the answer.
    """

    functions: tuple[Function, ...] = ()
    choice: Literal["auto", "none", "required"] = "auto"
    must_call: str = ""
    max_tokens: int | None = None
    temperature: float | None = None
    servers: tuple[ToolServer, ...] = ()
