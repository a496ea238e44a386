"""Stages in processes of their own: what the hop to a host costs, and what a second host carries.

A real `voicepipe host stt` with the embedded models, in processes of its own, and the wire of Kyutai's servers over the
loopback interface. The client is this process.

**Hop** is the time from sending a frame of 80 ms to the step that answers it, for streams that are paced as a
microphone is, with soft noise: the VAD hears each frame, and nothing else is done. **In process** is the same frame
through the same code without a socket. The two take turns, and the hop's budget is over the median of the other. The
machine's other work is in both.

**Busiest** is the CPU time of the busiest host, by the system's accounting, per second of a conversation, while a
recording of real speech is heard by all sessions: by one host, and then divided between two. Divided by two hosts it
would halve if nothing was shared.

**Listening** is the CPU time for a second of a session that hears soft noise, in this process and without a socket:
when Silero hears the frames of each session at once, and when it hears those of several sessions together. The two take
turns.

    python -m benchmarks.cluster            streams of 20 s, and 6 sessions of 12 s, about three minutes
    python -m benchmarks.cluster --quick    of 5 s and 4 sessions of 6 s
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

import aiohttp
import numpy as np
import ormsgpack

from benchmarks.common import Budget, Progress, Report, ServerFailed, Skipped, Table, command, percentile
from benchmarks.common.speech import NoSpeech, recording
from voicepipe.engine.local import load_local
from voicepipe.events import Samples
from voicepipe.host.embedded import load_stage
from voicepipe.host.hosted import HostedStt
from voicepipe.host.recognition import Recognition
from voicepipe.stt.kyutai.protocol import FRAME, FRAME_S, KEY_HEADER, PATH, RATE_HZ, encode_audio
from voicepipe.weights.registry import ModelError

STREAMS = (1, 8)
LASTS_S, QUICK_LASTS_S = 20.0, 5.0
SESSIONS, QUICK_SESSIONS = 6, 4
LISTENING, QUICK_LISTENING = (16, 32, 64), (32,)
LISTENS_S, QUICK_LISTENS_S = 5.0, 2.5
HEARS_S, QUICK_HEARS_S = 12.0, 6.0
HOP_P50_MS, HOP_P99_MS = 1.0, 5.0
TWICE = 1.8
FEWER = 0.9
"""What listening in batches may cost, of the same without them: 0.67 to 0.86 was measured."""
RECORDING = "two_cities"
KEY = {KEY_HEADER: "public_token"}
_START_S = 60


def run(progress: Progress, *, quick: bool) -> Report:
    """The hop, and then one host and two."""
    if sys.platform != "linux":
        raise Skipped("the CPU time of another process is read from /proc")
    try:
        stage = load_stage("stt", capacity=max(STREAMS))
        speech = recording(RECORDING)
    except (ModelError, ImportError, NoSpeech) as error:
        raise Skipped(str(error)) from error
    assert isinstance(stage, HostedStt)
    lasts_s = QUICK_LASTS_S if quick else LASTS_S
    hops: dict[int, tuple[list[float], list[float]]] = {}
    try:
        with host(max(STREAMS)) as (url, _):
            for number, streams in enumerate(STREAMS):
                progress(f"{streams} streams", number, len(STREAMS) + 2)
                hops[streams] = asyncio.run(_hops(url, stage, streams, lasts_s))
        listening = _listening(progress, QUICK_LISTENING if quick else LISTENING, quick=quick)
    finally:
        stage.close()
    sessions, hears_s = (QUICK_SESSIONS, QUICK_HEARS_S) if quick else (SESSIONS, HEARS_S)
    cpu_s: dict[int, list[float]] = {}
    for hosts in (1, 2):
        progress(f"{hosts} hosts", len(STREAMS) + hosts - 1, len(STREAMS) + 2)
        cpu_s[hosts] = _divided(hosts, sessions, hears_s, speech)
    return _report(hops, cpu_s, sessions * hears_s, listening)


@contextmanager
def host(capacity: int) -> Iterator[tuple[str, int]]:
    """A host of the embedded recogniser: its URL and its process. Raises ServerFailed."""
    words = [sys.executable, "-m", "voicepipe", "host", "stt", "--port", "0", "--capacity", str(capacity)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            found = re.search(r"at ws(://\S+)", first)
            if found is None:
                raise ServerFailed(f"the host did not start: {first!r}")
            yield f"http{found[1]}", process.pid
        finally:
            process.terminate()
            process.wait(_START_S)


# ---- the hop ---------------------------------------------------------------------------------------------------------


async def _hops(url: str, stage: HostedStt, streams: int, lasts_s: float) -> tuple[list[float], list[float]]:
    """Return the milliseconds of each frame: in this process, and over the wire."""
    half_s, inside, outside = lasts_s / 4, list[float](), list[float]()
    for _ in range(2):
        for found in await asyncio.gather(*(_in_process(stage, half_s, one / streams) for one in range(streams))):
            inside += found
        for found in await asyncio.gather(*(_over_the_wire(url, half_s, one / streams) for one in range(streams))):
            outside += found
    return inside, outside


async def _in_process(stage: HostedStt, lasts_s: float, shift: float) -> list[float]:
    part = stage.open()
    hearing, times_ms = Recognition(part.stage, stage.endpointing), list[float]()
    async for frame in _paced(_noise(lasts_s), shift):
        began_s = time.perf_counter()
        await hearing.sound(frame)
        list(hearing.messages())
        times_ms.append(1000 * (time.perf_counter() - began_s))
    await hearing.close()
    part.close()
    return times_ms


async def _over_the_wire(url: str, lasts_s: float, shift: float) -> list[float]:
    times_ms: list[float] = []
    async with aiohttp.ClientSession(headers=KEY) as http, http.ws_connect(f"{url}{PATH}") as socket:
        await socket.receive_bytes()
        async for frame in _paced(_noise(lasts_s), shift):
            began_s = time.perf_counter()
            await socket.send_bytes(encode_audio(frame))
            while ormsgpack.unpackb(await socket.receive_bytes())["type"] != "Step":
                pass
            times_ms.append(1000 * (time.perf_counter() - began_s))
    return times_ms


def _noise(lasts_s: float) -> Samples:
    return np.random.default_rng(0).normal(0, 1e-3, round(lasts_s * RATE_HZ)).astype(np.float32)


async def _paced(sound: Samples, shift: float) -> AsyncIterator[Samples]:
    """Yield frames when a microphone would; `shift` of a frame keeps streams apart."""
    loop = asyncio.get_running_loop()
    began_s = loop.time() + shift * FRAME_S
    for number in range(len(sound) // FRAME):
        await asyncio.sleep(began_s + number * FRAME_S - loop.time())
        yield sound[number * FRAME : (number + 1) * FRAME]


# ---- listening -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Listening:
    """The cost of sessions that listen: milliseconds of CPU for a second of one, and from a frame to its step."""

    cpu_ms: float
    step_p50_ms: float
    step_p99_ms: float


def _listening(progress: Progress, sessions: Sequence[int], *, quick: bool) -> dict[int, tuple[Listening, Listening]]:
    """Return, by the number of sessions, each on its own and in batches."""
    lasts_s = QUICK_LISTENS_S if quick else LISTENS_S
    parts = load_local(["stt"], sessions=max(sessions), progress=lambda _: None)
    assert parts.stt is not None, "it was asked for"
    each, together = (HostedStt(name="", open=stt.open) for stt in (parts.stt, parts.stt.for_sessions(max(sessions))))
    found: dict[int, tuple[Listening, Listening]] = {}
    try:
        for number in sessions:
            progress(f"{number} sessions listen", 0, 1)
            turns = [[asyncio.run(_listened(stage, number, lasts_s)) for stage in (each, together)] for _ in range(2)]
            first, second = (_mean(found) for found in zip(*turns, strict=True))
            found[number] = first, second
    finally:
        parts.close()
    return found


async def _listened(stage: HostedStt, sessions: int, lasts_s: float) -> Listening:
    shifts = np.random.default_rng(1).uniform(0, 1, sessions).tolist()
    began_s = time.process_time()
    all_ms = await asyncio.gather(*(_in_process(stage, lasts_s, shift) for shift in shifts))
    cpu_s = time.process_time() - began_s
    times_ms = [one for found in all_ms for one in found]
    return Listening(1000 * cpu_s / lasts_s / sessions, percentile(times_ms, 50), percentile(times_ms, 99))


def _mean(found: Sequence[Listening]) -> Listening:
    columns = zip(*(astuple(one) for one in found), strict=True)
    return Listening(*(sum(column) / len(found) for column in columns))


# ---- one host and two ------------------------------------------------------------------------------------------------


def _divided(hosts: int, sessions: int, hears_s: float, speech: Samples) -> list[float]:
    """Return the CPU seconds of each host, the busiest first, for the same sessions divided between them."""
    with ExitStack() as stack:
        running = [stack.enter_context(host(sessions)) for _ in range(hosts)]
        before = [_cpu_s(pid) for _, pid in running]
        urls = [running[number % hosts][0] for number in range(sessions)]
        asyncio.run(_listen(urls, speech[: round(hears_s * RATE_HZ)]))
        return sorted((_cpu_s(pid) - was for (_, pid), was in zip(running, before, strict=True)), reverse=True)


async def _listen(urls: Sequence[str], sound: Samples) -> None:
    heard = await asyncio.gather(*(_words(url, sound, n / len(urls)) for n, url in enumerate(urls)))
    if not all(heard):
        raise ServerFailed("a session heard no word")


async def _words(url: str, sound: Samples, shift: float) -> int:
    words = 0
    async with aiohttp.ClientSession(headers=KEY) as http, http.ws_connect(f"{url}{PATH}") as socket:

        async def read() -> None:
            nonlocal words
            async for message in socket:
                words += ormsgpack.unpackb(message.data)["type"] == "Word"

        reading = asyncio.create_task(read())
        async for frame in _paced(sound, shift):
            await socket.send_bytes(encode_audio(frame))
        await asyncio.sleep(1)
        await socket.close()
        await reading
    return words


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _report(
    hops: dict[int, tuple[list[float], list[float]]],
    cpu_s: dict[int, list[float]],
    session_s: float,
    listening: dict[int, tuple[Listening, Listening]],
) -> Report:
    rows = [
        [streams, *(percentile(times, q) for times in (inside, outside) for q in (50, 99))]
        for streams, (inside, outside) in hops.items()
    ]
    inside, outside = hops[STREAMS[0]]
    over = percentile(inside, 50)
    one, two = (1000 * cpu_s[hosts][0] / session_s for hosts in (1, 2))
    hosts = [[number, 1000 * each[0] / session_s, 1000 * sum(each) / session_s] for number, each in cpu_s.items()]
    heard = [[number, *astuple(each), *astuple(together)] for number, (each, together) in listening.items()]
    each, together = listening[QUICK_LISTENING[0]]
    return Report(
        "cluster",
        "Stages in processes of their own",
        tables=[
            Table(
                "A frame of 80 ms to its step, ms",
                ("streams", "in process p50", "p99", "over the wire p50", "p99"),
                rows,
            ),
            Table(
                "A second of a session that listens, ms",
                ("sessions", "CPU", "step p50", "p99", "in batches: CPU", "step p50", "p99"),
                heard,
            ),
            Table("CPU of the hosts for a second of speech, ms", ("hosts", "busiest", "all"), hosts),
        ],
        budgets=[
            Budget("hop p50, over in process", percentile(outside, 50) - over, HOP_P50_MS, "ms"),
            Budget("hop p99, over in process", percentile(outside, 99) - over, HOP_P99_MS, "ms"),
            Budget(
                f"CPU of {QUICK_LISTENING[0]} sessions that listen in batches, of {each.cpu_ms:.1f} without",
                together.cpu_ms / each.cpu_ms,
                FEWER,
                "",
            ),
            Budget(f"busiest of two hosts, for {TWICE:g} times one", two, one / TWICE, "ms/s"),
        ],
        notes=[f"two hosts carry {one / two:.2f} times what one does"],
    )


if __name__ == "__main__":
    sys.exit(command("cluster", run, __doc__))
