"""Barge-in: from the user's first sound to the bot's silence, in the middle of a long reply.

The bot speaks; when 3.2 s of its reply have sounded (in the first 3 s a mere voice does not interrupt it, as it may be
an echo) the user says something, which is the next thing for the bot to answer, and so on.

Measured per interruption, on the client's clock, from when the first loud sample of the user's utterance was spoken
(by energy: less than 35 dB below the recording's loudest 10 ms, so that a soft beginning counts in full): to the last
packet of the reply's sound received; to `unmute.interrupted_by_vad`, at which a client drops what it has not played
yet; and to the silence that the user hears, which is that, or the end of the sound that the client has (a third of a
second is sent ahead), whichever is first. A voice holds the sound at once; the client is told when the voice has become
a word that is no acknowledgement, or has lasted. `stale` are replies of which sound came even after that.

    python -m benchmarks.barge_in            12 interruptions, about three minutes
    python -m benchmarks.barge_in --quick    3
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle

from benchmarks.common import (
    SUMMARY,
    Budget,
    Caller,
    Progress,
    Reply,
    Report,
    Said,
    Server,
    Table,
    Utterance,
    call,
    command,
    percentile,
    summary,
    utterances,
)

COUNT, QUICK_COUNT = 12, 3
ATTEMPTS = 4
"""Per interruption: some replies are over before there is anything to interrupt."""
P95_MS = 250.0
HEARD_P95_MS = 600.0
TOLD_P95_MS = 1100.0
AFTER_S = 3.2
INSTRUCTIONS = "You are a storyteller. Whatever the user says, you tell a long story about it in long sentences."
ANSWERS_WITHIN_S = 8.0


@dataclass(frozen=True, slots=True)
class Interruption:
    """`reply` was speaking when `said` began."""

    said: Said
    reply: Reply

    @property
    def happened(self) -> bool:
        """The reply was cut short, and was still being sent when the user began: its last third of a second, which is
        sent ahead, has no packets left to stop."""
        return self.reply.interrupted_s is not None and self.told_ms > 0 and self.sound_ms > 0

    @property
    def sound_ms(self) -> float:
        """To the last sound."""
        return ((self.reply.last_sound_s or 0.0) - self.said.loud_from_s) * 1000

    @property
    def told_ms(self) -> float:
        """To the message that says so."""
        return ((self.reply.interrupted_s or 0.0) - self.said.loud_from_s) * 1000

    @property
    def heard_ms(self) -> float:
        """To the end of what the client could play."""
        played_s = (self.reply.first_sound_s or 0.0) + self.reply.sound_s
        return min(self.told_ms, max(0.0, played_s - self.said.loud_from_s) * 1000)

    @property
    def stale(self) -> bool:
        return (self.reply.last_sound_s or 0.0) > (self.reply.interrupted_s or 0.0)


def run(progress: Progress, *, quick: bool) -> Report:
    """Interrupt one reply after the other."""
    count = QUICK_COUNT if quick else COUNT
    with Server() as server:
        return _report(asyncio.run(_interrupt(server.url, count, progress)))


async def _interrupt(url: str, count: int, progress: Progress) -> list[Interruption]:
    found: list[Interruption] = []
    said = cycle(one for one in utterances() if one.loud_from_s > 0)  # one recording begins with a breath
    for _ in range(count * ATTEMPTS):  # once per call, unless the bot hangs up
        async with call(url, INSTRUCTIONS) as caller:
            await caller.hear_out()
            for _ in range(count * ATTEMPTS):
                progress("barge-in", len(found), count)
                if len(found) == count or caller.closed:
                    break
                if (one := await _attempt(caller, said)) is not None:
                    found.append(one)
        if len(found) == count:
            break
    return found


async def _attempt(caller: Caller, said: Iterator[Utterance]) -> Interruption | None:
    """Interrupt the reply that is on, or ask for one; None when there was nothing to interrupt."""
    reply = caller.replies[-1] if caller.replies else None
    if reply is None or reply.done_s is not None:
        await _answered(caller, caller.say(next(said)))
        return None

    def long_enough() -> bool:
        began_s = reply.first_sound_s
        return reply.done_s is not None or (began_s is not None and caller.now_s - began_s >= AFTER_S)

    if not await caller.until(long_enough, ANSWERS_WITHIN_S) or reply.done_s is not None:
        return None
    interruption = Interruption(caller.say(next(said)), reply)
    await _answered(caller, interruption.said)
    return interruption if interruption.happened else None


async def _answered(caller: Caller, said: Said) -> None:
    """Wait until the bot answers what was said, with sound."""
    await caller.until(lambda: caller.now_s > said.loud_until_s, said.utterance.duration_s + 5)

    def answering() -> bool:
        newest = caller.replies[-1] if caller.replies else None
        return (
            newest is not None
            and newest.created_s > said.loud_from_s
            and newest.first_sound_s is not None
            and newest.interrupted_s is None
        )

    await caller.until(answering, ANSWERS_WITHIN_S)


def _report(found: list[Interruption]) -> Report:
    sound = [one.sound_ms for one in found]
    told = [one.told_ms for one in found]
    heard = [one.heard_ms for one in found]
    rows = [
        ["the last sound received", *summary(sound)],
        ["the silence that the user hears", *summary(heard)],
        ["the client is told to be silent", *summary(told)],
    ]
    return Report(
        "barge_in",
        "Barge-in",
        tables=[Table("From the user's first loud sample to … (ms)", ("moment", *SUMMARY), rows)],
        budgets=[
            Budget("onset to the last sound of the reply, p95", percentile(sound, 95), P95_MS, "ms"),
            Budget("onset to the silence that the user hears, p95", percentile(heard, 95), HEARD_P95_MS, "ms"),
            Budget("onset to the client being told, p95", percentile(told, 95), TOLD_P95_MS, "ms"),
        ],
        notes=[
            f"of {sum(one.stale for one in found)} of {len(found)} replies sound came after the interruption (stale)"
        ],
        raw=[
            {
                "utterance": one.said.utterance.name,
                "sound_ms": one.sound_ms,
                "heard_ms": one.heard_ms,
                "told_ms": one.told_ms,
                "stale": one.stale,
                "reply_s": one.reply.sound_s,
                "from_s": one.said.loud_from_s - (one.reply.first_sound_s or 0.0),
            }
            for one in found
        ],
    )


if __name__ == "__main__":
    sys.exit(command("barge_in", run, __doc__))
