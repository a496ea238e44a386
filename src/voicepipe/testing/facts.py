"""What may come of a scenario: facts, which happen at a time, and states, which hold or do not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from voicepipe.events import (
    FunctionCalled,
    FunctionReturned,
    HungUp,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    Spoken,
    StageFailed,
    TurnEnded,
    TurnMeasured,
)
from voicepipe.testing.played import Played, said_in, told
from voicepipe.testing.sentences import Sentence, show_time

__all__ = ["FACTS", "STATES", "Expectation", "Fact", "State"]

EDGE_S = 0.021
"""A frame of the microphone: nobody notices sound or silence shorter than that."""


class Expectation:
    """A sentence about how it went; `str()` of it is the sentence."""

    @property
    def until_s(self) -> float:
        """The latest moment that it names."""
        return 0.0

    def complaint(self, played: Played) -> str | None:
        """What happened instead; None if it went as expected."""
        raise NotImplementedError


# ---- facts -----------------------------------------------------------------------------------------------------------


class Fact(Sentence):
    """Something that may happen, once or often. `never` is the sentence that it does not."""

    never: ClassVar[str]

    def times(self, played: Played) -> Iterator[float]:
        """The seconds at which it happened."""
        raise NotImplementedError

    def instead(self, played: Played) -> str:
        """Something of the same sort that did happen."""
        return ""


@dataclass(frozen=True)
class BotSays(Fact):
    template = "the bot (has said|says|said) {text:quote}"
    never = "the bot (never says|has not said|never said) {text:quote}"
    text: str

    def times(self, played: Played) -> Iterator[float]:
        said = ""
        for at_s, event in played.events:
            if isinstance(event, ReplyStarted):
                said = ""
            elif isinstance(event, Spoken):
                before, said = said_in(self.text, said), f"{said} {event.word}"
                if said_in(self.text, said) and not before:
                    yield at_s

    def instead(self, played: Played) -> str:
        return f'the bot said "{played.said}"' if played.said else "the bot said nothing"


@dataclass(frozen=True)
class BotReplies(Fact):
    template = "the bot (replies|has replied|replied)"
    never = "the bot (never replies|has not replied|never replied)"

    def times(self, played: Played) -> Iterator[float]:
        yield from played.times(ReplyStarted)


@dataclass(frozen=True)
class BotFinishes(Fact):
    template = "the bot (finishes|has finished|finished)"
    never = "the bot (never finishes|has not finished|never finished)"

    def times(self, played: Played) -> Iterator[float]:
        yield from played.times(ReplyEnded)


@dataclass(frozen=True)
class BotInterrupted(Fact):
    template = "the bot (is|has been|was) interrupted"
    never = "the bot (is never|has not been|was never|is not) interrupted"

    def times(self, played: Played) -> Iterator[float]:
        yield from played.times(ReplyInterrupted)


@dataclass(frozen=True)
class BotHangsUp(Fact):
    template = "the bot (hangs up|has hung up|hung up)"
    never = "the bot (never hangs up|has not hung up|never hung up)"

    def times(self, played: Played) -> Iterator[float]:
        yield from played.times(HungUp)


@dataclass(frozen=True)
class ConversationEnds(Fact):
    template = "the conversation (has ended|ends|ended|is over)"
    never = "the conversation (never ends|has not ended|never ended|goes on)"

    def times(self, played: Played) -> Iterator[float]:
        if played.ended_s is not None:
            yield played.ended_s

    def instead(self, played: Played) -> str:
        if played.ended_s is None:
            return "it went on"
        return f"it ended at {show_time(round(played.ended_s, 3))}: {played.reason}"


@dataclass(frozen=True)
class UserTold(Fact):
    template = "the user (was|is|has been) told {text:quote}"
    never = "the user (is never|was never|is not|has not been) told {text:quote}"
    text: str

    def times(self, played: Played) -> Iterator[float]:
        yield from (at_s for at_s, event in played.events if self.text.lower() in (told(event) or "").lower())

    def instead(self, played: Played) -> str:
        texts = [text for _, event in played.events if (text := told(event))]
        return "the user was told " + (", ".join(f'"{text}"' for text in texts) or "nothing")


@dataclass(frozen=True)
class ServiceFails(Fact):
    template = "a service (fails|has failed|failed)"
    never = "no service (fails|has failed|failed)"

    def times(self, played: Played) -> Iterator[float]:
        yield from played.times(StageFailed)

    def instead(self, played: Played) -> str:
        return "; ".join(f"{failed.stage}: {failed.error!r}" for failed in played.of(StageFailed))


@dataclass(frozen=True)
class BotCalls(Fact):
    template = "the bot (has called|calls|called) {name:quote}"
    never = "the bot (never calls|has not called|never called) {name:quote}"
    name: str

    def times(self, played: Played) -> Iterator[float]:
        for at_s, event in played.events:
            if isinstance(event, FunctionCalled) and event.call.name == self.name:
                yield at_s

    def instead(self, played: Played) -> str:
        return "the bot called " + (", ".join(one.call.name for one in played.of(FunctionCalled)) or "nothing")


@dataclass(frozen=True)
class FunctionReturns(Fact):
    template = "the function {name:quote} (has returned|returns|returned)"
    never = "the function {name:quote} (never returns|has not returned|never returned)"
    name: str

    def times(self, played: Played) -> Iterator[float]:
        names = {called.call.id: called.call.name for called in played.of(FunctionCalled)}
        for at_s, event in played.events:
            if isinstance(event, FunctionReturned) and names.get(event.id) == self.name:
                yield at_s


@dataclass(frozen=True)
class UserHeard(Fact):
    template = "the user (was|is|has been) heard saying {text:quote}"
    never = "the user (is never|was never|is not|has not been) heard saying {text:quote}"
    text: str

    def times(self, played: Played) -> Iterator[float]:
        for at_s, event in played.events:
            if isinstance(event, TurnEnded) and event.text == self.text:
                yield at_s

    def instead(self, played: Played) -> str:
        return "heard was " + (", ".join(f'"{turn.text}"' for turn in played.of(TurnEnded)) or "nothing")


@dataclass(frozen=True)
class LlmAsked(Fact):
    template = "the LLM (was|is|has been) asked {text:quote}"
    never = "the LLM (is never|was never|is not|has not been) asked {text:quote}"
    text: str

    def times(self, played: Played) -> Iterator[float]:
        yield from (call.began_ms / 1000 for call in played.asked if call.asked == self.text)

    def instead(self, played: Played) -> str:
        return "the LLM was asked " + (", ".join(f'"{call.asked}"' for call in played.asked) or "nothing")


@dataclass(frozen=True)
class AnswerCancelled(Fact):
    template = "the answer to {text:quote} (was|is|has been) cancelled"
    never = "the answer to {text:quote} (is never|was never|is not|has not been) cancelled"
    text: str

    def times(self, played: Played) -> Iterator[float]:
        for call in played.asked:
            if call.asked == self.text and call.outcome == "cancelled" and call.ended_ms is not None:
                yield call.ended_ms / 1000

    def instead(self, played: Played) -> str:
        return ", ".join(f'the answer to "{call.asked}" {call.outcome}' for call in played.asked)


FACTS: tuple[type[Fact], ...] = (
    BotSays,
    BotReplies,
    BotFinishes,
    BotInterrupted,
    BotHangsUp,
    ConversationEnds,
    UserTold,
    ServiceFails,
    BotCalls,
    FunctionReturns,
    UserHeard,
    LlmAsked,
    AnswerCancelled,
)


# ---- states ----------------------------------------------------------------------------------------------------------


class State(Sentence, Expectation):
    """Something that holds, over a time or of the whole."""


@dataclass(frozen=True)
class BotSilent(State):
    template = "from {start_s:time} to {end_s:time} the bot is silent"
    start_s: float
    end_s: float

    @property
    def until_s(self) -> float:
        return self.end_s

    def complaint(self, played: Played) -> str | None:
        heard = [(max(start, self.start_s), min(stop, self.end_s)) for start, stop in played.audible()]
        sounds = [f"from {show_time(round(a, 3))} to {show_time(round(b, 3))}" for a, b in heard if b - a > EDGE_S]
        return f"it could be heard {', '.join(sounds)}" if sounds else None


@dataclass(frozen=True)
class BotSpeaks(State):
    template = "from {start_s:time} to {end_s:time} the bot (speaks|is speaking)"
    start_s: float
    end_s: float

    @property
    def until_s(self) -> float:
        return self.end_s

    def complaint(self, played: Played) -> str | None:
        heard = played.audible()
        if any(start <= self.start_s + EDGE_S and stop >= self.end_s - EDGE_S for start, stop in heard):
            return None
        shown = ", ".join(f"from {show_time(round(a, 3))} to {show_time(round(b, 3))}" for a, b in heard)
        return f"it could be heard {shown}" if shown else "it could not be heard at all"


@dataclass(frozen=True)
class AnswersWithin(State):
    template = "the bot (answers|always answers) within {limit_s:time}"
    limit_s: float

    def complaint(self, played: Played) -> str | None:
        turns = played.of(TurnMeasured)
        if not turns:
            return "it answered nobody"
        late = [turn for turn in turns if turn.total_ms > self.limit_s * 1000 + 1e-3]
        return "; ".join(_where_time_went(turn) for turn in late) or None


@dataclass(frozen=True)
class BotRemembers(State):
    template = "the bot remembers saying {text:quote}"
    text: str

    def complaint(self, played: Played) -> str | None:
        return _not_among(played, "assistant", self.text)


@dataclass(frozen=True)
class BotRemembersUser(State):
    template = "the bot remembers the user saying {text:quote}"
    text: str

    def complaint(self, played: Played) -> str | None:
        return _not_among(played, "user", self.text)


STATES: tuple[type[State], ...] = (BotSilent, BotSpeaks, AnswersWithin, BotRemembers, BotRemembersUser)


def _where_time_went(turn: TurnMeasured) -> str:
    parts = ", ".join(f"{name} {ms:.0f}" for name, ms in turn.parts_ms.items() if ms >= 1)
    return f"it took {turn.total_ms:.0f} ms ({parts})"


def _not_among(played: Played, role: str, text: str) -> str | None:
    texts = [message.text for message in played.conversation.messages if message.role == role]
    if text in texts:
        return None
    return "it remembers " + (", ".join(f'"{one}"' for one in texts) or "nothing")
