"""Effects of an attack on others: a server with fake services, a probe, a talker, and one attack after the other.

- *Probe*: a small request twenty times a second, from its sending to its answer.
- *Turn*: from the end of the talker's words to the first sound of the answer. The fakes take some 0.6 s of it. The
  slowest is also shown as a multiple of the slowest without an attack.
- *Cores*: CPU time of the server, of all threads, by the time that passed.
- *Memory*: resident memory of the server process before the attack, its peak in it, and two seconds after it.

The first row is without an attack: on a machine that does other work, compare with that; or, as root, run it before all
other programs. The attackers give way in any case: a real one has a computer of its own.

    python -m benchmarks adversary                      about five minutes
    python -m benchmarks adversary --quick              two minutes
    sudo chrt --rr 5 python -m benchmarks adversary     on a machine that is busy
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from benchmarks.adversary.attacks import ATTACKS
from benchmarks.adversary.bystanders import Line, Lost, Probe, Talker
from benchmarks.common import (
    Budget,
    Progress,
    Report,
    Server,
    Skipped,
    Table,
    command,
    fakes,
    percentile,
)

__all__ = ["Observed", "fakes", "main", "observed", "run"]

SECONDS, QUICK_S, SETTLES_S, SAMPLE_S = 10.0, 3.0, 2.0, 0.05
PROBE_P95_MS, TURN_RATIO = 20.0, 1.3
_ANSWER = "It is late."
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Observed:
    """Measurements made during an attack.

    The server used so many `cores`. The attack has `sent` so much, and was `cut_off` so often. `lost` says which
    bystander was lost.
    """

    attack: str
    probe_ms: Sequence[float]
    turns_ms: Sequence[float]
    before_mb: float
    peak_mb: float
    after_mb: float
    cores: float
    sent: int = 0
    cut_off: int = 0
    lost: str = ""

    @property
    def probe_p95_ms(self) -> float:
        """Return the 95th percentile of the probe's answers."""
        return percentile(self.probe_ms, 95)

    @property
    def slowest_turn_ms(self) -> float:
        """Return the slowest turn; NaN without one."""
        return max(self.turns_ms, default=float("nan"))


def observed(
    attacks: Sequence[str], *, seconds: float, settles_s: float = SETTLES_S, progress: Progress | None = None
) -> list[Observed]:
    """Run the attacks, one after the other, on one server; the first of what is returned is without any."""
    with fakes("--answers", _ANSWER) as services, Server(*services) as server:
        return asyncio.run(_all(server, attacks, seconds, settles_s, progress))


async def _all(
    server: Server, attacks: Sequence[str], seconds: float, settles_s: float, progress: Progress | None
) -> list[Observed]:
    found, left = list[Observed](), deque(["", *attacks])
    while left:
        async with _bystanders(server) as (probe, talker):
            while left and not (found and found[-1].lost):
                if progress is not None:
                    progress(left[0] or "undisturbed", len(found), len(attacks) + 1)
                found.append(await _beside(server, left.popleft(), seconds, settles_s, probe, talker))
    return found


@asynccontextmanager
async def _bystanders(server: Server) -> AsyncIterator[tuple[Probe, Talker]]:
    """Connect a probe and a talker. A first turn opens the connections to the services."""
    async with aiohttp.ClientSession(server.url) as http, Line.opened(http) as asks, Line.opened(http) as talks:
        talker = Talker(talks)
        await talker.turn()
        yield Probe(asks), talker


async def _beside(
    server: Server, attack: str, seconds: float, settles_s: float, probe: Probe, talker: Talker
) -> Observed:
    """Observe one attack of `ATTACKS`, or none, for so long; the talker finishes its turn."""
    probe.answers_ms, talker.turns_ms = [], []
    memory_mb = [server.memory_mb()]
    sampling = asyncio.create_task(_sample(server, memory_mb))
    process = None if not attack else await _start(attack, server.url, seconds)
    began_s, cpu_s = time.monotonic(), server.cpu_s()
    lost = await _watch(probe, talker, seconds)
    sent, cut_off = (0, 0) if process is None else await _result(process)
    cores = (server.cpu_s() - cpu_s) / (time.monotonic() - began_s)
    sampling.cancel()
    await asyncio.sleep(settles_s)
    before_mb, peak_mb, after_mb = memory_mb[0], max(memory_mb), server.memory_mb()
    answers_ms, turns_ms = probe.answers_ms, talker.turns_ms
    return Observed(attack, answers_ms, turns_ms, before_mb, peak_mb, after_mb, cores, sent, cut_off, lost)


async def _sample(server: Server, memory_mb: list[float]) -> None:
    while True:
        await asyncio.sleep(SAMPLE_S)
        memory_mb.append(server.memory_mb())


async def _start(attack: str, url: str, seconds: float) -> asyncio.subprocess.Process:
    """Return the process of an attack that has begun."""
    program = f"from benchmarks.adversary.attacks import main; main({attack!r}, {url!r}, {seconds!r})"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, cwd=_ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    await process.stdout.readline()
    return process


async def _result(process: asyncio.subprocess.Process) -> tuple[int, int]:
    said, _ = await process.communicate()
    sent, cut_off = said.split()
    return int(sent), int(cut_off)


async def _watch(probe: Probe, talker: Talker, seconds: float) -> str:
    """Let the bystanders go on for so long, and the talker to the end of its turn; return how one was lost."""
    over, until_s = asyncio.Event(), asyncio.get_running_loop().time() + seconds
    asking = asyncio.create_task(probe.run(over))
    try:
        while asyncio.get_running_loop().time() < until_s:
            await talker.turn()
        over.set()
        await asking
    except Lost as lost:
        return str(lost)
    finally:
        asking.cancel()
        await asyncio.wait([asking])
    return ""


def run(progress: Progress, *, quick: bool) -> Report:
    """Each attack for some seconds."""
    if not sys.platform.startswith("linux"):
        raise Skipped("what a process takes is read from /proc, which only Linux has")
    found = observed(list(ATTACKS), seconds=QUICK_S if quick else SECONDS, progress=progress)
    columns = "attack", "p95 (ms)", "turn (ms)", "turn (×)", "MB", "peak", "after", "cores", "sent", "cut off", "lost"
    rows = [
        [
            one.attack or "none",
            one.probe_p95_ms,
            one.slowest_turn_ms,
            one.slowest_turn_ms / found[0].slowest_turn_ms,
            one.before_mb,
            one.peak_mb,
            one.after_mb,
            one.cores,
            one.sent,
            one.cut_off,
            one.lost or "none",
        ]
        for one in found
    ]
    budgets = [
        Budget("slowest p95 of the probe", max(one.probe_p95_ms for one in found), PROBE_P95_MS, "ms"),
        Budget("slowest turn", max(row[3] for row in rows), TURN_RATIO, "× alone"),
    ]
    return Report("adversary", "Beside an attack", [Table("What others notice", columns, rows)], budgets)


def main() -> int:
    """Run this benchmark alone."""
    return command("adversary", run, __doc__)
