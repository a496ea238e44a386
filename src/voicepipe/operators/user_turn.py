"""`UserTurn`: the user's turn, and what its voice and its words mean for the reply that runs. Pure data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto

from voicepipe.events import (
    EchoEnded,
    EchoFound,
    Event,
    TurnConfirmed,
    TurnEnded,
    TurnStarted,
    TurnTextChanged,
    TurnVoiceChanged,
)
from voicepipe.operators.echo import Heard, OwnVoice, compared
from voicepipe.operators.running_reply import RunningReply
from voicepipe.operators.turn_actions import HoldElapsed
from voicepipe.presets import Interruption

__all__ = ["UserTurn", "Verdict"]

_ROUNDING_S = 1e-6  # a timer may fire a rounding before its time
_QUESTIONS = ("?", "？", "؟")
# An answer begins up to a second behind the question: three words of a bot that goes on.
_QUESTION_WORDS = 3
# A turn in which an echo is found counts from so many words on that are not the bot's: what is cut off in the middle of
# a word is misread ("something" for "sunny", "No, no, no").
_DOUBTED_WORDS = 4


class Verdict(Enum):
    """The effect of the user's voice, or of a word, on the running reply."""

    NOTHING = auto()
    HOLD = auto()
    """It may be an interruption: the sound is held until that is known."""
    STOP = auto()
    """It is an interruption."""
    RESUME = auto()
    """It is none: a held reply goes on."""


@dataclass(frozen=True, slots=True)
class UserTurn:
    """The state of the user's turn.

    Args:
        rules: the effect of the user's voice on a reply
        own_voice: the state of echo detection
        speaking: the turn is open
        began_over: it began over a reply
        over_reply: it began over the sound of a reply, or while a function of that runs, and has not interrupted it
        voice: whether a voice is heard in it, and since when it is or is not
        asked: the bot had just asked something when it began
        doubted: an echo was found during the turn; all its words may be that echo, misrecognised
    """

    rules: Interruption
    own_voice: OwnVoice
    speaking: bool = False
    began_over: bool = False
    over_reply: bool = False
    voice: tuple[bool, float] = (False, 0.0)
    asked: bool = False
    doubted: bool = False

    @classmethod
    def of(cls, rules: Interruption) -> UserTurn:
        """Return the state at the beginning of a session."""
        return cls(rules, OwnVoice(rules.uninterruptible_s))

    def after(
        self, event: Event, reply: RunningReply | None, now_s: float, *, interruptible: bool
    ) -> tuple[UserTurn, Verdict]:
        """Return the turn after an event, and what the event means for the running reply.

        Args:
            event: Of the user's turn; not its end.
            reply: The reply that runs.
            now_s: The session's clock.
            interruptible: Whether the user may stop that reply, or the one that is due.
        """
        match event:
            case TurnStarted(goes_on=goes_on):
                over_reply = reply is not None and (reply.sounds or reply.functions > 0)
                turn = replace(self, speaking=True, began_over=reply is not None, over_reply=over_reply)
                turn = replace(turn, voice=(True, now_s), asked=_asks(reply))
                # Music that goes on is no moment to speak, and stops no answer to what was said before it.
                stops = interruptible and not goes_on
                return turn, turn._voice_heard(reply, interruptible=stops)
            case TurnVoiceChanged(acknowledges=True):
                # The user gets time for the rest of the utterance.
                return replace(self, voice=(True, now_s)) if self.voice[0] else self, Verdict.NOTHING
            case TurnVoiceChanged(speaking=speaking, sure=sure):
                turn = self if speaking == self.voice[0] else replace(self, voice=(speaking, now_s))
                if sure and reply is not None and reply.held:
                    return turn, Verdict.STOP
                heard = speaking and self.over_reply
                return turn, turn._voice_heard(reply, interruptible=interruptible) if heard else Verdict.NOTHING
            case TurnConfirmed(text=text):
                return replace(self, speaking=True)._words_heard(text, interruptible=interruptible)
            case TurnTextChanged(text=text) if reply is not None:
                return self._words_heard(text, interruptible=interruptible)
            case EchoFound():
                doubted = self.began_over and self.speaking
                return replace(self, own_voice=self.own_voice.after(event), doubted=doubted), Verdict.RESUME
            case EchoEnded():
                return replace(self, own_voice=self.own_voice.after(event)), Verdict.NOTHING
            case HoldElapsed() if (due_s := self.decide_at_s(reply)) is not None and now_s >= due_s - _ROUNDING_S:
                return self, Verdict.STOP if self.voice[0] else Verdict.RESUME
            case _:
                return self, Verdict.NOTHING

    def ended(self) -> UserTurn:
        """Return the state after the end of the turn."""
        return replace(self, speaking=False, over_reply=False, began_over=False, doubted=False)

    def silenced(self) -> UserTurn:
        """Return the state after the turn has interrupted the reply."""
        return replace(self, over_reply=False)

    def hears(self, own_voice: OwnVoice) -> UserTurn:
        """Return the state after the bot has made a sound, or said a word."""
        return replace(self, own_voice=own_voice)

    def counted(self, turn: TurnEnded, last_said: str) -> str:
        """Return the words of a turn that count: not the bot's own voice, and no acknowledgement over a reply, unless
        the bot had just asked something when the turn began, or has by now.

        Args:
            turn: The end of the turn.
            last_said: What was heard of the bot's last reply.
        """
        asked = self.asked or last_said.rstrip().endswith(_QUESTIONS)
        if turn.acknowledgement and self.over_reply and not asked:
            return ""
        return self._heard(turn.text).own

    def decide_at_s(self, reply: RunningReply | None) -> float | None:
        """Return when it is decided what a voice means that holds the reply."""
        if reply is None or not reply.held:
            return None
        speaking, since_s = self.voice
        return since_s + (self.rules.min_voice_ms if speaking else self.rules.resume_within_ms) / 1000

    def _heard(self, text: str) -> Heard:
        """Return which words of a turn are the user's: where there is an echo, some are the bot's."""
        if not self.began_over or not self.own_voice.may_echo:
            return Heard(text, 0)
        heard = compared(text, self.own_voice.spoken)
        return Heard("", heard.echoed) if self.doubted and len(heard.own.split()) < _DOUBTED_WORDS else heard

    def _words_heard(self, text: str, *, interruptible: bool) -> tuple[UserTurn, Verdict]:
        """Return what words do: they interrupt, unless they are the bot's own voice."""
        heard = self._heard(text)
        turn = replace(self, own_voice=self.own_voice.noticed(heard))
        if text and not heard.own:
            return turn, Verdict.RESUME
        return turn, Verdict.STOP if interruptible else Verdict.NOTHING

    def _voice_heard(self, reply: RunningReply | None, *, interruptible: bool) -> Verdict:
        """Return what a voice does: it stops a reply without sound, and holds one with sound.

        A function that runs needs a word: begun again for a cough, it would be run twice.
        """
        if not interruptible or (reply is not None and reply.functions):
            return Verdict.NOTHING
        if reply is None or not reply.sounds:
            return Verdict.STOP
        return Verdict.NOTHING if self.own_voice.may_echo or reply.held else Verdict.HOLD


def _asks(reply: RunningReply | None) -> bool:
    """Return whether a question is among the last words that were heard of a reply."""
    return reply is not None and any(word.endswith(_QUESTIONS) for word in reply.heard[-_QUESTION_WORDS:])
