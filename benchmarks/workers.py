"""Several cores: how `voicepipe serve --workers 2` divides the work of 16 conversations, beside one process.

A real server with the test services of `voicepipe.testing.servers` in a process of their own, and 16 clients in this
one, each of which sends a packet of PCM16 every 20 ms: noise for 1.2 s, then silence until the bot has spoken, and so
on. One process and two workers take turns, so that both see the same machine.

**Cores needed** is the CPU time of the busiest process of the server, by the system's accounting, per second of a
conversation: that process is the first that has no core left. The **speed-up** is that of one process divided by that
of two workers, the supervisor included; 2 would be a work that is divided without a rest. Compare `packets heard`, too:
on a busy machine one process gets less of it, falls behind, and does less work in the same time, which makes its figure
too small. So the speed-up says something only where both have heard about as much.

**To a session** is the time from a client's `connect` to its `session.created`, one client after the other.
**Replaced** is the time from SIGKILL of a worker, with half of the conversations on it, to the moment in which the
server has all its workers again, as `/metrics` says.

    python -m benchmarks.workers            16 conversations of 20 s, three times each, about three minutes
    python -m benchmarks.workers --quick    8 of 8 s, once each
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import numpy as np

from benchmarks.common import (
    RATE_HZ,
    Budget,
    Progress,
    Report,
    Server,
    ServerFailed,
    Skipped,
    Table,
    command,
    fakes,
    percentile,
)

SESSIONS, QUICK_SESSIONS = 16, 8
LASTS_S, QUICK_LASTS_S = 20.0, 8.0
ROUNDS = 3
WORKERS = 2
SPEED_UP, REPLACED_S = 1.9, 2.0
PACKET_S, SPEAKS_S, TURN_S = 0.02, 1.2, 6.0
CONNECTIONS = 30
"""Of `to a session`, one after the other."""


@dataclass(frozen=True, slots=True)
class Found:
    """The results of a server.

    Args:
        cpu_s: The CPU seconds of each of its processes, the busiest first.
        session_s: The seconds of conversation that they were for.
        to_session_ms: From a client's `connect` to `session.created`.
        packets: Packets of sound that the clients received.
        replaced_s: From the death of a worker to its replacement; None where there is none.
    """

    cpu_s: list[float]
    session_s: float
    to_session_ms: list[float]
    packets: int
    replaced_s: float | None = None

    @property
    def busiest_ms(self) -> float:
        """Return the milliseconds of the busiest process's core for a second of a conversation."""
        return 1000 * self.cpu_s[0] / self.session_s

    @property
    def all_ms(self) -> float:
        return 1000 * sum(self.cpu_s) / self.session_s


def run(progress: Progress, *, quick: bool) -> Report:
    """One process, two workers, one process, and so on."""
    if sys.platform != "linux":
        raise Skipped("several workers need Linux")
    sessions, lasts_s = (QUICK_SESSIONS, QUICK_LASTS_S) if quick else (SESSIONS, LASTS_S)
    rounds = 1 if quick else ROUNDS
    found: dict[int, list[Found]] = {1: [], WORKERS: []}
    with fakes("--tts-delay", "0.1") as services:
        for number in range(rounds):
            for workers, results in found.items():
                progress(f"{workers} at work", 2 * number + (workers > 1), 2 * rounds)
                with Server(*services, "--workers", str(workers), "--max-sessions-per-address", "999") as server:
                    results.append(asyncio.run(_measured(server, sessions, lasts_s, workers)))
    return _report(found)


async def _measured(server: Server, sessions: int, lasts_s: float, workers: int) -> Found:
    async with aiohttp.ClientSession(server.url) as http:
        to_session_ms = [await _time_to_session(http) for _ in range(CONNECTIONS)]
        before, began_s = _cpu_by_process(server.pid), time.monotonic()
        packets = await asyncio.gather(*(_talk(http, lasts_s, number / sessions) for number in range(sessions)))
        session_s = sessions * lasts_s
        after = _cpu_by_process(server.pid)
        assert time.monotonic() - began_s < 2 * lasts_s + 30, "the clients did not keep up"
        cpu_s = sorted((after[pid] - before.get(pid, 0) for pid in after), reverse=True)
        replaced_s = await _replacement(http, server.pid, workers) if workers > 1 else None
    return Found(cpu_s, session_s, to_session_ms, sum(packets), replaced_s)


async def _time_to_session(http: aiohttp.ClientSession) -> float:
    began_s = time.perf_counter()
    async with http.ws_connect("/v1/realtime") as socket:
        await socket.receive()
        return 1000 * (time.perf_counter() - began_s)


async def _talk(http: aiohttp.ClientSession, lasts_s: float, shift: float) -> int:
    """Hold a conversation, and return the number of packets of sound that came."""
    noise = np.random.default_rng(0).normal(0, 3_000, round(RATE_HZ * PACKET_S)).astype(np.int16).tobytes()
    loud, silent = (_append(sound) for sound in (noise, bytes(len(noise))))
    packets = 0
    async with http.ws_connect("/v1/realtime", max_msg_size=0) as socket:

        async def listen() -> None:
            nonlocal packets
            async for message in socket:
                packets += "audio.delta" in message.data[:60]

        listening = asyncio.create_task(listen())
        began_s = time.monotonic()
        for number in range(round(lasts_s / PACKET_S)):
            await asyncio.sleep(began_s + number * PACKET_S - time.monotonic())
            if socket.closed:
                raise ServerFailed(f"a conversation ended after {number * PACKET_S:.1f} s with {socket.close_code}")
            await socket.send_str(loud if (number * PACKET_S / TURN_S + shift) % 1 * TURN_S < SPEAKS_S else silent)
        await socket.close()
        await listening
    return packets


def _append(sound: bytes) -> str:
    return json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(sound).decode()})


async def _replacement(http: aiohttp.ClientSession, supervisor: int, workers: int) -> float:
    """Kill the busiest process, which is a worker, and return how long it takes until another one serves."""
    seconds = _cpu_by_process(supervisor)
    victim = max((pid for pid in seconds if pid != supervisor), key=lambda pid: seconds[pid])
    began_s = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    while _is_there(victim) or await _serving(http) < workers:  # noqa: ASYNC110 — another process
        await asyncio.sleep(0.01)
    return time.monotonic() - began_s


def _is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def _serving(http: aiohttp.ClientSession) -> int:
    async with http.get("/metrics") as answer:
        text = await answer.text()
    return next((int(float(line.split()[1])) for line in text.splitlines() if line.startswith("voicepipe_workers ")), 0)


def _cpu_by_process(root: int) -> Mapping[int, float]:
    """Return the CPU seconds of a process and of all below it, to 10 ms."""
    parents: dict[int, tuple[int, float]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(folder.name)] = int(fields[1]), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def is_below(pid: int) -> bool:
        while pid in parents and pid != root:
            pid = parents[pid][0]
        return pid == root

    return {pid: seconds for pid, (_, seconds) in parents.items() if is_below(pid)}


def _report(found: Mapping[int, list[Found]]) -> Report:
    rows = [
        [
            f"{workers} × {number + 1}",
            one.busiest_ms,
            one.all_ms,
            percentile(one.to_session_ms, 50),
            percentile(one.to_session_ms, 95),
            one.packets,
            one.replaced_s,
        ]
        for workers, results in found.items()
        for number, one in enumerate(results)
    ]
    columns = (
        *("processes × round", "busiest, ms/s", "all, ms/s", "to a session p50 ms", "p95 ms"),
        *("packets heard", "replaced after s"),
    )
    alone, shared = (percentile([one.busiest_ms for one in results], 50) for results in found.values())
    total = [percentile([one.all_ms for one in results], 50) for results in found.values()]
    replaced_s = max(one.replaced_s or 0 for one in found[WORKERS])
    return Report(
        "workers",
        "Several cores",
        tables=[Table("CPU of the server per second of a conversation", columns, rows)],
        budgets=[
            Budget(f"busiest of two workers, for {SPEED_UP:g} times one", shared, alone / SPEED_UP, "ms/s"),
            Budget("a worker that was killed is replaced", replaced_s, REPLACED_S, "s"),
        ],
        notes=[
            f"two workers carry {alone / shared:.2f} times what one process does (medians of the rounds)",
            f"all processes together take {total[1] / total[0]:.2f} times the CPU of one",
        ],
    )


if __name__ == "__main__":
    sys.exit(command("workers", run, __doc__))
