"""Conversations that a server process carries at once: what they take, and how well they are served."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.common.load import Load
from benchmarks.common.report import Cell, percentile
from benchmarks.common.server import Server
from benchmarks.services import took

__all__ = ["ADDED_P95_MS", "COLUMNS", "TITLE", "Carried", "carry"]

ADDED_P95_MS, LATE_MS = 200.0, 40.0
LOOKS_EVERY_S = 0.25
CLEANS_UP_S = 1.0

COLUMNS = ("server", "n", "CPU", "core %", "MB", "p50", "p95", "lost", "late", "errors")
"""Of a table that a terminal of 80 columns shows; `TITLE` has the units."""
TITLE = "n conversations: CPU in ms per second of each, memory, and added latency in ms"


@dataclass(frozen=True, slots=True)
class Carried:
    """The results of a number of conversations at once.

    `cpu_ms` is per second of a conversation, its beginning and its end included; `cores` is while all of them talk.
    """

    server: str
    count: int
    lasts_s: float
    added_ms: Sequence[float]
    cpu_ms: float
    cores: float
    memory_mb: float
    base_mb: float
    turns: int
    underruns: int
    errors: int
    late_ms: float

    @property
    def p50_ms(self) -> float:
        return percentile(self.added_ms, 50)

    @property
    def p95_ms(self) -> float:
        return percentile(self.added_ms, 95)

    @property
    def lost(self) -> int:
        """Return how many turns had no answer that could be followed: none came, or the sound of an earlier one did."""
        return self.turns - len(self.added_ms)

    @property
    def in_real_time(self) -> bool:
        """Return whether everything came, and in time."""
        wrong = self.lost + self.underruns + self.errors
        return bool(self.added_ms) and self.p95_ms <= ADDED_P95_MS and not wrong

    def row(self) -> list[Cell]:
        costs = [self.cpu_ms, round(100 * self.cores), round(self.memory_mb)]
        return [self.server, self.count, *costs, self.p50_ms, self.p95_ms, self.lost, self.underruns, self.errors]

    def raw(self) -> dict[str, Any]:
        return {**asdict(self), "p50_ms": self.p50_ms, "p95_ms": self.p95_ms, "in_real_time": self.in_real_time}


@dataclass(frozen=True, slots=True)
class _Look:
    at_s: float
    cpu_s: float
    memory_mb: float


async def carry(
    services: Load, server: Server, name: str, url: str, count: int, lasts_s: float, base_mb: float
) -> Carried:
    """Hold `count` conversations of `lasts_s` at once. Raises ServerFailed if the process ends."""
    services.forget()
    looks = [_look(server)]
    watching = asyncio.create_task(_watch(server, looks))
    await services.talk(url, count, lasts_s)
    watching.cancel()
    looks.append(_look(server))
    await asyncio.sleep(CLEANS_UP_S)
    users = services.users
    asked = [turn for user in users for turn in user.asked(lasts_s)]
    taken = [one for one in (took(turn, services.notes) for turn in asked) if one is not None and one.play > 0]
    return Carried(
        name,
        count,
        lasts_s,
        [one.added for one in taken],
        cpu_ms=1000 * (looks[-1].cpu_s - looks[0].cpu_s) / (count * lasts_s),
        cores=_cores(looks, [user.began_s for user in users], lasts_s),
        memory_mb=max(one.memory_mb for one in looks),
        base_mb=base_mb,
        turns=len(asked),
        underruns=sum(reply.stalled_s * 1000 > LATE_MS for user in users for reply in user.replies),
        errors=sum(len(user.problems) + user.refused for user in users),
        late_ms=percentile([late for user in users for late in user.late_ms], 99),
    )


def _cores(looks: Sequence[_Look], began_s: Sequence[float], lasts_s: float) -> float:
    """Return the load from when the last one has begun until the first one ends; of all the time if there is none."""
    within = [look for look in looks if max(began_s) <= look.at_s <= min(began_s) + lasts_s]
    first, *_, last = within if len(within) > 1 else looks
    return (last.cpu_s - first.cpu_s) / (last.at_s - first.at_s)


def _look(server: Server) -> _Look:
    return _Look(asyncio.get_running_loop().time(), server.cpu_s(), server.memory_mb())


async def _watch(server: Server, looks: list[_Look]) -> None:
    while True:
        await asyncio.sleep(LOOKS_EVERY_S)
        looks.append(_look(server))
