"""What reactivex lacks for live audio: one clock per session, turns that clean up, sources from asyncio and threads."""

from voicepipe.rx.attempts import Attempt, Plan, Recall, first_answer
from voicepipe.rx.deadline import Bounds, Watch, watched
from voicepipe.rx.feedback import feedback
from voicepipe.rx.memory import Memory
from voicepipe.rx.merged import merged
from voicepipe.rx.of_type import of_type
from voicepipe.rx.release import Due, release_at
from voicepipe.rx.runs import in_runs
from voicepipe.rx.scheduler import LoopScheduler, scheduler_of
from voicepipe.rx.side import beside
from voicepipe.rx.sources import from_async
from voicepipe.rx.switch_turn import switch_turn
from voicepipe.rx.transduce import Clock, Machine, transduce

merge = merged

__all__ = [
    "Attempt",
    "Bounds",
    "Clock",
    "Due",
    "LoopScheduler",
    "Machine",
    "Memory",
    "Plan",
    "Recall",
    "Watch",
    "beside",
    "feedback",
    "first_answer",
    "from_async",
    "in_runs",
    "merge",
    "merged",
    "of_type",
    "release_at",
    "scheduler_of",
    "switch_turn",
    "transduce",
    "watched",
]
