"""One side of a comparison: a process that runs a trial for each line of stdin. Standard library only.

A line is `{"stages": 10, "frames": 1000, "kind": "microphone", "paced": true}`; the answer is a line with the CPU
seconds of the process, all threads, from before the first frame goes in until the last has come out.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["RATE_HZ", "frame_bytes", "serve"]

RATE_HZ = 24_000
FRAME = RATE_HZ // 50

Trial = Callable[[int, int, str, bool], Coroutine[Any, Any, float]]
"""`trial(stages, frames, kind, paced)` gives CPU seconds."""


def frame_bytes() -> bytes:
    """20 ms of PCM16 at 24 kHz, mono."""
    return bytes(2 * FRAME)


def serve(trial: Trial) -> None:
    """Until stdin ends. Garbage is collected between trials, not in them."""
    for line in sys.stdin:
        asked = json.loads(line)
        gc.collect()
        gc.disable()
        cpu_s = asyncio.run(trial(asked["stages"], asked["frames"], asked["kind"], asked["paced"]))
        gc.enable()
        print(json.dumps(cpu_s), flush=True)
