"""A conversation as lines for people: the time, what the user did, what was heard, what the bot did."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from voicepipe.events import (
    AgentChanged,
    AudioDeferred,
    ClientEvent,
    ConversationEnded,
    EchoFound,
    Event,
    FlushRequested,
    FunctionCalled,
    FunctionCallWritten,
    FunctionContinues,
    FunctionDelayed,
    FunctionReturned,
    InputRejected,
    MaxTokensReached,
    OutOfBandResponse,
    Overflowed,
    Pause,
    ReplyAudio,
    ReplyDelayed,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    ReplyText,
    ReplyTextWritten,
    SessionOpened,
    SpeculationEnded,
    SpeechEncoded,
    SpeechProbability,
    SpeechStarted,
    SpeechStopped,
    StageFailed,
    SynthesisEnded,
    SynthesisStarted,
    TokensCounted,
    Transcribed,
    TranscriptDrafted,
    TurnConfirmed,
    TurnEnded,
    TurnJudged,
    TurnMeasured,
    TurnPaused,
    TurnResumed,
    TurnStarted,
    TurnTextChanged,
    TurnVoiceChanged,
    Warned,
    WordRecognised,
    WordSpoken,
)
from voicepipe.events.application import is_app_event
from voicepipe.testing.scenario.steps import shown

__all__ = ["NOT_DRAWN", "picture", "told"]

NOT_DRAWN: tuple[type[object], ...] = (
    ClientEvent,  # drawn as the act that sent it
    AudioDeferred,
    SpeechProbability,
    SpeechStopped,
    Pause,
    Transcribed,
    TranscriptDrafted,
    FlushRequested,
    TurnStarted,
    TurnConfirmed,
    TurnTextChanged,
    TurnVoiceChanged,
    TurnPaused,
    TurnResumed,
    SpeculationEnded,
    ReplyText,
    ReplyAudio,
    SynthesisStarted,
    SynthesisEnded,
    SpeechEncoded,
    TokensCounted,
    FunctionCallWritten,
    TurnMeasured,
    SessionOpened,
)
"""Events of every frame, word or turn, which another line stands for. All others are drawn, a pipeline's own, too."""

_LANES = ("the user", "heard", "the bot")
_WIDTHS = (34, 26)
_HEARD, _BOT = 1, 2


class _Line(NamedTuple):
    at_s: float
    lane: int
    text: str
    glued: bool = False
    """Whether it continues the last word of the line before."""


class _Mark(NamedTuple):
    lane: int
    text: str
    glued: bool = False


def told(event: ReplyAudio | Event) -> str | None:
    """Return what the user reads or hears of an event, if anything."""
    match event:
        case Warned(message=text) | InputRejected(message=text) | ConversationEnded(reason=text):
            return text
        case StageFailed() | Overflowed():
            from voicepipe.realtime import sentence

            return sentence(event)
        case _:
            return None


def picture(events: Iterable[tuple[float, ReplyAudio | Event]], done: Iterable[tuple[float, str]]) -> str:
    """Return a line for each thing that happened. Words in a row share a line, with the time of the first.

    Args:
        events: What was sent to the client, each with its time in seconds.
        done: What the user and the surroundings did, each with its time in seconds.
    """
    deeds = [_Line(at_s, 0, text) for at_s, text in done]
    facts = [_Line(at_s, *mark) for at_s, event in events if (mark := _drawn(event)) is not None]
    lines = sorted([*deeds, *facts], key=lambda line: line.at_s)
    head = f"{'s':>7}  {_LANES[0]:<{_WIDTHS[0]}}{_LANES[1]:<{_WIDTHS[1]}}{_LANES[2]}"
    return "\n".join([head, *map(_row, _joined(lines))])


def _row(line: _Line) -> str:
    indent = " " * sum(_WIDTHS[: line.lane])
    return f"{line.at_s:7.3f}  {indent}{line.text}"


def _drawn(event: ReplyAudio | Event) -> _Mark | None:
    """Return lane and text of an event; None for one that is not drawn."""
    if (text := told(event)) is not None:
        return _Mark(_BOT, f"({text})")
    return _of_user(event) or _of_bot(event)


def _of_user(event: ReplyAudio | Event) -> _Mark | None:
    match event:
        case SpeechStarted():
            return _Mark(_HEARD, "(a voice)")
        case WordRecognised(text=text):
            return _Mark(_HEARD, text)
        case TurnEnded(text=text):
            return _Mark(_HEARD, f"→ {text!r}" if text else "→ nothing said")
        case TurnJudged(counts=counts):
            return None if counts else _Mark(_HEARD, "(does not count)")
        case EchoFound():
            return _Mark(_HEARD, "(the bot's own voice)")
        case _:
            return None


def _of_bot(event: ReplyAudio | Event) -> _Mark | None:
    match event:
        case ReplyStarted():
            return _Mark(_BOT, "▸")
        case WordSpoken(word=word, glued=glued):
            return _Mark(_BOT, word, glued)
        case ReplyTextWritten(delta=delta):
            return _Mark(_BOT, delta.strip(), not delta.startswith(" "))
        case ReplyInterrupted():
            return _Mark(_BOT, "✂ interrupted")
        case ReplyEnded():
            return _Mark(_BOT, "▪")
        case OutOfBandResponse(event=inner):
            return _Mark(_BOT, f"(out of band: {line.text})") if (line := _drawn(inner)) is not None else None
        case _:
            return _of_functions(event)


def _of_functions(event: ReplyAudio | Event) -> _Mark | None:
    match event:
        case FunctionCalled(call=call):
            return _Mark(_BOT, f"ƒ {call.name} {call.arguments}")
        case FunctionReturned(output=output):
            return _Mark(_BOT, f"ƒ → {output}")
        case FunctionDelayed(after_s=after_s):
            return _Mark(_BOT, f"ƒ … has not returned after {after_s:g} s")
        case FunctionContinues():
            return _Mark(_BOT, "ƒ … goes on, without the reply")
        case ReplyDelayed(after_s=after_s):
            return _Mark(_BOT, f"(a filler: no text after {after_s:g} s)")
        case MaxTokensReached():
            return _Mark(_BOT, "(the limit of tokens is reached)")
        case AgentChanged(agent=agent):
            return _Mark(_BOT, f"⇄ {agent}")
        case _:
            return _of_application(event)


def _of_application(event: ReplyAudio | Event) -> _Mark | None:
    if isinstance(event, Event) and is_app_event(event):
        return _Mark(_BOT, f"→ the client: {event}")
    return None if isinstance(event, (*NOT_DRAWN, TurnJudged)) else _Mark(_BOT, f"({shown(event)})")


def _joined(lines: Sequence[_Line]) -> list[_Line]:
    """Join neighbouring words of one speaker in one line."""
    joined: list[_Line] = []
    for line in lines:
        if joined and _goes_on(joined[-1], line):
            joint = "" if line.glued and not joined[-1].text.endswith("▸") else " "
            joined[-1] = joined[-1]._replace(text=f"{joined[-1].text}{joint}{line.text}")
        else:
            joined.append(line)
    return joined


def _goes_on(held: _Line, line: _Line) -> bool:
    return held.lane == line.lane > 0 and held.text[:1] not in "→ƒ⇄" and line.text[:1] not in "▸(→ƒ⇄"
