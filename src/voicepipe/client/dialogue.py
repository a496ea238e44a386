"""From the server's messages to facts, turn by turn, with latencies. Knows no socket and no clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from voicepipe.client.captions import Captions
from voicepipe.client.facts import (
    Fact,
    Heard,
    Interrupted,
    Measured,
    Problem,
    ReplyAudible,
    ReplyCreated,
    ReplyDone,
    ReplyDropped,
    Said,
    SpeechStarted,
    SpeechStopped,
    Understood,
)
from voicepipe.client.loudness import Loudness
from voicepipe.client.playback import PlaybackQueue
from voicepipe.client.socket import Message
from voicepipe.events import Samples

__all__ = ["Dialogue", "Turn"]

OVERLAP_S = 0.2
"""Bot sound this soon after user sound is an interruption of the user: no answer is that fast."""
TOLD_AHEAD_S = 0.1
"""A packet may begin with silence: sound due this soon is reported with it, not after its words."""
UNANNOUNCED_GAP_S = 1.0
"""Sound without a `response.created` begins a turn of its own if the bot was silent for this long."""


@dataclass(slots=True)
class Turn:
    """A reply of the bot. Seconds are on the conversation's clock."""

    created_s: float
    asked_until_s: float | None
    """The user's last loud sample before it; None for the opening, and if the bot goes on by itself."""
    audible_s: float | None = None
    """The time at which its first audible sound was played, in seconds; before it there is silence."""
    words: list[str] = field(default_factory=list[str])
    done: bool = False
    interrupted: bool = False
    over_user: bool = False
    """True if it became audible while the user spoke."""
    announced: bool = True
    """True if the server announced a reply; a pipeline that only echoes does not."""
    server_ms: float | None = None
    parts_ms: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def latency_ms(self) -> float | None:
        """The time from the user's last loud sample to the bot's first audible sound."""
        if self.audible_s is None or self.asked_until_s is None:
            return None
        return (self.audible_s - self.asked_until_s) * 1000

    @property
    def is_answer(self) -> bool:
        """Return whether the user heard it, and had spoken and finished before it."""
        return self.latency_ms is not None and not self.over_user

    @property
    def text(self) -> str:
        return " ".join(self.words)


class Dialogue:
    """The conversation so far. Call it in the order of time with what was sent (`speak`), what came (`hear`, `sound`),
    and the time (`tick`).

    `playback` is what the user hears of the bot, `audible` when that is loud enough to be heard, `loudness` when the
    user spoke.
    """

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.playback = PlaybackQueue()
        self.audible = Loudness()
        self.loudness = Loudness()
        # When the server last sent a message, or when its last audible sound came.
        self.last_sign_s = 0.0
        self.origin_s: float | None = None
        self._captions = Captions()
        self._asked = False
        # The turn with a first audible sound in the queue that has not been played yet.
        self._untold: Turn | None = None

    # -- what happens --------------------------------------------------------------------------------------------------

    def speak(self, at_s: float, frame: Samples) -> None:
        """Note the user's next sound, sent at `at_s`, when its last sample was spoken."""
        if self.origin_s is None:
            self.origin_s = at_s - len(frame) / self.playback.rate_hz
        self.loudness.listen(frame)

    def tick(self, at_s: float) -> Iterator[Fact]:
        """Note the time."""
        yield from self._tell_audible(at_s)
        yield from _understood(self._captions.wait(at_s))

    def sound(self, at_s: float, samples: Samples) -> Iterator[Fact]:
        """Note the bot's next sound."""
        loud_until_s = self.audible.until_s
        first_s = self.audible.listen(samples, self.playback.put(at_s, samples))
        if first_s is not None:
            self.last_sign_s = at_s
            turn = self._sounding_turn(first_s, loud_until_s)
            if turn.audible_s is None:
                turn.audible_s, self._untold = first_s, turn
        yield from self._tell_audible(at_s)

    def hear(self, at_s: float, message: Message) -> Iterator[Fact]:
        """Note a message of the server other than sound."""
        self.last_sign_s = at_s
        yield from self._tell_audible(at_s)
        match message:
            case {"type": "response.created"}:
                yield from self._create(at_s, _history(message))
            case {"type": "response.text.delta", "delta": str(delta)}:
                self._open_turn(at_s).words.append(delta.strip())
                yield Said(delta.strip())
            case {"type": "response.audio.done"}:
                yield from self._finish()
            case {"type": "unmute.interrupted_by_vad"}:
                yield from self._interrupt(at_s)
            case {"type": "unmute.additional_outputs", "args": {"debug_dict": {"total_ms": total_ms, **rest}}}:
                yield from self._account(total_ms, rest.get("parts_ms") or {})
            case {"type": "error", "error": {"type": str(kind), "message": str(text)}}:
                yield Problem(kind, text)
            case _:
                yield from self._hear_of_user(at_s, message)

    def end(self) -> Iterator[Fact]:
        """Note the end of the conversation: present words become final."""
        yield from _understood(self._captions.end())

    # -- how it stands -------------------------------------------------------------------------------------------------

    def quiet_since(self, at_s: float) -> float | None:
        """Return since when the bot has been silent; None while it speaks or thinks. Sent silence does not count."""
        sound_ends_s = self.audible.until_s or 0.0
        if sound_ends_s > at_s or (self.turns and not self.turns[-1].done):
            return None
        return max(sound_ends_s, self.last_sign_s if self.turns else 0.0)

    @property
    def answered(self) -> bool:
        """Return whether the bot has replied to the user's last sound, in speech or text."""
        asked_s = self.user_until_s
        if not self.turns or asked_s is None:
            return bool(self.turns)
        last, goes_on = self.turns[-1], (self.audible.until_s or 0.0) >= asked_s
        if not last.announced:
            return goes_on
        # The user's noise counts as answered by a reply that outlasted it, if nothing has followed.
        in_time = last.created_s >= asked_s or (goes_on and last.asked_until_s is not None and not self._asked)
        return in_time and (last.audible_s is not None or bool(last.words))

    @property
    def user_until_s(self) -> float | None:
        """The user's last loud sample, on the conversation's clock."""
        return self._on_clock(self.loudness.until_s)

    # -- the user ------------------------------------------------------------------------------------------------------

    def _hear_of_user(self, at_s: float, message: Message) -> Iterator[Fact]:
        match message:
            case {"type": "input_audio_buffer.speech_started"}:
                self._asked = True
                yield SpeechStarted()
            case {"type": "input_audio_buffer.speech_stopped"}:
                self._asked = True
                self._captions.stop(at_s)
                yield SpeechStopped()
            case {"type": "conversation.item.input_audio_transcription.delta", "delta": str(delta)} if delta.strip():
                self._asked = True
                self._captions.word(at_s, delta.strip())
                yield Heard(delta.strip())
            case {"type": "conversation.item.input_audio_transcription.completed", "transcript": str(text)}:
                yield from _understood(self._captions.correct(text.strip()))
            case _:
                pass

    # -- turns ---------------------------------------------------------------------------------------------------------

    def _create(self, at_s: float, history: list[Any] | None) -> Iterator[Fact]:
        """Note the start of a reply, to what the user has said if the server has noticed it since the last reply."""
        for turn in self.turns[-1:]:
            turn.done = True
        asked = self._captions.reply(history)
        answers = self._asked if asked.answers is None else asked.answers
        self.turns.append(Turn(at_s, self.user_until_s if answers else None))
        self._asked = False
        yield from _understood(asked.text)
        yield ReplyCreated()

    def _open_turn(self, at_s: float) -> Turn:
        """Return the current reply, or the last one."""
        if not self.turns:
            self.turns.append(Turn(at_s, self.user_until_s, done=True, announced=False))
        return self.turns[-1]

    def _sounding_turn(self, first_s: float, loud_until_s: float | None) -> Turn:
        """Return the reply that sound from `first_s` on belongs to; a new one if none is on and the bot was silent."""
        last = self.turns[-1] if self.turns else None
        if last is not None and (not last.done or (last.announced and last.audible_s is None)):
            return last
        if last is not None and loud_until_s is not None and first_s - loud_until_s < UNANNOUNCED_GAP_S:
            return last
        asked_s = self.user_until_s
        if last is not None and asked_s is not None and asked_s <= last.created_s:
            asked_s = None  # the user has said nothing since the last one: the bot goes on by itself
        self.turns.append(Turn(first_s, asked_s, done=True, announced=False))
        return self.turns[-1]

    def _tell_audible(self, at_s: float) -> Iterator[Fact]:
        """Note that the bot becomes audible, when its first audible sound is played."""
        turn = self._untold
        if turn is None or turn.audible_s is None or turn.audible_s > at_s + TOLD_AHEAD_S:
            return
        self._untold = None
        until_s = self.user_until_s
        turn.over_user = until_s is not None and turn.audible_s - until_s < OVERLAP_S
        yield ReplyAudible(turn.latency_ms, turn.over_user, turn.announced)

    def _finish(self) -> Iterator[Fact]:
        if self.turns and not self.turns[-1].done:
            self.turns[-1].done = True
            yield ReplyDone(self.turns[-1].text)

    def _interrupt(self, at_s: float) -> Iterator[Fact]:
        """Note that the bot was cut; if it was not audible yet, it was not interrupted but restarted."""
        unheard_s = self.playback.flush(at_s)
        self.audible.forget(at_s)
        turn = self._open_turn(at_s)
        turn.done = True
        if turn.audible_s is None or turn.audible_s >= at_s:
            turn.audible_s = self._untold = None
            yield ReplyDropped()
            return
        turn.interrupted = True
        yield Interrupted(self._after_ms(turn.audible_s), unheard_s * 1000)

    def _after_ms(self, audible_s: float) -> float | None:
        """Return the time from the user's start over the bot to the bot's last audible sound; 0 if it paused by
        then."""
        origin_s, silent_s = self.origin_s, self.audible.until_s
        onset_s = None if origin_s is None else self._on_clock(self.loudness.onset_s(audible_s - origin_s))
        return None if onset_s is None or silent_s is None else max(0.0, silent_s - onset_s) * 1000

    def _account(self, total_ms: float, parts_ms: dict[str, float]) -> Iterator[Fact]:
        """Return the server's figures of the reply that has just ended, the first time that they come."""
        for turn in self.turns[-1:]:
            if turn.asked_until_s is not None and turn.server_ms is None:
                turn.server_ms, turn.parts_ms = total_ms, parts_ms
                yield Measured(turn.latency_ms, total_ms, parts_ms)

    # -- clocks --------------------------------------------------------------------------------------------------------

    def _on_clock(self, position_s: float | None) -> float | None:
        return None if position_s is None or self.origin_s is None else self.origin_s + position_s


def _understood(text: str | None) -> Iterator[Fact]:
    if text is not None:
        yield Understood(text)


def _history(created: Message) -> list[Any] | None:
    """Return the server's conversation, which Unmute's dialect sends with a new reply."""
    match created:
        case {"response": {"chat_history": [*history]}}:
            return history
        case _:
            return None
