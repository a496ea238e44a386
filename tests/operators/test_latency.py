"""The parts of a turn's time."""

import numpy as np
import pytest

from voicepipe.conversation import SILENCE, Conversation
from voicepipe.events import (
    Audio,
    Pause,
    ReplyAudio,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    ReplyText,
    SpeechStopped,
    SynthesisEnded,
    SynthesisStarted,
    TurnEnded,
    TurnMeasured,
)
from voicepipe.operators.latency import PARTS, measure_turns
from voicepipe.testing import Marbles

EVENTS = {
    "s": SpeechStopped(1.0, 1.2),
    "p": Pause(0.9, 1.0),
    "e": TurnEnded("hello", 1.0),
    "n": TurnEnded("", 1.0),
    "x": ReplyInterrupted("", Conversation()),
    "f": ReplyEnded("", Conversation()),
    "b": ReplyStarted(Conversation()),
    "i": ReplyStarted(Conversation().user_said(SILENCE)),
    "t": ReplyText("hi"),
    "c": SynthesisStarted("hi"),
    "m": SynthesisEnded(0.1),
    "a": ReplyAudio(Audio(np.zeros(2, np.float32), 1000)),
}


def measured(marbles: Marbles, diagram: str) -> list[TurnMeasured]:
    out = marbles.record(marbles.cold(diagram, table=EVENTS).pipe(measure_turns()))
    return [one.value for one in out if isinstance(one.value, TurnMeasured)]


def test_every_part_is_what_it_took_and_they_sum_to_the_whole(marbles: Marbles) -> None:
    """The last loud sample was 200 ms old when the pause was noticed."""
    (turn,) = measured(marbles, "s-p-(eb)--t-c-m--a|")
    expected = [240, 40, 60, 40, 40, 60]
    assert list(turn.parts_ms) == list(PARTS)
    assert list(turn.parts_ms.values()) == pytest.approx(expected)
    assert turn.total_ms == pytest.approx(sum(expected))


def test_it_follows_the_first_sound_and_only_that(marbles: Marbles) -> None:
    """One measurement a turn."""
    assert len(measured(marbles, "s-p-(eb)-t-c-m-a-a-a|")) == 1


def test_marks_that_are_not_made_take_no_time(marbles: Marbles) -> None:
    """A pipeline without text, or without clauses, is measured as far as it can be."""
    (turn,) = measured(marbles, "s-e--a|")
    assert turn.parts_ms["tts"] == 0
    assert turn.total_ms == pytest.approx(200 + 100)


def test_an_unasked_reply_is_not_measured(marbles: Marbles) -> None:
    """The opening and the nudge answer no turn."""
    assert measured(marbles, "b-t-c-m-a|") == []


def test_a_turn_that_was_cut_before_its_sound_is_forgotten(marbles: Marbles) -> None:
    """The next one is measured from its own end."""
    (turn,) = measured(marbles, "s-p-(eb)-tx 1s s-p-(eb)-t-c-m-a|")
    assert turn.total_ms < 600


def test_later_verdicts_do_not_lengthen_the_endpointing(marbles: Marbles) -> None:
    """The pause that counts is the last one before the turn ended."""
    (turn,) = measured(marbles, "s-p-(eb)p-t-c-m-a|")
    assert turn.parts_ms["endpointing"] == pytest.approx(240)


def test_a_turn_without_words_is_not_measured(marbles: Marbles) -> None:
    """A reply to a cough is no answer: seven seconds of idle time are no latency."""
    assert measured(marbles, "s-p-(nb)-t-c-m-a|") == []


def test_a_reply_that_failed_is_not_measured_by_the_next_one(marbles: Marbles) -> None:
    """The nudge seven seconds after it answers nobody."""
    assert measured(marbles, "s-p-(eb)-f 7s b-t-c-m-a|") == []


def test_a_prompt_that_breaks_a_silence_answers_no_turn(marbles: Marbles) -> None:
    """The client wanted no answer to the turn before it, which is not one of seven seconds."""
    assert measured(marbles, "s-p-e------i-t-c-m-a|") == []


def test_the_end_of_the_reply_before_does_not_count(marbles: Marbles) -> None:
    """A turn that cuts a reply is measured by its own reply."""
    assert len(measured(marbles, "s-p-(exb)-t-c-m-a|")) == 1
