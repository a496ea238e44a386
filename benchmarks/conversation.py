"""Voice to voice: from the user's last loud sample to the bot's first sound, in a real conversation.

A server process with the embedded models, a WebSocket in Unmute's dialect, and real human speech, cut at its pauses
into utterances of 1 to 8 s. Each utterance is one turn of the user; the next one comes when the bot's reply has been
played to its end, so nobody interrupts anybody.

Measured per turn, on the client's clock: from when the last loud sample of the utterance was spoken (by energy: less
than 35 dB below the recording's loudest 10 ms) to when the first packet of the reply with sound in it arrived. Below
that stand the server's own parts, in the order in which time passes; they sum to the server's total. `wire` is what
the client saw beyond that: the way there and back, up to 40 ms in which Opus packs two frames of the microphone on a
page, and the difference between a loud sample and one in which the VAD hears speech, which may be less than nothing.

Apart from these figures stand turns that the bot began to answer before the user had finished (*early*: it took a pause
for the end; most such replies are taken back before they sound) and turns that it did not answer within 6.5 s.

    python -m benchmarks.conversation            54 turns, about a quarter of an hour
    python -m benchmarks.conversation --quick    6 turns
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

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

TURNS, QUICK_TURNS = 54, 6
P50_MS, P95_MS = 700.0, 1100.0
ANSWERS_WITHIN_S = 6.5
"""Less than the 7 s after which the bot breaks the silence by itself."""
SOUNDS_WITHIN_S = 20.0


@dataclass(frozen=True, slots=True)
class Turn:
    """The replies to an utterance. `answer` is the one that was heard to its end; None if there is none."""

    said: Said
    replies: list[Reply]
    answer: Reply | None

    @property
    def early(self) -> bool:
        """The bot took the floor before the user had finished."""
        return any(reply.created_s < self.said.loud_until_s for reply in self.replies)

    @property
    def talked_over(self) -> bool:
        """The user heard it do so."""
        return any((reply.first_sound_s or self.said.loud_until_s) < self.said.loud_until_s for reply in self.replies)

    @property
    def latency_ms(self) -> float | None:
        if self.answer is None or self.answer.first_sound_s is None:
            return None
        return (self.answer.first_sound_s - self.said.loud_until_s) * 1000

    def raw(self) -> dict[str, Any]:
        answer = self.answer
        return {
            "utterance": self.said.utterance.name,
            "latency_ms": self.latency_ms,
            "early": self.early,
            "talked_over": self.talked_over,
            "server_ms": answer and answer.server_ms,
            "parts_ms": answer and answer.parts_ms,
            "reply": answer and answer.text,
            "replies": len(self.replies),
        }


async def take_turns(caller: Caller, said: Sequence[Utterance], done: Callable[[Turn], object]) -> None:
    """Say each utterance when the bot is silent, and hear out what it answers, to the end or until the bot hangs up."""
    await caller.hear_out()
    for utterance in said:
        turn = await _take_turn(caller, utterance)
        if turn is None:
            return
        done(turn)


async def _take_turn(caller: Caller, utterance: Utterance) -> Turn | None:
    """None when the call ended meanwhile."""
    known = len(caller.replies)
    said = caller.say(utterance)

    def answer() -> Reply | None:
        """The newest reply, unless it was cut short: then the bot waits for more."""
        newest = caller.replies[-1] if len(caller.replies) > known else None
        return None if newest is None or newest.interrupted_s is not None else newest

    await caller.until(lambda: caller.now_s > said.loud_until_s + 0.3, utterance.duration_s + 5)
    if await caller.until(answer, said.loud_until_s + ANSWERS_WITHIN_S - caller.now_s):
        await caller.until(lambda: (one := answer()) and one.first_sound_s is not None, SOUNDS_WITHIN_S)
        await caller.hear_out()
    if caller.closed and answer() is None:
        return None
    return Turn(said, caller.replies[known:], answer())


def run(progress: Progress, *, quick: bool) -> Report:
    """Hold the conversation; a bot that hangs up is called again."""
    wanted = utterances(QUICK_TURNS if quick else TURNS)
    turns: list[Turn] = []
    with Server() as server:
        late_ms = asyncio.run(_converse(server.url, wanted, turns, progress))
    return _report(turns, late_ms)


async def _converse(url: str, wanted: Sequence[Utterance], turns: list[Turn], progress: Progress) -> list[float]:
    late_ms: list[float] = []

    def done(turn: Turn) -> None:
        turns.append(turn)
        progress("voice to voice", len(turns), len(wanted))

    progress("voice to voice", 0, len(wanted))
    for _ in range(len(wanted)):
        async with call(url) as caller:
            await take_turns(caller, wanted[len(turns) :], done)
            late_ms += caller.late_ms
        if len(turns) == len(wanted):
            break
    return late_ms


# ---- the report ------------------------------------------------------------------------------------------------------


def _report(turns: Sequence[Turn], late_ms: Sequence[float]) -> Report:
    good = [turn for turn in turns if turn.latency_ms is not None and not turn.early]
    latencies = [turn.latency_ms for turn in good if turn.latency_ms is not None]
    early = [turn for turn in turns if turn.early]
    apart = [turn.latency_ms for turn in early if turn.latency_ms is not None]
    return Report(
        "conversation",
        "Voice to voice",
        tables=[
            Table("From the last loud sample to the first sound (ms)", ("part", *SUMMARY), _rows(good, latencies)),
            Table(
                "Turns",
                ("kind", "count"),
                [
                    ["answered when the user had finished", len(good)],
                    ["early: the bot took the floor before the user had finished", len(early)],
                    ["… and was heard to", sum(turn.talked_over for turn in early)],
                    ["never answered", sum(turn.answer is None for turn in turns)],
                ],
            ),
        ],
        budgets=[
            Budget("voice to voice, p50", percentile(latencies, 50), P50_MS, "ms"),
            Budget("voice to voice, p95", percentile(latencies, 95), P95_MS, "ms"),
        ],
        notes=[
            *([f"of early turns, the last answer came after {percentile(apart, 50):.0f} ms (p50)"] if apart else []),
            *_growth(latencies),
            f"the server's parts differ from its total by {_off_ms(good):.3f} ms at most",
            f"the client sent its frames {percentile(late_ms, 99):.1f} ms late (p99)",
        ],
        raw=[turn.raw() for turn in turns],
    )


def _rows(good: Sequence[Turn], latencies: Sequence[float]) -> list[list[Any]]:
    return [
        *([name, *summary(values)] for name, values in parts(good)),
        ["server, total", *summary([turn.answer.server_ms for turn in good if turn.answer and turn.answer.server_ms])],
        ["voice to voice", *summary(latencies)],
    ]


def parts(good: Sequence[Turn]) -> Iterator[tuple[str, list[float]]]:
    """Yield the parts of voice to voice, each with its figures."""
    accounts = [turn.answer.parts_ms for turn in good if turn.answer and turn.answer.parts_ms]
    for name in accounts[0] if accounts else ():
        yield name, [parts[name] for parts in accounts]
    answered = [(turn.latency_ms, turn.answer.server_ms) for turn in good if turn.answer]
    yield "wire", [seen - told for seen, told in answered if seen is not None and told is not None]


def _growth(latencies: Sequence[float]) -> Iterator[str]:
    """A conversation that gets longer must not get slower."""
    third = len(latencies) // 3
    if third:
        first, last = percentile(latencies[:third], 50), percentile(latencies[-third:], 50)
        yield f"p50 of the first {third} turns is {first:.0f} ms, of the last {third} {last:.0f} ms"


def _off_ms(good: Sequence[Turn]) -> float:
    answers = [turn.answer for turn in good if turn.answer and turn.answer.server_ms is not None]
    return max((abs(sum(one.parts_ms.values()) - (one.server_ms or 0.0)) for one in answers), default=float("nan"))


if __name__ == "__main__":
    sys.exit(command("conversation", run, __doc__))
