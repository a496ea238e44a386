"""Barge-in: from the user's first sound to the bot's silence, 0.5, 1.2 and 5 s into its replies.

Two servers, one after the other: one with test services for STT, LLM and TTS on the network (`voicepipe fake-services`,
which speak Kyutai's protocols), with which clients talk in Unmute's dialect and in OpenAI's (GA), and one with the
embedded models, except the language model, whose answers are too short to be interrupted after 5 s. The user begins to
speak so long after the first sound of a reply, shifted by up to 80 ms by chance, and that is the next thing for the bot
to answer, and so on. In the first 3 s of a session's sound a mere voice does not interrupt, as it may be an echo: a
call begins with a reply of which 5 s are heard.

With the test services the user's voice is a tone complex that begins at full level, since the test recogniser hears by
level. With the embedded models it is recorded speech, and the onset its first loud sample (less than 35 dB below the
recording's loudest 10 ms, so that a soft beginning counts in full).

Measured per interruption, on the client's clock, from the onset:

- *the last sound received*: the last packet of the reply's sound. A voice holds the sound before it is known what it
  means;
- *the client is told*: `unmute.interrupted_by_vad` or `input_audio_buffer.speech_started`, at which a client drops what
  it has not played yet. With the embedded models the voice has then become a word that is no acknowledgement, or has
  lasted; the test recogniser's pause score says so one step behind the hold;
- *the silence that the user hears*: that, or the end of the sound that the client has (a third of a second is sent
  ahead), whichever is first.

`stale` are replies of which sound came even after the client was told. **A cough** (embedded models: the test
recogniser takes any sound for speech) costs a reply the time for which a client has nothing to play.

    python -m benchmarks barge_in            168 interruptions and 12 coughs, about six minutes
    python -m benchmarks barge_in --quick    a quarter

On a machine that does other work: chrt -r 10 python -m benchmarks barge_in
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from itertools import count, cycle
from typing import Any

import numpy as np

from benchmarks.common import (
    RATE_HZ,
    SUMMARY,
    Budget,
    Caller,
    Cell,
    Progress,
    Reply,
    Report,
    Said,
    Server,
    Table,
    Utterance,
    call,
    command,
    fakes,
    percentile,
    realtime_call,
    summary,
    utterances,
)
from voicepipe.testing.marbles.sound import speech

OFFSETS_S = (5.0, 0.5, 1.2)
"""Into the reply. The longest first: behind it a session's sound is no more protected."""
SHIFT_S = 0.08
ROUNDS, QUICK_ROUNDS = 8, 2
CALLS = 3
"""At once, per dialect, with the test services. The embedded models have one."""
HELD_P95_MS, TOLD_P95_MS = 120.0, 250.0
EMBEDDED_HELD_P95_MS, EMBEDDED_HEARD_P95_MS, EMBEDDED_TOLD_P95_MS = 250.0, 600.0, 1100.0
COUGH_P95_MS = 1000.0
COUGH_WATCHED_S = 2.0
ANSWERS_WITHIN_S = 8.0
ATTEMPTS = 4
"""Per interruption: some replies are over before there is anything to interrupt."""
PITCH_HZ = 205
INSTRUCTIONS = "You are a storyteller. Whatever the user says, you tell a long story about it in long sentences."
ANSWER = " ".join(["This is a long story about a man and the sea, which goes on and on."] * 4)
"""Of the test services: 0.32 s for each of 60 words."""


@dataclass(frozen=True, slots=True)
class Interruption:
    """`reply` was speaking when `said` began, `offset_s` behind its first sound."""

    said: Said
    reply: Reply
    offset_s: float

    @property
    def happened(self) -> bool:
        """The reply was cut short, and was still being sent when the user began: its last third of a second, which is
        sent ahead, has no packets left to stop."""
        return self.reply.interrupted_s is not None and self.told_ms > 0 and self.sound_ms > -SHIFT_S * 1000

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
        return min(self.told_ms, max(0.0, self.reply.played_until_s - self.said.loud_from_s) * 1000)

    @property
    def stale(self) -> bool:
        return (self.reply.last_sound_s or 0.0) > (self.reply.interrupted_s or 0.0)


@dataclass(slots=True)
class Talks:
    """Measurements of one server, in one dialect."""

    name: str
    interruptions: list[Interruption] = field(default_factory=list[Interruption])
    coughs_ms: list[float] = field(default_factory=list[float])
    cut_by_coughs: int = 0
    late_ms: list[float] = field(default_factory=list[float])


Calling = Callable[[str, str], AbstractAsyncContextManager[Caller]]


# ---- what the user says ----------------------------------------------------------------------------------------------


def voices(number: int) -> Iterator[Utterance]:
    """A made voice of 0.9 s, of another pitch than the test services' voice: it must not be taken for an echo."""
    for start in count(number):
        samples = speech(start * 37.0, 900, RATE_HZ, PITCH_HZ).samples
        yield Utterance(f"voice {start}", samples, 0.0, len(samples) / RATE_HZ)


def recorded() -> Iterator[Utterance]:
    """People's speech; one recording begins with a breath, which is left out."""
    return cycle(one for one in utterances() if one.loud_from_s > 0)


def cough(number: int) -> Utterance:
    """One burst of breath through a throat, 0.2 to 0.4 s."""
    rng = np.random.default_rng(number)
    times = np.arange(round(rng.uniform(0.2, 0.4) * RATE_HZ)) / RATE_HZ
    air = rng.standard_normal(len(times)) * np.minimum(1, times / 0.01) * np.exp(-times / 0.08)
    frequencies = np.fft.rfftfreq(len(air), 1 / RATE_HZ)
    gain = sum(500 / at / (1 + ((frequencies - at) / 120) ** 2) for at in (650, 1300, 2500))
    sound = np.fft.irfft(np.fft.rfft(air) * gain, len(air))
    return Utterance(f"cough {number}", (sound / np.abs(sound).max() * 0.5).astype(np.float32), 0.0, len(air) / RATE_HZ)


# ---- the talk --------------------------------------------------------------------------------------------------------


async def _interrupt(
    caller: Caller, said: Iterator[Utterance], rounds: int, chance: np.random.Generator
) -> list[Interruption]:
    """Interrupt one reply after the other, `rounds` times at each of the offsets."""
    found: list[Interruption] = []
    await caller.until(lambda: caller.replies, 2.0)  # the bot opens, in some dialects
    for _ in range(rounds * len(OFFSETS_S) * ATTEMPTS):
        if len(found) == rounds * len(OFFSETS_S) or caller.closed:
            break
        offset_s = OFFSETS_S[len(found) % len(OFFSETS_S)]
        one = await _attempt(caller, said, offset_s, chance.uniform(0, SHIFT_S))
        found += [] if one is None else [one]
    return found


async def _attempt(caller: Caller, said: Iterator[Utterance], offset_s: float, shift_s: float) -> Interruption | None:
    """Interrupt the reply that is on, or ask for one; None when there was nothing to interrupt."""
    if not await _reply_has_sounded(caller, offset_s + shift_s):
        await _answered(caller, caller.say(next(said)))
        return None
    reply = caller.replies[-1]
    interruption = Interruption(caller.say(next(said)), reply, offset_s)
    await _answered(caller, interruption.said)
    return interruption if interruption.happened else None


async def _reply_has_sounded(caller: Caller, seconds: float) -> bool:
    """Wait until that much of the running reply has sounded; False when it ends before, or when there is none."""
    reply = caller.replies[-1] if caller.replies else None
    if reply is None or reply.done_s is not None:
        return False

    def over_or_long_enough() -> bool:
        began_s = reply.first_sound_s
        return reply.done_s is not None or (began_s is not None and caller.now_s - began_s >= seconds)

    return await caller.until(over_or_long_enough, seconds + ANSWERS_WITHIN_S) and reply.done_s is None


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


async def _cough(caller: Caller, talks: Talks, said: Iterator[Utterance], coughs: int) -> None:
    """Cough into replies, past the protected part of the session."""
    for number in range(coughs * ATTEMPTS):
        if len(talks.coughs_ms) + talks.cut_by_coughs == coughs or caller.closed:
            return
        if not await _reply_has_sounded(caller, OFFSETS_S[1 + number % 2]):
            await _answered(caller, caller.say(next(said)))
            continue
        reply, stalled_s = caller.replies[-1], caller.replies[-1].stalled_s
        coughed = caller.say(cough(number))
        await _watched(caller, coughed.loud_until_s + COUGH_WATCHED_S)
        if reply.interrupted_s is not None:
            talks.cut_by_coughs += 1
        elif (reply.last_sound_s or 0.0) > coughed.loud_until_s:  # else it had been sent whole before
            talks.coughs_ms.append((reply.stalled_s - stalled_s) * 1000)


async def _watched(caller: Caller, until_s: float) -> None:
    await caller.until(lambda: caller.now_s >= until_s, until_s - caller.now_s + 1)


# ---- the run ---------------------------------------------------------------------------------------------------------


def run(progress: Progress, *, quick: bool) -> Report:
    """Talk with a server on test services, and with one on the embedded models."""
    rounds = QUICK_ROUNDS if quick else ROUNDS
    with fakes("--answers", ANSWER) as services:
        with Server(*services, "--max-sessions", str(2 * CALLS)) as server:
            progress("test services", 0, 2)
            on_services = asyncio.run(_with_services(server.url, rounds))
        with Server(*services[-2:]) as server:
            progress("embedded models", 1, 2)
            embedded = asyncio.run(_with_models(server.url, rounds))
    return _report(on_services, embedded)


async def _with_services(url: str, rounds: int) -> list[Talks]:
    talks = [Talks("test services, Unmute"), Talks("test services, GA")]

    async def talk(number: int) -> None:
        await asyncio.sleep(number * 0.27)
        in_dialect: Calling = (call, realtime_call)[number % 2]
        async with in_dialect(url, INSTRUCTIONS) as caller:
            found = await _interrupt(caller, voices(number), rounds, np.random.default_rng(number))
            talks[number % 2].interruptions += found
            talks[number % 2].late_ms += caller.late_ms

    await asyncio.gather(*(talk(number) for number in range(2 * CALLS)))
    return talks


async def _with_models(url: str, rounds: int) -> Talks:
    talks, said = Talks("embedded models, Unmute"), recorded()
    for _ in range(ATTEMPTS):  # once, unless the bot hangs up
        done = len(talks.interruptions) // len(OFFSETS_S)
        async with call(url, INSTRUCTIONS) as caller:
            talks.interruptions += await _interrupt(caller, said, rounds - done, np.random.default_rng(done))
            await _cough(caller, talks, said, rounds * 3 // 2)
            talks.late_ms += caller.late_ms
        if len(talks.interruptions) == rounds * len(OFFSETS_S):
            break
    return talks


# ---- what it took ----------------------------------------------------------------------------------------------------


def _report(on_services: Sequence[Talks], embedded: Talks) -> Report:
    served = [one for talks in on_services for one in talks.interruptions]
    every = [*served, *embedded.interruptions]
    late_ms = [late for talks in (*on_services, embedded) for late in talks.late_ms]
    rows = [row for talks in (*on_services, embedded) for row in _rows(talks)]
    return Report(
        "barge_in",
        "Barge-in",
        tables=[
            Table("From the onset of the user's voice to … (ms)", ("moment", *SUMMARY), rows),
            Table(
                "A cough costs the reply (ms)",
                ("with", *SUMMARY, "replies cut"),
                [[embedded.name, *summary(embedded.coughs_ms), embedded.cut_by_coughs]],
            ),
        ],
        budgets=[
            *_budgets("test services", served, HELD_P95_MS, TOLD_P95_MS),
            *_budgets("embedded models", embedded.interruptions, EMBEDDED_HELD_P95_MS, EMBEDDED_TOLD_P95_MS),
            Budget(
                "embedded models, onset to the silence that the user hears, p95",
                percentile([one.heard_ms for one in embedded.interruptions], 95),
                EMBEDDED_HEARD_P95_MS,
                "ms",
            ),
            Budget("a cough's cost, p95", percentile(embedded.coughs_ms, 95), COUGH_P95_MS, "ms"),
        ],
        notes=[
            f"of {sum(one.stale for one in every)} of {len(every)} replies sound came after the client was told",
            f"the clients sent their frames {percentile(late_ms, 99):.1f} ms late (p99); 10 ms or more spoil it all",
        ],
        raw=[_raw(talks.name, one) for talks in (*on_services, embedded) for one in talks.interruptions],
    )


def _rows(talks: Talks) -> Iterator[list[Cell]]:
    for offset_s in sorted(OFFSETS_S):
        found = [one for one in talks.interruptions if one.offset_s == offset_s]
        yield [f"{talks.name}, {offset_s:g} s: the last sound received", *summary([one.sound_ms for one in found])]
        yield ["… the client is told", *summary([one.told_ms for one in found])]
        yield ["… the silence that the user hears", *summary([one.heard_ms for one in found])]


def _budgets(name: str, found: Sequence[Interruption], held_ms: float, told_ms: float) -> list[Budget]:
    held, told = [one.sound_ms for one in found], [one.told_ms for one in found]
    return [
        Budget(f"{name}, onset to the last sound of the reply, p95", percentile(held, 95), held_ms, "ms"),
        Budget(f"{name}, onset to the client being told, p95", percentile(told, 95), told_ms, "ms"),
    ]


def _raw(name: str, one: Interruption) -> dict[str, Any]:
    return {
        "with": name,
        "offset_s": one.offset_s,
        "utterance": one.said.utterance.name,
        "sound_ms": one.sound_ms,
        "told_ms": one.told_ms,
        "heard_ms": one.heard_ms,
        "stale": one.stale,
        "reply_s": one.reply.sound_s,
    }


if __name__ == "__main__":
    sys.exit(command("barge_in", run, __doc__))
