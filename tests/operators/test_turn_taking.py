"""Turns in a room: acknowledgements, coughs, music and settings, in whole conversations with the default pipeline."""

from __future__ import annotations

import pytest

from voicepipe.events import TurnTaking
from voicepipe.testing import Scenario, run

STORY = (
    "Let me see, that is a long story, and it begins at sea, where the wind is cold and the nights are long and dark."
)
SEA = "I was at sea for a year, and do you like the sea? I do like it a lot because of the wind."


def talk(opening: str = STORY) -> Scenario:
    return Scenario().llm("", opening).llm(None, "I see that now.")


@pytest.mark.parametrize(
    "scenario",
    [
        talk().at(4.5).user_says("yeah sure I see okay"),
        talk().at(4.5).user_coughs(0.2).at(5.2).user_coughs(0.2).at(5.7).user_says("mhm"),
    ],
    ids=["a long acknowledgement", "two coughs and an acknowledgement"],
)
def test_what_is_no_interruption_holds_the_reply_and_no_more(scenario: Scenario) -> None:
    """It is heard to its end, and the next prompt knows nothing of it."""
    run(scenario.never().bot_is_interrupted().remembers("assistant", STORY).lasts(14))


def test_an_interruption_may_begin_as_an_acknowledgement_does() -> None:
    """Right behind one that was none, and within one turn."""
    run(talk().at(4.5).user_says("mhm").at(5.3).user_says("no stop").ever(times=1).bot_is_interrupted().lasts(10))
    run(talk().at(4.5).user_says("okay no wait").ever(times=1).bot_is_interrupted().lasts(10))


def test_an_answer_to_a_question_behind_which_the_bot_goes_on() -> None:
    """The user speaks a moment after the question, when the next word has been heard."""
    run(
        talk(SEA).after_bot_says("sea?", 0.2).user_says("yes").ever(times=1).bot_is_interrupted()
        .ever().llm_is_asked("yes").lasts(12)
    )  # fmt: skip


def test_music_that_begins_in_a_turn_ends_it_after_half_a_minute() -> None:
    """The answer is heard over the music, which is no new turn."""
    run(
        talk("Hi!").at(2).user_says("hello there my friend").at(3.2).user_coughs(45)
        .between(32, 33).llm_is_asked("hello there my friend").between(32, 35).bot_says("I see that now.")
        .never().bot_is_interrupted().lasts(55)
    )  # fmt: skip


def test_a_speech_without_a_pause_is_answered_after_half_a_minute_and_goes_on() -> None:
    """Its next word silences the bot, and none is lost."""
    said = " ".join(f"word{number}" for number in range(120))
    played = run(talk("Hi!").at(2).user_says(said).between(32, 33).bot_replies().lasts(50))
    told = " ".join(one.text for one in played.conversation.messages if one.role == "user")
    assert told.split()[:120] == said.split()


def test_an_idle_time_that_changes_while_the_reply_is_held_counts_behind_it() -> None:
    """A cough does not postpone it."""
    run(
        talk().at(0.01).turns_are_detected(idle_s=9).at(4.5).user_coughs(0.4).at(4.7).turns_are_detected(idle_s=2)
        .idle_prompts(7, 3).between(9, 12, times=1).bot_says("Are you still there?").lasts(12.5)
    )  # fmt: skip


def test_a_client_that_wants_no_interruptions_is_answered_behind_the_reply() -> None:
    """Words wait for its end; a cough and an acknowledgement do nothing."""
    deaf = talk().at(0.01).client_changes_settings(turns=TurnTaking(interrupts=False)).never().bot_is_interrupted()
    run(deaf.at(4.5).user_says("stop it now").after(7.5).llm_is_asked("stop it now").lasts(12))
    run(deaf.at(6).user_coughs(0.4).lasts(10))


def test_a_client_that_wants_no_answers_still_gets_prompts() -> None:
    """The turn stops the bot, and is part of the conversation."""
    quiet = talk().at(0.01).client_changes_settings(turns=TurnTaking(answers=False, idle_s=3))
    run(
        quiet.at(4.5).user_says("stop it now").ever(times=1).bot_is_interrupted()
        .ever().user_is_heard_saying("stop it now").between(8, 10).bot_says("Are you still there?").lasts(11)
    )  # fmt: skip


def test_words_said_while_turns_are_not_detected_are_in_the_next_turn() -> None:
    """It begins where it is detected."""
    run(
        talk("Hi!").at(1).turns_are_detected(False).at(2).user_says("hello there").at(6).turns_are_detected(idle_s=4)
        .at(8).user_says("good day").ever(times=1).llm_is_asked("hello there good day")
        .idle_prompts(7, 3).lasts(20)
    )  # fmt: skip


def test_a_turn_that_is_open_when_detection_ends_keeps_no_idle_prompt_waiting() -> None:
    """When it is back, the silence counts from then on."""
    run(
        talk("Hi!").at(0.01).turns_are_detected().at(2).user_says("hello there my friend").at(2.5)
        .turns_are_detected(False).at(6).turns_are_detected(idle_s=4)
        .idle_prompts(7, 3).between(9.9, 10.2).bot_replies().lasts(16)
    )  # fmt: skip
