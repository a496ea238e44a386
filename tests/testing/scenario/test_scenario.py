"""Scenarios: how they are built and written, what happens in them, and what they report."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from voicepipe.events import ReplyStarted, SpeechEncoded, StageFailed, Transcribed, TurnMeasured
from voicepipe.loader import PipelineError
from voicepipe.testing import Scenario, ScenarioFailed, play, run

PLAIN = str(Path(__file__).parents[1] / "plain_pipeline.py")

CODE = """\
(
    Scenario("The user interrupts the bot")
    .llm("hello there", "How are you today?", after_s=0.2, word_s=0.03)
    .at(2).user_says("hello there")
    .at(3.3).user_says("what time is it")
    .by(3.2).bot_says("How")
    .by(4).bot_is_interrupted()
    .never().bot_says("today?")
)"""


def interrupted() -> Scenario:
    built = eval(CODE, {"Scenario": Scenario})
    assert isinstance(built, Scenario)
    return built


# ---- building --------------------------------------------------------------------------------------------------------


def test_a_scenario_is_written_as_the_code_that_builds_it():
    """The text of a failure can be pasted into a test."""
    assert repr(interrupted()) == CODE


def everything() -> Scenario:
    s = Scenario('All of it, with "quotes"')
    s.llm("a", "b", after_s=0.2).llm(None, "c", word_s=0.1).llm_calls("d", "look", {"at": "e"}, says="f", after_s=1)
    s.llm_fails("a", words=1).llm_stalls("g").llm_closes_after(0.4).tts(delay_s=0.1, word_s=0.2)
    s.tts_fails(words=1).tts_fails(at="h").tts_stalls(words=2).tts_stalls(at="i").recogniser_needs(flush_s=0.3)
    s.recogniser_mishears("j", "k").recogniser_hears_nothing().pause_sounds_finished(0.25).pause_after("l", 0.5)
    s.no_end_of_turn_model().user_speaks(0.06).instructions(None).in_process().lasts(9).order(3).longest_silence(40)
    s.client(query={"lang": "fr"}, headers={"x-shop": "7"}, name="clinic", dialect="beta", model="m")
    s.unchecked("silence is bounded").llm_never_answers()
    moment, cue = s.at(1.5), s.after_bot_says("b", 0.3)
    moment.user_says("x").at(1).user_coughs().at(1).user_coughs(0.5).at(1).microphone_is_muted()
    moment.microphone_comes_back().at(1).network_stalls(0.2).at(1).machine_stalls(0.3).at(2).client_leaves()
    moment.bot_is_told("y").at(2).recogniser_fails()
    moment.user_writes("x y").at(2).client_asks_for_a_reply()
    cue.user_says("x")
    cue.user_coughs()
    cue.client_cancels_the_reply()
    cue.client_leaves()
    s.between(1, 2, times=2).bot_says("x").by(3).bot_replies().ever(times=3).bot_finishes().after(1).bot_hangs_up()
    s.never(1, 2).bot_is_interrupted().never(4).conversation_ends().by(2, times=1).user_is_told("x")
    s.by(2).user_is_heard_saying("y").by(2).llm_is_asked("x").by(2).answer_is_cancelled("x").never().service_fails()
    s.ever().bot_calls("look").ever().function_returns("look")
    return s.silent(1, 2).speaking(2, 3).answers_within(0.7).remembers("user", "x").remembers("assistant", "y")


def test_every_call_is_written_so_that_it_builds_the_same():
    """With and without what may be left out."""
    first = everything()
    again = eval(repr(first), {"Scenario": Scenario})
    assert repr(again) == repr(first)
    assert (again.cast, again.acts, again.expectations) == (first.cast, first.acts, first.expectations)


# ---- running ---------------------------------------------------------------------------------------------------------


def test_what_came_of_it(scenario):
    """Events with their times, what was asked and said, and what the bot remembers."""
    played = scenario(interrupted(), PLAIN)
    assert played.said == "Hi! How are you I see."
    assert [call.asked for call in played.asked] == ["", "hello there", "what time is it"]
    assert [call.outcome for call in played.asked] == ["completed"] * 3
    assert [message.text for message in played.conversation.messages if message.role == "user"] == [
        "hello there",
        "what time is it",
    ]
    assert len(played.of(ReplyStarted)) == len(played.times(ReplyStarted)) == 3
    assert played.ended_s is None
    assert played.times(SpeechEncoded)[0] == pytest.approx(0.16)


def test_it_is_heard_as_a_client_plays_it(scenario):
    """Sound in a row is one sound, and what was sent ahead is not heard when the reply is cut."""
    played = scenario(interrupted(), PLAIN)
    opening, cut, last = played.audible()
    assert opening == pytest.approx((0.16, 0.46))
    assert cut == pytest.approx((3.12, 3.82), abs=0.03)
    assert last[1] - last[0] == pytest.approx(0.6)


def test_a_minute_takes_a_moment():
    """Real frames through the whole pipeline: 110 ms on a quiet machine."""
    minute = interrupted().lasts(60)
    play(minute, PLAIN)
    began = time.process_time()
    play(minute, PLAIN)
    assert time.process_time() - began < 1.5


def test_a_failure_shows_what_happened_instead_and_the_conversation():
    """Each unmet sentence, then the user's, the recogniser's and the bot's lines with their times."""
    failing = interrupted().by(3).bot_says("today?").ever(times=4).bot_replies().silent(3, 4)
    with pytest.raises(ScenarioFailed) as caught:
        run(failing, PLAIN)
    text = str(caught.value)
    assert 'by(3).bot_says("today?")\n    but it did not happen; the bot said "Hi! How are you I see."' in text
    assert "ever(times=4).bot_replies()\n    but it happened at 0 s, 2.86 s, 4.76 s" in text
    assert "silent(3, 4)\n    but it could be heard from 3.12 s to 3.8" in text
    for line in ('2.000  "hello there"', "(a voice) hello there", "→ 'hello there'", "▸ How", "✂ interrupted"):
        assert line in text


@pytest.mark.parametrize(
    ("claim", "instead"),
    [
        (lambda s: s.ever().conversation_ends(), "it went on"),
        (lambda s: s.ever().user_is_told("x"), "the user was told nothing"),
        (lambda s: s.ever().user_is_heard_saying("x"), 'heard was "hello there", "what time is it"'),
        (lambda s: s.ever().llm_is_asked("x"), 'the LLM was asked "", "hello there", "what time is it"'),
        (lambda s: s.ever().answer_is_cancelled("x"), 'the answer to "hello there" completed'),
        (
            lambda s: s.answers_within(0.1),
            "it took 520 ms (endpointing 260, first_token 200, tts 60); it took 420 ms",
        ),
        (lambda s: s.remembers("assistant", "x"), 'it remembers "Hi!", "How are you—", "I see."'),
        (lambda s: s.remembers("user", "x"), 'it remembers "hello there", "what time is it"'),
        (lambda s: s.speaking(1, 2), "it could be heard from 160 ms to 460 ms"),
    ],
)
def test_what_happened_instead(claim: Callable[[Scenario], Any], instead: str):
    """Each kind of expectation says something of its own sort."""
    assert instead in (claim(Scenario()).expectations[0].complaint(play(interrupted(), PLAIN)) or "")


def test_services_can_be_slow_and_mishear(scenario):
    """The bot answers what was recognised, when the recogniser has come to it."""
    played = scenario(
        Scenario()
        .recogniser_mishears("noon", "moon")
        .recogniser_needs(word_s=0.1, flush_s=0.5)
        .pause_after("noon", 0.2)
        .user_speaks(0.2)
        .at(1).user_says("is it noon")
        .ever(times=1).user_is_heard_saying("is it moon")
        # 1.6 s, 800 ms of silence, and half a second for the flush
        .between(2.88, 2.96).llm_is_asked("is it moon"),
        PLAIN,
    )  # fmt: skip
    assert len(played.of(Transcribed)) == 1


def test_a_client_that_gives_no_instructions(scenario):
    """The bot waits for the user."""
    scenario(
        Scenario()
        .instructions(None)
        .at(1).user_says("hi")
        .ever(times=1).bot_replies()
        .after(1.5).bot_says("I see."),
        PLAIN,
    )  # fmt: skip


def test_instructions_may_change(scenario):
    """The next turn sees them."""
    played = scenario(
        Scenario()
        .instructions("A")
        .at(1).bot_is_told("B")
        .at(2).user_says("hi"),
        PLAIN,
    )  # fmt: skip
    assert [started.conversation.system_prompt for started in played.of(ReplyStarted)] == ["A", "B"]


def test_the_network_may_stall(scenario):
    """Sound of that time comes late, and in one piece."""
    scenario(
        Scenario()
        .at(1).user_says("hello there")
        .at(1.1).network_stalls(2)
        .between(3.1, 3.5, times=1).user_is_heard_saying("hello there"),
        PLAIN,
    )  # fmt: skip


def test_the_machine_may_stall(scenario):
    """Nothing happens for so long, then all that was due."""
    played = scenario(
        Scenario()
        .at(1).machine_stalls(1)
        .at(1.5).user_says("hi")
        .ever().user_is_heard_saying("hi"),
        PLAIN,
    )  # fmt: skip
    assert not [at_s for at_s, _ in played.events if 1.01 < at_s < 1.99]


def test_a_recogniser_that_fails_ends_the_session(scenario):
    """And the failure has its name."""
    played = scenario(
        Scenario()
        .at(1).recogniser_fails()
        .by(1).conversation_ends()
        .ever().user_is_told("STT"),
        PLAIN,
    )  # fmt: skip
    assert [(failed.stage, failed.fatal) for failed in played.of(StageFailed)] == [("STT", True)]
    assert played.reason.startswith("STT failed")


def test_cues(scenario):
    """Acts relative to the bot's words."""
    scenario(
        Scenario()
        .llm("", "One two three four five six.")
        .after_bot_says("two", 0.5).user_says("stop")
        .after_bot_says("I see", 0.2).client_leaves()
        .by(1.6).bot_is_interrupted()
        .ever().conversation_ends(),
        PLAIN,
    )  # fmt: skip


def test_a_client_that_leaves_ends_it(scenario):
    """The request that was under way is closed, slow as that may be."""
    played = scenario(
        Scenario()
        .llm_stalls("hi", words=1)
        .llm_closes_after(0.2)
        .at(1).user_says("hi")
        .at(3).client_leaves()
        .by(3).conversation_ends()
        .by(3).answer_is_cancelled("hi"),
        PLAIN,
    )  # fmt: skip
    assert played.closed_s == pytest.approx(3.2)


def test_models_in_this_process(scenario):
    """The same scenario with threads, boundaries and clips instead of streams."""
    played = scenario(
        Scenario()
        .in_process()
        .recogniser_needs(flush_s=0.08)
        .llm("hello there", "How are you today? I am fine.", after_s=0.2, word_s=0.03)
        .at(2).user_says("hello there")
        .at(3.5).user_says("what time is it")
        .by(5, times=1).bot_is_interrupted()
        .ever(times=1).llm_is_asked("what time is it")
        .ever().bot_says("I see."),
        PLAIN,
    )  # fmt: skip
    assert [turn.total_ms for turn in played.of(TurnMeasured)] == pytest.approx([630, 440], abs=60)


def test_any_pipeline_can_be_played(scenario, tmp_path):
    """A path, or a function."""
    file = tmp_path / "mute.py"
    file.write_text("import reactivex\ndef pipeline(session):\n    return reactivex.never()\n")
    assert scenario(Scenario().at(1).user_says("hi").never().bot_replies(), str(file)).events == []
    with pytest.raises(PipelineError):
        play(Scenario("x"), str(tmp_path / "nothing.py"))


def test_a_pipeline_that_breaks_ends_the_conversation():
    """While it is built, by itself, or by coming to its end."""
    import reactivex

    def broken(_):
        raise ValueError("no")

    assert "no" in play(Scenario("x"), broken).reason
    assert (
        play(Scenario("x"), lambda _: reactivex.throw(ValueError("why"))).reason == "pipeline failed: ValueError('why')"
    )
    assert play(Scenario("x"), lambda _: reactivex.empty()).reason == "the pipeline has completed"


def test_scenario_files_of_other_tools_are_left_alone(pytester):
    """A file that ends in `.scenario` is not collected."""
    pytester.makefile(".scenario", good="Scenario: something of another tool")
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes()
