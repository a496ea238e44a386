"""Expectations: what must, and must not, come of a scenario, and by when."""

from __future__ import annotations

from dataclasses import dataclass

from voicepipe.testing.player.transcript import Transcript
from voicepipe.testing.scenario.facts import Expectation, Fact
from voicepipe.testing.scenario.steps import arguments, show_time

__all__ = ["END_S", "Happens", "Window"]

END_S = float("inf")


@dataclass(frozen=True)
class Window:
    """A window in seconds, both ends included."""

    start_s: float = 0.0
    end_s: float = END_S

    def __contains__(self, at_s: float) -> bool:
        return self.start_s - 1e-6 <= at_s <= self.end_s + 1e-6

    def call(self, count: int | None) -> str:
        """Return the builder's call that opens a claim on this window."""
        if count == 0:
            return f"never({arguments(*self._bounds())})"
        often = {} if count is None else {"times": count}
        if self.end_s == END_S:
            return f"after({arguments(self.start_s, **often)})" if self.start_s else f"ever({arguments(**often)})"
        if not self.start_s:
            return f"by({arguments(self.end_s, **often)})"
        return f"between({arguments(self.start_s, self.end_s, **often)})"

    def _bounds(self) -> list[float]:
        if self.end_s == END_S:
            return [self.start_s] if self.start_s else []
        return [self.start_s, self.end_s]


@dataclass(frozen=True)
class Happens(Expectation):
    """The expectation that something happens within a window: `count` times, 0 for never, None for at least once."""

    fact: Fact
    window: Window = Window()
    count: int | None = None

    def __str__(self) -> str:
        return f"{self.window.call(self.count)}.{self.fact}"

    @property
    def until_s(self) -> float:
        return max(self.window.start_s, 0.0 if self.window.end_s == END_S else self.window.end_s)

    def complaint(self, played: Transcript) -> str | None:
        every = [round(at_s, 3) for at_s in self.fact.times(played)]
        times = [at_s for at_s in every if at_s in self.window]
        if times if self.count is None else len(times) == self.count:
            return None
        when = f"it happened at {', '.join(map(show_time, every))}" if every else "it did not happen"
        instead = self.fact.instead(played)
        return f"{when}; {instead}" if instead else when
