"""What reactivex lacks for live audio: one clock per session, turns that clean up, sources from asyncio and threads."""

from voicepipe.rx.release import Due, release_at
from voicepipe.rx.scheduler import LoopScheduler, scheduler_of
from voicepipe.rx.sources import from_async
from voicepipe.rx.switch_turn import switch_turn
from voicepipe.rx.transduce import Clock, Machine, transduce

__all__ = [
    "Clock",
    "Due",
    "LoopScheduler",
    "Machine",
    "from_async",
    "release_at",
    "scheduler_of",
    "switch_turn",
    "transduce",
]
