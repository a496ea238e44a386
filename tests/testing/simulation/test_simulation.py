"""Simulated users and judges in virtual time, with the scripted model."""

from __future__ import annotations

from typing import Any

import pytest

from voicepipe.testing import Scenario, ScenarioFailed, Verdict, play, run
from voicepipe.testing.simulation.judge import Judgement, verdict


def talk(says: str, **given: Any) -> Scenario:
    """Return a conversation in which the user says the same each time, and the bot "I see."."""
    scenario = Scenario("A simulated user").llm_when(says, system="You play a user").llm(None, "I see.")
    return scenario.user_pursues("Get a table.", **given).ever().user_reaches_goal()


@pytest.mark.parametrize(
    ("says", "outcome", "turns"),
    [("A table.", "ran out of turns", 3), ("[give up]", "gave up", 0), ("It is fine. [done]", "reached the goal", 0)],
)
def test_how_it_ends(says: str, outcome: str, turns: int) -> None:
    """And the conversation with it, 5 s later."""
    played = play(talk(says, max_turns=3))
    assert played.outcome == outcome
    assert [text for _, text in played.done] == [f'"{says}"'] * turns + [outcome]
    assert played.closed_s < 20
    assert (played.goal_s is not None) is (outcome == "reached the goal")


def test_it_may_speak_first() -> None:
    """To a bot that waits for it."""
    played = play(talk("A table.", max_turns=1, starts=True).instructions(None))
    assert played.done[0] == (0.1, '"A table."')


def test_a_goal_that_is_not_reached_is_told() -> None:
    with pytest.raises(ScenarioFailed, match="the simulated user gave up"):
        run(talk("[give up]"))


def test_a_user_that_is_not_scripted_is_told() -> None:
    """With what its model was asked."""
    with pytest.raises(ScenarioFailed, match="simulated user failed: LLM: no answer is scripted") as failed:
        run(Scenario().llm_when("Hi!", system="Be brief").user_pursues("Get a table."))
    assert "Your goal: Get a table." in str(failed.value)


def test_a_judge_that_says_no_is_told_with_its_reason() -> None:
    scenario = (
        Scenario("A rude bot")
        .llm_when('{"verdict": "no", "reason": "It says go away."}', system="You judge")
        .llm(None, "Go away.")
        .judge("the bot is polite", repeats=2, pass_rate=0.5)
    )
    with pytest.raises(ScenarioFailed, match=r"0 of 2 verdicts are yes. No, because: It says go away\."):
        run(scenario)


@pytest.mark.parametrize(
    ("answer", "holds"),
    [
        ('{"verdict": "yes", "reason": "x"}', True),
        ('```json\n{"verdict": "no", "reason": "x"}\n```', False),
        ("Yes.", False),
        ('{"verdict": "perhaps", "reason": "x"}', False),
        ('{"verdict": "yes"}', False),
        ("{verdict}", False),
    ],
)
def test_what_a_verdict_is(answer: str, holds: bool) -> None:
    """All else counts as "no", and the reason says so."""
    read = verdict(answer)
    assert read.holds is holds
    assert read.reason == "x" or "no verdict" in read.reason


def test_a_pass_rate() -> None:
    """Of as many verdicts as were asked for."""
    found = [Verdict(True, "a"), Verdict(True, "b"), Verdict(False, "c")]
    assert Judgement("it holds", 3, 0.6).complaint(found) is None
    assert Judgement("it holds", 3, 0.7).complaint(found) == "2 of 3 verdicts are yes. No, because: c"
    assert Judgement("it holds").complaint([]) == "it was not judged"
