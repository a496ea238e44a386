"""A judge: a language model that says whether a statement holds of a conversation, with a reason."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from voicepipe.conversation import Conversation, Message
from voicepipe.testing.simulation.model import Ask

__all__ = ["JUDGE", "Judgement", "Verdict", "verdict", "verdicts"]

JUDGE = """\
You judge a conversation between a user and a voice assistant. Say whether this statement holds: {statement}

Answer with one line of JSON, and nothing else: {{"verdict": "yes", "reason": "…"}}, or the same with "no". The reason
is one sentence, and quotes what it is about.\
"""
"""The system prompt of the judge; `{statement}` is the statement."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer of the judge. What is no verdict counts as "no", with the answer as its reason."""

    holds: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """A statement, how often the judge is asked, and the share of "yes" that it needs."""

    statement: str
    repeats: int = 1
    pass_rate: float = 1.0

    def complaint(self, found: Sequence[Verdict]) -> str | None:
        """Return the reasons against it, or None if enough verdicts are "yes"."""
        if not found:
            return "it was not judged"
        held = sum(one.holds for one in found)
        if held >= self.pass_rate * len(found) - 1e-9:
            return None
        reasons = "; ".join(dict.fromkeys(one.reason for one in found if not one.holds))
        return f"{held} of {len(found)} verdicts are yes. No, because: {reasons}"


async def verdicts(judgement: Judgement, lines: Sequence[str], ask: Ask) -> list[Verdict]:
    """Ask the judge as often as the judgement says.

    Args:
        judgement: The statement.
        lines: What was said, a line for each turn.
        ask: The judge's model.
    """
    conversation = Conversation(
        JUDGE.format(statement=judgement.statement), (Message("user", "\n".join(lines) or "(nothing was said)"),)
    )
    return [verdict(await ask(conversation)) for _ in range(judgement.repeats)]


def verdict(answer: str) -> Verdict:
    """Read a judge's answer; text around the JSON, such as a fence, is ignored.

    >>> verdict('Sure: {"verdict": "no", "reason": "It shouts."}')
    Verdict(holds=False, reason='It shouts.')
    """
    found = re.search(r"\{.*\}", answer, re.DOTALL)
    try:
        read: Any = json.loads(found[0]) if found else None
    except ValueError:
        read = None
    match read:
        case {"verdict": "yes" | "no" as said, "reason": str(reason)}:
            return Verdict(said == "yes", reason)
        case _:
            return Verdict(False, f"the judge answered no verdict: {answer!r}")
