"""The lanes of a session's picture: its voices, words, turns, replies and failures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from voicepipe.drawing.lanes import Kind, Lane, Marble
from voicepipe.events import (
    ConversationEnded,
    FunctionCalled,
    FunctionReturned,
    InputRejected,
    Overflowed,
    Pause,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    SpeechEncoded,
    SpeechStarted,
    SpeechStopped,
    StageFailed,
    TurnConfirmed,
    TurnEnded,
    TurnJudged,
    TurnMeasured,
    Warned,
    WordRecognised,
    WordSpoken,
)
from voicepipe.recording.records import SoundEncoded

__all__ = ["lanes_of"]

_SAME_S = 0.001  # marbles that are nearer to each other would hide each other

_NEWS = 0.1
"""A recogniser tells several times a second how probable it is that the user has finished: what has changed by less
since the last marble is not drawn."""

_NEAR_S = 0.15  # at five seconds a row, a label of six letters

_NAMES = ("voice", "words heard", "turns", "reply", "sound", "trouble")


def lanes_of(events: Iterable[tuple[float, Any]], began_s: float, *, before: str = "") -> Sequence[Lane]:
    """Return the lanes of what a session emitted.

    Args:
        events: The events, each with the session's clock.
        began_s: The clock at the session's begin.
        before: A word in front of each name.
    """
    drawn = _Lanes()
    for at_s, event in events:
        drawn.note(at_s - began_s, event)
    names = [f"{before} {name}".strip() for name in _NAMES]
    return [Lane(name, drawn.marbles[lane]) for name, lane in zip(names, _NAMES, strict=True)]


class _Lanes:
    def __init__(self) -> None:
        self.marbles: dict[str, list[Marble]] = {name: [] for name in _NAMES}
        self._sounds_until_s = 0.0
        self._finished = 0.0  # the probability that was drawn last

    def note(self, at_s: float, event: Any) -> None:
        self._of_user(at_s, event)
        self._of_bot(at_s, event)
        self._of_trouble(at_s, event)

    def _add(self, lane: str, at_s: float, text: str, kind: Kind, detail: str = "") -> None:
        """Add a marble; what comes at the same instant joins the last."""
        last = self.marbles[lane][-1] if self.marbles[lane] else None
        if last is not None and last.until_s is None and at_s - last.at_s < _SAME_S:
            joined = f"{last.detail or last.text}; {detail or text}"
            self.marbles[lane][-1] = replace(last, text=f"{last.text} {text}", kind=kind, detail=joined)
        else:
            self.marbles[lane].append(Marble(at_s, text, kind, detail=detail))

    def _of_user(self, at_s: float, event: Any) -> None:
        match event:
            case SpeechStarted():
                self._finished = 0.0
                self.marbles["voice"].append(Marble(at_s, "", "user", at_s, "the user speaks"))
            case SpeechStopped():
                self._lengthen("voice", at_s)
            case Pause(probability=probability):
                self._pause(at_s, probability)
            case WordRecognised(text=text):
                self._add("words heard", at_s, text, "user")
            case TurnConfirmed(text=text):
                self._add("turns", at_s, "confirmed", "user", text)
            case TurnEnded(text=text):
                self._add("turns", at_s, f"→ {text}" if text else "→ no word", "good", text)
            case TurnJudged(counts=False, text=text):
                self._add("turns", at_s, "does not count", "fact", text)
            case _:
                pass

    def _pause(self, at_s: float, probability: float) -> None:
        """Draw how probable it is that the user has finished, where that has changed.

        0 is no pause, and not drawn; nor is what would hide the begin or the end of a turn just before it.
        """
        if abs(probability - self._finished) < _NEWS:
            return
        self._finished = probability
        last = self.marbles["turns"][-1] if self.marbles["turns"] else None
        if probability > 0 and (last is None or at_s - last.at_s > _NEAR_S):
            self._add("turns", at_s, f"{probability:.2f}", "fact", f"finished with probability {probability:.3f}")

    def _of_bot(self, at_s: float, event: Any) -> None:
        match event:
            case ReplyStarted():
                self._add("reply", at_s, "▸", "bot", "the reply starts")
            case WordSpoken(word=word):
                self._add("reply", at_s, word, "bot")
            case ReplyEnded(text=text):
                self._add("reply", at_s, "▪", "good", text)
            case ReplyInterrupted(heard_text=text):
                self._add("reply", at_s, "✂", "bad", f"interrupted after: {text}")
                self._stop_sound(at_s)
            case FunctionCalled(call=call):
                self._add("reply", at_s, f"ƒ {call.name}", "fact", f"{call.name} {call.arguments}")
            case FunctionReturned(output=output):
                self._add("reply", at_s, "ƒ →", "fact", output)
            case SpeechEncoded(duration_ms=ms) | SoundEncoded(duration_ms=ms):
                self._sound(at_s, ms / 1000)
            case TurnMeasured(total_ms=total_ms, parts_ms=parts):
                detail = ", ".join(f"{name} {ms:.0f} ms" for name, ms in parts.items())
                self._add("turns", at_s, f"{total_ms:.0f} ms", "bot", detail)
            case _:
                pass

    def _sound(self, at_s: float, seconds: float) -> None:
        """Lengthen the bot's sound: it plays when it comes, or behind what still plays."""
        if at_s > self._sounds_until_s + 0.05 or not self.marbles["sound"]:
            self.marbles["sound"].append(Marble(at_s, "", "bot", at_s, "the bot speaks"))
            self._sounds_until_s = at_s
        self._sounds_until_s += seconds
        self._lengthen("sound", self._sounds_until_s)

    def _stop_sound(self, at_s: float) -> None:
        """Cut what would still play."""
        if at_s < self._sounds_until_s:
            self._sounds_until_s = at_s
            self._lengthen("sound", at_s)

    def _of_trouble(self, at_s: float, event: Any) -> None:
        match event:
            case StageFailed(stage=stage, error=error):
                self._add("trouble", at_s, f"{stage} failed", "bad", f"{stage}: {error}")
            case Warned(message=message) | InputRejected(message=message):
                self._add("trouble", at_s, message, "bad")
            case Overflowed(boundary=boundary, lost_ms=lost_ms):
                self._add("trouble", at_s, f"{boundary} lost {lost_ms:g} ms", "bad")
            case ConversationEnded(reason=reason):
                self._add("trouble", at_s, reason, "fact", f"the bot ended the conversation: {reason}")
            case _:
                pass

    def _lengthen(self, lane: str, until_s: float) -> None:
        if self.marbles[lane]:
            self.marbles[lane][-1] = replace(self.marbles[lane][-1], until_s=until_s)
