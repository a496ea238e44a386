"""Chat completions in OpenAI's form: from a request to a conversation, and from an answer to the events of a stream.

Pure. Text, calls of functions, the reason of the end and the tokens are kept; of the options those that a
`Generation` has.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, cast

from voicepipe.conversation import Conversation, Function, FunctionCall, Generation, Message
from voicepipe.events import Event, FunctionCalled, MaxTokensReached, StageFailed, TokensCounted

__all__ = ["AnswerEncoder", "BadRequest", "conversation_of"]

MOST_MESSAGES = 1_000
"""Messages of one request, at most: half an hour of talk has some 200."""


class BadRequest(ValueError):
    """A request is not one for a chat completion; the message says what is wrong."""


def conversation_of(body: Any) -> Conversation:
    """Return the conversation that a request asks an answer for. Raises BadRequest.

    >>> asked = {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]}
    >>> talk = conversation_of(asked)
    >>> talk.system_prompt, talk.messages[-1].text
    ('Be brief.', 'Hi')
    """
    if not isinstance(body, dict):
        raise BadRequest("the body has to be a JSON object")
    asked = cast("dict[str, Any]", body)
    listed = asked.get("messages")
    if not isinstance(listed, list) or not listed:
        raise BadRequest("`messages` has to be a list with a message at least")
    if len(cast("list[Any]", listed)) > MOST_MESSAGES:
        raise BadRequest(f"`messages` may have {MOST_MESSAGES} messages")
    messages = [each for one in cast("list[Any]", listed) for each in _messages(one)]
    system = [message.text for message in messages if message.role == "system"]
    said = tuple(message for message in messages if message.role != "system")
    return Conversation("\n\n".join(system), said, generation=_generation(asked))


def _messages(one: Any) -> Iterator[Message]:
    if not isinstance(one, dict):
        raise BadRequest("each of `messages` has to be an object")
    message = cast("dict[str, Any]", one)
    role, text = message.get("role"), _text(message.get("content"))
    match role:
        case "tool":
            yield Message("tool", text, call=FunctionCall(str(message.get("tool_call_id", "")), ""))
        case "system" | "developer":
            yield Message("system", text)
        case "user" | "assistant":
            if text or role == "user":
                yield Message(cast("Literal['user', 'assistant']", role), text)
        case _:
            raise BadRequest(f"there is no role {role!r}; there are system, user, assistant and tool")
    for call in message.get("tool_calls") or ():
        try:
            asked = call["function"]
            yield Message("assistant", "", call=FunctionCall(call["id"], asked["name"], asked["arguments"]))
        except (KeyError, TypeError) as problem:
            raise BadRequest(f"a call of `tool_calls` without {problem}") from problem


def _text(content: Any) -> str:
    """Return the text of a message, which may be in parts."""
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, list):
        parts = [cast("dict[str, Any]", part) for part in cast("list[Any]", content) if isinstance(part, dict)]
        return "".join(str(part["text"]) for part in parts if "text" in part)
    raise BadRequest("`content` has to be text, or a list of parts with text")


def _generation(asked: Mapping[str, Any]) -> Generation:
    try:
        tools = [tool["function"] for tool in asked.get("tools") or ()]
        functions = tuple(
            Function(tool["name"], tool.get("description") or "", tool.get("parameters") or {}) for tool in tools
        )
        most, temperature = asked.get("max_completion_tokens") or asked.get("max_tokens"), asked.get("temperature")
        return Generation(
            functions=functions,
            max_tokens=None if most is None else max(1, int(most)),
            temperature=None if temperature is None else float(temperature),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise BadRequest(f"an option has another form than in OpenAI's API: {problem!r}") from problem


class AnswerEncoder:
    """An answer's pieces as chunks of a stream, and the whole of them as one body.

    Args:
        answer_id: The id of the answer.
        model: The name of the model.
        created: The time of the request, in seconds since 1970.
    """

    def __init__(self, answer_id: str, model: str, created: int) -> None:
        self._head = {"id": answer_id, "created": created, "model": model}
        self._texts: list[str] = []
        self._calls: list[FunctionCall] = []
        self._finish: str | None = None
        self._usage: dict[str, Any] | None = None
        self.error: Exception | None = None
        """The error that ended the answer behind its text."""

    def piece(self, said: str | Event) -> Iterator[bytes]:
        """Yield the chunks of a piece: none for an event that is not for the client."""
        match said:
            case str() if said:
                self._texts.append(said)
                yield self._delta({"content": said})
            case FunctionCalled(call=call):
                yield self._delta({"tool_calls": [{"index": len(self._calls), **_call(call)}]})
                self._calls.append(call)
            case MaxTokensReached():
                self._finish = "length"
            case TokensCounted(read=read, written=written, cached=cached):
                self._usage = _usage(read, written, cached)
            case StageFailed(error=error):
                self.error = error
            case _:
                pass

    def rest(self) -> Iterator[bytes]:
        """Yield the last chunks of a complete answer."""
        yield self._chunk([{"index": 0, "delta": {}, "finish_reason": self._reason}])
        if self._usage is not None:
            yield self._chunk([], usage=self._usage)
        yield b"data: [DONE]\n\n"

    def whole(self) -> dict[str, Any]:
        """Return the answer as one body."""
        message: dict[str, Any] = {"role": "assistant", "content": "".join(self._texts)}
        if self._calls:
            message["tool_calls"] = [_call(call) for call in self._calls]
        choices = [{"index": 0, "message": message, "finish_reason": self._reason}]
        return {**self._head, "object": "chat.completion", "choices": choices, "usage": self._usage}

    @property
    def _reason(self) -> str:
        return self._finish or ("tool_calls" if self._calls else "stop")

    def _delta(self, delta: Mapping[str, Any]) -> bytes:
        return self._chunk([{"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": None}])

    def _chunk(self, choices: Sequence[Mapping[str, Any]], **more: Any) -> bytes:
        chunk = {**self._head, "object": "chat.completion.chunk", "choices": choices, **more}
        return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"


def _call(call: FunctionCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _usage(read: int, written: int, cached: int) -> dict[str, Any]:
    counted = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
    return {**counted, "prompt_tokens_details": {"cached_tokens": cached}}
