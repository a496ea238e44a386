"""The fluent sentences of a `Scenario`: `scenario.at(2).user_says("hello")`, `scenario.by(4).bot_is_interrupted()`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voicepipe.testing import acts as a
from voicepipe.testing import expectations as x
from voicepipe.testing import facts as f

if TYPE_CHECKING:
    from voicepipe.testing.scenario import Scenario

__all__ = ["Claim", "Cue", "Moment"]


class Moment:
    """Something happens at a time."""

    def __init__(self, scenario: Scenario, at_s: float) -> None:
        self._add, self._at_s = scenario.add, at_s

    def user_says(self, text: str) -> Scenario:
        return self._add(a.UserSays(self._at_s, text))

    def user_coughs(self, lasts_s: float | None = None) -> Scenario:
        return self._add(a.UserCoughs(self._at_s, lasts_s))

    def microphone_is_muted(self) -> Scenario:
        return self._add(a.Mutes(self._at_s))

    def microphone_comes_back(self) -> Scenario:
        return self._add(a.Unmutes(self._at_s))

    def network_stalls(self, lasts_s: float) -> Scenario:
        return self._add(a.NetworkStalls(self._at_s, lasts_s))

    def machine_stalls(self, lasts_s: float) -> Scenario:
        return self._add(a.MachineStalls(self._at_s, lasts_s))

    def client_leaves(self) -> Scenario:
        return self._add(a.ClientLeaves(self._at_s))

    def bot_is_told(self, prompt: str) -> Scenario:
        return self._add(a.ClientTells(self._at_s, prompt))

    def recogniser_fails(self) -> Scenario:
        return self._add(a.RecogniserFails(self._at_s))


class Cue:
    """Something happens a while after the bot has said something."""

    def __init__(self, scenario: Scenario, after_s: float, cue: str) -> None:
        self._add, self._after_s, self._cue = scenario.add, after_s, cue

    def user_says(self, text: str) -> Scenario:
        return self._add(a.SaysOnCue(self._after_s, self._cue, text))

    def user_coughs(self) -> Scenario:
        return self._add(a.CoughsOnCue(self._after_s, self._cue))

    def client_leaves(self) -> Scenario:
        return self._add(a.LeavesOnCue(self._after_s, self._cue))


class Claim:
    """Something must happen within a window, so often; `count` 0: it must not."""

    def __init__(self, scenario: Scenario, window: x.Window, count: int | None = None) -> None:
        self._scenario, self._window, self._count = scenario, window, count

    def bot_says(self, text: str) -> Scenario:
        return self._that(f.BotSays(text))

    def bot_replies(self) -> Scenario:
        return self._that(f.BotReplies())

    def bot_finishes(self) -> Scenario:
        return self._that(f.BotFinishes())

    def bot_is_interrupted(self) -> Scenario:
        return self._that(f.BotInterrupted())

    def bot_hangs_up(self) -> Scenario:
        return self._that(f.BotHangsUp())

    def conversation_ends(self) -> Scenario:
        return self._that(f.ConversationEnds())

    def user_is_told(self, text: str) -> Scenario:
        return self._that(f.UserTold(text))

    def bot_calls(self, name: str) -> Scenario:
        return self._that(f.BotCalls(name))

    def function_returns(self, name: str) -> Scenario:
        return self._that(f.FunctionReturns(name))

    def user_is_heard_saying(self, text: str) -> Scenario:
        return self._that(f.UserHeard(text))

    def llm_is_asked(self, text: str) -> Scenario:
        return self._that(f.LlmAsked(text))

    def answer_is_cancelled(self, text: str) -> Scenario:
        return self._that(f.AnswerCancelled(text))

    def service_fails(self) -> Scenario:
        return self._that(f.ServiceFails())

    def _that(self, fact: f.Fact) -> Scenario:
        return self._scenario.add(x.Happens(fact, self._window, self._count))
