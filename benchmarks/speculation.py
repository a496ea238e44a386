"""Replies that are begun ahead: voice to voice with them and without, in one run, and the CPU time of both.

Two server processes with the embedded models, one with `llm_speculations` as it is by default, one with 0. The same
utterances of real human speech are said to both, a few in a call to the one and then in a call to the other, in turns,
so that a machine that gets slower meanwhile is as slow for both. Only one is talked to at a time. Measured as by
`python -m benchmarks.conversation`; the CPU time is the server's, of the calls alone.

    python -m benchmarks.speculation            54 turns with each, about twenty minutes
    python -m benchmarks.speculation --quick    6 turns with each
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.common import (
    SUMMARY,
    Progress,
    Report,
    Server,
    Table,
    Utterance,
    call,
    command,
    percentile,
    summary,
    utterances,
)
from benchmarks.conversation import Turn, parts, take_turns

TURNS, QUICK_TURNS = 54, 6
A_CALL = 6
"""Turns in a call. The first one of a conversation has an empty history, the last one five turns of it."""


@dataclass(slots=True)
class _Side:
    """One of the two servers, and its turns."""

    name: str
    server: Server
    turns: list[Turn] = field(default_factory=list[Turn])
    cpu_s: float = 0.0

    @property
    def good(self) -> list[Turn]:
        return [turn for turn in self.turns if turn.latency_ms is not None and not turn.early]

    @property
    def latencies(self) -> list[float]:
        return [turn.latency_ms for turn in self.good if turn.latency_ms is not None]


def run(progress: Progress, *, quick: bool) -> Report:
    """Hold the conversations."""
    wanted = utterances(QUICK_TURNS if quick else TURNS)
    with Server() as ahead, Server("--llm-speculations", "0") as plain:
        sides = [_Side("begun ahead", ahead), _Side("begun at the end", plain)]
        asyncio.run(_converse(sides, wanted, progress))
    return _report(sides)


async def _converse(sides: Sequence[_Side], wanted: Sequence[Utterance], progress: Progress) -> None:
    for begin in range(0, len(wanted), A_CALL):
        for side in sides if begin // A_CALL % 2 == 0 else reversed(sides):
            progress("voice to voice", sum(len(one.turns) for one in sides), len(wanted) * len(sides))
            before_s = side.server.cpu_s()
            async with call(side.server.url) as caller:
                await take_turns(caller, wanted[begin : begin + A_CALL], side.turns.append)
            side.cpu_s += side.server.cpu_s() - before_s


def _report(sides: Sequence[_Side]) -> Report:
    names = [side.name for side in sides]
    return Report(
        "speculation",
        "Replies that are begun ahead",
        tables=[
            Table(
                "From the last loud sample to the first sound (ms)",
                ("reply", *SUMMARY),
                [[side.name, *summary(side.latencies)] for side in sides],
            ),
            Table("The parts of it (ms, p50)", ("part", *names), _medians(sides)),
            Table("Turns", ("kind", *names), _counts(sides)),
        ],
        notes=[f"CPU of a turn {side.name}: {side.cpu_s / max(1, len(side.turns)):.2f} s" for side in sides],
        raw=[turn.raw() | {"reply": side.name} for side in sides for turn in side.turns],
    )


def _medians(sides: Sequence[_Side]) -> list[list[str | float]]:
    found = [dict(parts(side.good)) for side in sides]
    return [[name, *(percentile(one.get(name, []), 50) for one in found)] for name in found[0]]


def _counts(sides: Sequence[_Side]) -> list[list[str | int]]:
    return [
        ["answered when the user had finished", *(len(side.good) for side in sides)],
        ["early", *(sum(turn.early for turn in side.turns) for side in sides)],
        ["never answered", *(sum(turn.answer is None for turn in side.turns) for side in sides)],
    ]


if __name__ == "__main__":
    sys.exit(command("speculation", run, __doc__))
