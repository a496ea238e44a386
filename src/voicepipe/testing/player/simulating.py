"""The simulated user and the judge of one conversation: what they are asked, and what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voicepipe.testing.marbles.sources import Scene
from voicepipe.testing.player.llm_and_tts import ScenarioLlm
from voicepipe.testing.player.script import ServiceScript
from voicepipe.testing.player.transcript import Transcript
from voicepipe.testing.simulation.judge import verdicts
from voicepipe.testing.simulation.model import Ask, collected
from voicepipe.testing.simulation.user import Outcome, Simulation

__all__ = ["Simulating"]


class Simulating:
    """Writes the simulated user's outcome and the judge's verdicts into a transcript.

    Args:
        cast: The script, with the goal and the statements.
        model: The model of both; None: the scripted LLM. Requests that it does not know are `Transcript.missed`.
        loop: The loop of the conversation.
        played: The transcript.
        began_s: The time of the loop at which the conversation began.
    """

    def __init__(
        self,
        cast: ServiceScript,
        model: Ask | None,
        loop: asyncio.AbstractEventLoop,
        played: Transcript,
        began_s: float = 0.0,
    ) -> None:
        self._cast, self._loop, self._played, self._began_s = cast, loop, played, began_s
        self._scripted = ScenarioLlm(Scene(loop), cast)
        self._ask: Ask = model or (lambda conversation: collected(self._scripted(conversation)))

    def user(self, say: Callable[[str], float], finished: Callable[[], object]) -> Simulation | None:
        """Return the simulated user; None: the scenario has none.

        Args:
            say: Lets the user say a text; returns how long it takes, in seconds.
            finished: Called when the simulated user has finished.
        """
        if (goal := self._cast.goal) is None:
            return None
        self._played.outcome = "talking"

        def end(outcome: Outcome | Exception) -> None:
            self._note(outcome)
            finished()

        return Simulation(goal, self._ask, say, end)

    async def judge(self) -> None:
        """Ask the judge; a statement for which its model fails stays without a verdict."""
        for judgement in self._cast.judgements:
            try:
                found = await verdicts(judgement, self._played.dialogue, self._ask)
            except Exception as error:
                self._played.missed.append(f"the judge of {judgement.statement!r} failed: {error}")
            else:
                self._played.verdicts[judgement.statement] = found

    def _note(self, outcome: Outcome | Exception) -> None:
        if isinstance(outcome, Exception):
            self._played.missed.append(f"the simulated user failed: {outcome}")
            return
        self._played.outcome = outcome
        self._played.done.append((self._loop.time() - self._began_s, outcome))
        if outcome == "reached the goal":
            self._played.goal_s = self._loop.time() - self._began_s
