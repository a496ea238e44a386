"""Conversations per core: one server process with all three services on the network, on one core of its own.

A real server (`voicepipe serve --workers 1`) on one core; the test services and the users in this process, on the other
cores. Each user says a recorded sentence every 8 s, as Ogg-Opus in Unmute's dialect, and hears an answer of 2.6 s of
recorded speech (`benchmarks.common.load`). The number of conversations grows until they are no longer in real time.
Then the same for two other servers: a do-nothing backend, and pipecat.

- *CPU* is that of the server process, of all threads, by the system's accounting, per second of a conversation; *core*
  is how much of the core it takes while all of them talk.
- *Added* (p50, p95) is the latency of `benchmarks.services`, by the services' own log: from the recogniser's step with
  the pause to the user's first sound, without the time that the services took. The *do-nothing backend*
  (`benchmarks.sides.do_nothing`) decodes, forwards, and sends packets that are ready: what it adds is the machine's,
  the event loop's and the services', and no server adds less.
- *Lost* are turns without an answer that could be followed. *Late* are replies whose sound came too late by more than
  40 ms for a client that plays at once.
- *In real time* is a number of conversations with an added p95 of 200 ms or less, nothing lost, nothing late and no
  error, and the most for which this and all smaller numbers hold.
- *MB* is the resident size; a conversation's is how much more it is with them than before the first.
- *Ready* is from the process's start to the line that says that it listens, without embedded models.

pipecat is measured in the same run, on a pipeline as its documentation has it (`benchmarks.sides.pipecat_backend`). It
is installed by pip, once, into an environment of its own in your cache folder (about 500 MB); where that fails, it is
left out, and the report says so.

CPU time per second of a conversation says the same on a busy machine; latencies and the greatest number do not. The
first conversation of a process, which loads what is loaded on first use, is not measured.

    python -m benchmarks.sessions            1 to 80 conversations of 28 or 36 s, at most 14 minutes
    python -m benchmarks.sessions --quick    4 and 8 of 20 s

The picture of the documentation, in its two colour schemes, and its table:

    python -m benchmarks.sessions --json figures.json
    python -m benchmarks.sides.picture figures.json docs
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.common import Budget, Progress, Report, Server, ServerFailed, Skipped, Table, command
from benchmarks.common.carried import COLUMNS, TITLE, Carried, carry
from benchmarks.common.load import Load, load
from benchmarks.common.pipecat_environment import VERSION, installed
from benchmarks.common.server import Backend

WARM_UP_S = 5.0
FEW, FEW_LAST_S, LASTS_S, QUICK_LASTS_S = 16, 36.0, 28.0, 20.0
"""Up to `FEW` conversations have four turns each, more have three: their percentiles have more turns, and the whole run
has 14 minutes."""
IN_REAL_TIME, CPU_MS, BASE_MB, SESSION_MB, READY_S = 56, 14.0, 70.0, 0.5, 1.0
ABOVE_NOTHING_MS = {16: (6.0, 12.0), 56: (25.0, 100.0)}
"""By the number of conversations: the latency above the do-nothing backend's, p50 and p95."""
FULL = 0.9
"""Of a core: a server that takes less, and was in real time before, may carry more than a number that was not."""


@dataclass(frozen=True, slots=True)
class Counts:
    """The numbers of conversations, by the server."""

    voicepipe: Sequence[int] = (1, 8, 16, 24, 32, 48, 56, 64, 80)
    nothing: Sequence[int] = (1, 16, 56)
    pipecat: Sequence[int] = (1, 16, 32, 48, 56, 64, 80)

    @property
    def total(self) -> int:
        return len(self.voicepipe) + len(self.nothing) + len(self.pipecat)


QUICK = Counts((4, 8), (8,), (8,))


@dataclass(slots=True)
class Found:
    """The results so far, in the order of their measurement."""

    carried: list[Carried] = field(default_factory=list[Carried])
    notes: list[str] = field(default_factory=list[str])
    ready_s: float = float("nan")
    ready_cpu_s: float = float("nan")

    def of(self, server: str) -> list[Carried]:
        return [one for one in self.carried if one.server == server]

    def at(self, server: str, count: int) -> Carried | None:
        return next((one for one in self.of(server) if one.count == count), None)

    def in_real_time(self, server: str) -> int:
        """Return the most conversations for which all smaller numbers were in real time, too."""
        most = 0
        for one in self.of(server):
            if not one.in_real_time:
                break
            most = one.count
        return most


def run(progress: Progress, *, quick: bool) -> Report:
    """Raise the number of conversations until they are no longer in real time."""
    if sys.platform != "linux":
        raise Skipped("it reads /proc and pins processes to cores, so it needs Linux")
    core, *others = sorted(os.sched_getaffinity(0))
    if not others:
        raise Skipped("it needs a core for the server and one for the users")
    found, python = Found(), None
    try:
        python = installed(progress)
    except Skipped as reason:
        found.notes.append(f"pipecat was not measured: {reason}")
    with _on(others):
        asyncio.run(_Run(progress, QUICK if quick else Counts(), quick, core, found).all(python))
    return report_of(found)


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


@dataclass(slots=True)
class _Run:
    progress: Progress
    counts: Counts
    quick: bool
    core: int
    found: Found
    done: int = 0

    async def all(self, pipecat: Path | None) -> None:
        """Measure the servers, one after the other: each has the core to itself."""
        async with load() as services:
            urls = services.urls
            options = [f"--{name}={url}" for name, url in zip(("stt", "tts", "llm"), urls, strict=True)]
            limits = ["--max-sessions", "512", "--max-sessions-per-address", "512"]
            await self._one(
                services, "voicepipe", lambda: Server(*options, *limits, core=self.core), self.counts.voicepipe
            )
            nothing = [sys.executable, "-m", "benchmarks.sides.do_nothing", *urls]
            await self._one(services, "do-nothing", lambda: Backend(nothing, core=self.core), self.counts.nothing)
            if pipecat is not None:
                script = Path(__file__).with_name("sides") / "pipecat_backend.py"
                theirs = [str(pipecat), str(script), *urls]
                try:
                    await self._one(services, "pipecat", lambda: Backend(theirs, core=self.core), self.counts.pipecat)
                except ServerFailed as reason:
                    self.found.notes.append(f"pipecat was not measured to the end: {reason}")

    async def _one(self, services: Load, name: str, opened: Callable[[], Server], counts: Sequence[int]) -> None:
        until = self.done + len(counts)
        with opened() as server:
            if name == "voicepipe":
                self.found.ready_s, self.found.ready_cpu_s = server.started_s, server.started_cpu_s
            url = server.url if server.url.startswith("ws") else f"{server.url.replace('http', 'ws')}/v1/realtime"
            base_mb = server.memory_mb()
            self.progress(f"{name}, warming up", self.done, self.counts.total)
            services.forget()
            await services.talk(url, 1, WARM_UP_S)
            for count in counts:
                self.progress(f"{name}, {count} conversations", self.done, self.counts.total)
                lasts_s = QUICK_LASTS_S if self.quick else FEW_LAST_S if count <= FEW else LASTS_S
                one = await carry(services, server, name, url, count, lasts_s, base_mb)
                self.found.carried.append(one)
                self.done += 1
                if self._is_over(name):
                    break
        self.done = until

    def _is_over(self, name: str) -> bool:
        *_, last = of_it = self.found.of(name)
        again = len(of_it) > 1 and not of_it[-2].in_real_time
        return not last.in_real_time and (again or last.cores > FULL)


def report_of(found: Found) -> Report:
    """Return the table, the promises and what the reader must know."""
    ours = found.of("voicepipe")
    most = ours[-1]
    at_16 = found.at("voicepipe", 16) or most
    each_mb = (max(one.memory_mb for one in ours) - most.base_mb) / max(one.count for one in ours)
    carried = found.in_real_time("voicepipe")
    return Report(
        "sessions",
        "Conversations per core, with all three services on the network",
        tables=[Table(TITLE, COLUMNS, [one.row() for one in found.carried])],
        budgets=[
            Budget("too few conversations in real time", max(0, IN_REAL_TIME - carried), 0, "conversations"),
            Budget(f"CPU per second of a conversation, at {at_16.count}", at_16.cpu_ms, CPU_MS, "ms"),
            Budget(f"CPU per second of a conversation, at {most.count}", most.cpu_ms, CPU_MS, "ms"),
            *_above_nothing(found),
            Budget("memory without a conversation", most.base_mb, BASE_MB, "MB"),
            Budget("memory of a conversation", each_mb, SESSION_MB, "MB"),
            Budget("start to ready, without embedded models", found.ready_s, READY_S, "s"),
        ],
        notes=[*found.notes, *_notes(found)],
        raw=[one.raw() for one in found.carried],
    )


def _above_nothing(found: Found) -> Iterator[Budget]:
    for count, (p50_ms, p95_ms) in ABOVE_NOTHING_MS.items():
        one, floor = found.at("voicepipe", count), found.at("do-nothing", count)
        if one is not None and floor is not None:
            what = f"added latency above the do-nothing backend's, at {count}"
            yield Budget(f"{what}, p50", one.p50_ms - floor.p50_ms, p50_ms, "ms")
            yield Budget(f"{what}, p95", one.p95_ms - floor.p95_ms, p95_ms, "ms")


def _notes(found: Found) -> Iterator[str]:
    for server in ("voicepipe", "pipecat"):
        if of_it := found.of(server):
            name = f"pipecat {VERSION}" if server == "pipecat" else server
            yield f"{name}: {found.in_real_time(server)} conversations in real time, of at most {of_it[-1].count} tried"
    yield f"voicepipe took {found.ready_cpu_s:.2f} s of CPU from the start to ready"
    late_ms = max(one.late_ms for one in found.carried)
    yield f"the users sent their own packets at most {late_ms:.1f} ms late (p99 of the worst row)"


if __name__ == "__main__":
    sys.exit(command("sessions", run, __doc__))
