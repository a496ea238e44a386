"""The printed text: stable lines, words as they come in a terminal, and JSON for programs."""

from __future__ import annotations

import io
import json
import re

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
    ReplyDropped,
    Said,
    SpeechStarted,
    Understood,
    UserDone,
)
from voicepipe.client.transcript import JsonLines, TranscriptPrinter, summary_line

CONVERSATION: list[tuple[float, Fact]] = [
    (0.0, Connected("ws://here")),
    (0.1, ReplyCreated()),
    (0.3, ReplyAudible(None, over_user=False)),
    (0.3, Said("Hello")),
    (0.5, Said("there.")),
    (1.0, ReplyDone("Hello there.")),
    (1.4, Playing("the bot has opened")),
    (1.8, SpeechStarted()),
    (1.8, Heard("Wine")),
    (2.0, UserDone(60.0)),
    (2.1, Heard("not?")),
    (2.2, Understood("Why not?")),
    (2.2, ReplyCreated()),
    (2.5, ReplyAudible(512.44, over_user=False)),
    (2.5, Said("Because")),
    (2.9, Heard("Wait")),
    (3.0, Interrupted(210.0, 900.0)),
    (3.1, Understood("Wait.")),
    (3.1, ReplyCreated()),
    (3.2, ReplyDropped()),
    (3.3, ReplyCreated()),
    (3.5, ReplyAudible(20.0, over_user=True)),
    (3.6, Measured(20.0, 480.0, {"endpointing": 200.0, "tts": 280.0})),
    (4.0, Problem("warning", "slow")),
    (5.0, Heard("You")),
    (5.5, Understood("")),
    (62.0, Ended("the bot hung up")),
]

LINES = """\
   0.00  ·    connected to ws://here
   0.30  bot  Hello there.
   1.40  ·    the recording starts: the bot has opened
   1.80  you  Why not?
   2.00  ·    the recording is over; waiting for the answer, 60 s at most
   2.50  ·    answers after 512 ms
   2.50  bot  Because
   2.90  you  Wait.
   3.00  ·    you interrupted the bot (silent 210 ms after you began to speak over it)
   3.50  ·    the bot speaks over you
   3.60  ·    in the server 480 ms: endpointing 200, tts 280
   4.00  !    warning: slow
  62.00  ·    the end: the bot hung up
"""


def printed(*facts: tuple[float, Fact], live: bool = False) -> str:
    out = io.StringIO()
    show = TranscriptPrinter(out, live=live)
    for at_s, fact in facts:
        show(at_s, fact)
    return out.getvalue()


def test_a_conversation_is_a_line_per_utterance():
    """Away from a terminal: whole lines, no colours, in the order in which they began; as they were understood."""
    assert printed(*CONVERSATION) == LINES


def test_a_line_is_written_when_it_is_complete():
    """A log has no half lines."""
    assert printed((0.0, Said("Hello"))) == ""
    assert printed((0.0, Said("Hello")), (0.5, ReplyDone("Hello"))) == "   0.00  bot  Hello\n"


def test_two_that_speak_at_once_have_a_line_each():
    """The user's words come between the bot's."""
    words = (0.0, Said("One")), (0.1, Heard("Well,")), (0.2, Said("two")), (0.3, Heard("no.")), (0.4, Said("three."))
    ends = (0.5, Understood("Well, no.")), (0.6, ReplyDone("One two three."))
    assert printed(*words, *ends) == "   0.00  bot  One two three.\n   0.10  you  Well, no.\n"


def test_words_that_were_taken_back_leave_no_line():
    """Noise is not written as words of the user; in a terminal it is removed again."""
    facts = (0.0, Heard("You")), (0.5, Understood("")), (0.6, Playing("at once"))
    assert printed(*facts) == "   0.60  ·    the recording starts: at once\n"
    assert screen(printed(*facts, live=True), 80) == ["   0.60  ·    the recording starts: at once"]


def test_the_end_writes_what_is_left():
    """A conversation that breaks off in mid-word."""
    facts = (0.0, Heard("Good")), (0.1, Said("Hi")), (0.2, Ended("the connection was lost"))
    assert printed(*facts).splitlines() == [
        "   0.00  you  Good",
        "   0.10  bot  Hi",
        "   0.20  ·    the end: the connection was lost",
    ]


def test_in_a_terminal_words_appear_as_they_come(monkeypatch: pytest.MonkeyPatch):
    """The line has begun before its utterance is over, and the speaker has a colour."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    facts: list[tuple[float, Fact]] = [(0.0, Heard("Good"))]
    assert printed(*facts, live=True) == "   0.00  \x1b[36myou\x1b[0m  Good"
    facts.append((0.1, Heard("morning")))
    assert printed(*facts, live=True).endswith("Good morning")
    facts += [(0.15, Understood("Good morning")), (0.2, Said("Hi"))]
    assert printed(*facts, live=True).endswith("Good morning\n   0.20  \x1b[32mbot\x1b[0m  Hi")


def screen(output: str, columns: int) -> list[str]:
    """Return the picture of a terminal of that width: it wraps lines and knows the codes that a transcript writes."""
    rows, row, column = [""], 0, 0
    for code in re.findall(r"\x1b\[\d*[A-Za-z]|.|\n", output):
        if code == "\n":
            row, column = row + 1, 0
        elif code == "\r":
            column = 0
        elif code == "\x1b[J":
            rows[row:] = [rows[row][:column]]
        elif code.endswith("A"):
            row -= int(code[2:-1])
        elif not code.startswith("\x1b"):
            if column == columns:
                row, column = row + 1, 0
            rows += [""] * (row + 1 - len(rows))
            rows[row] = rows[row][:column] + code + rows[row][column + 1 :]
            column += 1
        rows += [""] * (row + 1 - len(rows))
    return [line for line in rows if line]


@pytest.mark.parametrize("columns", [20, 21, 22, 23, 80])
def test_a_terminal_shows_in_the_end_what_a_file_has(columns: int, monkeypatch: pytest.MonkeyPatch):
    """However wide it is: a line that was corrected is written over, all rows of it."""
    monkeypatch.setenv("COLUMNS", str(columns))
    wrapped = [line[at : at + columns] for line in LINES.splitlines() for at in range(0, len(line), columns)]
    assert screen(printed(*CONVERSATION, live=True), columns) == wrapped


def test_json_has_an_object_per_fact():
    """The event's name in snake_case, its time, and its fields; milliseconds to a tenth."""
    out = io.StringIO()
    show = JsonLines(out)
    for at_s, fact in CONVERSATION:
        show(at_s, fact)
    objects = [json.loads(line) for line in out.getvalue().splitlines()]
    assert len(objects) == len(CONVERSATION)
    assert objects[2] == {
        "at_s": 0.3,
        "event": "reply_audible",
        "latency_ms": None,
        "over_user": False,
        "announced": True,
    }
    assert objects[13]["latency_ms"] == 512.4
    assert objects[19] == {"at_s": 3.2, "event": "reply_dropped"}
    assert objects[22] == {
        "at_s": 3.6,
        "event": "measured",
        "client_ms": 20.0,
        "server_ms": 480.0,
        "parts_ms": {"endpointing": 200.0, "tts": 280.0},
    }
    assert objects[-1] == {"at_s": 62.0, "event": "ended", "reason": "the bot hung up"}


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


def test_the_summary_counts_neither_what_was_not_heard_nor_what_spoke_over_the_user():
    """A reply that was dropped, and one that began while the user spoke."""
    dropped = Turn(created_s=1.0, asked_until_s=0.5, done=True)
    over = Turn(created_s=2.0, asked_until_s=1.9, audible_s=1.95, done=True, over_user=True)
    summary = Summary([turn(500.0), dropped, over], 9.5, "over", failed=False)
    assert summary_line(summary) == (
        "1 answer in 9.5 s; from your last sound to the bot's first: median 500 ms, slowest 500 ms; "
        "the bot spoke over you 1 time"
    )


def test_the_summary_of_an_echo_says_that_there_was_sound():
    """No answer, and not nothing."""
    echo = Turn(created_s=1.0, asked_until_s=0.9, audible_s=1.0, done=True, over_user=True, announced=False)
    summary = Summary([echo], 9.5, "over", failed=False, bot_loud_s=4.04)
    assert summary_line(summary) == "no answers in 9.5 s; the bot was heard for 4.0 s"
