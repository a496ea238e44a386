"""A simulated user: a language model with a goal, which talks until the goal is reached or its turns run out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from voicepipe.conversation import Conversation, Message
from voicepipe.testing.simulation.model import Ask

__all__ = ["DONE", "GIVE_UP", "USER", "Outcome", "Simulation", "UserGoal"]

DONE, GIVE_UP = "[done]", "[give up]"

USER = f"""\
You play a user of a voice assistant, which speaks to you in the user's messages. Your goal: {{goal}}

Answer with what you say next: one or two short spoken sentences, without quotes or stage directions. When your goal is
reached, answer with {DONE} alone. When it cannot be reached any more, answer with {GIVE_UP} alone.\
"""
"""The system prompt of the simulated user; `{goal}` is the goal."""

Outcome: TypeAlias = Literal["talking", "reached the goal", "gave up", "ran out of turns"]


@dataclass(frozen=True, slots=True)
class UserGoal:
    """The goal of a simulated user.

    Args:
        goal: The goal, in the words in which the model is told it.
        max_turns: How often the user speaks at most.
        starts: The user speaks first; otherwise when the bot has opened.
    """

    goal: str
    max_turns: int = 8
    starts: bool = False


class Simulation:
    """One conversation of a simulated user.

    Args:
        goal: What the user wants.
        ask: The user's model.
        say: Lets the user say a text; returns how long it takes, in seconds.
        finished: Called once, with how it ended, or with what the model raised.
    """

    def __init__(
        self,
        goal: UserGoal,
        ask: Ask,
        say: Callable[[str], float],
        finished: Callable[[Outcome | Exception], None],
    ) -> None:
        self._goal, self._ask, self._say, self._finished = goal, ask, say, finished
        self._messages: list[Message] = []
        self._turns = 0
        self._speaks_until_s = 0.0
        self._thinking: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Let the user speak first, if it starts."""
        if self._goal.starts:
            self._think()

    def hear(self, text: str, *, ended: bool) -> None:
        """Note what the bot has said; when its reply has `ended`, the user answers."""
        if text:
            self._messages.append(Message("user", text))
        busy = self._thinking is not None or asyncio.get_running_loop().time() < self._speaks_until_s
        if ended and not busy:
            self._think()

    def stop(self) -> None:
        """Cancel a request that is under way."""
        if self._thinking is not None:
            self._thinking.cancel()

    def _think(self) -> None:
        self._thinking = asyncio.get_running_loop().create_task(self._answer(), name="simulated user")

    async def _answer(self) -> None:
        try:
            text = await self._ask(Conversation(USER.format(goal=self._goal.goal), tuple(self._messages)))
        except Exception as error:
            self._finished(error)
            return
        if DONE in text:
            self._finished("reached the goal")
        elif GIVE_UP in text:
            self._finished("gave up")
        elif self._turns == self._goal.max_turns:
            self._finished("ran out of turns")
        else:
            self._speak(text)

    def _speak(self, text: str) -> None:
        self._turns += 1
        self._messages.append(Message("assistant", text))
        self._speaks_until_s = asyncio.get_running_loop().time() + self._say(text)
        self._thinking = None
