"""Invariants of the pipeline's functions."""

from __future__ import annotations

from voicepipe.conversation.chat_prompt import STILL_RUNNING, TAKEN_OVER
from voicepipe.events import (
    FunctionCall,
    FunctionCalled,
    FunctionContinues,
    FunctionReturned,
    ItemCreated,
    ReplyStarted,
)
from voicepipe.testing.invariants.recording import Found, Recording

__all__ = ["results_remembered"]


def results_remembered(recording: Recording) -> Found:
    """Check that a reply is asked with what is known of every call before it: its result, or that it goes on."""
    known: dict[str, str] = {}
    for at_s, event in recording.events:
        match event:
            case FunctionCalled(call=call, server_side=True):
                known.pop(call.id, None)
            case FunctionContinues(id=call_id, taken_over_by=by):
                known[call_id] = TAKEN_OVER if by else STILL_RUNNING
            case FunctionReturned(id=call_id, output=output):
                known[call_id] = output
            case ItemCreated(role="tool", call=FunctionCall(id=call_id), text=output):
                known[call_id] = output
            case ReplyStarted(conversation=conversation):
                told = {one.call.id: one.text for one in conversation.messages if one.role == "tool" and one.call}
                for call_id, text in known.items():
                    if told.get(call_id) != text:
                        yield at_s, f"of the call {call_id!r} the prompt has {told.get(call_id)!r}, known is {text!r}"
            case _:
                pass
