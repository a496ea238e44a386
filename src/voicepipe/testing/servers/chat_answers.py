"""The answers of a language model for tests: text and function calls by a script, in OpenAI's form."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, cast

from voicepipe.events import FunctionCall
from voicepipe.testing.servers.chat_rules import BadRequest

__all__ = ["Answer", "Answers", "Delta", "deltas", "endless", "message", "repeated", "said_last", "scripted"]

Part: TypeAlias = str | FunctionCall
Answer: TypeAlias = Part | Sequence[Part]
"""A text, a call, or a text and then calls."""

Answers: TypeAlias = Mapping[str, Answer] | Callable[[list[dict[str, Any]]], Answer]
"""The answers: by the last message (of the user, or the functions' results), or by all messages."""

Delta: TypeAlias = dict[str, Any]
"""The content of one chunk of a stream."""

# A piece of a call's arguments: about a token.
_PIECE = re.compile(r".{1,4}", re.DOTALL)


def scripted(answers: Answers, request: dict[str, Any]) -> list[Part]:
    """Return the answer to a checked request, as far as the request allows it.

    A model calls only functions that it is offered, and none if `tool_choice` is "none": other calls are left out, and
    if nothing is left, the last message is repeated. Raises BadRequest if a call is required and the script has none.
    """
    messages: list[dict[str, Any]] = request["messages"]
    said = said_last(messages)
    answer = answers(messages) if callable(answers) else answers.get(said, repeated(messages))
    parts: list[Part] = [answer] if isinstance(answer, str | FunctionCall) else list(answer)
    offered = _callable_now(request)
    left = [part for part in parts if isinstance(part, str) or part.name in offered]
    must = request.get("tool_choice") not in (None, "auto", "none")
    if must and not any(isinstance(part, FunctionCall) for part in left):
        what = f"The script has no call of {' or '.join(offered)} as an answer to {said!r}."
        raise BadRequest(what, "tool_choice")
    return left if left or not parts else [repeated(messages)]


def _callable_now(request: dict[str, Any]) -> list[str]:
    match request.get("tool_choice", "auto"):
        case {"function": {"name": name}}:
            return [name]
        case "none":
            return []
        case _:
            return [tool["function"]["name"] for tool in request.get("tools", [])]


def said_last(messages: Sequence[dict[str, Any]]) -> str:
    """Return the user's last message, or the results of the functions called since, in order, with commas."""
    given = list(itertools.takewhile(lambda one: one["role"] == "tool", reversed(messages)))
    if given:
        return ", ".join(str(one["content"]) for one in reversed(given))
    return next((str(one["content"]) for one in reversed(messages) if one["role"] == "user"), "")


def repeated(messages: Sequence[dict[str, Any]]) -> str:
    """Return the last message as an answer."""
    what = "The result is" if messages[-1]["role"] == "tool" else "You said:"
    return f"{what} {said_last(messages)}"


# ---- as it is written ------------------------------------------------------------------------------------------------


def deltas(parts: Iterable[Part]) -> Iterator[Delta]:
    """Yield the words of a text, each with the space before it; of a call its name, then its arguments in pieces.

    >>> list(deltas(["One moment.", FunctionCall("c1", "now")]))[-2:]  # doctest: +NORMALIZE_WHITESPACE
    [{'tool_calls': [{'index': 0, 'id': 'c1', 'type': 'function', 'function': {'name': 'now', 'arguments': ''}}]},
     {'tool_calls': [{'index': 0, 'function': {'arguments': '{}'}}]}]
    """
    words, index = 0, -1
    for part in parts:
        if isinstance(part, FunctionCall):
            index += 1
            yield from _call(index, part)
            continue
        for word in part.split():
            yield {"content": f" {word}" if words else word}
            words += 1


def _call(index: int, call: FunctionCall) -> Iterator[Delta]:
    head = {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
    yield {"tool_calls": [{"index": index, **head}]}
    for piece in _PIECE.findall(call.arguments):
        yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def endless(parts: list[Part]) -> Iterator[Delta]:
    """Yield the same, and then its last part again and again: the words, or the arguments."""
    yield from deltas(parts or ["and"])
    last = parts[-1] if parts else "and"
    again = list(deltas([last]))
    if isinstance(last, str):
        again = [{"content": f" {word}"} for word in last.split()]
    else:
        index = sum(isinstance(part, FunctionCall) for part in parts) - 1
        again = [{"tool_calls": [{**delta["tool_calls"][0], "index": index}]} for delta in again[1:]]
    yield from itertools.cycle(again)


def message(told: Iterable[Delta]) -> dict[str, Any]:
    """Join the deltas of an answer, as in one that is not streamed."""
    content, calls = "", list[dict[str, Any]]()
    for delta in told:
        content += delta.get("content", "")
        for piece in cast("list[dict[str, Any]]", delta.get("tool_calls", [])):
            if "id" in piece:
                calls.append({key: piece[key] for key in ("id", "type")} | {"function": dict(piece["function"])})
            else:
                calls[-1]["function"]["arguments"] += piece["function"]["arguments"]
    whole: dict[str, Any] = {"role": "assistant", "content": content if content or not calls else None}
    return {**whole, "tool_calls": calls} if calls else whole
