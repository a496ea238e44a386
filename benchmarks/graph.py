"""The cost of the graph itself: the default pipeline with scripted STT, LLM and TTS, which cost little.

- *Per frame*: CPU of one `SessionRunner.receive(AudioReceived(…))` of 20 ms PCM16 at 24 kHz, which is the whole way
through
  decode, VAD, endpointing, STT, turn detection and respond, in the caller's stack. Measured in a tight loop over a
  minute of microphone, in silence and where the user speaks and pauses (0.5 s of every 3 s); time stands still in the
  loop, so nothing of the bot's side is in it.
- *A session*: CPU to build and subscribe one session's graph, and the memory that it holds before the first frame
  (`tracemalloc`, mean of 20 sessions).
- *A conversation*: CPU for one minute of it in virtual time, 8 turns of the user with replies, both ways encoded.
- *A marble test*: CPU of `expect(hot("ab---c|").pipe(debounce(40 ms)), "---b--(c|)")`, its loop made and closed.

The least of several rounds counts: what else the machine does only adds. What the imports made is kept out of garbage
collection, as `voicepipe serve` keeps it: a full collection of it takes 50 ms, and would fall into some rounds.

    python -m benchmarks.graph            half a minute
    python -m benchmarks.graph --quick    a few seconds
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
import tracemalloc
from collections.abc import Callable, Coroutine
from statistics import median
from typing import Any

from reactivex import operators as rx_ops

from benchmarks.common import Budget, Progress, Report, Table, command
from benchmarks.common.scripted import packets, scripted_session, scripted_stages
from voicepipe.events import AudioReceived, Event, ReplyStarted, SettingsChanged
from voicepipe.session import SessionRunner
from voicepipe.testing import Marbles

FRAME_US, BUILD_MS, SESSION_KIB, MINUTE_MS, MARBLE_MS = 25.0, 3.0, 100.0, 300.0, 3.0
ROUNDS, QUICK_ROUNDS = 15, 3
SESSIONS = 20
SPEECH = tuple((at_s, at_s + 2.5) for at_s in range(0, 60, 3))
TURNS = tuple((2 + 7.0 * turn, 3.2 + 7.0 * turn) for turn in range(8))


def run(progress: Progress, *, quick: bool) -> Report:
    """One after the other, best of several."""
    rounds, step = (QUICK_ROUNDS if quick else ROUNDS), 0

    def times(what: str, measure: Callable[[], float]) -> list[float]:
        nonlocal step
        step += 1
        progress(what, step, 6)
        measure()  # imports, caches
        gc.freeze()
        return [measure() for _ in range(rounds)]

    silence_us = times("frames of silence", lambda: _frame_us(packets(60, ())))
    speech_us = times("frames of speech", lambda: _frame_us(packets(60, SPEECH)))
    build_ms = times("building", _build_ms)
    minute_ms = times("a conversation", _minute_ms)
    marble_ms = times("marble tests", _marble_ms)
    progress("memory", 6, 6)
    kib = _session_kib()
    rows = [
        ["frame of silence (µs of CPU)", min(silence_us), median(silence_us)],
        ["frame of speech (µs of CPU)", min(speech_us), median(speech_us)],
        ["building a session's graph (ms of CPU)", min(build_ms), median(build_ms)],
        ["a session's graph (KiB)", kib, kib],
        ["a minute of conversation in virtual time (ms of CPU)", min(minute_ms), median(minute_ms)],
        ["a marble test (ms of CPU)", min(marble_ms), median(marble_ms)],
    ]
    return Report(
        "graph",
        "The graph alone",
        tables=[Table("Cost with scripted stages", ("what", "least", "median"), list(rows))],
        budgets=[
            Budget("per frame of 20 ms", min(speech_us), FRAME_US, "µs"),
            Budget("building a session's graph", min(build_ms), BUILD_MS, "ms"),
            Budget("memory of a session's graph", kib, SESSION_KIB, "KiB"),
            Budget("a minute of conversation in virtual time", min(minute_ms), MINUTE_MS, "ms"),
            Budget("a marble test", min(marble_ms), MARBLE_MS, "ms"),
        ],
        raw=[{"silence_us": silence_us, "speech_us": speech_us, "build_ms": build_ms, "minute_ms": minute_ms}],
    )


# ---- frames ----------------------------------------------------------------------------------------------------------


def _frame_us(sound: list[bytes]) -> float:
    async def feed(stages: Any) -> float:
        running = scripted_session(stages, _ignore)
        messages = [AudioReceived(data) for data in sound]
        gc.collect()
        began_s = time.process_time()
        for message in messages:
            running.receive(message)
        took_s = time.process_time() - began_s
        await running.close(grace_s=1)
        return took_s / len(messages) * 1e6

    return _in_virtual_time(feed)


def _minute_ms() -> float:
    sound = packets(60, TURNS)

    async def converse(stages: Any) -> float:
        replies: list[Event] = []
        began_s, loop = time.process_time(), asyncio.get_running_loop()
        running = scripted_session(
            stages, lambda event: replies.append(event) if isinstance(event, ReplyStarted) else None
        )
        running.receive(SettingsChanged("Be brief."))
        start_s = loop.time()
        for number, data in enumerate(sound):
            await asyncio.sleep(start_s + number * 0.02 - loop.time())
            running.receive(AudioReceived(data))
        await running.close(grace_s=1)
        took_ms = (time.process_time() - began_s) * 1000
        if len(replies) <= len(TURNS):
            raise RuntimeError(f"{len(TURNS)} turns and an opening got {len(replies)} replies")
        return took_ms

    return _in_virtual_time(converse)


# ---- sessions --------------------------------------------------------------------------------------------------------


def _build_ms() -> float:
    async def build(stages: Any) -> float:
        began_s = time.process_time()
        running = [scripted_session(stages, _ignore) for _ in range(SESSIONS)]
        took_s = time.process_time() - began_s
        await _close(running)
        return took_s / SESSIONS * 1000

    return _in_virtual_time(build)


def _session_kib() -> float:
    async def build(stages: Any) -> float:
        await _close([scripted_session(stages, _ignore)])
        gc.collect()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        running = [scripted_session(stages, _ignore) for _ in range(SESSIONS)]
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        await _close(running)
        return (after - before) / SESSIONS / 1024

    return _in_virtual_time(build)


async def _close(sessions: list[SessionRunner]) -> None:
    for session in sessions:
        await session.close(grace_s=1)


# ---- tests -----------------------------------------------------------------------------------------------------------


def _marble_ms() -> float:
    count = 50
    began_s = time.process_time()
    for _ in range(count):
        with Marbles() as marbles:
            marbles.expect(marbles.hot("ab---c|").pipe(rx_ops.debounce(0.04)), "---b--(c|)")
    return (time.process_time() - began_s) / count * 1000


def _in_virtual_time(main: Callable[[Any], Coroutine[Any, Any, float]]) -> float:
    with Marbles() as marbles:
        return marbles.run(main(scripted_stages(marbles)))


def _ignore(event: Event) -> None:
    """Nobody writes it to a socket."""


if __name__ == "__main__":
    sys.exit(command("graph", run, __doc__))
