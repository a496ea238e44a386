"""Turns and figures of a session, timelines side by side, changed presets, and a regression test's verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from voicepipe import presets
from voicepipe.conversation import Conversation, ItemId
from voicepipe.events import (
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    SpeechStarted,
    StageFailed,
    TurnEnded,
    TurnJudged,
    TurnMeasured,
    WordRecognised,
    WordSpoken,
)
from voicepipe.testing.replay import Turn, WrongOverride, assert_turns, figures, overridden, turns
from voicepipe.testing.replay.timelines import Row, timelines

TALK = Conversation()


def at(*events: tuple[float, Any]) -> list[Turn]:
    return turns([(100.0 + at_s, event) for at_s, event in events], 100.0)


def test_a_turn_has_what_was_heard_and_said_and_how_fast() -> None:
    events = (
        (1.0, ReplyStarted(TALK)),
        (2.0, ReplyEnded("Hello!", TALK)),
        (5.0, TurnEnded("How are you?", 4.0)),
        (5.0, ReplyStarted(TALK)),
        (5.2, TurnMeasured(640.0)),
        (6.0, ReplyInterrupted("I am", TALK)),
    )
    assert at(*events) == [
        Turn(said="Hello!", at_s=1.0),
        Turn(heard="How are you?", said="I am", latency_ms=640.0, interrupted=True, at_s=5.0),
    ]


@pytest.mark.parametrize(
    ("voice_s", "reply_ends_s", "cut"), [(1.4, 5.0, True), (3.0, 5.0, False), (1.4, 1.2, False), (0.9, 5.0, False)]
)
def test_a_user_who_goes_on_behind_the_end_of_the_turn_was_cut_off(
    voice_s: float, reply_ends_s: float, cut: bool
) -> None:
    """Not one who speaks much later, or behind the reply, or before the end."""
    events = [
        (1.0, TurnEnded("I would like", 0.8)),
        (1.0, ReplyStarted(TALK)),
        (voice_s, SpeechStarted(voice_s, voice_s)),
        (reply_ends_s, ReplyEnded("Yes?", TALK)),
    ]
    (turn,) = at(*sorted(events, key=lambda one: one[0]))
    assert turn.cut_off is cut


def test_what_does_not_count_is_no_turn_and_a_failure_is_one() -> None:
    events = (
        (1.0, TurnEnded("Mhm.", 0.8)),
        (1.0, TurnJudged(ItemId("i"), counts=False)),
        (2.0, StageFailed("STT", OSError())),
        (3.0, TurnEnded("Hi", 2.8)),
        (3.0, ReplyStarted(TALK)),
        (3.5, StageFailed("LLM", OSError())),
        (3.5, ReplyEnded("", TALK)),
        (4.0, TurnEnded("And?", 3.9)),
    )
    found = at(*events)
    assert [(turn.heard, turn.failed) for turn in found] == [("", "STT"), ("Hi", "LLM"), ("And?", "")]
    counted = figures(found)
    assert (counted.turns, counted.failures, counted.latency_median_ms) == (2, 2, None)


def test_figures_are_those_of_the_turns() -> None:
    found = [Turn("a", latency_ms=100.0), Turn("b", latency_ms=300.0, cut_off=True), Turn(said="c", interrupted=True)]
    counted = figures(found)
    assert (counted.turns, counted.latency_median_ms, counted.latency_longest_ms) == (2, 200.0, 300.0)
    assert (counted.cut_offs, counted.interruptions) == (1, 1)


def test_turns_are_the_same_but_for_some_milliseconds() -> None:
    one = Turn("a", "b", latency_ms=100.0, at_s=1.0)
    assert one.same_as(Turn("a", "b", latency_ms=149.0, at_s=2.0), within_ms=50)
    assert not one.same_as(Turn("a", "b", latency_ms=151.0), within_ms=50)
    assert not one.same_as(Turn("a", "b"), within_ms=50)
    assert not one.same_as(Turn("a", "c", latency_ms=100.0), within_ms=50)


# ---- timelines -------------------------------------------------------------------------------------------------------


def words(*said: str, from_s: float = 0.0, step_s: float = 1.0) -> list[tuple[float, Any]]:
    """Each word of its own line: a word of the user between two of the bot."""
    lines: list[tuple[float, Any]] = []
    for number, word in enumerate(said):
        at_s = from_s + number * step_s
        lines += [(at_s, WordSpoken(word, at_s, at_s)), (at_s + 0.1, WordRecognised("mhm", at_s, at_s))]
    return lines


def test_equal_sessions_have_no_difference_to_show() -> None:
    assert timelines(words("a", "b"), words("a", "b"), 0.0) == []


def test_a_difference_is_shown_with_what_is_around_it() -> None:
    rows = timelines(words(*"abcdefgh"), words(*"abcdefXh"), 0.0)
    assert rows[0] == Row("…", "…", differs=False)
    different = [row for row in rows if row.differs]
    assert [(row.one.split()[-1], row.other.split()[-1]) for row in different] == [("g", "X")]
    assert len(rows) == 6


def test_a_later_line_differs_too() -> None:
    rows = timelines(words("a", "b"), words("a", "b", step_s=1.5), 0.0)
    assert [row.differs for row in rows] == [False, False, True, True]


# ---- presets ---------------------------------------------------------------------------------------------------------


def test_a_preset_is_changed_for_all_that_use_it_and_then_as_it_was() -> None:
    before = presets.ENDPOINTING.silence_ms
    with overridden(["ENDPOINTING.silence_ms=500", "PLAYBACK.lead_ms = 100"]):
        assert (presets.ENDPOINTING.silence_ms, presets.PLAYBACK.lead_ms) == (500, 100)
    assert (presets.ENDPOINTING.silence_ms, presets.PLAYBACK.lead_ms) == (before, 320)


def test_nothing_is_changed_when_one_change_is_wrong() -> None:
    before = presets.ENDPOINTING.silence_ms
    with pytest.raises(WrongOverride, match="there is no preset"), overridden(["ENDPOINTING.silence_ms=1", "X.y=2"]):
        pytest.fail("it is not entered")
    assert presets.ENDPOINTING.silence_ms == before


# ---- regression tests ------------------------------------------------------------------------------------------------


def test_a_regression_test_tells_what_has_changed(talk_without_sound: Path) -> None:
    said = "One two three four five six."
    right = [Turn("Hello there.", said, latency_ms=160), Turn("Hello there.", said, latency_ms=160)]
    assert_turns(talk_without_sound, right)
    with pytest.raises(AssertionError, match=r"turn 1 is Turn\(.*and not Turn\(heard='Hello you.'"):
        assert_turns(talk_without_sound, [right[0], Turn("Hello you.", said, latency_ms=160)])
    with pytest.raises(AssertionError, match="there are 2 turns, and not 1"):
        assert_turns(talk_without_sound, right[:1])
