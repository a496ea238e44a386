"""Function calls in OpenAI's chat completions: how functions are offered, and how calls come back in a stream."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, TypeAlias, cast

from voicepipe.events import FunctionCall, FunctionCalled, FunctionCallWritten, Generation, MaxTokensReached

__all__ = ["Calls", "NotACall", "Said", "offered"]

Said: TypeAlias = str | FunctionCallWritten | FunctionCalled | MaxTokensReached
"""What a model says: text, and calls."""


class NotACall(Exception):
    """What should be a piece of a function call is none."""


def offered(generation: Generation) -> dict[str, Any]:
    """Return the fields of a request that say how the model answers, as far as the client sets them.

    >>> offered(Generation(max_tokens=9))
    {'max_tokens': 9}
    """
    fields: dict[str, Any] = {}
    if generation.functions:
        fields["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": function.name,
                    "description": function.description,
                    "parameters": dict(function.parameters) or {"type": "object", "properties": {}},
                },
            }
            for function in generation.functions
        ]
        named = {"type": "function", "function": {"name": generation.must_call}}
        fields["tool_choice"] = named if generation.must_call else generation.choice
    if generation.max_tokens is not None:
        fields["max_tokens"] = generation.max_tokens
    if generation.temperature is not None:
        fields["temperature"] = generation.temperature
    return fields


class Calls:
    """The calls of one answer, put together from their pieces.

    OpenAI numbers calls by `index`, and names each in its first piece. Others leave the index away, or write 0 for all;
    give no id, one with each piece, or the same to two calls; repeat the name with each piece, or leave it empty; write
    the arguments in one piece, or as an object; or add a piece that only has `extra_content`, which Gemini 3 wants to
    read again. So another call is what has another index, or a name, and that, the id, or whole arguments before it
    say so. Ids are the service's where they differ.
    """

    def __init__(self) -> None:
        self._index: Any = None
        self._id = ""
        self._call: FunctionCall | None = None
        self._ids: set[str] = set()

    def take(self, piece: Any) -> Iterator[Said]:
        """The next piece; the call before it, if this is another one's. Raises NotACall."""
        if not isinstance(piece, dict):
            raise NotACall
        given = cast("dict[str, Any]", piece)
        index, call_id, (name, arguments) = given.get("index"), str(given.get("id") or ""), _function(given)
        if self._is_another(index, call_id, name, arguments):
            yield from self.finish()
            self._begin(index, call_id, name)
        if self._call is not None:
            yield from self._goes_on(arguments, given.get("extra_content"))

    def finish(self, *, cut: bool = False) -> Iterator[Said]:
        """The call that is being written is complete; where the answer was `cut`, only if its arguments are."""
        call, self._call = self._call, None
        if call is not None and (not cut or _is_whole(call.arguments)):
            yield FunctionCalled(replace(call, arguments=call.arguments or "{}"))

    def _is_another(self, index: Any, call_id: str, name: str, arguments: str) -> bool:
        call = self._call
        if call is None:
            return bool(name or arguments)
        if None not in (index, self._index) and index != self._index:
            return True
        if not name:
            return False
        differs = name != call.name or call_id not in ("", self._id)
        return differs or (bool(arguments) and _is_whole(call.arguments))

    def _begin(self, index: Any, call_id: str, name: str) -> None:
        if not name:
            raise NotACall
        own = call_id if call_id and call_id not in self._ids else f"call_{secrets.token_hex(8)}"
        self._index, self._id, self._call = index, call_id, FunctionCall(own, name, "")
        self._ids.add(own)

    def _goes_on(self, arguments: str, extra: Any) -> Iterator[Said]:
        call = self._call
        assert call is not None
        more = {"extra_content": extra} if extra else {}
        self._call = replace(call, arguments=call.arguments + arguments, extra={**call.extra, **more})
        yield FunctionCallWritten(call.id, call.name, arguments)


def _function(piece: dict[str, Any]) -> tuple[str, str]:
    """Name and arguments, "" for what is not in the piece. Raises NotACall."""
    function: Any = piece.get("function") or {}
    if not isinstance(function, dict):
        raise NotACall
    named = cast("dict[str, Any]", function)
    name, arguments = named.get("name") or "", named.get("arguments") or ""
    if isinstance(arguments, dict):
        arguments = json.dumps(arguments, ensure_ascii=False)
    if not isinstance(name, str) or not isinstance(arguments, str):
        raise NotACall
    return name, arguments


def _is_whole(arguments: str) -> bool:
    try:
        json.loads(arguments)
    except (ValueError, RecursionError):
        return False
    return True
