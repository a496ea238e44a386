"""What is printed: stable lines, words as they come in a terminal, and JSON for programs."""

from __future__ import annotations

import io
import json

import pytest

from voicepipe.client import Summary, Turn
from voicepipe.client.facts import (
    Connected,
    Ended,
    Fact,
    Heard,
    Interrupted,
    Measured,
    Playing,
    Problem,
    ReplyAudible,
    ReplyCreated,
    ReplyDone,
    Said,
    SpeechStarted,
    UserDone,
)
from voicepipe.client.transcript import JsonLines, Transcript, summary_line

CONVERSATION: list[tuple[float, Fact]] = [
    (0.0, Connected("ws://here")),
    (0.1, ReplyCreated()),
    (0.3, ReplyAudible(None, over_user=False)),
    (0.3, Said("Hello")),
    (0.5, Said("there.")),
    (1.0, ReplyDone("Hello there.")),
    (1.4, Playing("the bot has opened")),
    (1.8, SpeechStarted()),
    (1.8, Heard("Why?")),
    (2.0, UserDone()),
    (2.5, ReplyAudible(512.4, over_user=False)),
    (2.5, Said("Because")),
    (2.9, Heard("Wait")),
    (3.0, Interrupted(210.0, 900.0)),
    (3.5, ReplyAudible(20.0, over_user=True)),
    (3.6, Measured(20.0, 480.0, {"endpointing": 200.0, "tts": 280.0})),
    (4.0, Problem("warning", "slow")),
    (62.0, Ended("the bot hung up")),
]

LINES = """\
   0.00  ·    connected to ws://here
   0.30  bot  Hello there.
   1.40  ·    the recording starts: the bot has opened
   1.80  you  Why?
   2.00  ·    the recording is over
   2.50  ·    answers after 512 ms
   2.50  bot  Because
   2.90  you  Wait
   3.00  ·    you interrupted the bot (silent 210 ms after you began)
   3.50  ·    the bot interrupted you
   3.60  ·    in the server 480 ms: endpointing 200, tts 280
   4.00  !    warning: slow
  62.00  ·    the end: the bot hung up
"""


def test_a_conversation_is_a_line_per_utterance():
    """Away from a terminal: whole lines, no colours, the same every time."""
    out = io.StringIO()
    show = Transcript(out, live=False)
    for at_s, fact in CONVERSATION:
        show(at_s, fact)
    assert out.getvalue() == LINES


def test_a_line_is_written_when_it_is_complete():
    """Nobody who reads a log sees half a line."""
    out = io.StringIO()
    show = Transcript(out, live=False)
    show(0.0, Said("Hello"))
    assert out.getvalue() == ""
    show(0.5, ReplyDone("Hello"))
    assert out.getvalue() == "   0.00  bot  Hello\n"


def test_in_a_terminal_words_appear_as_they_come(monkeypatch: pytest.MonkeyPatch):
    """The line has begun before its utterance is over, and the speaker has a colour."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    out = io.StringIO()
    show = Transcript(out, live=True)
    show(0.0, Heard("Good"))
    assert out.getvalue() == "   0.00  \x1b[36myou\x1b[0m  Good"
    show(0.1, Heard("morning"))
    assert out.getvalue().endswith("Good morning")
    show(0.2, Said("Hi"))
    assert out.getvalue().endswith("Good morning\n   0.20  \x1b[32mbot\x1b[0m  Hi")


def test_json_has_an_object_per_fact():
    """The event's name in snake_case, its time, and its fields."""
    out = io.StringIO()
    show = JsonLines(out)
    for at_s, fact in CONVERSATION:
        show(at_s, fact)
    objects = [json.loads(line) for line in out.getvalue().splitlines()]
    assert len(objects) == len(CONVERSATION)
    assert objects[2] == {"at_s": 0.3, "event": "reply_audible", "latency_ms": None, "over_user": False}
    assert objects[15] == {
        "at_s": 3.6,
        "event": "measured",
        "client_ms": 20.0,
        "server_ms": 480.0,
        "parts_ms": {"endpointing": 200.0, "tts": 280.0},
    }


def turn(latency_ms: float | None) -> Turn:
    """A reply that came so long after second 0."""
    asked_s = None if latency_ms is None else 0.0
    return Turn(created_s=0.0, asked_until_s=asked_s, audible_s=(latency_ms or 0.0) / 1000, done=True)


@pytest.mark.parametrize(
    ("latencies", "line"),
    [
        ([None], "no answers in 9.5 s"),
        ([None, 500.0], "1 answer in 9.5 s; from your last sound to the bot's first: median 500 ms, slowest 500 ms"),
        (
            [400.0, 900.0, 600.0],
            "3 answers in 9.5 s; from your last sound to the bot's first: median 600 ms, slowest 900 ms",
        ),
    ],
)
def test_the_summary_has_the_latencies(latencies: list[float | None], line: str):
    """A reply that nobody asked for does not count."""
    assert summary_line(Summary([turn(ms) for ms in latencies], 9.5, "over", failed=False)) == line
