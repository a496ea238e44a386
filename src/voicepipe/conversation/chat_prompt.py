"""The conversation as a chat model wants to read it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from voicepipe.conversation.functions import FunctionCall
from voicepipe.conversation.message import CUT, SILENCE, Message, Role

if TYPE_CHECKING:
    pass

__all__ = ["GREETING", "NO_RESULT", "prompt"]


GREETING = "Hello."
"""Stands for the user where the bot opens: chat templates want a user message first."""

NO_RESULT = "There is no result: the conversation went on without it."
"""Stands for what a call gave that has not returned, or was cut short: a chat model wants a result for each call."""


def prompt(system_prompt: str, messages: Sequence[Message], *, calls: bool) -> list[dict[str, Any]]:
    """As `Conversation.prompt`."""
    notes = [message.text for message in messages if message.role == "system"]
    system = "\n\n".join(filter(None, [system_prompt, *notes]))
    turns = _turns(messages, calls=calls)
    if not turns or turns[0].role == "assistant":
        turns.insert(0, _Turn("user", GREETING))
    chat = [written for turn in turns for written in turn.written()]
    return [{"role": "system", "content": system}, *chat] if system else chat


@dataclass(slots=True)
class _Called:
    call: FunctionCall
    result: str | None = None


@dataclass(slots=True)
class _Turn:
    """What one side said in a row, and then called, before it knew of a result."""

    role: Role
    text: str
    calls: list[_Called] = field(default_factory=list[_Called])

    def takes(self, call: FunctionCall) -> bool:
        """Whether the call was made in the same breath: before any result, and with an id of its own."""
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
    """Neighbours of one role are merged; each result is with its call, the latest of that id: some services count anew
    in each answer."""
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
                pass  # notes are in the system prompt
    return turns


def _late_results_last(messages: Sequence[Message]) -> list[Message]:
    """A result that came after somebody had spoken again takes its call along: what is new then comes last, and the
    model speaks of it, instead of going on with what it has said."""
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
    """Move the call to the end, before the results that stand there; unless nobody has spoken since."""
    at = next(at for at, message in enumerate(ordered) if message is call)
    if not any(_speaks(message) for message in ordered[at:]):
        return
    del ordered[at]
    results = itertools.takewhile(lambda message: message.role == "tool", reversed(ordered))
    ordered.insert(len(ordered) - len(list(results)), call)


def _speaks(message: Message) -> bool:
    return message.role in ("user", "assistant") and message.call is None and bool(message.text.rstrip(CUT).strip())


def _turn_of(call: FunctionCall, turns: list[_Turn]) -> _Turn:
    """Where the assistant's next call belongs."""
    if not turns or not turns[-1].takes(call):
        turns.append(_Turn("assistant", ""))
    return turns[-1]


def _say(turns: list[_Turn], role: Role, text: str) -> None:
    last = turns[-1] if turns else None
    if text and last is not None and last.role == role and not last.calls:
        last.text = _unbroken(f"{last.text} {text}")
    elif text:
        turns.append(_Turn(role, text))


def _unbroken(text: str) -> str:
    """Without the silence that the user broke by going on."""
    return text.removeprefix(SILENCE).strip() or SILENCE
