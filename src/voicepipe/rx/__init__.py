"""Additions to reactivex for live audio: one clock per session, turns that clean up, sources from asyncio, threads."""

from voicepipe.rx.early_subscription import until_used
from voicepipe.rx.feedback import feedback, one_at_a_time
from voicepipe.rx.from_async import from_async
from voicepipe.rx.merge import merge
from voicepipe.rx.of_type import of_type
from voicepipe.rx.scheduler import LoopScheduler, scheduler_of
from voicepipe.rx.switch_turn import switch_turn
from voicepipe.rx.transduce import Clock, Machine, TimedMachine, transduce

merge = merge

__all__ = [
    "Clock",
    "LoopScheduler",
    "Machine",
    "TimedMachine",
    "feedback",
    "from_async",
    "merge",
    "of_type",
    "one_at_a_time",
    "scheduler_of",
    "switch_turn",
    "transduce",
    "until_used",
]
