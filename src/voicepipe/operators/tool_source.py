"""`ToolSource`: functions that a model may call and that are no Python functions, such as those of an MCP server."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from voicepipe.conversation import Function, FunctionCall
from voicepipe.operators.toolbox import Toolbox

__all__ = ["ToolSource", "together"]


@runtime_checkable
class ToolSource(Protocol):
    """Functions by name. `with_tools` takes one among its functions, and asks it anew at each request."""

    @property
    def functions(self) -> tuple[Function, ...]:
        """The descriptions for the model, of what can be called now."""
        ...

    def __contains__(self, name: str) -> bool: ...

    async def run(self, call: FunctionCall, *, deadline_s: float) -> str:
        """Run a call, and return its result, or `{"error": …}` for the model. It never raises but for cancellation."""
        ...


def together(functions: Sequence[Callable[..., Any] | ToolSource]) -> ToolSource:
    """Return Python functions and other sources as one; of two functions with one name, the first one counts.

    Raises:
        ValueError, TypeError: as `Toolbox`.
    """
    sources = [one for one in functions if isinstance(one, ToolSource)]
    own = Toolbox([one for one in functions if not isinstance(one, ToolSource)])
    return _Together([own, *sources]) if sources else own


class _Together:
    def __init__(self, sources: Sequence[ToolSource]) -> None:
        self._sources = sources

    def __contains__(self, name: str) -> bool:
        return any(name in source for source in self._sources)

    @property
    def functions(self) -> tuple[Function, ...]:
        named = {function.name: function for source in reversed(self._sources) for function in source.functions}
        order = dict.fromkeys(function.name for source in self._sources for function in source.functions)
        return tuple(named[name] for name in order)

    async def run(self, call: FunctionCall, *, deadline_s: float) -> str:
        for source in self._sources:
            if call.name in source:
                return await source.run(call, deadline_s=deadline_s)
        known = ", ".join(function.name for function in self.functions)
        return json.dumps({"error": f"there is no function {call.name!r}, only {known}"})
