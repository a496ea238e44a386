"""The parts of a chunk of a chat completion's stream, in any server's form. No I/O.

OpenAI's form is `choices[0].delta.content`, a text. Others write a list of parts, `message` in place of `delta`, `text`
in place of `content`, a choice without any of them, or several choices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from voicepipe.llm.openai.written_calls import NotACall

__all__ = ["Choice", "NotAChunk", "choices_of", "read_choice"]

_UNFINISHED = frozenset({"", "null", "none"})
_TEXT_PARTS = frozenset({"text", "output_text"})
_FILTERS = (
    *("content_filter", "content-filter", "refusal", "safety", "sensitive", "prohibited_content", "blocklist"),
    *("recitation", "spii", "guardrail_intervened", "model_armor"),
)
_LIMITS = frozenset({"length", "max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded"})


class NotAChunk(Exception):
    """A chunk is no part of a chat completion."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The parts of a choice.

    Args:
        text: the next text
        whole_text: the whole text so far, of a server that repeats it
        refusal: the next piece of a refusal
        calls: pieces of function calls
        ended: the answer is complete
        limited: it was cut at its length
        filtered: it was stopped by a content filter; the reason's name
        failed: its server failed in the middle of it
    """

    text: str = ""
    whole_text: str = ""
    refusal: str = ""
    calls: tuple[Any, ...] = ()
    ended: bool = False
    limited: bool = False
    filtered: str = ""
    failed: bool = False


def choices_of(chunk: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the choices of a chunk. Raises NotAChunk."""
    given: Any = chunk.get("choices")
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(choice, dict) for choice in cast("list[Any]", given)):
        raise NotAChunk
    return cast("list[dict[str, Any]]", given)


def read_choice(choice: dict[str, Any]) -> Choice:
    """Return what a choice says. Raises NotAChunk."""
    delta, message = _fields(choice, "delta"), _fields(choice, "message")
    told = delta or message
    text, refused = _text(told.get("content")), _refusal(told)
    if not delta and not message:
        text = _text(choice.get("text"))
    whole = _text(message.get("content")) if message else ""
    ended = str(choice.get("finish_reason") or "").lower()
    ended = "" if ended in _UNFINISHED else ended
    return Choice(
        text="" if told is message and message else text,
        whole_text=whole,
        refusal=refused,
        calls=tuple(_calls(told)),
        ended=bool(ended),
        limited=ended in _LIMITS,
        filtered=ended if ended in _FILTERS else "",
        failed=ended == "error",
    )


def _fields(choice: dict[str, Any], key: str) -> dict[str, Any]:
    given: Any = choice.get(key) or {}
    if not isinstance(given, dict):
        raise NotAChunk
    return cast("dict[str, Any]", given)


def _text(content: Any) -> str:
    """Return the text of a content: a text, a part, or a list of parts. Reasoning and references are no text."""
    match content:
        case None:
            return ""
        case str():
            return content
        case {"type": kind}:
            part = cast("dict[str, Any]", content)
            return _text(part.get("text")) if kind in _TEXT_PARTS else ""
        case {"value": str(text)}:  # of OpenAI's assistants
            return text
        case [*parts]:
            return "".join(map(_text, parts))
        case _:
            raise NotAChunk


def _refusal(told: dict[str, Any]) -> str:
    """Return the refusal, which stands beside the content or is a part of it."""
    parts: Any = told.get("content")
    inner = [part.get("refusal") for part in _dicts(cast("list[Any]", parts))] if isinstance(parts, list) else []
    given = [told.get("refusal"), *inner]
    return "".join(one for one in given if isinstance(one, str))


def _dicts(parts: list[Any]) -> Iterator[dict[str, Any]]:
    yield from (cast("dict[str, Any]", part) for part in parts if isinstance(part, dict))


def _calls(told: dict[str, Any]) -> Iterator[Any]:
    """Yield the pieces of calls, and of the one call that old services have."""
    given: Any = told.get("tool_calls")
    if not isinstance(given, list | None):
        raise NotACall
    yield from cast("list[Any]", given or [])
    if old := told.get("function_call"):
        yield {"index": 0, "function": old}
