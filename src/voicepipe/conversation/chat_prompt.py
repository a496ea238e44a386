"""The conversation in the form that a chat model reads."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from voicepipe.conversation.functions import FunctionCall
from voicepipe.conversation.message import CUT, SILENCE, Message, Role

__all__ = ["GREETING", "NOTED", "NO_RESULT", "STILL_RUNNING", "TAKEN_OVER", "prompt"]


GREETING = "Hello."
"""The user's message where the bot opens: chat templates require a user message first."""

NO_RESULT = "There is no result: the conversation went on without it."
"""The result of a call that has not returned or was cut short: chat models require a result for each call."""

STILL_RUNNING = "The function is still running: its result comes later."
"""The result of a call whose reply was cut short, and whose function goes on."""

TAKEN_OVER = "It was still running when it was called again: the later call has the result."
"""The result of a call that a later one, of the same function with the same arguments, has taken over."""

NOTED = "All right."
"""The assistant's message between a result and the user, where the user spoke before the bot did: the template of
Mistral's models refuses a user behind a tool."""


def prompt(
    system_prompt: str, messages: Sequence[Message], *, calls: bool, unfinished: bool = False
) -> list[dict[str, Any]]:
    """Return the prompt; see `Conversation.prompt`."""
    notes = [message.text for message in messages if message.role == "system"]
    system = "\n\n".join(filter(None, [system_prompt, *notes]))
    turns = _turns(messages, calls=calls)
    if not turns or turns[0].role == "assistant":
        turns.insert(0, _Turn("user", [GREETING]))
    chat = list(_alternating(written for turn in turns for written in turn.written()))
    if chat[-1]["role"] == "assistant" and not unfinished:
        chat.append({"role": "user", "content": SILENCE})
    return [{"role": "system", "content": system}, *chat] if system else chat


def _alternating(chat: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the messages, with the assistant's between a result and the user."""
    before = ""
    for message in chat:
        if before == "tool" and message["role"] == "user":
            yield {"role": "assistant", "content": NOTED}
        yield message
        before = message["role"]


@dataclass(slots=True)
class _Called:
    call: FunctionCall
    result: str | None = None


@dataclass(slots=True)
class _Turn:
    """The messages and calls of one side in a row, before any result."""

    role: Role
    said: list[str]
    calls: list[_Called] = field(default_factory=list[_Called])

    @property
    def text(self) -> str:
        """Return what was said, in one text."""
        return " ".join(self.said)

    def say(self, text: str) -> None:
        """Add a text. A silence that the user has ended by going on is left out."""
        if self.said and self.said[0].startswith(SILENCE):
            self.said[:1] = filter(None, [self.said[0].removeprefix(SILENCE).strip()])
        self.said.append(text)

    def takes(self, call: FunctionCall) -> bool:
        """Return whether the call belongs to this turn: it was made before any result, and its id is new."""
        known = any(called.result is not None or called.call.id == call.id for called in self.calls)
        return self.role == "assistant" and not known

    def written(self) -> Iterator[dict[str, Any]]:
        if not self.calls:
            yield {"role": self.role, "content": self.text}
            return
        calls = [_written(called.call) for called in self.calls]
        yield {"role": self.role, "content": self.text or None, "tool_calls": calls}
        for called in self.calls:
            result = NO_RESULT if called.result is None else called.result
            yield {"role": "tool", "tool_call_id": called.call.id, "content": result}


def _written(call: FunctionCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {**call.extra, "id": call.id, "type": "function", "function": function}


def _turns(messages: Sequence[Message], *, calls: bool) -> list[_Turn]:
    """Merge neighbours of one role, and put each result behind its call. Where ids repeat, a result belongs to the
    latest call of that id: some services count anew in each answer."""
    turns: list[_Turn] = []
    called: dict[str, _Called] = {}
    for message in _late_results_last(messages):
        match message:
            case Message(role="tool", call=FunctionCall(id=call_id)):
                if call_id in called:
                    called[call_id].result = message.text
            case Message(role="assistant", call=FunctionCall() as call):
                if calls:
                    called[call.id] = _Called(call)
                    _turn_of(call, turns).calls.append(called[call.id])
            case Message(role="user" | "assistant" as role):
                _say(turns, role, message.text.rstrip(CUT).strip())
            case _:
                pass  # notes are part of the system prompt
    return turns


def _late_results_last(messages: Sequence[Message]) -> list[Message]:
    """Move a result that came after the next message to the end, together with its call: what is new comes last, so
    that the model talks about it instead of continuing what it has said."""
    ordered: list[Message] = []
    calls: dict[str, Message] = {}
    for message in messages:
        match message:
            case Message(role="assistant", call=FunctionCall(id=call_id)):
                calls[call_id] = message
            case Message(role="tool", call=FunctionCall(id=call_id)) if call_id in calls:
                _bring(calls[call_id], ordered)
            case _:
                pass
        ordered.append(message)
    return ordered


def _bring(call: Message, ordered: list[Message]) -> None:
    """Move the call to the end, before the results there; not if no message has come since."""
    at = next(at for at, message in enumerate(ordered) if message is call)
    if not any(_speaks(message) for message in ordered[at:]):
        return
    del ordered[at]
    results = itertools.takewhile(lambda message: message.role == "tool", reversed(ordered))
    ordered.insert(len(ordered) - len(list(results)), call)


def _speaks(message: Message) -> bool:
    return message.role in ("user", "assistant") and message.call is None and bool(message.text.rstrip(CUT).strip())


def _turn_of(call: FunctionCall, turns: list[_Turn]) -> _Turn:
    """Return the turn to which the assistant's next call belongs."""
    if not turns or not turns[-1].takes(call):
        turns.append(_Turn("assistant", []))
    return turns[-1]


def _say(turns: list[_Turn], role: Role, text: str) -> None:
    last = turns[-1] if turns else None
    if text and last is not None and last.role == role and not last.calls:
        last.say(text)
    elif text:
        turns.append(_Turn(role, [text]))
