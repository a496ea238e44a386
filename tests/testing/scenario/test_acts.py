"""Client events as acts, and the rules of the scripted model."""

from __future__ import annotations

import pytest

from voicepipe.conversation import ItemId
from voicepipe.events import (
    Function,
    InputCleared,
    InputCommitted,
    ItemCreated,
    ItemDeleted,
    ItemTruncated,
    ReplyCancelled,
    ReplyInterrupted,
    ReplyRequested,
    SettingsChanged,
    TurnEnded,
    TurnTaking,
    WordRecognised,
)
from voicepipe.testing import Scenario, play, run

BY_CLIENT = TurnTaking("client", answers=False, interrupts=False)
NAMES = {"Scenario": Scenario, "Function": Function, "TurnTaking": TurnTaking, "ItemDeleted": ItemDeleted}


def everything(*, simulated: bool) -> Scenario:
    s = Scenario("All acts of a client")
    s.llm_when("a", system="b", tools=["look"], last_user="c", calls=("look", {"at": 1}), after_s=0.2, word_s=0.1)
    if simulated:
        s.user_pursues("d", max_turns=3, starts=True).judge("e").judge("f", repeats=3, pass_rate=0.5)
    s.at(1).client_asks_for_a_reply().at(2).client_asks_for_a_reply("Greet.", aloud=False)
    s.at(3).client_cancels_the_reply().at(4).client_writes("g").at(5).client_writes("h", "assistant")
    s.at(6).client_returns("look", "i").at(7).client_commits_audio().at(8).client_clears_audio()
    s.at(9).client_truncates(800).at(10).client_sends(ItemDeleted(ItemId("j")))
    s.at(11).client_changes_settings("k", voice="l", aloud=True, turns=BY_CLIENT, functions=[Function("look")])
    return s.ever().user_reaches_goal()


def test_every_call_is_written_so_that_it_builds_the_same() -> None:
    first = everything(simulated=True)
    again = eval(repr(first), dict(NAMES))
    assert repr(again) == repr(first)
    assert (again.acts, again.expectations) == (first.acts, first.expectations)
    assert again.cast.goal == first.cast.goal
    assert again.cast.rules[0].answer == first.cast.rules[0].answer


def test_every_act_sends_its_event() -> None:
    """Into the pipeline, in order."""
    played = play(everything(simulated=False).instructions("Be brief.").lasts(12))
    kinds = (ItemCreated, ItemDeleted, ItemTruncated, InputCommitted, InputCleared, ReplyCancelled, ReplyRequested)
    came = [type(event) for _, event in played.events if isinstance(event, kinds)]
    assert set(came) == set(kinds)
    assert played.of(SettingsChanged)[-1].voice == "l"


def test_a_client_commits_what_was_said() -> None:
    """And has it answered."""
    played = run(
        Scenario("Push to talk")
        .llm("one two", "Three.")
        .at(1).client_changes_settings(turns=BY_CLIENT)
        .at(2).user_says("one two")
        .at(4).client_commits_audio()
        .at(4.5).client_asks_for_a_reply()
        .by(6).bot_says("Three.")
    )  # fmt: skip
    assert [turn.text for turn in played.of(TurnEnded) if turn.text] == ["one two"]


def test_a_client_stops_the_reply() -> None:
    """By a request, without a word."""
    played = run(
        Scenario("Stop")
        .llm("tell me", "One two three four five six seven eight nine ten.")
        .at(2).user_says("tell me")
        .at(5).client_cancels_the_reply()
        .never().bot_says("ten")
        .unchecked("a turn is what was recognised")
    )  # fmt: skip
    assert played.times(ReplyInterrupted) == [5.0]


def test_another_event_is_no_act() -> None:
    """The pipeline's own events do not come from a client."""
    with pytest.raises(TypeError, match="WordRecognised does not travel"):
        Scenario().at(1).client_sends(WordRecognised("hello", 0, 1))


def test_a_result_of_a_function_that_was_not_called_is_told() -> None:
    played = play(Scenario().at(1).client_returns("look", "x").lasts(2))
    assert "(the bot has not called look)" in str(played)


def test_rules_know_prompt_functions_and_history_of_models_in_this_process() -> None:
    """The embedded model is scripted by the same rules, and has no functions."""
    run(
        Scenario("In this process")
        .in_process()
        .llm_when("Hi!", system="Be brief", last_user="", tools=[])
        .llm_when("It is noon.", last_user="time", history=lambda asked: len(asked.messages) == 2)
        .at(2).user_says("what time is it")
        .by(8).bot_says("It is noon.")
    )  # fmt: skip
