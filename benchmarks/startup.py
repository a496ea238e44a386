"""The cost of a server: time to start, memory, CPU.

- *Start*: from the start of the process `voicepipe serve` to its first line, `Listening on …`, with all models loaded.
  The first of several starts may read the models from disk, the others find them in the page cache.
- *Help*: `voicepipe --help`, from the start of the process to its end: what a typing mistake costs.
- *Memory*: resident memory of the server process (pages that it shares with nobody and with others, as in `VmRSS`)
  when it is ready and after two minutes of talk with one client, and its peak (`VmHWM`).
- *CPU*: seconds of CPU of the server process, all threads, per minute of what is going on: a client that is connected
  and silent; the user speaks (recognition, partial results); the bot thinks (from the user's last loud sample to the
  first sound); the bot speaks (the rest of its synthesis, Opus, the ear that listens for interruptions). Sampled ten
  times a second; two cores have 120 s per minute.

Memory and CPU are read from /proc, so this runs on Linux only.

    python -m benchmarks.startup            about four minutes
    python -m benchmarks.startup --quick    two starts and half a minute of talk
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from statistics import median

from benchmarks.common import (
    Budget,
    Caller,
    Progress,
    Report,
    Said,
    Server,
    Skipped,
    Table,
    call,
    command,
    silent_call,
    utterances,
    voicepipe_command,
)

START_S, HELP_S, MEMORY_MB = 8.0, 0.5, 700.0
STARTS, HELPS = 3, 10
TALK_S, IDLE_S = 120.0, 20.0
QUICK_TALK_S, QUICK_IDLE_S = 30.0, 5.0
SAMPLE_S = 0.1
ANSWERS_WITHIN_S = 6.5

STATES = ("idle", "the user speaks", "the bot thinks", "the bot speaks", "between")


def run(progress: Progress, *, quick: bool) -> Report:
    """Start it several times; talk to the last one."""
    if not sys.platform.startswith("linux"):
        raise Skipped("what a process takes is read from /proc, which only Linux has")
    starts_s: list[float] = []
    for number in range(1 if quick else STARTS - 1):
        progress("starting", number, STARTS)
        with Server() as server:
            starts_s.append(server.started_s)
    helps_s = [_help_s() for _ in range(HELPS)]
    talk_s, idle_s = (QUICK_TALK_S, QUICK_IDLE_S) if quick else (TALK_S, IDLE_S)
    with Server() as server:
        starts_s.append(server.started_s)
        memory = {"ready": server.memory_mb()}
        spent = asyncio.run(_use(server, idle_s, talk_s, progress))
        memory[f"after {talk_s:.0f} s of talk"] = server.memory_mb()
        memory["peak"] = server.peak_memory_mb()
    return _report(starts_s, helps_s, memory, spent)


def _help_s() -> float:
    began = time.perf_counter()
    subprocess.run([*voicepipe_command(), "--help"], check=True, capture_output=True)
    return time.perf_counter() - began


# ---- CPU -------------------------------------------------------------------------------------------------------------


class _Spent:
    """Seconds on the clock and of CPU, by what was going on."""

    def __init__(self) -> None:
        self.wall_s: dict[str, float] = defaultdict(float)
        self.cpu_s: dict[str, float] = defaultdict(float)
        self.said: Said | None = None

    async def watch(self, server: Server, caller: Caller, state: str | None = None) -> None:
        """Until cancelled; `state` where it is known."""
        at_s, cpu_s = caller.now_s, server.cpu_s()
        while True:
            await asyncio.sleep(SAMPLE_S)
            now_s, now_cpu_s = caller.now_s, server.cpu_s()
            what = state or self._state(caller, (at_s + now_s) / 2)
            self.wall_s[what] += now_s - at_s
            self.cpu_s[what] += now_cpu_s - cpu_s
            at_s, cpu_s = now_s, now_cpu_s

    def _state(self, caller: Caller, at_s: float) -> str:
        said, reply = self.said, caller.replies[-1] if caller.replies else None
        if said is not None and said.begins_s <= at_s < said.loud_until_s:
            return STATES[1]
        if reply is not None and reply.done_s is None and reply.first_sound_s is not None:
            return STATES[3]
        answered = reply is not None and said is not None and reply.created_s > said.begins_s and reply.done_s
        return STATES[4] if said is None or answered else STATES[2]


async def _use(server: Server, idle_s: float, talk_s: float, progress: Progress) -> _Spent:
    spent, total = _Spent(), round(idle_s + talk_s)
    async with silent_call(server.url) as caller:
        await asyncio.sleep(1.0)  # the session is being set up
        watching = asyncio.create_task(spent.watch(server, caller, STATES[0]))
        progress("idle", 0, total)
        await asyncio.sleep(idle_s)
        watching.cancel()
    await asyncio.sleep(0.5)
    async with call(server.url) as caller:
        await caller.hear_out()
        watching = asyncio.create_task(spent.watch(server, caller))
        began_s = caller.now_s
        for utterance in utterances(round(talk_s)):
            progress("talking", round(idle_s + caller.now_s - began_s), total)
            if caller.now_s - began_s >= talk_s or caller.closed:
                break
            await _turn(caller, spent, caller.say(utterance))
        watching.cancel()
    return spent


async def _turn(caller: Caller, spent: _Spent, said: Said) -> None:
    spent.said, known = said, len(caller.replies)
    await caller.until(lambda: caller.now_s > said.loud_until_s + 0.3, said.utterance.duration_s + 5)
    if await caller.until(lambda: len(caller.replies) > known, ANSWERS_WITHIN_S):
        await caller.hear_out()


# ---- the report ------------------------------------------------------------------------------------------------------


def _report(starts_s: list[float], helps_s: list[float], memory: Mapping[str, float], spent: _Spent) -> Report:
    talked_s = sum(spent.wall_s[state] for state in STATES[1:])
    cpu_s = sum(spent.cpu_s[state] for state in STATES[1:])
    shown = [
        [state, spent.wall_s[state], 60 * spent.cpu_s[state] / spent.wall_s[state]]
        for state in STATES
        if spent.wall_s[state]
    ]
    times = [
        ["start to ready", len(starts_s), median(starts_s), max(starts_s)],
        ["voicepipe --help", len(helps_s), median(helps_s), max(helps_s)],
    ]
    return Report(
        "startup",
        "Start, memory, CPU",
        tables=[
            Table("Times (s)", ("what", "n", "median", "max"), list(times)),
            Table("Resident memory, one conversation", ("when", "MB"), [[*one] for one in memory.items()]),
            Table(
                "CPU of the server, one conversation",
                ("what is going on", "for s", "CPU s per minute"),
                [*shown, ["a conversation", talked_s, 60 * cpu_s / talked_s if talked_s else None]],
            ),
        ],
        budgets=[
            Budget("start to ready, median", median(starts_s), START_S, "s"),
            Budget("voicepipe --help, median", median(helps_s), HELP_S, "s"),
            Budget("peak resident memory", memory["peak"], MEMORY_MB, "MB"),
        ],
        notes=[f"the first start took {starts_s[0]:.1f} s"],
        raw=[{"starts_s": starts_s, "helps_s": helps_s, "memory_mb": dict(memory), "cpu_s": dict(spent.cpu_s)}],
    )


if __name__ == "__main__":
    sys.exit(command("startup", run, __doc__))
