"""What must, and must not, come of a scenario, and by when."""

from __future__ import annotations

import re
from dataclasses import dataclass

from voicepipe.testing.facts import FACTS, STATES, Expectation, Fact
from voicepipe.testing.played import Played
from voicepipe.testing.sentences import Sentence, read, read_as, show_time

__all__ = ["END_S", "Happens", "Window", "expectation"]

END_S = float("inf")


@dataclass(frozen=True)
class Window:
    """From when to when, in seconds, both included."""

    start_s: float = 0.0
    end_s: float = END_S

    def __contains__(self, at_s: float) -> bool:
        return self.start_s - 1e-6 <= at_s <= self.end_s + 1e-6

    def __str__(self) -> str:
        if self.end_s == END_S:
            return f"after {show_time(self.start_s)}" if self.start_s else ""
        if not self.start_s:
            return f"by {show_time(self.end_s)}"
        return f"from {show_time(self.start_s)} to {show_time(self.end_s)}"


@dataclass(frozen=True)
class Happens(Expectation):
    """That something happens within a window: `count` times, 0 for never, None for at least once."""

    fact: Fact
    window: Window = Window()
    count: int | None = None

    def __str__(self) -> str:
        if self.count == 0:
            return f"{self.window} {self.fact.told_as(self.fact.never)}".strip()
        often = "" if self.count is None else f" {_OFTEN.get(self.count, f'{self.count} times')}"
        return f"{self.window} {self.fact}{often}".strip()

    @property
    def until_s(self) -> float:
        return max(self.window.start_s, 0.0 if self.window.end_s == END_S else self.window.end_s)

    def complaint(self, played: Played) -> str | None:
        every = [round(at_s, 3) for at_s in self.fact.times(played)]
        times = [at_s for at_s in every if at_s in self.window]
        if times if self.count is None else len(times) == self.count:
            return None
        when = f"it happened at {', '.join(map(show_time, every))}" if every else "it did not happen"
        instead = self.fact.instead(played)
        return f"{when}; {instead}" if instead else when


# ---- reading ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _By(Sentence):
    template = "by {end_s:time}"
    end_s: float


@dataclass(frozen=True)
class _Between(Sentence):
    template = "(from|between) {start_s:time} (to|and) {end_s:time}"
    start_s: float
    end_s: float


@dataclass(frozen=True)
class _After(Sentence):
    template = "after {start_s:time}"
    start_s: float


def expectation(text: str) -> Expectation | None:
    """The sentence `text` as an expectation, if it is one."""
    if state := read(text, STATES):
        return state
    window, rest = _window(text)
    count, positive = _counted(rest)
    if fact := read(positive, FACTS):
        return Happens(fact, window, count)
    for kind in FACTS:
        if fact := read_as(rest, kind, kind.never):
            return Happens(fact, window, 0)
    return None


def _window(text: str) -> tuple[Window, str]:
    """The time that a sentence begins with, and what comes after it."""
    subject = _SUBJECT.search(text)
    if subject is None or not subject.start():
        return Window(), text
    match read(text[: subject.start()].strip(" ,"), (_By, _Between, _After)):
        case _By(end_s):
            return Window(0.0, end_s), text[subject.start() :]
        case _Between(start_s, end_s):
            return Window(start_s, end_s), text[subject.start() :]
        case _After(start_s):
            return Window(start_s), text[subject.start() :]
        case _:
            return Window(), text


def _counted(text: str) -> tuple[int | None, str]:
    match = _COUNT.search(text)
    if match is None:
        return None, text
    often = next((count for count, word in _OFTEN.items() if word == match[1].lower()), None)
    return (int(match[1].split()[0]) if often is None else often), text[: match.start()]


_SUBJECT = re.compile(r"\b(?:the (?:bot|user|conversation|LLM|answer|function)|a service|no service)\b", re.IGNORECASE)
_COUNT = re.compile(r"\s+(once|twice|\d+ times)\.?$", re.IGNORECASE)
_OFTEN = {1: "once", 2: "twice"}
