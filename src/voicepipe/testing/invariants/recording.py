"""The input of invariants: a conversation that is over, and what was left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from voicepipe.testing.player.transcript import At

__all__ = ["SILENCE_S", "Found", "Invariant", "Recording"]

SILENCE_S = 15.0
"""The time, in seconds, for which the bot may stay silent after a question, unless a check sets another time."""


@dataclass(frozen=True)
class Recording:
    """The recording that the invariants check."""

    events: Sequence[At]
    closed_s: float
    """The time at which the session was closed, in seconds; no event may come after that."""
    leaks: Sequence[str] = ()
    voice: Sequence[tuple[float, float]] = ()
    """Start and stop of the user's sounds."""
    unheard: Sequence[tuple[float, float]] = ()
    """Start and stop of the user's sounds that did not arrive in time."""
    silence_s: float = SILENCE_S
    idle: tuple[float, int] | None = None
    """After how many seconds of silence the pipeline speaks, and how often in a row; None: not checked."""


Found: TypeAlias = Iterator[tuple[float, str]]
Invariant: TypeAlias = Callable[[Recording], Found]
"""Yields the time and the description of each breach."""
