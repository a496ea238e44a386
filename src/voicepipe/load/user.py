"""`SimulatedUser`: what a user says and when, decided frame by frame. Knows no socket and no clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from random import Random

import numpy as np

from voicepipe.client.dialogue import Dialogue
from voicepipe.events import Samples

__all__ = ["FRAME_S", "Manner", "SimulatedUser"]

FRAME_S = 0.02
_RATE_HZ = 24_000
_FRAME = round(FRAME_S * _RATE_HZ)
# A bot that has not begun to open the conversation by now will not.
_OPENS_WITHIN_S = 5.0
# A bot that has not answered by now will not: the user goes on.
_PATIENCE_S = 15.0
# A reply may be long; then the user interrupts it, whatever the manner.
_LISTENS_AT_MOST_S = 20.0


@dataclass(frozen=True, slots=True)
class Manner:
    """A manner of talking. Each user has random numbers of its own, so that a run can be repeated.

    Args:
        lasts_s: How long a user talks; the last turn is still answered.
        pause_s: The least and the longest time between the end of an answer and the user's next word.
        barge_ins: The share of answers that the user interrupts, 0 to 1.
        barge_in_s: The least and the longest time from the beginning of such an answer to the interruption.
        waits_for_opening: Whether the bot is expected to speak first.
    """

    lasts_s: float = 60.0
    pause_s: tuple[float, float] = (0.5, 3.0)
    barge_ins: float = 0.2
    barge_in_s: tuple[float, float] = (0.5, 2.0)
    waits_for_opening: bool = False


class _Phase(Enum):
    OPENING = auto()
    PAUSING = auto()
    SPEAKING = auto()
    WAITING = auto()
    GONE = auto()


class SimulatedUser:
    """One user. `next_frame` is called every 20 ms with the time, and returns what the microphone hears.

    Args:
        speech: What is said, a recording for each turn, in an order of the user's own.
        manner: How the user talks.
        dialogue: The conversation so far.
        random: The user's random numbers.
    """

    def __init__(self, speech: Sequence[Samples], manner: Manner, dialogue: Dialogue, random: Random) -> None:
        self._speech, self._manner, self._dialogue, self._random = speech, manner, dialogue, random
        self._phase = _Phase.OPENING if manner.waits_for_opening else _Phase.PAUSING
        self._until_s = random.uniform(*manner.pause_s)
        self._clip: Samples = np.zeros(0, np.float32)
        self._at = 0
        self._interrupts_after_s: float | None = None
        self.turns = 0
        self.unanswered = 0

    @property
    def gone(self) -> bool:
        """Return whether the user has left."""
        return self._phase is _Phase.GONE

    def next_frame(self, now_s: float) -> Samples:
        """Return the next 20 ms of sound, of shape (480,); silence where the user does not speak."""
        if self._phase is _Phase.OPENING and self._has_opened(now_s):
            self._pause(now_s)
        if self._phase is _Phase.PAUSING and now_s >= self._until_s:
            self._speak(now_s)
        if self._phase is _Phase.WAITING:
            self._wait(now_s)
        return self._sound(now_s)

    def _has_opened(self, now_s: float) -> bool:
        if not self._dialogue.turns:
            return now_s >= _OPENS_WITHIN_S
        return self._dialogue.quiet_since(now_s) is not None or now_s >= _LISTENS_AT_MOST_S

    def _pause(self, now_s: float) -> None:
        self._phase, self._until_s = _Phase.PAUSING, now_s + self._random.uniform(*self._manner.pause_s)

    def _speak(self, now_s: float) -> None:
        if now_s >= self._manner.lasts_s and self.turns:
            self._phase = _Phase.GONE
            return
        self._phase, self._at = _Phase.SPEAKING, 0
        self._clip = self._random.choice(self._speech)
        interrupts = self._random.random() < self._manner.barge_ins
        self._interrupts_after_s = self._random.uniform(*self._manner.barge_in_s) if interrupts else None
        self.turns += 1

    def _sound(self, now_s: float) -> Samples:
        frame = np.zeros(_FRAME, np.float32)
        if self._phase is _Phase.SPEAKING:
            sound = self._clip[self._at : self._at + _FRAME]
            frame[: len(sound)] = sound
            self._at += _FRAME
            if self._at >= len(self._clip):
                self._phase, self._until_s = _Phase.WAITING, now_s + _PATIENCE_S
        return frame

    # ---- the answer --------------------------------------------------------------------------------------------------

    def _wait(self, now_s: float) -> None:
        began_s = self._answer_began_s()
        if began_s is None or now_s < began_s:
            if now_s >= self._until_s:
                self.unanswered += 1
                self._pause(now_s)
            return
        heard_s = now_s - began_s
        if heard_s >= (self._interrupts_after_s or _LISTENS_AT_MOST_S) and now_s < self._manner.lasts_s:
            self._speak(now_s)  # over the bot
        elif self._dialogue.quiet_since(now_s) is not None:
            self._pause(now_s)

    def _answer_began_s(self) -> float | None:
        """Return when the answer to the user's last sound became audible; None if it has not."""
        asked_s = self._dialogue.user_until_s
        for turn in self._dialogue.turns[-1:]:
            if turn.audible_s is not None and (asked_s is None or turn.audible_s >= asked_s):
                return turn.audible_s
        return None
