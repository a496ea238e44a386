"""The line per turn: which facts, and when it is written. Whole sessions are in test_connection."""

from __future__ import annotations

from voicepipe.conversation import Conversation
from voicepipe.events import (
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    StageFailed,
    TurnEnded,
    TurnJudged,
    TurnMeasured,
)
from voicepipe.server.session.turn_log import TurnLog

TALK = Conversation("x")


def lines(logs, *events, words=True):
    log = TurnLog(words=words)
    for event in events:
        log.note(event)
    return [{key: value for key, value in line.items() if key not in ("event", "log_level")} for line in logs]


def test_an_unasked_reply_has_no_question(logs):
    """The bot opens, or breaks a silence: only what it said."""
    assert lines(logs, ReplyStarted(TALK), ReplyEnded("Hello!", TALK)) == [{"answered": "Hello!", "interrupted": False}]


def test_words_are_counted_where_they_may_not_be_logged(logs):
    """A turn that does not count has none."""
    turn = (TurnEnded("Hi there", 1), ReplyStarted(TALK), ReplyEnded("Hello to you!", TALK))
    judged = (TurnEnded("Mhm", 2), TurnJudged("i", False), ReplyStarted(TALK), ReplyInterrupted("Well", TALK))
    assert lines(logs, *turn, *judged, words=False) == [
        {"heard_words": 2, "answered_words": 3, "interrupted": False},
        {"answered_words": 1, "interrupted": True},
    ]


def test_a_turn_that_failed_names_the_stage(logs):
    """The times that were measured before it stay."""
    assert lines(logs, TurnEnded("Hi", 1), ReplyStarted(TALK), StageFailed("LLM", OSError()), ReplyEnded("", TALK)) == [
        {"heard": "Hi", "failed": "LLM", "answered": "", "interrupted": False}
    ]


def test_nothing_of_a_turn_is_left_for_the_next(logs):
    """Each line has its own facts."""
    turn = (TurnEnded("Hi", 1), ReplyStarted(TALK), TurnMeasured(500, {"tts": 500}), ReplyEnded("Hello!", TALK))
    assert lines(logs, *turn, ReplyStarted(TALK), ReplyEnded("Well?", TALK))[1] == {
        "answered": "Well?",
        "interrupted": False,
    }


def test_the_parts_of_a_turn_sum_to_its_total(logs):
    """Though each is rounded to milliseconds."""
    parts = {"endpointing": 356.5, "stt_tail": 4.4, "first_token": 150.4, "tts": 99.4}
    turn = (TurnEnded("Hi", 1), ReplyStarted(TALK), TurnMeasured(sum(parts.values()), parts), ReplyEnded("Yes.", TALK))
    (line,) = lines(logs, *turn)
    assert line["total_ms"] == 611
    assert [line[f"{part}_ms"] for part in parts] == [356, 5, 150, 100]


def test_a_turn_without_words_is_none(logs):
    """A cough."""
    assert lines(logs, TurnEnded("", 1)) == []
