"""Invariants of turns."""

from __future__ import annotations

from voicepipe.conversation import SILENCE, Message
from voicepipe.events import (
    ConversationEnded,
    Event,
    ReplyAudio,
    ReplyCancelled,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    ReplyTextWritten,
    SettingsChanged,
    SpeechEncoded,
    SpeechStarted,
    StageFailed,
    Transcribed,
    TurnConfirmed,
    TurnEnded,
    TurnJudged,
    TurnMeasured,
    TurnPaused,
    TurnResumed,
    TurnStarted,
    TurnTaking,
    WordRecognised,
    WordSpoken,
)
from voicepipe.operators.echo import compared
from voicepipe.testing.invariants.recording import Found, Recording
from voicepipe.testing.scenario.steps import show_time

__all__ = [
    "answered",
    "only_answers_measured",
    "parts_sum",
    "turn_is_confirmed",
    "turn_is_what_was_recognised",
    "turns_alternate",
    "user_not_cut",
    "word_silences",
]


def answered(recording: Recording) -> Found:
    """Check that each side uses its turn, and that a turn with words is answered."""
    floor = _TurnTracker()
    for at_s, event in [*recording.events, (recording.closed_s, None)]:
        if floor.since is not None:
            spoke_s = [min(stop, at_s) for start, stop in recording.voice if start < at_s]
            since = max([floor.since, *spoke_s])
            if at_s > since + recording.silence_s:
                yield since + recording.silence_s, f"silence since {show_time(round(since, 3))}, {floor.what}"
        if event is not None:
            floor.take(at_s, event)


class _TurnTracker:
    """Since when the user waits for the bot, and for what; `since` None: not at all."""

    def __init__(self) -> None:
        self.since: float | None = None
        self.what = ""
        self._owed = ""
        self._replying = self._by_client = False

    def take(self, at_s: float, event: ReplyAudio | Event) -> None:
        match event:
            case SettingsChanged(turns=TurnTaking(by=by)):
                self._by_client = by == "client"
                self._owed = "" if self._by_client else self._owed
                self._wait(at_s if self._replying else None, "in the middle of a reply")
            case TurnStarted() | SpeechStarted() | WordRecognised() if not self._by_client:
                self.since, self.what = at_s, "in a turn of the user that does not end"
            case TurnEnded(text=text):
                self._owed = text or self._owed
                self._wait(at_s if self._owed else None, f"when {self._owed!r} was heard")
            case TurnJudged(counts=False) | ReplyCancelled(item=""):
                self._owed = ""
                self._wait(at_s if self._replying else None, "in the middle of a reply")
            case ReplyStarted(conversation=conversation):
                self._replying = True
                self._owed = self._owed or ("" if conversation.messages else "nothing yet")
                self._wait(at_s, "when a reply began")
            case WordSpoken() | ReplyAudio() | SpeechEncoded() | ReplyTextWritten():
                self._owed = ""
                self._wait(at_s if self._replying else None, "in the middle of a reply")
            case StageFailed() | ReplyEnded() | ConversationEnded():
                self._owed, self._replying = "", False
                self._wait(None)
            case ReplyInterrupted():
                self._replying = False
                self._wait(at_s if self._owed else None, f"when the answer to {self._owed!r} was cut before it began")
            case _:
                pass

    def _wait(self, since: float | None, what: str = "") -> None:
        self.since, self.what = since, what


def turn_is_what_was_recognised(recording: Recording) -> Found:
    """Check that every word is in the turn in which it was recognised: none is lost, none is doubled."""
    settled: list[str] = []
    words: list[str] = []
    for at_s, event in recording.events:
        match event:
            case WordRecognised(text=word):
                words.append(word)
            case Transcribed(text=text):
                settled += words if text is None else text.split()
                words = []
            case TurnEnded(text="") if words or settled:
                pass  # the client ends turns from here on: the words are in the next one
            case TurnEnded(text=text):
                if text.split() != " ".join([*settled, *words]).split():
                    yield at_s, f"the turn {text!r} ended, and recognised was {' '.join([*settled, *words])!r}"
                settled, words = [], []
            case _:
                pass


def user_not_cut(recording: Recording) -> Found:
    """Check that a turn does not end while the user has been speaking for a while, if they could be heard."""
    taken_over = {at_s for at_s, event in recording.events if _ends_detection(event)}
    for at_s, event in recording.events:
        if not isinstance(event, TurnEnded) or at_s in taken_over:
            continue
        for start_s, stop_s in recording.voice:
            if at_s - start_s >= LONGEST_S:
                continue
            unheard = any(start < at_s and stop > start_s for start, stop in recording.unheard)
            if start_s + NOTICED_S <= at_s < stop_s and not unheard:
                yield (
                    at_s,
                    f"{event.text!r} ended, and the user was still speaking, from {show_time(round(start_s, 3))}",
                )


def _ends_detection(event: ReplyAudio | Event) -> bool:
    """Return whether the client ends turns itself from here on: it has the words of the open one."""
    return isinstance(event, SettingsChanged) and event.turns is not None and event.turns.by == "client"


LONGEST_S = 29.0
"""A voice without a pause ends a turn after 30 s (`Endpointing.longest_s`)."""

NOTICED_S = 0.25
"""The time in which the start of speech is noticed."""


def word_silences(recording: Recording) -> Found:
    """Check that from the first word of a turn on the bot is silent until it replies to it, where it may be stopped.

    A word that the bot has just spoken may be its echo, and does not count.
    """
    word: float | None = None
    protected, interrupts = False, True
    heard: list[str] = []
    spoken: list[str] = []
    for at_s, event in recording.events:
        match event:
            case TurnEnded():  # a turn may start by a word that was recognised before
                heard = []
            case WordRecognised(text=text):
                heard.append(text)
            case SettingsChanged(turns=TurnTaking() as turns):
                interrupts = turns.interrupts
                word = word if interrupts else None
            case TurnConfirmed():
                word = at_s if interrupts else None
            case TurnJudged(counts=False):
                word = None
            case ReplyStarted(unasked=unasked):
                word, protected = None, unasked is not None and not unasked.interruptible
            case ReplyAudio() | SpeechEncoded() | WordSpoken() if word is not None and not protected:
                if not heard or compared(" ".join(heard), spoken).own:
                    yield at_s, f"{type(event).__name__}, after the word of {show_time(round(word, 3))}"
            case _:
                pass
        if isinstance(event, WordSpoken):
            spoken += event.word.split()


def parts_sum(recording: Recording) -> Found:
    """Check that the parts of an answer's time sum to the total, and none is negative."""
    for at_s, event in recording.events:
        if isinstance(event, TurnMeasured):
            if abs(sum(event.parts_ms.values()) - event.total_ms) > 1e-3:
                yield at_s, f"the parts sum to {sum(event.parts_ms.values()):g} ms, the total is {event.total_ms:g} ms"
            for name, ms in event.parts_ms.items():
                if ms < -1e-6:
                    yield at_s, f"the part {name} took {ms:g} ms"


def only_answers_measured(recording: Recording) -> Found:
    """Check that a reply to a silence is not measured as an answer: the user has not waited for it."""
    idle = False
    for at_s, event in recording.events:
        if isinstance(event, ReplyStarted):
            messages = event.conversation.messages
            idle = bool(messages) and messages[-1] == Message("user", SILENCE)
        elif isinstance(event, TurnMeasured) and idle:
            yield at_s, f"the reply to a silence is measured as an answer, of {event.total_ms:.0f} ms"


def turns_alternate(recording: Recording) -> Found:
    """Check that a turn begins when none is on, and ends when one is; a client commits sound without a turn, too. A
    turn that has paused is resumed, or ends."""
    talking = paused = False
    for at_s, event in recording.events:
        if isinstance(event, TurnPaused | TurnResumed):
            if not talking or paused is isinstance(event, TurnPaused):
                yield at_s, f"{type(event).__name__}, and the turn was {_state(talking, paused)}"
            paused = not paused
        if isinstance(event, TurnStarted):
            if talking:
                yield at_s, "the user's turn began while it was on"
            talking, paused = True, False
        elif isinstance(event, TurnEnded):
            if not talking and not event.committed:
                yield at_s, f"the user's turn ended ({event.text!r}), and none was on"
            talking = paused = False


def _state(talking: bool, paused: bool) -> str:
    return ("paused" if paused else "not paused") if talking else "over"


def turn_is_confirmed(recording: Recording) -> Found:
    """Check that a turn is confirmed before it ends, once: this silences the bot."""
    confirmed = 0
    for at_s, event in recording.events:
        match event:
            case TurnStarted():
                confirmed = 0
            case TurnConfirmed():
                confirmed += 1
            case TurnEnded(text=text, committed=False, acknowledgement=False) if text and confirmed != 1:
                yield at_s, f"the turn {text!r} was confirmed {confirmed} times"
            case _:
                pass
