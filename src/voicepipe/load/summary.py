"""From all users' figures to what they mean: percentiles, counts, and whether it was real time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from voicepipe.load.figures import TurnFigures, UserFigures
from voicepipe.load.processes import Finished
from voicepipe.load.server_figures import Cost

__all__ = ["REAL_TIME", "Percentiles", "RealTime", "Summary", "percentile", "summarise"]


@dataclass(frozen=True, slots=True)
class RealTime:
    """When a server counts as keeping up.

    Args:
        median_ms: Half of all answers come within this time.
        slow_ms: 95 of 100 answers come within this time. Both are the budgets of a conversation that feels live.
        underrun_share: The bot's sound is missing for at most this share of its length.
        unanswered_share: At most this share of turns is not answered.
        late_ms: The simulated users' own sound was never later than this: otherwise this program was too slow, and the
            figures say nothing of the server.
    """

    median_ms: float = 900.0
    slow_ms: float = 1_500.0
    underrun_share: float = 0.01
    unanswered_share: float = 0.02
    late_ms: float = 500.0


REAL_TIME = RealTime()
"""The budgets of voicepipe's own alerts and benchmarks."""


@dataclass(frozen=True, slots=True)
class Percentiles:
    """A quantity's distribution. None of it is known where `count` is 0."""

    count: int
    p50: float
    p95: float
    p99: float
    longest: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Percentiles:
        """Return the distribution of values."""
        ordered = sorted(values)
        return cls(len(ordered), *(percentile(ordered, share) for share in (0.5, 0.95, 0.99, 1.0)))


@dataclass(frozen=True, slots=True)
class Summary:
    """A run.

    Args:
        sessions: The number of users.
        outcomes: How many talked to the end, were refused, or were cut off.
        reasons: Why users were refused or cut off, and how often.
        problems: What the server complained of, and how often.
        latency_ms: From the user's last loud sample to the bot's first audible one.
        parts_ms: The parts of the server's own account.
        barge_in_ms: From the user's first sound over the bot to the bot's silence.
        asked: How often users spoke.
        unanswered: How often nothing came.
        over_user: How often the bot began while the user spoke.
        underruns: How often the bot's sound came too late within a reply.
        underrun_share: The share of the bot's sound that was missing.
        late_ms: The longest delay of this program's own sound.
        took_s: How long the run took.
        own_cores: The cores that the simulated users took.
        cost: What it cost the server; None where the server does not tell.
        turns: Every answer.
        misses: Why the run was not in real time; empty if it was.
    """

    sessions: int
    outcomes: dict[str, int]
    reasons: dict[str, int]
    problems: dict[str, int]
    latency_ms: Percentiles
    parts_ms: dict[str, Percentiles]
    barge_in_ms: Percentiles
    asked: int
    unanswered: int
    over_user: int
    underruns: int
    underrun_share: float
    late_ms: float
    took_s: float
    own_cores: float
    cost: Cost | None
    turns: list[TurnFigures] = field(default_factory=list[TurnFigures])
    misses: list[str] = field(default_factory=list[str])

    @property
    def kept_up(self) -> bool:
        """Return whether the server kept up."""
        return not self.misses


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value below which a share of the values lies; 0.0 of none.

    >>> percentile([1, 2, 3, 4], 0.5), percentile([1, 2, 3, 4], 0.95)
    (2, 4)
    """
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def summarise(finished: Finished, cost: Cost | None, real_time: RealTime = REAL_TIME) -> Summary:
    """Return what a run's figures mean.

    Args:
        finished: The users' figures.
        cost: What the run cost the server.
        real_time: When it counts as keeping up.
    """
    users = finished.users
    turns = [turn for user in users for turn in user.turns]
    heard_s, missing_s = sum(user.heard_s for user in users), sum(user.underrun_s for user in users)
    made = Summary(
        sessions=len(users),
        outcomes={**dict.fromkeys(("done", "refused", "failed"), 0), **Counter(user.outcome for user in users)},
        reasons=dict(Counter(user.reason for user in users if user.reason).most_common()),
        problems=dict(Counter(problem for user in users for problem in user.problems).most_common()),
        latency_ms=Percentiles.of(turn.latency_ms for turn in turns),
        parts_ms=_parts(turns),
        barge_in_ms=Percentiles.of(ms for user in users for ms in user.barge_ins_ms),
        asked=sum(user.asked for user in users),
        unanswered=sum(user.unanswered for user in users),
        over_user=sum(user.over_user for user in users),
        underruns=sum(user.underruns for user in users),
        underrun_share=missing_s / (heard_s + missing_s) if heard_s else 0.0,
        late_ms=max((user.late_ms for user in users), default=0.0),
        took_s=finished.took_s,
        own_cores=finished.own_cpu_s / max(finished.took_s, 1e-9),
        cost=cost,
        turns=turns,
    )
    made.misses.extend(_misses(made, users, real_time))
    return made


def _parts(turns: Sequence[TurnFigures]) -> dict[str, Percentiles]:
    names = list(dict.fromkeys(name for turn in turns for name in turn.parts_ms))
    return {name: Percentiles.of(turn.parts_ms[name] for turn in turns if name in turn.parts_ms) for name in names}


def _misses(made: Summary, users: Sequence[UserFigures], limits: RealTime) -> Iterable[str]:
    if made.late_ms > limits.late_ms:
        yield f"the simulated users were late by {made.late_ms:.0f} ms: this program was too slow, or has no CPU left"
    for outcome, what in (("refused", "refused"), ("failed", "cut off or not reached")):
        if count := made.outcomes[outcome]:
            yield f"{count} of {len(users)} users were {what}"
    if not made.latency_ms.count:
        yield "no answer was heard"
        return
    if made.latency_ms.p50 > limits.median_ms:
        yield f"half of all answers took more than {limits.median_ms:.0f} ms: {made.latency_ms.p50:.0f} ms"
    if made.latency_ms.p95 > limits.slow_ms:
        yield f"one answer in twenty took more than {limits.slow_ms:.0f} ms: {made.latency_ms.p95:.0f} ms"
    if made.underrun_share > limits.underrun_share:
        yield f"{made.underrun_share:.1%} of the bot's sound came too late"
    if made.asked and made.unanswered / made.asked > limits.unanswered_share:
        yield f"{made.unanswered} of {made.asked} turns were not answered"
