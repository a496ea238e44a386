"""`ToolSource`: functions that a model may call and that are no Python functions, such as those of an MCP server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from voicepipe.conversation import Function, FunctionCall
from voicepipe.operators.toolbox import Late, Outcome, Toolbox, error_text

__all__ = ["Runner", "ToolSource", "together"]


class _Offered(Protocol):
    @property
    def functions(self) -> tuple[Function, ...]:
        """The descriptions for the model, of what can be called now."""
        ...

    def __contains__(self, name: str) -> bool: ...


@runtime_checkable
class ToolSource(_Offered, Protocol):
    """Functions by name. `with_tools` takes one among its functions, and asks it anew at each request."""

    async def run(self, call: FunctionCall, *, deadline_s: float) -> Outcome:
        """Run a call, and return its result, or `{"error": …}` for the model. Raises only CancelledError."""
        ...


class Runner(_Offered, Protocol):
    """Functions that `with_tools` describes to the model and runs: a `Toolbox`, or several sources as one."""

    def does(self, call: FunctionCall) -> object | None:
        """Return what a call does, equal for calls of one function with the same arguments; None for a wrong one."""
        ...

    async def run(self, call: FunctionCall, *, deadline_s: float, late: Late | None = None) -> Outcome:
        """Run a call, and return its outcome. `late` is given the rest of one that goes on after the deadline."""
        ...


def together(functions: Sequence[Callable[..., Any] | ToolSource]) -> Runner:
    """Return Python functions and other sources as one; of two functions with one name, the first one counts.

    Raises:
        ValueError, TypeError: as `Toolbox`.
    """
    sources = [one for one in functions if isinstance(one, ToolSource)]
    own = Toolbox([one for one in functions if not isinstance(one, ToolSource)])
    return _Together(own, sources) if sources else own


class _Together:
    def __init__(self, own: Toolbox, sources: Sequence[ToolSource]) -> None:
        self._own, self._sources = own, sources

    def __contains__(self, name: str) -> bool:
        return name in self._own or self._source(name) is not None

    @property
    def functions(self) -> tuple[Function, ...]:
        named: dict[str, Function] = {}
        for source in (self._own, *self._sources):
            for function in source.functions:
                named.setdefault(function.name, function)
        return tuple(named.values())

    def does(self, call: FunctionCall) -> object | None:
        source = self._source(call.name)
        return self._own.does(call) if source is None else (source, call.name, call.arguments)

    async def run(self, call: FunctionCall, *, deadline_s: float, late: Late | None = None) -> Outcome:
        source = self._source(call.name)
        if source is not None:
            return await source.run(call, deadline_s=deadline_s)
        if call.name in self._own:
            return await self._own.run(call, deadline_s=deadline_s, late=late)
        known = ", ".join(function.name for function in self.functions)
        return Outcome("is unknown", error_text(f"there is no function {call.name!r}, only {known}"))

    def _source(self, name: str) -> ToolSource | None:
        """Return the source of a function that is not one of Python's."""
        if name in self._own:
            return None
        return next((source for source in self._sources if name in source), None)
