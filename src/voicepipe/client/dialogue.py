"""From the server's messages to what happens, turn by turn, with its latencies. Knows no socket and no clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from voicepipe.client.facts import (
    Fact,
    Heard,
    Interrupted,
    Measured,
    Problem,
    ReplyAudible,
    ReplyCreated,
    ReplyDone,
    Said,
    SpeechStarted,
    SpeechStopped,
)
from voicepipe.client.microphone import Loudness
from voicepipe.client.playback import PlaybackQueue
from voicepipe.client.unmute import Message
from voicepipe.events import Samples

__all__ = ["Dialogue", "Turn"]

OVERLAP_S = 0.2
"""Sound of the bot so shortly after sound of the user is an interruption of the user: nobody answers as fast."""


@dataclass(slots=True)
class Turn:
    """A reply of the bot. Seconds are on the conversation's clock."""

    created_s: float
    asked_until_s: float | None
    """The user's last loud sample before it; None for the opening, and where the bot goes on by itself."""
    audible_s: float | None = None
    words: list[str] = field(default_factory=list[str])
    done: bool = False
    interrupted: bool = False
    server_ms: float | None = None
    parts_ms: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def latency_ms(self) -> float | None:
        """From the user's last loud sample to the first sound received."""
        if self.audible_s is None or self.asked_until_s is None:
            return None
        return (self.audible_s - self.asked_until_s) * 1000

    @property
    def text(self) -> str:
        return " ".join(self.words)


class Dialogue:
    """The conversation so far: feed it what was sent (`speak`) and what came (`hear`, `sound`), in order of time.

    `playback` is what the user hears of the bot, `loudness` when they spoke themselves.
    """

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.playback = PlaybackQueue()
        self.loudness = Loudness()
        self.last_sign_s = 0.0
        self.origin_s: float | None = None
        self._asked = False

    # -- what happens --------------------------------------------------------------------------------------------------

    def speak(self, at_s: float, frame: Samples) -> None:
        """The user's next sound, sent at `at_s`, which is when its last sample was spoken."""
        if self.origin_s is None:
            self.origin_s = at_s - len(frame) / self.playback.rate_hz
        self.loudness.listen(frame)

    def sound(self, at_s: float, samples: Samples) -> Iterator[Fact]:
        """The bot's next sound arrived."""
        self.last_sign_s = at_s
        self.playback.put(at_s, samples)
        turn = self._open_turn(at_s)
        if turn.audible_s is None and len(samples):
            turn.audible_s = at_s
            yield ReplyAudible(turn.latency_ms, self._overlaps(at_s))

    def hear(self, at_s: float, message: Message) -> Iterator[Fact]:
        """The server said something other than sound."""
        self.last_sign_s = at_s
        match message:
            case {"type": "input_audio_buffer.speech_started"}:
                self._asked = True
                yield SpeechStarted()
            case {"type": "input_audio_buffer.speech_stopped"}:
                self._asked = True
                yield SpeechStopped()
            case {"type": "conversation.item.input_audio_transcription.delta", "delta": str(delta)}:
                self._asked = True
                yield Heard(delta.strip())
            case {"type": "response.created"}:
                self._create(at_s)
                yield ReplyCreated()
            case {"type": "response.text.delta", "delta": str(delta)}:
                self._open_turn(at_s).words.append(delta.strip())
                yield Said(delta.strip())
            case {"type": "response.audio.done"}:
                yield from self._finish()
            case {"type": "unmute.interrupted_by_vad"}:
                yield self._interrupt(at_s)
            case {"type": "unmute.additional_outputs", "args": {"debug_dict": {"total_ms": total_ms, **rest}}}:
                yield from self._account(total_ms, rest.get("parts_ms") or {})
            case {"type": "error", "error": {"type": str(kind), "message": str(text)}}:
                yield Problem(kind, text)
            case _:
                pass

    # -- how it stands -------------------------------------------------------------------------------------------------

    def quiet_since(self, at_s: float) -> float | None:
        """Since when the bot has been silent, or None while it speaks or thinks."""
        if self.playback.ends_s > at_s or (self.turns and not self.turns[-1].done):
            return None
        return max(self.playback.ends_s, self.last_sign_s if self.turns else 0.0)

    @property
    def answered(self) -> bool:
        """Whether the bot began a reply after the user had last been loud."""
        asked = self.user_until_s
        return bool(self.turns) and (asked is None or self.turns[-1].created_s >= asked)

    @property
    def user_until_s(self) -> float | None:
        """The user's last loud sample, on the conversation's clock."""
        return self._on_clock(self.loudness.until_s)

    # -- turns ---------------------------------------------------------------------------------------------------------

    def _create(self, at_s: float) -> None:
        """A reply begins: to what the user has said, when the server has noticed that since the last one began."""
        for turn in self.turns[-1:]:
            turn.done = True
        self.turns.append(Turn(at_s, self.user_until_s if self._asked else None))
        self._asked = False

    def _open_turn(self, at_s: float) -> Turn:
        """The reply that is on. A pipeline that only echoes makes sound without creating one: that is done at once."""
        if not self.turns:
            self.turns.append(Turn(at_s, self.user_until_s, done=True))
        return self.turns[-1]

    def _finish(self) -> Iterator[Fact]:
        if self.turns and not self.turns[-1].done:
            self.turns[-1].done = True
            yield ReplyDone(self.turns[-1].text)

    def _interrupt(self, at_s: float) -> Fact:
        unheard_s = self.playback.flush(at_s)
        for turn in self.turns[-1:]:
            turn.done = turn.interrupted = True
        since_s = self._on_clock(self.loudness.since_s)
        return Interrupted(None if since_s is None else (at_s - since_s) * 1000, unheard_s * 1000)

    def _account(self, total_ms: float, parts_ms: dict[str, float]) -> Iterator[Fact]:
        """The server's figures, the first time that they come for a turn."""
        asked = [turn for turn in self.turns if turn.asked_until_s is not None]
        if asked and asked[-1].server_ms is None:
            asked[-1].server_ms, asked[-1].parts_ms = total_ms, parts_ms
            yield Measured(asked[-1].latency_ms, total_ms, parts_ms)

    # -- clocks --------------------------------------------------------------------------------------------------------

    def _on_clock(self, position_s: float | None) -> float | None:
        return None if position_s is None or self.origin_s is None else self.origin_s + position_s

    def _overlaps(self, at_s: float) -> bool:
        until_s = self.user_until_s
        return until_s is not None and at_s - until_s < OVERLAP_S
