"""A trace per reply: spans of a session's events, on one clock."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from voicepipe.conversation import Conversation, FunctionCall
from voicepipe.events import (
    AgentChanged,
    Event,
    FunctionCalled,
    FunctionReturned,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    ReplyText,
    StageFailed,
    TokensCounted,
    TurnEnded,
    TurnJudged,
    TurnMeasured,
)
from voicepipe.metrics.trace import Span, TracedModel, TurnTracer
from voicepipe.operators.latency import PARTS

TALK = Conversation("Be brief.").user_said("Hi")
MODEL = TracedModel("openai", "gemma", "llm.example", 443)


def traced(*steps: tuple[float, Event], words: bool = False) -> list[Span]:
    """Return the spans of a session whose events come at these times; it ends behind the last one."""
    now_s, spans = 0.0, list[Span]()
    tracer = TurnTracer("sess_1", "support", MODEL, lambda: now_s, spans.append, words=words)
    for now_s, event in steps:  # noqa: B007 — the clock reads it
        tracer.note(event)
    tracer.close()
    return spans


def names(span: Span) -> list[str]:
    return [child.name for child in span.children]


def seconds(span: Span) -> tuple[float, float]:
    assert span.ended_s is not None
    return pytest.approx(span.began_s), pytest.approx(span.ended_s)  # type: ignore[return-value]


ONE_TURN = (
    (1.0, TurnEnded("Hi", 1)),
    (1.0, ReplyStarted(TALK)),
    (1.2, ReplyText("Hello")),
    (1.4, TurnMeasured(900.0, dict(zip(PARTS, (400.0, 100.0, 200.0, 50.0, 150.0, 0.0), strict=True)))),
    (1.5, TokensCounted(120, 4, 100)),
    (2.5, ReplyEnded("Hello", TALK)),
)


def test_a_turn_begins_with_the_users_last_sound_and_its_parts_follow_each_other() -> None:
    """They end at the bot's first sound, and sum to the whole."""
    (turn,) = traced(*ONE_TURN)
    assert turn.name == "invoke_agent support"
    assert seconds(turn) == (0.5, 2.5)
    parts, (answer,) = turn.children[:6], turn.children[6:]
    assert [part.name for part in parts] == list(PARTS)
    assert (parts[0].began_s, parts[-1].ended_s) == (pytest.approx(0.5), pytest.approx(1.4))
    assert all(before.ended_s == after.began_s for before, after in pairwise(parts))
    assert answer.name == "chat gemma"
    assert seconds(answer) == (1.0, 1.5)


def test_the_conventions_for_generative_ai_are_kept() -> None:
    """Of the reply and of the model's request; no words, unless it is permitted."""
    (turn,) = traced(*ONE_TURN)
    assert turn.attributes == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "support",
        "gen_ai.conversation.id": "sess_1",
        "gen_ai.provider.name": "voicepipe",
        "voicepipe.turn.asked": True,
        "voicepipe.turn.interrupted": False,
        "voicepipe.turn.voice_to_voice_ms": 900.0,
    }
    answer = turn.children[-1]
    assert answer.is_client
    assert answer.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.conversation.id": "sess_1",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gemma",
        "gen_ai.response.time_to_first_chunk": pytest.approx(0.2),
        "gen_ai.usage.input_tokens": 120,
        "gen_ai.usage.output_tokens": 4,
        "gen_ai.usage.cache_read.input_tokens": 100,
        "server.address": "llm.example",
        "server.port": 443,
    }
    (told,) = traced(*ONE_TURN, words=True)
    assert (told.attributes["voicepipe.turn.heard"], told.attributes["voicepipe.turn.said"]) == ("Hi", "Hello")


def test_functions_are_spans_between_two_requests() -> None:
    """The model is asked once more when the last of them has returned."""
    calls = [FunctionCall("call_1", "weather", "{}"), FunctionCall("call_2", "time", "{}")]
    (turn,) = traced(
        (0.0, ReplyStarted(TALK)),
        (0.3, FunctionCalled(calls[0], server_side=True)),
        (0.4, FunctionCalled(calls[1], server_side=True)),
        (0.4, TokensCounted(100, 20)),
        (0.9, FunctionReturned("call_2", "9:15")),
        (1.0, FunctionReturned("call_1", "sun")),
        (1.3, ReplyText("Sun")),
        (1.4, TokensCounted(140, 5)),
        (2.0, ReplyEnded("Sun", TALK)),
    )
    assert [(child.name, child.began_s, child.ended_s) for child in turn.children] == [
        ("chat gemma", 0.0, 0.4),
        ("execute_tool weather", 0.3, 1.0),
        ("execute_tool time", 0.4, 0.9),
        ("chat gemma", 1.0, 1.4),
    ]
    assert turn.children[1].attributes["gen_ai.tool.call.id"] == "call_1"


def test_an_opening_has_no_parts_and_a_line_of_the_character_no_request() -> None:
    (turn,) = traced((1.0, ReplyStarted(TALK)), (1.0, TokensCounted(0, 0)), (3.0, ReplyEnded("Hello!", TALK)))
    assert turn.children == []
    assert turn.attributes["voicepipe.turn.asked"] is False
    assert seconds(turn) == (1.0, 3.0)


def test_a_reply_that_is_cut_ends_with_what_it_was_doing() -> None:
    """By the user, by the next reply, or by the end of the session."""
    began = (0.0, ReplyStarted(TALK))
    for end in ([(0.5, ReplyInterrupted("I", TALK))], [(0.5, ReplyStarted(TALK))], []):
        turn = traced(began, (0.2, ReplyText("I")), *end)[0]
        assert turn.attributes["voicepipe.turn.interrupted"] is True
        (answer,) = turn.children
        assert answer.ended_s == turn.ended_s == (0.5 if end else 0.2)


def test_a_failure_names_its_kind_and_its_stage() -> None:
    (turn,) = traced((0.0, ReplyStarted(TALK)), (0.5, StageFailed("LLM", OSError("no"))), (0.5, ReplyEnded("", TALK)))
    assert (turn.error, turn.attributes["voicepipe.failed_stage"]) == ("OSError", "LLM")
    assert turn.children == []


def test_another_agent_gives_the_reply_its_name() -> None:
    (turn,) = traced((0.0, ReplyStarted(TALK)), (0.1, AgentChanged("billing")), (1.0, ReplyEnded("", TALK)))
    assert turn.attributes["gen_ai.agent.name"] == "billing"


@pytest.mark.parametrize(("judged", "asked"), [(TurnJudged("i", True, "Stop"), True), (TurnJudged("i", False), False)])  # type: ignore[arg-type]
def test_what_does_not_count_as_a_turn_is_answered_by_nothing(judged: Any, asked: bool) -> None:
    (turn,) = traced((0.1, TurnEnded("Mhm", 1)), (0.1, judged), (0.2, ReplyStarted(TALK)), (1, ReplyEnded("", TALK)))
    assert turn.attributes["voicepipe.turn.asked"] is asked
