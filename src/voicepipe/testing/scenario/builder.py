"""The second half of a `Scenario`'s calls: `.at(2).user_says("hello")`, `.by(4).bot_is_interrupted()`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from voicepipe.testing.player import acts as a
from voicepipe.testing.scenario import expectations as x
from voicepipe.testing.scenario import facts as f

__all__ = ["Claim", "Cue", "Moment"]

S = TypeVar("S")
"""The result of a call: the scenario that it was called on."""


class Moment(Generic[S]):
    """Add something that happens at a time."""

    def __init__(self, add: Callable[[a.Act], S], at_s: float) -> None:
        self._add, self._at_s = add, at_s

    def user_says(self, text: str) -> S:
        return self._add(a.UserSays(self._at_s, text))

    def user_coughs(self, lasts_s: float | None = None) -> S:
        return self._add(a.UserCoughs(self._at_s, lasts_s))

    def microphone_is_muted(self) -> S:
        return self._add(a.Mutes(self._at_s))

    def microphone_comes_back(self) -> S:
        return self._add(a.Unmutes(self._at_s))

    def network_stalls(self, lasts_s: float) -> S:
        return self._add(a.NetworkStalls(self._at_s, lasts_s))

    def machine_stalls(self, lasts_s: float) -> S:
        return self._add(a.MachineStalls(self._at_s, lasts_s))

    def client_leaves(self) -> S:
        return self._add(a.ClientLeaves(self._at_s))

    def bot_is_told(self, prompt: str) -> S:
        return self._add(a.ClientTells(self._at_s, prompt))

    def recogniser_fails(self) -> S:
        return self._add(a.RecogniserFails(self._at_s))


class Cue(Generic[S]):
    """Add something that happens a while after the bot has said something."""

    def __init__(self, add: Callable[[a.Act], S], after_s: float, cue: str) -> None:
        self._add, self._after_s, self._cue = add, after_s, cue

    def user_says(self, text: str) -> S:
        return self._add(a.SaysOnCue(self._after_s, self._cue, text))

    def user_coughs(self) -> S:
        return self._add(a.CoughsOnCue(self._after_s, self._cue))

    def client_leaves(self) -> S:
        return self._add(a.LeavesOnCue(self._after_s, self._cue))


class Claim(Generic[S]):
    """Add something that must happen within a window, `count` times; `count` 0: it must not."""

    def __init__(self, add: Callable[[f.Expectation], S], window: x.Window, count: int | None = None) -> None:
        self._add, self._window, self._count = add, window, count

    def bot_says(self, text: str) -> S:
        return self._that(f.BotSays(text))

    def bot_replies(self) -> S:
        return self._that(f.BotReplies())

    def bot_finishes(self) -> S:
        return self._that(f.BotFinishes())

    def bot_is_interrupted(self) -> S:
        return self._that(f.BotInterrupted())

    def bot_hangs_up(self) -> S:
        return self._that(f.BotHangsUp())

    def conversation_ends(self) -> S:
        return self._that(f.ConversationEnds())

    def user_is_told(self, text: str) -> S:
        return self._that(f.UserTold(text))

    def bot_calls(self, name: str) -> S:
        return self._that(f.BotCalls(name))

    def function_returns(self, name: str) -> S:
        return self._that(f.FunctionReturns(name))

    def user_is_heard_saying(self, text: str) -> S:
        return self._that(f.UserHeard(text))

    def llm_is_asked(self, text: str) -> S:
        return self._that(f.LlmAsked(text))

    def answer_is_cancelled(self, text: str) -> S:
        return self._that(f.AnswerCancelled(text))

    def service_fails(self) -> S:
        return self._that(f.ServiceFails())

    def _that(self, fact: f.Fact) -> S:
        return self._add(x.Happens(fact, self._window, self._count))
