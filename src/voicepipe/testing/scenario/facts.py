"""What may come of a scenario: facts, which happen at a time, and states, which hold or do not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from voicepipe.events import (
    ConversationEnded,
    FunctionCalled,
    FunctionReturned,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    StageFailed,
    TurnEnded,
    TurnMeasured,
    WordSpoken,
)
from voicepipe.testing.player.transcript import Transcript, said_in, told
from voicepipe.testing.scenario.steps import Step, show_time

__all__ = ["Expectation", "Fact", "State"]

EDGE_S = 0.021
"""A frame of the microphone: sound or silence shorter than that is not noticed."""


class Expectation:
    """What must come of a conversation; `str()` of it is the Python that builds it."""

    @property
    def until_s(self) -> float:
        """The latest time in it."""
        return 0.0

    def complaint(self, played: Transcript) -> str | None:
        """Return what happened instead; None if it went as expected."""
        raise NotImplementedError


# ---- facts -----------------------------------------------------------------------------------------------------------


class Fact(Step):
    """Something that may happen, once or often."""

    def times(self, played: Transcript) -> Iterator[float]:
        """Return the seconds at which it happened."""
        raise NotImplementedError

    def instead(self, played: Transcript) -> str:
        """Return something of the same sort that did happen."""
        return ""


@dataclass(frozen=True)
class BotSays(Fact):
    method = "bot_says"
    text: str

    def times(self, played: Transcript) -> Iterator[float]:
        said = ""
        for at_s, event in played.events:
            if isinstance(event, ReplyStarted):
                said = ""
            elif isinstance(event, WordSpoken):
                before, said = said_in(self.text, said), f"{said} {event.word}"
                if said_in(self.text, said) and not before:
                    yield at_s

    def instead(self, played: Transcript) -> str:
        return f'the bot said "{played.said}"' if played.said else "the bot said nothing"


@dataclass(frozen=True)
class BotReplies(Fact):
    method = "bot_replies"

    def times(self, played: Transcript) -> Iterator[float]:
        yield from played.times(ReplyStarted)


@dataclass(frozen=True)
class BotFinishes(Fact):
    method = "bot_finishes"

    def times(self, played: Transcript) -> Iterator[float]:
        yield from played.times(ReplyEnded)


@dataclass(frozen=True)
class BotInterrupted(Fact):
    method = "bot_is_interrupted"

    def times(self, played: Transcript) -> Iterator[float]:
        yield from played.times(ReplyInterrupted)


@dataclass(frozen=True)
class BotHangsUp(Fact):
    method = "bot_hangs_up"

    def times(self, played: Transcript) -> Iterator[float]:
        yield from played.times(ConversationEnded)


@dataclass(frozen=True)
class ConversationEnds(Fact):
    method = "conversation_ends"

    def times(self, played: Transcript) -> Iterator[float]:
        if played.ended_s is not None:
            yield played.ended_s

    def instead(self, played: Transcript) -> str:
        if played.ended_s is None:
            return "it went on"
        return f"it ended at {show_time(round(played.ended_s, 3))}: {played.reason}"


@dataclass(frozen=True)
class UserTold(Fact):
    method = "user_is_told"
    text: str

    def times(self, played: Transcript) -> Iterator[float]:
        yield from (at_s for at_s, event in played.events if self.text.lower() in (told(event) or "").lower())

    def instead(self, played: Transcript) -> str:
        texts = [text for _, event in played.events if (text := told(event))]
        return "the user was told " + (", ".join(f'"{text}"' for text in texts) or "nothing")


@dataclass(frozen=True)
class ServiceFails(Fact):
    method = "service_fails"

    def times(self, played: Transcript) -> Iterator[float]:
        yield from played.times(StageFailed)

    def instead(self, played: Transcript) -> str:
        return "; ".join(f"{failed.stage}: {failed.error!r}" for failed in played.of(StageFailed))


@dataclass(frozen=True)
class BotCalls(Fact):
    method = "bot_calls"
    name: str

    def times(self, played: Transcript) -> Iterator[float]:
        for at_s, event in played.events:
            if isinstance(event, FunctionCalled) and event.call.name == self.name:
                yield at_s

    def instead(self, played: Transcript) -> str:
        return "the bot called " + (", ".join(one.call.name for one in played.of(FunctionCalled)) or "nothing")


@dataclass(frozen=True)
class FunctionReturns(Fact):
    method = "function_returns"
    name: str

    def times(self, played: Transcript) -> Iterator[float]:
        names = {called.call.id: called.call.name for called in played.of(FunctionCalled)}
        for at_s, event in played.events:
            if isinstance(event, FunctionReturned) and names.get(event.id) == self.name:
                yield at_s


@dataclass(frozen=True)
class UserHeard(Fact):
    method = "user_is_heard_saying"
    text: str

    def times(self, played: Transcript) -> Iterator[float]:
        for at_s, event in played.events:
            if isinstance(event, TurnEnded) and event.text == self.text:
                yield at_s

    def instead(self, played: Transcript) -> str:
        return "heard was " + (", ".join(f'"{turn.text}"' for turn in played.of(TurnEnded)) or "nothing")


@dataclass(frozen=True)
class LlmAsked(Fact):
    method = "llm_is_asked"
    text: str

    def times(self, played: Transcript) -> Iterator[float]:
        yield from (call.began_ms / 1000 for call in played.asked if call.asked == self.text)

    def instead(self, played: Transcript) -> str:
        return "the LLM was asked " + (", ".join(f'"{call.asked}"' for call in played.asked) or "nothing")


@dataclass(frozen=True)
class AnswerCancelled(Fact):
    method = "answer_is_cancelled"
    text: str

    def times(self, played: Transcript) -> Iterator[float]:
        for call in played.asked:
            if call.asked == self.text and call.outcome == "cancelled" and call.ended_ms is not None:
                yield call.ended_ms / 1000

    def instead(self, played: Transcript) -> str:
        return ", ".join(f'the answer to "{call.asked}" {call.outcome}' for call in played.asked)


# ---- states ----------------------------------------------------------------------------------------------------------


class State(Step, Expectation):
    """Something that holds, for a time or at the end."""


@dataclass(frozen=True)
class BotSilent(State):
    method = "silent"
    start_s: float
    end_s: float

    @property
    def until_s(self) -> float:
        return self.end_s

    def complaint(self, played: Transcript) -> str | None:
        heard = [(max(start, self.start_s), min(stop, self.end_s)) for start, stop in played.audible()]
        sounds = [f"from {show_time(round(a, 3))} to {show_time(round(b, 3))}" for a, b in heard if b - a > EDGE_S]
        return f"it could be heard {', '.join(sounds)}" if sounds else None


@dataclass(frozen=True)
class BotSpeaks(State):
    method = "speaking"
    start_s: float
    end_s: float

    @property
    def until_s(self) -> float:
        return self.end_s

    def complaint(self, played: Transcript) -> str | None:
        heard = played.audible()
        if any(start <= self.start_s + EDGE_S and stop >= self.end_s - EDGE_S for start, stop in heard):
            return None
        shown = ", ".join(f"from {show_time(round(a, 3))} to {show_time(round(b, 3))}" for a, b in heard)
        return f"it could be heard {shown}" if shown else "it could not be heard at all"


@dataclass(frozen=True)
class AnswersWithin(State):
    method = "answers_within"
    limit_s: float

    def complaint(self, played: Transcript) -> str | None:
        turns = played.of(TurnMeasured)
        if not turns:
            return "it answered no turn"
        late = [turn for turn in turns if turn.total_ms > self.limit_s * 1000 + 1e-3]
        return "; ".join(_where_time_went(turn) for turn in late) or None


@dataclass(frozen=True)
class Remembers(State):
    method = "remembers"
    role: Literal["user", "assistant"]
    text: str

    def complaint(self, played: Transcript) -> str | None:
        texts = [message.text for message in played.conversation.messages if message.role == self.role]
        if self.text in texts:
            return None
        return "it remembers " + (", ".join(f'"{one}"' for one in texts) or "nothing")


def _where_time_went(turn: TurnMeasured) -> str:
    parts = ", ".join(f"{name} {ms:.0f}" for name, ms in turn.parts_ms.items() if ms >= 1)
    return f"it took {turn.total_ms:.0f} ms ({parts})"
