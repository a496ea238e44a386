"""Conversations per core: one server process with all three services on the network, on one core of its own.

A real server (`voicepipe serve --workers 1`) on one core; the test services and the users in this process, on the other
cores. Each user says a recorded sentence every 8 s, as Ogg-Opus in Unmute's dialect, and hears an answer of 2.6 s of
recorded speech (`benchmarks.common.load`). The number of conversations grows until they are no longer in real time.

- *CPU* is that of the server process, of all threads, by the system's accounting, per second of a conversation.
- *Added* is the latency of `benchmarks.services`, by the services' own log: from the recogniser's step with the pause
  to the user's first sound, without the time that the services took. The *do-nothing backend*
  (`benchmarks.sides.do_nothing`) decodes, forwards, and sends packets that are ready: what it adds is the machine's,
  the event loop's and the services', and no server adds less.
- *Underruns* are replies whose sound came too late by more than 40 ms for a client that plays at once.
- *In real time* is a number of conversations with an added p95 of 200 ms or less, no underrun and no error, and the
  most for which this and all smaller numbers hold.
- *Memory* is the resident size: before the first conversation, and how much more with them.
- *Ready* is from the process's start to the line that says that it listens, without embedded models.

CPU time per second of a conversation says the same on a busy machine; latencies and the greatest number do not.

    python -m benchmarks.sessions            1, 4, 8, 16, 24, … conversations of 36 s, about ten minutes
    python -m benchmarks.sessions --quick    4 and 8 of 20 s

The picture of the documentation:

    python -m benchmarks.sessions --json figures.json
    python -m benchmarks.sides.picture figures.json docs/sessions.svg
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from benchmarks.common import Budget, Cell, Progress, Report, Server, Skipped, Table, command, percentile
from benchmarks.common.load import Load, load
from benchmarks.services import took
from benchmarks.sides.do_nothing import DoNothing

COUNTS, QUICK_COUNTS = (1, 4, 8, 16, 24, 32, 40, 48, 56, 64, 80), (4, 8)
COMPARED = (16, 56)
"""Numbers at which the do-nothing backend is measured, too."""
LASTS_S, QUICK_LASTS_S = 36.0, 20.0
ADDED_P95_MS, LATE_MS = 200.0, 40.0
IN_REAL_TIME, CPU_MS, BASE_MB, SESSION_MB, READY_S = 56, 14.0, 70.0, 0.5, 1.0


@dataclass(frozen=True, slots=True)
class Found:
    """The results of a number of conversations at once."""

    count: int
    added_ms: Sequence[float]
    cpu_ms: float
    cores: float
    memory_mb: float
    turns: int
    underruns: int
    errors: int
    late_ms: float

    @property
    def in_real_time(self) -> bool:
        """Return whether everything came in time."""
        heard = bool(self.added_ms) and percentile(self.added_ms, 95) <= ADDED_P95_MS
        return heard and not self.underruns and not self.errors

    def row(self, name: str) -> list[Cell]:
        followed = f"{len(self.added_ms)}/{self.turns}"
        added = [percentile(self.added_ms, 50), percentile(self.added_ms, 95)]
        costs = [self.cpu_ms, self.cores, self.memory_mb]
        return [f"{name}, {self.count}", *costs, *added, followed, self.underruns, self.errors, self.late_ms]


COLUMNS = (
    *("server, conversations", "CPU ms/s", "cores", "MB", "added p50 ms", "p95 ms", "turns followed"),
    *("underruns", "errors", "users late p99 ms"),
)


def run(progress: Progress, *, quick: bool) -> Report:
    """Raise the number of conversations until they are no longer in real time."""
    if sys.platform != "linux":
        raise Skipped("it reads /proc and pins processes to cores, so it needs Linux")
    core, *others = sorted(os.sched_getaffinity(0))
    if not others:
        raise Skipped("it needs a core for the server and one for the users")
    counts, lasts_s = (QUICK_COUNTS, QUICK_LASTS_S) if quick else (COUNTS, LASTS_S)
    with _on(others):
        return asyncio.run(_measured(progress, counts, lasts_s, core))


@contextmanager
def _on(cores: Sequence[int]) -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    gc.collect()
    gc.freeze()  # the users' own pauses would count as the server's
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


async def _measured(progress: Progress, counts: Sequence[int], lasts_s: float, core: int) -> Report:
    found: list[Found] = []
    floor: list[Found] = []
    async with load() as services:
        options = [f"--{name}={url}" for name, url in zip(("stt", "tts", "llm"), services.urls, strict=True)]
        limits = ["--max-sessions", "512", "--max-sessions-per-address", "512"]
        with Server(*options, *limits, core=core) as server:
            ready_s, ready_cpu_s, base_mb = server.started_s, server.started_cpu_s, server.memory_mb()
            for number, count in enumerate(counts):
                progress(f"{count} conversations", number, len(counts))
                url = f"{server.url.replace('http', 'ws')}/v1/realtime"
                found.append(await _talk(services, server, url, count, lasts_s))
                if not found[-1].in_real_time and found[-1].cores > 0.9:
                    break
        for count in (one for one in COMPARED if one <= found[-1].count):
            progress(f"a do-nothing backend, {count}", len(counts), len(counts))
            with DoNothing(services.urls, core=core) as backend:
                floor.append(await _talk(services, backend, backend.url, count, lasts_s))
    return _report(found, floor, base_mb, ready_s, ready_cpu_s)


async def _talk(services: Load, server: Server | DoNothing, url: str, count: int, lasts_s: float) -> Found:
    services.forget()
    cpu_s, began_s = server.cpu_s(), time.monotonic()
    memory: list[float] = []
    watch = asyncio.create_task(_watch(server, memory))
    await services.talk(url, count, lasts_s)
    watch.cancel()
    cpu_s, wall_s = server.cpu_s() - cpu_s, time.monotonic() - began_s
    asked = [turn for user in services.users for turn in user.asked(lasts_s)]
    taken = [one for one in (took(turn, services.notes) for turn in asked) if one is not None]
    await asyncio.sleep(1.0)  # the server cleans up
    return Found(
        count,
        [one.added for one in taken],
        1000 * cpu_s / (count * lasts_s),
        cpu_s / wall_s,
        max(memory, default=float("nan")),
        len(asked),
        sum(reply.stalled_s * 1000 > LATE_MS for user in services.users for reply in user.replies),
        sum(len(user.problems) + user.refused for user in services.users),
        percentile([late for user in services.users for late in user.late_ms], 99),
    )


async def _watch(server: Server | DoNothing, memory: list[float]) -> None:
    while True:
        await asyncio.sleep(1.0)
        memory.append(server.memory_mb())


def _report(
    found: Sequence[Found], floor: Sequence[Found], base_mb: float, ready_s: float, ready_cpu_s: float
) -> Report:
    carried = 0
    for one in found:
        if not one.in_real_time:
            break
        carried = one.count
    most = found[-1]
    each_mb = (max(one.memory_mb for one in found) - base_mb) / max(one.count for one in found)
    at_16 = next((one for one in found if one.count == 16), most)
    rows = [*(one.row("voicepipe") for one in found), *(one.row("do-nothing") for one in floor)]
    return Report(
        "sessions",
        "Conversations per core, with all three services on the network",
        tables=[Table("One process on one core", COLUMNS, rows)],
        budgets=[
            Budget("too few conversations in real time", max(0, IN_REAL_TIME - carried), 0, "conversations"),
            Budget(f"CPU per second of a conversation, at {at_16.count}", at_16.cpu_ms, CPU_MS, "ms"),
            Budget(f"CPU per second of a conversation, at {most.count}", most.cpu_ms, CPU_MS, "ms"),
            Budget("memory without a conversation", base_mb, BASE_MB, "MB"),
            Budget("memory of a conversation", each_mb, SESSION_MB, "MB"),
            Budget("start to ready, without embedded models", ready_s, READY_S, "s"),
        ],
        notes=[
            f"{carried} conversations in real time, of at most {most.count} tried",
            f"{ready_cpu_s:.2f} s of CPU from the start to ready",
        ],
        raw=[asdict(one) for one in (*found, *floor)],
    )


if __name__ == "__main__":
    sys.exit(command("sessions", run, __doc__))
