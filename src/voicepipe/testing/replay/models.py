"""Stages for a session that takes another course than the recorded one: what they would have given, and when.

A model gives what the recording has, at the delay that it had there. It invents nothing: a reply that was cut short in
the recording is as short here, and where the recording has no answer at all, there is none.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any, Protocol

from reactivex import abc

from voicepipe.events import FlushRequested, ReplyText, Transcribed, WordRecognised
from voicepipe.recording.records import StageName
from voicepipe.testing.replay.calls import Call, RecordedCall
from voicepipe.testing.replay.facts import Answer, CallFacts, SessionFacts

__all__ = ["Clockwork", "StageModels"]

_EARLIER_S, _LATER_S = 1.0, 0.15
"""A question to the end-of-turn model gets the answer of the recorded question that came last before it, or just behind
it, within these times in seconds: they are of one silence."""

_SAME_PAUSE_S = 0.3
"""Two flushes are of the same pause within this time of the sound, in seconds."""


class Clockwork(Protocol):
    """The time of a session that is run again."""

    @property
    def now_s(self) -> float:
        """Return the session's clock."""
        ...

    def at(self, when_s: float, action: Callable[[], object]) -> None:
        """Call `action` at a time; at once in the next step if that is past."""
        ...


class StageModels:
    """Make the calls of each stage by what the recording's calls gave.

    Args:
        facts: The recording's calls.
        clock: The time.
    """

    def __init__(self, facts: SessionFacts, clock: Clockwork) -> None:
        self._facts, self._clock = facts, clock
        self._used: set[int] = set()

    def use(self, call: CallFacts) -> None:
        """Note that a call of the recording has been run again already."""
        self._used.add(call.number)

    def call(self, stage: StageName, asked: str, observer: abc.ObserverBase[Any]) -> Call:
        """Return the call of a stage that is made now."""
        match stage:
            case "vad":
                return self._at(self._next("vad"), RecordedCall, observer)
            case "stt":
                return _Recogniser(self._next("stt"), observer, self._clock)
            case "end_of_turn":
                return _Delayed(self._question(), observer, self._clock)
            case "llm":
                return _Delayed(self._reply(asked), observer, self._clock)
            case "tts":
                return _Synthesiser(self._facts.of_stage("tts"), self._used, observer, self._clock)

    def _at(self, facts: CallFacts, make: Any, observer: abc.ObserverBase[Any]) -> Call:
        """Return a recorded call, with what it gave from the loop at the time of that."""
        call = make(facts, observer)
        for answer in facts.answers:
            if answer.inputs is None:
                self._clock.at(answer.at_s, lambda answer=answer: call.give(answer.what, answer.value))
        return call

    def _next(self, stage: StageName) -> CallFacts:
        for call in self._facts.of_stage(stage):
            if call.number not in self._used:
                self._used.add(call.number)
                return call
        return CallFacts(-1, stage, self._clock.now_s)

    def _question(self) -> CallFacts:
        """Return the recorded question of this silence; one without an answer, if there was none."""
        now_s = self._clock.now_s
        near = [one for one in self._facts.of_stage("end_of_turn") if -_EARLIER_S <= one.at_s - now_s <= _LATER_S]
        return near[-1] if near else CallFacts(-1, "end_of_turn", now_s)

    def _reply(self, asked: str) -> CallFacts:
        """Return the recorded reply to the same words, else the next one that has not been given."""
        replies = self._facts.of_stage("llm")
        unused = [one for one in replies if one.number not in self._used]
        same = [one for one in unused if _letters(one.asked) == _letters(asked)]
        found = next(iter([*same, *unused, *reversed(replies)]), None)
        if found is None:
            return CallFacts(-1, "llm", self._clock.now_s, answers=[Answer(self._clock.now_s, "completed", None)])
        self._used.add(found.number)
        return found


def _letters(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum())


class _Delayed(RecordedCall):
    """A call that gives everything at its delay since the call. What was cut short ends there."""

    def __init__(self, facts: CallFacts, observer: abc.ObserverBase[Any], clock: Clockwork) -> None:
        super().__init__(facts, observer)
        self._clock, self._at_once = clock, {}

    def begin(self) -> None:
        self._schedule(self.facts.at_s)

    def _schedule(self, began_s: float) -> None:
        behind_s = self._clock.now_s - began_s
        for answer in [*self.facts.answers, *self._ending()]:
            if answer.at_s + behind_s <= self._clock.now_s:
                self.give(answer.what, answer.value)
            else:
                self._clock.at(answer.at_s + behind_s, lambda answer=answer: self.give(answer.what, answer.value))

    def _ending(self) -> list[Answer]:
        """Return the end of a call that was cut before its end."""
        answers = self.facts.answers
        if answers and answers[-1].what == "next":
            return [Answer(answers[-1].at_s, "completed", None)]
        return []


class _Synthesiser(_Delayed):
    """The voice: the recorded call is chosen by its first text; its delays count from that."""

    def __init__(
        self, calls: list[CallFacts], used: set[int], observer: abc.ObserverBase[Any], clock: Clockwork
    ) -> None:
        super().__init__(CallFacts(-1, "tts", clock.now_s), observer, clock)
        self._calls, self._used, self._is_chosen = calls, used, False

    def begin(self) -> None:
        pass  # a voice says nothing before it has a text

    def told(self, item: Any) -> None:
        if self._is_chosen:
            return
        self._is_chosen = True
        self.facts = self._choose(item)
        self._used.add(self.facts.number)
        self._schedule(self.facts.told[0][0] if self.facts.told else self.facts.at_s)

    def input_ended(self) -> None:
        if not self._is_chosen:
            self.give("completed", None)

    def _choose(self, item: Any) -> CallFacts:
        unused = [one for one in self._calls if one.number not in self._used and one.told]
        same = [one for one in unused if _first_text(one) == getattr(item, "delta", None)]
        ended = CallFacts(-1, "tts", self._clock.now_s, answers=[Answer(self._clock.now_s, "completed", None)])
        return next(iter([*same, *unused]), ended)


def _first_text(call: CallFacts) -> str | None:
    return next((item.delta for _, item in call.told if isinstance(item, ReplyText)), None)


class _Recogniser(RecordedCall):
    """The recogniser: words that it streamed come when they came; words that a flush brought come with a flush.

    A flush takes as long as the recording's flushes in the median.
    """

    def __init__(self, facts: CallFacts, observer: abc.ObserverBase[Any], clock: Clockwork) -> None:
        super().__init__(facts, observer)
        self._clock, self._at_once = clock, {}
        flushes = [(at_s, item.at_s) for at_s, item in facts.told if isinstance(item, FlushRequested)]
        self._flushed: list[WordRecognised] = []
        self._ends: list[Transcribed] = []
        self._tail_s = _tail_s(flushes, facts.answers)
        self._streamed = [answer for answer in facts.answers if not self._by_flush(answer, flushes)]

    def begin(self) -> None:
        for answer in self._streamed:
            self._clock.at(answer.at_s, lambda answer=answer: self.give(answer.what, answer.value))

    def told(self, item: Any) -> None:
        if isinstance(item, FlushRequested):
            if self._tail_s:
                self._clock.at(self._clock.now_s + self._tail_s, lambda: self._flush(item.at_s))
            else:
                self._flush(item.at_s)

    def input_ended(self) -> None:
        pass

    def _by_flush(self, answer: Answer, flushes: list[tuple[float, float]]) -> bool:
        """Return whether an answer came between a flush and its end; keep it for one."""
        since = [at_s for at_s, _ in flushes if at_s <= answer.at_s]
        done = [one.at_s for one in self.facts.answers if isinstance(one.value, Transcribed) and one.at_s < answer.at_s]
        pending = bool(since) and (not done or max(done) < max(since))
        match answer.value:
            case Transcribed() as end:
                self._ends.append(end)
                return True
            case WordRecognised() as word if pending:
                self._flushed.append(word)
                return True
            case _:
                return False

    def _flush(self, until_s: float) -> None:
        ready = [word for word in self._flushed if word.start_s < until_s]
        self._flushed = [word for word in self._flushed if word.start_s >= until_s]
        for word in ready:
            self.give("next", word)
        same = [end for end in self._ends if abs(end.until_s - until_s) <= _SAME_PAUSE_S]
        found = min(same, key=lambda end: abs(end.until_s - until_s), default=None)
        self.give("next", Transcribed(until_s, None if found is None else found.text))


def _tail_s(flushes: list[tuple[float, float]], answers: list[Answer]) -> float:
    """Return the median time from a flush to its end."""
    ends = [(answer.at_s, answer.value.until_s) for answer in answers if isinstance(answer.value, Transcribed)]
    took = [
        min((end_s - at_s for end_s, until_s in ends if end_s >= at_s and until_s >= place_s), default=None)
        for at_s, place_s in flushes
    ]
    known = [one for one in took if one is not None]
    return statistics.median(known) if known else 0.0
