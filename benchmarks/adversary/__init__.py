"""What others notice of an attack: a server with fake services, a probe, a talker, and one attack after the other.

- *Probe*: a small request twenty times a second, from its sending to its answer.
- *Turn*: from the end of the talker's words to the first sound of the answer. The fakes take some 0.6 s of it.
- *Cores*: CPU time of the server, of all threads, by the time that passed.
- *Memory*: resident memory of the server process before the attack, its peak in it, and two seconds after it.

The first row is without an attack: on a machine that does other work, compare with that.

    python -m benchmarks adversary            about five minutes
    python -m benchmarks adversary --quick    a minute
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from benchmarks.adversary.attacks import ATTACKS
from benchmarks.adversary.bystanders import Lost, Probe, Talker
from benchmarks.common import Progress, Report, Server, Skipped, Table, command, fakes, percentile

__all__ = ["Observed", "beside", "fakes", "main", "observed", "run"]

SECONDS, QUICK_S, SETTLES_S, SAMPLE_S = 20.0, 3.0, 2.0, 0.05
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Observed:
    """What was noticed while an attack went on.

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


def observed(attacks: Sequence[str], *, seconds: float, progress: Progress | None = None) -> list[Observed]:
    """Run the attacks, one after the other, on one server; the first of what is returned is without any."""
    with fakes() as services, Server(*services) as server:
        return asyncio.run(_all(server, attacks, seconds, progress))


async def _all(server: Server, attacks: Sequence[str], seconds: float, progress: Progress | None) -> list[Observed]:
    found: list[Observed] = []
    for number, attack in enumerate(["", *attacks]):
        if progress is not None:
            progress(attack or "undisturbed", number, len(attacks) + 1)
        found.append(await beside(server, attack, seconds))
    return found


async def beside(server: Server, attack: str, seconds: float) -> Observed:
    """Observe one attack of `ATTACKS`, or none, for so long; the talker finishes its turn."""
    async with aiohttp.ClientSession(server.url) as http:
        probe, talker = Probe(await _connected(http)), Talker(await _connected(http))
        await talker.turn()  # the first one opens connections
        talker.turns_ms.clear()
        memory_mb = [server.memory_mb()]
        sampling = asyncio.create_task(_sample(server, memory_mb))
        process = None if not attack else await _start(attack, server.url, seconds)
        began_s, cpu_s = time.monotonic(), server.cpu_s()
        lost = await _watch(probe, talker, seconds)
        sent, cut_off = (0, 0) if process is None else await _result(process)
        cores = (server.cpu_s() - cpu_s) / (time.monotonic() - began_s)
        sampling.cancel()
        await asyncio.sleep(SETTLES_S)
        after_mb = server.memory_mb()
        return Observed(
            attack,
            probe.answers_ms,
            talker.turns_ms,
            memory_mb[0],
            max(memory_mb),
            after_mb,
            cores,
            sent,
            cut_off,
            lost,
        )


async def _sample(server: Server, memory_mb: list[float]) -> None:
    while True:
        await asyncio.sleep(SAMPLE_S)
        memory_mb.append(server.memory_mb())


async def _connected(http: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
    return await http.ws_connect("/v1/realtime", protocols=())


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
    asking, until_s = asyncio.create_task(probe.run()), asyncio.get_running_loop().time() + seconds
    try:
        while asyncio.get_running_loop().time() < until_s:
            await talker.turn()
        if asking.done():
            await asking
    except Lost as lost:
        return str(lost)
    finally:
        asking.cancel()
        with suppress(asyncio.CancelledError, Lost):
            await asking
        await probe.talk.close()
        await talker.talk.close()
    return ""


def run(progress: Progress, *, quick: bool) -> Report:
    """Each attack for some seconds."""
    if not sys.platform.startswith("linux"):
        raise Skipped("what a process takes is read from /proc, which only Linux has")
    found = observed(list(ATTACKS), seconds=QUICK_S if quick else SECONDS, progress=progress)
    columns = (
        "attack",
        "probe p95 (ms)",
        "slowest turn (ms)",
        "before (MB)",
        "peak (MB)",
        "after (MB)",
        "cores",
        "sent",
        "cut off",
        "lost",
    )
    rows = [
        [
            one.attack or "none",
            one.probe_p95_ms,
            one.slowest_turn_ms,
            one.before_mb,
            one.peak_mb,
            one.after_mb,
            one.cores,
            one.sent,
            one.cut_off,
            one.lost or "nobody",
        ]
        for one in found
    ]
    return Report("adversary", "Beside an attack", [Table("What others notice", columns, rows)])


def main() -> int:
    """Run this benchmark alone."""
    return command("adversary", run, __doc__)
