"""What invariants look at: a conversation that is over, and what was found after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from voicepipe.testing.player.transcript import At

__all__ = ["SILENCE_S", "Found", "Invariant", "Recording"]

SILENCE_S = 15.0
"""For how long nobody may say anything after the user has asked something, unless a check is told otherwise."""


@dataclass(frozen=True)
class Recording:
    """What the invariants look at."""

    events: Sequence[At]
    closed_s: float
    """When the session was closed; nothing may come after that."""
    leaks: Sequence[str] = ()
    voice: Sequence[tuple[float, float]] = ()
    """From when to when the user made a sound."""
    unheard: Sequence[tuple[float, float]] = ()
    """From when to when their sound did not arrive in time."""
    silence_s: float = SILENCE_S


Found: TypeAlias = Iterator[tuple[float, str]]
Invariant: TypeAlias = Callable[[Recording], Found]
"""Gives the time and the description of each breach."""
