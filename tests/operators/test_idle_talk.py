"""When the bot breaks a silence, in whole conversations with the default pipeline: one table, played against the
invariants, which count the same prompts by what was emitted."""

from __future__ import annotations

import pytest

from voicepipe.conversation import SILENCE, Function
from voicepipe.events import ReplyStarted
from voicepipe.testing import Scenario, run


def talk() -> Scenario:
    """An opening that ends at 0.46 s, and a client that leads, with an idle time of 2 s."""
    return Scenario().idle_prompts(7, 3).lasts(20).at(0.01).turns_are_detected(idle_s=2)


def failing() -> Scenario:
    return talk().llm_fails(SILENCE)


def slow() -> Scenario:
    """A model that takes a second for the reply to a silence."""
    return talk().llm(SILENCE, "Well?", after_s=1)


TABLE: list[tuple[str, Scenario, list[float]]] = [
    # the reply to a silence takes 1.3 s, and one that fails 0.1 s
    ("three in a row", talk(), [2.5, 5.8, 9.2]),
    ("a failed one counts", failing(), [2.5, 4.6, 6.7]),
    ("a cough behind a failed one", failing().at(3.5).user_coughs(0.1), [2.5, 4.6, 6.7]),
    ("a cough behind the last one", failing().at(9).user_coughs(0.1), [2.5, 4.6, 6.7]),
    ("a cough before one is heard", slow().at(3).user_coughs(0.1), [2.5, 3.3, 6.7, 10.0]),
    ("a cough while one is heard", talk().at(3.6).user_coughs(0.1), [2.5, 5.8, 9.2]),
    ("coughs before one is due", talk().at(1.2).user_coughs(0.1).at(2).user_coughs(0.1), [2.6, 6.0, 9.3]),
    ("a cough when one is due", talk().at(2.2).user_coughs(0.4), [3.1, 6.5, 9.8]),
    ("words", failing().at(9).user_says("hello there"), [2.5, 4.6, 6.7, 12.6, 14.7, 16.8]),
    ("a written message", failing().at(9).user_writes("hello there"), [2.5, 4.6, 6.7, 11.8, 13.9, 16.0]),
    ("a request", failing().at(9).client_asks_for_a_reply(), [2.5, 4.6, 6.7, 11.1, 13.2, 15.3]),
    ("a longer time", failing().at(5).turns_are_detected(idle_s=5), [2.5, 4.6, 10.0]),
    ("a shorter time", failing().at(5).turns_are_detected(idle_s=1), [2.5, 4.6, 6.0]),
    ("no detection", talk().at(2).turns_are_detected(False), []),
    ("none for a while", failing().at(5).turns_are_detected(False).at(8).turns_are_detected(idle_s=2),
     [2.5, 4.6, 10.0]),
    ("none from a cough on", slow().at(3).user_coughs(0.1).at(3.2).turns_are_detected(False)
     .at(5).turns_are_detected(idle_s=9).at(6).user_coughs(0.1), [2.5, 14.0]),
    ("a cancelled one, and a cough", slow().at(3).client_cancels_the_reply().at(4).user_coughs(0.1), [2.5, 5.0, 8.4]),
]  # fmt: skip


def calling() -> Scenario:
    """A function of the client's, called at 2.2 s; the user says something else, which is answered, while it runs."""
    look = Function("look", "Look who is there.", {"type": "object", "properties": {}})
    talks = Scenario().llm_calls("who is there", "look").llm("nobody", "Nobody.").llm(None, "Well then.")
    settings = talks.at(0.01).client_changes_settings(functions=[look]).at(0.02).turns_are_detected(idle_s=2)
    return settings.at(1).user_says("who is there").at(4).user_says("never mind").idle_prompts(7, 3).lasts(16)


def test_a_function_of_the_client_keeps_prompts_waiting_until_its_result_is_there() -> None:
    """Also behind other words and their answer: with its result, and the reply to that, the silence begins."""
    returned = calling().at(9).client_returns("look", "nobody").at(9.1).client_asks_for_a_reply()
    assert begun(calling()) == []
    assert begun(returned) == [11.6, 14.9]


@pytest.mark.parametrize(("scenario", "prompts"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_when_the_bot_breaks_the_silence(scenario: Scenario, prompts: list[float]) -> None:
    """Each row of the table."""
    assert begun(scenario) == prompts


def begun(scenario: Scenario) -> list[float]:
    """Return the times at which replies to a silence began, without those that the client has requested."""
    starts = [(at_s, event) for at_s, event in run(scenario).events if isinstance(event, ReplyStarted)]
    silent = [(at_s, event) for at_s, event in starts if event.conversation.is_silent]
    return [round(at_s, 1) for at_s, event in silent if not event.item.startswith("=")]
