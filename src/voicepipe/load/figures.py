"""The figures of a simulated user, as plain data that travels between processes and into JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

__all__ = ["Outcome", "TurnFigures", "UserFigures"]

Outcome: TypeAlias = Literal["done", "refused", "failed"]
"""A user talked to the end, was not let in, or was cut off."""


@dataclass(frozen=True, slots=True)
class TurnFigures:
    """An answer of the bot's.

    Args:
        at_s: When it was heard, in seconds since the users began to come.
        latency_ms: From the user's last loud sample to its first audible one.
        server_ms: The same by the server's own account; None where the dialect does not tell it.
        parts_ms: The parts of the server's account, in the order of time.
    """

    at_s: float
    latency_ms: float
    server_ms: float | None = None
    parts_ms: dict[str, float] = field(default_factory=dict[str, float])


@dataclass(slots=True)
class UserFigures:
    """One user's conversation.

    Args:
        number: The user's number, from 0 on.
        began_s: When it connected, in seconds since the users began to come.
        outcome: How it ended.
        reason: Why, in words.
        lasted_s: How long it lasted.
        turns: The answers that were heard.
        asked: How often the user spoke.
        unanswered: How often nothing came within 15 s.
        over_user: How often the bot began to speak while the user spoke.
        barge_ins_ms: From the user's first sound over the bot to its last audible sample.
        heard_s: How long the bot was heard.
        underruns: How often the bot's sound came too late within a reply.
        underrun_s: How long it was missing.
        problems: What the server complained of.
        late_ms: The longest delay of the user's own sound: this program, and not the server, was too slow.
    """

    number: int
    began_s: float
    outcome: Outcome = "done"
    reason: str = ""
    lasted_s: float = 0.0
    turns: list[TurnFigures] = field(default_factory=list[TurnFigures])
    asked: int = 0
    unanswered: int = 0
    over_user: int = 0
    barge_ins_ms: list[float] = field(default_factory=list[float])
    heard_s: float = 0.0
    underruns: int = 0
    underrun_s: float = 0.0
    problems: list[str] = field(default_factory=list[str])
    late_ms: float = 0.0
