"""Word errors: what the bot understood of the opening of "A Tale of Two Cities", through the whole pipeline.

The recording (44 s, read by a man, in the assets of `moonshine-voice`) is played at its own pace to a server process
with the embedded models, as one long speech. The bot takes pauses for the ends of turns, answers, is interrupted as
the reading goes on: what counts is what it heard.

Measured is the word error rate, (wrong + missing + invented) / words of the text, of the user's turns as the chat
history in `unmute.additional_outputs` has them, which is what the language model reads; and of the captions, word by
word as they were shown, which come earlier and are not corrected. Words are compared as lower-case letters and
apostrophes; all other characters divide words or are left out. The text is the first paragraph of the novel (public
domain) as far as it is read.

    python -m benchmarks.accuracy            3 readings, about three minutes; the errors of all are summed
    python -m benchmarks.accuracy --quick    1 reading
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Sequence

from benchmarks.common import (
    RATE_HZ,
    Budget,
    Progress,
    Report,
    Server,
    Table,
    Utterance,
    call,
    command,
    recording,
)

READINGS, QUICK_READINGS = 3, 1
LIMIT_PERCENT = 8.0
NUDGE = "..."
"""The entry of the history for a silence of the user."""

TEXT = """\
It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness, it was the
epoch of belief, it was the epoch of incredulity, it was the season of Light, it was the season of Darkness, it was the
spring of hope, it was the winter of despair, we had everything before us, we had nothing before us, we were all going
direct to Heaven, we were all going direct the other way - in short, the period was so far like the present period, that
some of its noisiest authorities insisted on its being received, for good or for evil, in the superlative degree of
comparison only."""


def words(text: str) -> list[str]:
    """Lower-case letters and apostrophes.

    >>> words("Don't — STOP, please-now.")
    ["don't", 'stop', 'please', 'now']
    """
    return re.findall(r"[a-z']*[a-z][a-z']*", text.lower().replace("’", "'"))


def edits(reference: Sequence[str], heard: Sequence[str]) -> int:
    """The fewest substitutions, deletions and insertions that turn one into the other.

    >>> edits("it was the best".split(), "it was a best of".split())
    2
    """
    costs = list(range(len(heard) + 1))
    for row, wanted in enumerate(reference, 1):
        diagonal, costs[0] = costs[0], row
        for column, got in enumerate(heard, 1):
            cost = min(costs[column] + 1, costs[column - 1] + 1, diagonal + (wanted != got))
            diagonal, costs[column] = costs[column], cost
    return costs[-1]


def run(progress: Progress, *, quick: bool) -> Report:
    """Read to the bot again and again, each time in a new conversation."""
    readings = QUICK_READINGS if quick else READINGS
    heard: list[tuple[list[str], str]] = []
    with Server() as server:
        for number in range(readings):
            progress("reading", number, readings)
            heard.append(asyncio.run(_read(server.url)))
    return _report(heard)


async def _read(url: str) -> tuple[list[str], str]:
    """The user's turns, and the captions."""
    sound = recording("two_cities")
    async with call(url) as caller:
        await caller.hear_out()
        said = caller.say(Utterance("two_cities", sound, 0.0, len(sound) / RATE_HZ))
        await caller.until(lambda: caller.now_s > said.loud_until_s + 2.0, said.utterance.duration_s + 10)
        await caller.hear_out(20.0)
        turns = [one["content"] for one in caller.history if one["role"] == "user" and one["content"] != NUDGE]
        return turns, " ".join(caller.captions)


def _report(heard: Sequence[tuple[list[str], str]]) -> Report:
    reference = words(TEXT)
    by_turns = [edits(reference, words(" ".join(turns))) for turns, _ in heard]
    by_captions = [edits(reference, words(captions)) for _, captions in heard]
    spoken = len(reference) * len(heard)
    rate = 100 * sum(by_turns) / spoken
    rows = [
        ["the user's turns", sum(by_turns), spoken, rate, _each(by_turns, len(reference))],
        ["captions", sum(by_captions), spoken, 100 * sum(by_captions) / spoken, _each(by_captions, len(reference))],
    ]
    return Report(
        "accuracy",
        "Word errors",
        tables=[Table("Of the text that was read", ("what", "errors", "words", "%", "each reading (%)"), list(rows))],
        budgets=[Budget("word error rate of the user's turns", rate, LIMIT_PERCENT, "%")],
        notes=[f"the reading was taken for {', '.join(str(len(turns)) for turns, _ in heard)} turns"],
        raw=[{"turns": turns, "captions": captions} for turns, captions in heard],
    )


def _each(errors: Sequence[int], of: int) -> str:
    return ", ".join(f"{100 * count / of:.1f}" for count in errors)


if __name__ == "__main__":
    sys.exit(command("accuracy", run, __doc__))
