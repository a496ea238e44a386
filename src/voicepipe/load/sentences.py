"""A run in sentences, for the terminal and below its picture."""

from __future__ import annotations

from collections.abc import Iterator

from voicepipe.load.server_figures import Cost
from voicepipe.load.summary import Summary

__all__ = ["sentences"]


def sentences(summary: Summary) -> Iterator[str]:
    """Yield a run in sentences: outcomes, sound that came too late, complaints, cost, and whether it was in real time.

    Args:
        summary: The run.
    """
    outcomes = summary.outcomes
    yield (
        f"{summary.sessions} users: {outcomes['done']} to the end, {outcomes['refused']} refused, "
        f"{outcomes['failed']} cut off; {summary.asked} turns, {summary.unanswered} not answered, the bot spoke over "
        f"the user {summary.over_user} times"
    )
    yield f"sound that came too late: {summary.underruns} times, {summary.underrun_share:.2%} of the bot's sound"
    for what, counts in (("ended", summary.reasons), ("the server says", summary.problems)):
        for reason, number in counts.items():
            yield f"{what} ({number}x): {reason}"
    yield from _cost(summary.cost, summary.parts_ms == {})
    yield f"the simulated users took {summary.own_cores:.2f} cores, and were late by {summary.late_ms:.0f} ms at most"
    if summary.kept_up:
        yield "In real time."
    for miss in summary.misses:
        yield f"Not in real time: {miss}."


def _cost(cost: Cost | None, tells_parts: bool) -> Iterator[str]:
    if cost is None:
        yield "the server's CPU and memory are not known: this address has no /metrics of it; a proxy may hide them"
        return
    per_session = "" if cost.cpu_per_session is None else f", {cost.cpu_per_session:.3f} of a core a session"
    memory = (
        "" if cost.memory_per_session_bytes is None else f", {cost.memory_per_session_bytes / 1e6:.1f} MB a session"
    )
    yield f"the server: {cost.cores:.2f} cores{per_session}; {cost.peak_memory_bytes / 1e6:.0f} MB{memory}"
    if tells_parts and cost.parts_ms:
        parts = ", ".join(f"{name} {ms:.0f}" for name, ms in cost.parts_ms.items())
        yield f"the parts of its answers, mean in ms: {parts}"
