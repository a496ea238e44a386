"""Fold events into a conversation: the only way in which it changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from voicepipe.conversation import CUT, CharacterLines, Conversation, Message, heard_until, joined
from voicepipe.events.client import ItemCreated, ItemDeleted, ItemTruncated, SettingsChanged
from voicepipe.events.functions import FunctionCalled, FunctionContinues, FunctionReturned
from voicepipe.events.heard import TurnEnded
from voicepipe.events.reply import ReplyInterrupted, ReplyStarted, ReplyTextWritten, WordSpoken
from voicepipe.events.session import Event

__all__ = ["fold"]


def fold(conversation: Conversation, event: Event) -> Conversation:
    """Return the conversation after `event`; most events leave it as it is.

    >>> fold(Conversation(), TurnEnded("Hi!", 1.0)).messages
    (Message(role='user', text='Hi!', call=None),)

    Args:
        conversation: What was said and heard before the event.
        event: Any event of a pipeline.

    Returns:
        The same object, if the event does not change it.
    """
    match event:
        case TurnEnded(text=text, item=item) if text:
            return conversation.user_said(text, item)
        case ReplyStarted(item=item):
            return replace(conversation, replying=item)
        case WordSpoken(word=word):
            return conversation.bot_said(word, event)
        case ReplyTextWritten(delta=delta):
            return conversation.bot_wrote(delta)
        case FunctionCalled(call=call, server_side=here):
            return conversation.bot_called(call, server_side=here)
        case FunctionReturned(id=call_id, output=output):
            return conversation.returned(call_id, output)
        case FunctionContinues(id=call_id, taken_over_by=by):
            return conversation.goes_on(call_id, taken_over=bool(by))
        case ReplyInterrupted():
            return conversation.cut()
        case SettingsChanged():
            return _configured(conversation, event)
        case ItemCreated() | ItemDeleted() | ItemTruncated():
            messages = tuple(_edited(conversation.messages, event))
            gone = (
                conversation.gone | {event.item} if isinstance(event, ItemDeleted) else conversation.gone - {event.item}
            )
            return replace(conversation, messages=messages, gone=gone)
        case _:
            return conversation


def _configured(conversation: Conversation, settings: SettingsChanged) -> Conversation:
    """Return the conversation with the new settings; those that are None stay as they are."""
    changed = replace(
        conversation,
        led=conversation.led or settings.turns is not None,
        aloud=conversation.aloud if settings.aloud is None else settings.aloud,
        voice=settings.voice or conversation.voice,
        output_format=settings.output_format or conversation.output_format,
        generation=settings.generation or conversation.generation,
        lines=settings.lines or conversation.lines,
    )
    if settings.system_prompt is None:
        return changed
    # The lines of a character do not fit another prompt.
    return replace(changed, system_prompt=settings.system_prompt, lines=settings.lines or CharacterLines())


def _edited(messages: tuple[Message, ...], edit: ItemCreated | ItemDeleted | ItemTruncated) -> Iterable[Message]:
    """Return the messages after an edit of the client; an edit of an unknown item changes nothing."""
    match edit:
        case ItemDeleted(item=item):
            return [message for message in messages if message.item != item]
        case ItemTruncated(item=item, audio_end_ms=end_ms):
            cut = [_cut_to(message, end_ms) if message.item == item else message for message in messages]
            return [message for message in cut if message.text or message.call is not None]
        case ItemCreated() if any(message.item == edit.item for message in messages):
            return messages
        case _:
            at = _place(messages, edit.after)
            return [*messages[:at], Message(edit.role, edit.text, edit.item, call=edit.call), *messages[at:]]


def _cut_to(message: Message, audio_end_ms: float) -> Message:
    """Return the message as far as it was heard; a message without sound stays whole."""
    kept = heard_until(message.spoken, audio_end_ms)
    if len(kept) == len(message.spoken):
        return message
    text = joined(kept)
    return replace(message, text=text and text + CUT, spoken=kept)


def _place(messages: tuple[Message, ...], after: str | None) -> int:
    """Return the index behind the message of that item."""
    if after == "":
        return 0
    return next((at + 1 for at, message in enumerate(messages) if after and message.item == after), len(messages))
