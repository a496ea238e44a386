"""Capacity: how many conversations at once this machine carries with the embedded models.

For N = 1 to 4, N clients hold conversations with one server process at the same time, each saying other utterances
than the others. Voice to voice is measured as in `benchmarks.conversation`; a turn that is never answered counts as
6.5 s, one that the bot began to answer too early stands apart. `lost` is how many milliseconds of sound the server
says that it had to drop (`Overflowed`). CPU is that of the server process: two cores have 120 s per minute. The
clients run in one other process on the same machine, which takes a few per cent of a core for each.

The result is the largest N, up to which all have a p95 of 1.5 s or less. What a server admits when it is not told
otherwise, `voicepipe.engine.local.SESSIONS_PER_CORE` for each core, should not be more than that.

    python -m benchmarks.capacity            1 to 4 clients, 10 turns each, about seven minutes
    python -m benchmarks.capacity --quick    1 and 2 clients, 3 turns each
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.common import Budget, Progress, Report, Server, Table, Utterance, call, command, percentile, utterances
from benchmarks.conversation import ANSWERS_WITHIN_S, Turn, take_turns
from voicepipe.boundary.cores import usable_cores
from voicepipe.engine.local import SESSIONS_PER_CORE

MOST, QUICK_MOST = 4, 2
TURNS, QUICK_TURNS = 10, 3
P95_MS = 1500.0
STEP = 7
"""Each client begins so many utterances further on than the one before."""


@dataclass(frozen=True, slots=True)
class Load:
    """The results of `clients` conversations at once."""

    clients: int
    turns: Sequence[Turn]
    lost_ms: float
    overflows: int
    wall_s: float
    cpu_s: float
    late_ms: float

    @property
    def latencies_ms(self) -> list[float]:
        return [
            turn.latency_ms if turn.latency_ms is not None else ANSWERS_WITHIN_S * 1000
            for turn in self.turns
            if not turn.early
        ]

    @property
    def p95_ms(self) -> float:
        return percentile(self.latencies_ms, 95)

    def row(self) -> list[str | int | float | None]:
        count = len(self.turns)
        unanswered = sum(turn.answer is None for turn in self.turns)
        times = [percentile(self.latencies_ms, 50), self.p95_ms, count - len(self.latencies_ms), unanswered]
        return [self.clients, count, *times, self.overflows, self.lost_ms, 60 * self.cpu_s / self.wall_s]


COLUMNS = ("clients", "turns", "p50 ms", "p95 ms", "early", "unanswered", "overflows", "lost ms", "CPU s per minute")


def run(progress: Progress, *, quick: bool) -> Report:
    """One client, two, and so on, on one server."""
    most, turns = (QUICK_MOST, QUICK_TURNS) if quick else (MOST, TURNS)
    loads: list[Load] = []
    done = 0

    def tell(_: object = None) -> None:
        nonlocal done
        done += 1
        progress(f"{len(loads) + 1} at once", done, turns * most * (most + 1) // 2)

    with Server("--max-sessions", str(most)) as server:
        for clients in range(1, most + 1):
            load = asyncio.run(_load(server, clients, turns, tell))
            loads.append(load)
    return _report(loads)


async def _load(server: Server, clients: int, count: int, tell: Callable[[object], None]) -> Load:
    loop = asyncio.get_running_loop()
    began_s, cpu_s = loop.time(), server.cpu_s()
    each = [utterances(count, first=STEP * number) for number in range(clients)]
    found = await asyncio.gather(*(_converse(server.url, said, tell) for said in each))
    wall_s = loop.time() - began_s
    problems = [text for _, problems, _ in found for text in problems]
    lost_ms = [float(lost[1]) for text in problems if (lost := re.match(r"(\d+) ms of audio were dropped", text))]
    return Load(
        clients,
        [turn for turns, _, _ in found for turn in turns],
        sum(lost_ms),
        len(lost_ms),
        wall_s,
        server.cpu_s() - cpu_s,
        percentile([late for _, _, every in found for late in every], 99),
    )


async def _converse(
    url: str, said: Sequence[Utterance], tell: Callable[[object], None]
) -> tuple[list[Turn], list[str], list[float]]:
    """The turns, what the server complained about, and how late each frame was sent."""
    turns: list[Turn] = []

    def done(turn: Turn) -> None:
        turns.append(turn)
        tell(turn)

    async with call(url) as caller:
        await take_turns(caller, said, done)
    await asyncio.sleep(1.0)  # the server may still be cleaning up
    return turns, caller.problems, caller.late_ms


def _report(loads: Sequence[Load]) -> Report:
    carried = 0
    for load in loads:
        if not load.p95_ms <= P95_MS:
            break
        carried = load.clients
    admitted = SESSIONS_PER_CORE * usable_cores()
    at_limit = [load for load in loads if load.clients == admitted]
    return Report(
        "capacity",
        "Conversations at once",
        tables=[Table("Voice to voice, by the number of clients", COLUMNS, [load.row() for load in loads])],
        budgets=[
            Budget(f"p95 with {admitted}, as many as the server admits", load.p95_ms, P95_MS, "ms") for load in at_limit
        ],
        notes=[
            f"this machine carries {carried} at once (p95 of {P95_MS / 1000:g} s or less), of 1 to {len(loads)} tried",
            f"the clients sent their frames {max(load.late_ms for load in loads):.1f} ms late (p99, worst)",
        ],
        raw=[{"clients": load.clients, "turns": [turn.raw() for turn in load.turns]} for load in loads],
    )


if __name__ == "__main__":
    sys.exit(command("capacity", run, __doc__))
