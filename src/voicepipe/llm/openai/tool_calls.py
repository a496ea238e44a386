"""Function calls in OpenAI's chat completions: how functions are offered, and how calls come back in a stream."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any, TypeAlias, cast

from voicepipe.events import (
    FunctionCall,
    FunctionCalled,
    FunctionCallWritten,
    Generation,
    MaxTokensReached,
    TokensCounted,
)
from voicepipe.llm.openai.clean import CleanText, cleaned
from voicepipe.llm.openai.written_calls import NotACall, WrittenCall

__all__ = ["Calls", "NotACall", "Said", "offered"]

Said: TypeAlias = str | FunctionCallWritten | FunctionCalled | MaxTokensReached | TokensCounted
"""The output of a model: text and function calls, and at its end the number of tokens."""


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
    give no id, one with each piece, or the same to two calls; repeat the name with each piece, cut it in two, or leave
    it empty; write the arguments in one piece, or as an object; or add a piece that only has `extra_content`, which
    Gemini 3 wants to read again. So another call is what has another index, or a name, and that, the id, or whole
    arguments before it say so. Ids are the service's where they differ.

    Args:
        names: The names of the functions that were offered, which tell a name that was cut from two names; None: they
            are not known.
    """

    def __init__(self, names: Collection[str] | None = None) -> None:
        self._names = names
        self._index: Any = None
        self._id = ""
        self._call: FunctionCall | None = None
        self._clean = CleanText()
        self._unwritten = False
        self._ids: set[str] = set()

    def take(self, piece: Any) -> Iterator[Said]:
        """The next piece; the call before it, if this is another one's. Raises NotACall."""
        if not isinstance(piece, dict):
            raise NotACall
        given = cast("dict[str, Any]", piece)
        index, call_id, (name, arguments) = given.get("index"), str(given.get("id") or ""), _function(given)
        if self._call is not None and self._continues_name(index, call_id, name):
            self._call = replace(self._call, name=self._longer(self._call.name, name))
        elif self._is_another(index, call_id, name, arguments):
            yield from self.finish()
            yield from self._begin(index, call_id, name, alone=not arguments)
        if self._call is not None:
            yield from self._goes_on(self._clean(arguments), given.get("extra_content"))

    def written(self, call: WrittenCall) -> Iterator[Said]:
        """A whole call that stood in the text."""
        yield from self.finish()
        yield from self.take({"function": {"name": call.name, "arguments": call.arguments}})
        yield from self.finish()

    def finish(self, *, cut: bool = False) -> Iterator[Said]:
        """The call that is being written is complete; where the answer was `cut`, only if its arguments are."""
        call, self._call = self._call, None
        if call is not None and (not cut or _is_whole(call.arguments)):
            if self._unwritten:
                yield FunctionCallWritten(call.id, call.name, "")
            yield FunctionCalled(replace(call, arguments=call.arguments or "{}"))

    @property
    def under_way(self) -> bool:
        """Return whether a call is being written."""
        return self._call is not None

    def _continues_name(self, index: Any, call_id: str, name: str) -> bool:
        """Return whether a name is the rest of the name before it."""
        call = self._call
        if call is None or not self._unwritten or not name or name == call.name or index != self._index:
            return False
        if call_id not in ("", self._id) or (index is None and not call_id):
            return False
        known = self._names or ()
        return self._longer(call.name, name) in known or not (name in known or call.name in known)

    def _longer(self, begun: str, name: str) -> str:
        """Return a name that goes on, with its rest, or as a whole."""
        return name if name.startswith(begun) and name in (self._names or ()) else begun + name

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

    def _begin(self, index: Any, call_id: str, name: str, *, alone: bool) -> Iterator[Said]:
        """Begin a call. A name that is certain is told at once; another one may go on."""
        if not name:
            raise NotACall
        own = call_id if call_id and call_id not in self._ids else f"call_{secrets.token_hex(8)}"
        self._index, self._id, self._call = index, call_id, FunctionCall(own, name, "")
        self._clean, self._unwritten = CleanText(), alone
        self._ids.add(own)
        if alone and [name] == [known for known in self._names or () if known.startswith(name)]:
            self._unwritten = False
            yield FunctionCallWritten(own, name, "")

    def _goes_on(self, arguments: str, extra: Any) -> Iterator[Said]:
        """Write a piece of the arguments; the first one when the name is whole."""
        call = self._call
        assert call is not None
        more = {"extra_content": extra} if extra else {}
        self._call = replace(call, arguments=call.arguments + arguments, extra={**call.extra, **more})
        if self._unwritten and arguments:
            self._unwritten = False
            yield FunctionCallWritten(call.id, call.name, "")
        if arguments:
            yield FunctionCallWritten(call.id, call.name, arguments)


def _function(piece: dict[str, Any]) -> tuple[str, str]:
    """Name and arguments, "" for what is not in the piece. Raises NotACall."""
    function: Any = piece.get("function") or {}
    if not isinstance(function, dict):
        raise NotACall
    named = cast("dict[str, Any]", function)
    name, arguments = named.get("name") or "", named.get("arguments") or ""
    if isinstance(arguments, dict):
        arguments = cleaned(json.dumps(arguments, ensure_ascii=False))
    if not isinstance(name, str) or not isinstance(arguments, str):
        raise NotACall
    return cleaned(name), arguments


def _is_whole(arguments: str) -> bool:
    try:
        json.loads(arguments)
    except (ValueError, RecursionError):
        return False
    return True
