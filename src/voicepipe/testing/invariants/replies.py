"""Invariants of replies and of the conversation's memory of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from voicepipe.conversation import CUT, SILENCE, Conversation, ItemId, joined
from voicepipe.events import (
    Event,
    ItemCreated,
    ItemDeleted,
    ReplyAudio,
    ReplyEnded,
    ReplyInterrupted,
    ReplyRequested,
    ReplyStarted,
    ReplyTextWritten,
    SpeechEncoded,
    Transcribed,
    WordRecognised,
    WordSpoken,
)
from voicepipe.testing.invariants.recording import Found, Recording
from voicepipe.testing.player.transcript import At
from voicepipe.testing.scenario.steps import show_time

__all__ = [
    "bot_remembers_what_was_heard",
    "bot_remembers_what_was_said",
    "deleted_is_forgotten",
    "ends_once",
    "heard_text",
    "no_sound_after_the_end",
    "one_reply",
    "spoken_in_order",
    "spoken_when_released",
]


def one_reply(recording: Recording) -> Found:
    """Check that at most one reply is on at a time."""
    since: float | None = None
    for at_s, event in recording.events:
        if isinstance(event, ReplyStarted):
            if since is not None:
                yield at_s, f"a reply began while that of {show_time(round(since, 3))} was still going on"
            since = at_s
        elif isinstance(event, ReplyEnded | ReplyInterrupted):
            since = None


def ends_once(recording: Recording) -> Found:
    """Check that a reply ends or is cut; not both, and not twice."""
    replying = False
    for at_s, event in recording.events:
        if isinstance(event, ReplyStarted):
            replying = True
        elif isinstance(event, ReplyEnded | ReplyInterrupted):
            if not replying:
                yield at_s, f"{type(event).__name__}, and no reply was going on"
            replying = False


def no_sound_after_the_end(recording: Recording) -> Found:
    """Check that nothing of a reply is sent after its end."""
    over: At | None = None
    spoke = False
    for one in recording.events:
        match one.event:
            case ReplyStarted():
                over, spoke = None, True
            case ReplyEnded() | ReplyInterrupted():
                over = one
            case ReplyAudio() | SpeechEncoded() | WordSpoken() | ReplyTextWritten() if over is not None and spoke:
                what, ended = type(one.event).__name__, type(over.event).__name__
                yield one.at_s, f"{what} of a reply that was over ({ended}) at {show_time(round(over.at_s, 3))}"
            case _:
                pass


def heard_text(recording: Recording) -> Found:
    """Check that a reply's text at its end is what was spoken, or written, in it."""
    words: list[WordSpoken] = []
    written = ""
    for at_s, event in recording.events:
        match event:
            case ReplyStarted():
                words, written = [], ""
            case WordSpoken():
                words.append(event)
            case ReplyTextWritten(delta=delta):
                written += delta
            case ReplyInterrupted(heard_text=text) | ReplyEnded(text=text) if text != (written or joined(words)):
                yield at_s, f"it ended with {text!r}, and spoken was {written or joined(words)!r}"
            case _:
                pass


def spoken_in_order(recording: Recording) -> Found:
    """Check that the times of a reply's words are in order."""
    last: WordSpoken | None = None
    for at_s, event in recording.events:
        if isinstance(event, ReplyStarted):
            last = None
        elif isinstance(event, WordSpoken):
            if event.stop_s < event.start_s:
                yield at_s, f"{event.word!r} stops at {event.stop_s:g} s, before it starts, at {event.start_s:g} s"
            if last is not None and event.start_s < last.start_s - 1e-6:
                yield (
                    at_s,
                    f"{event.word!r} starts at {event.start_s:g} s, {last.word!r} before it at {last.start_s:g} s",
                )
            last = event


def spoken_when_released(recording: Recording) -> Found:
    """Check that no word is said to be heard before its sound has been sent."""
    sent_s, began_s = 0.0, 0.0
    for at_s, event in recording.events:
        match event:
            case ReplyStarted():
                sent_s, began_s = 0.0, -1.0
            case SpeechEncoded(duration_ms=ms):
                sent_s, began_s = sent_s + ms / 1000, at_s if began_s < 0 else began_s
            case ReplyAudio(audio=audio):
                sent_s, began_s = sent_s + audio.duration_s, at_s if began_s < 0 else began_s
            case WordSpoken(word=word, start_s=start_s) if start_s > sent_s + 1e-6:
                yield at_s, f"{word!r} of {start_s:g} s is spoken, and only {sent_s:g} s of sound have been sent"
            case WordSpoken(word=word, start_s=start_s) if at_s < began_s + start_s - EARLY_S:
                yield at_s, f"{word!r} of {start_s:g} s is spoken {at_s - began_s:g} s after the sound began"
            case _:
                pass


EARLY_S = 0.002


# ---- the conversation ------------------------------------------------------------------------------------------------


def bot_remembers_what_was_heard(recording: Recording) -> Found:
    """Check that all that is remembered of the bot, word by word in order, was spoken, or written."""
    text = ""
    for at_s, event in recording.events:
        text += _text_of_bot(event)
        spoken = text.split() if _conversations(event) else []
        for conversation in _conversations(event):
            said = [message.text.rstrip(CUT) for message in conversation.messages if message.role == "assistant"]
            if strange := _not_in_order(" ".join(said).split(), spoken):
                yield at_s, f"the bot remembers saying {strange!r}, and was not heard to"


def bot_remembers_what_was_said(recording: Recording) -> Found:
    """Check that all that is remembered of the user was recognised, or written."""
    heard = {SILENCE}
    for at_s, event in recording.events:
        match event:
            case WordRecognised(text=text) | Transcribed(text=str(text)) | ItemCreated(text=text):
                heard.update(text.split())
            case ReplyRequested(messages=tuple(messages)):
                heard.update(word for one in messages for word in one.text.split())
            case _:
                pass
        for conversation in _conversations(event):
            words = [word for one in conversation.messages if one.role == "user" for word in one.text.split()]
            if strange := [word for word in words if word not in heard]:
                yield at_s, f"the bot remembers the user saying {strange[0]!r}, which was not recognised"


def _text_of_bot(event: ReplyAudio | Event) -> str:
    """Return what an event adds to the bot's words; a reply begins with a new one."""
    match event:
        case WordSpoken(word=word, glued=glued):
            return word if glued else f" {word}"
        case ReplyTextWritten(delta=delta):
            return delta
        case ItemCreated(role="assistant", text=text):
            return f" {text} "
        case ReplyStarted():
            return " "
        case _:
            return ""


def deleted_is_forgotten(recording: Recording) -> Found:
    """Check that no prompt has a message that the client has deleted."""
    deleted: set[ItemId] = set()
    for at_s, event in recording.events:
        match event:
            case ItemDeleted(item=item):
                deleted.add(item)
            case ItemCreated(item=item):
                deleted.discard(item)
            case ReplyStarted(conversation=conversation):
                for message in conversation.messages:
                    if message.item in deleted:
                        yield at_s, f"the bot remembers {message.text!r}, which the client has deleted"
            case _:
                pass


def _conversations(event: ReplyAudio | Event) -> Iterable[Conversation]:
    match event:
        case ReplyStarted(conversation) | ReplyEnded(_, conversation) | ReplyInterrupted(_, conversation):
            return (conversation,)
        case _:
            return ()


def _not_in_order(words: Iterable[str], spoken: Sequence[str]) -> str | None:
    """Return the first of `words` that does not come in `spoken` after those before it."""
    place = 0
    for word in words:
        try:
            place = spoken.index(word, place) + 1
        except ValueError:
            return word
    return None
