"""A model's output that is more than text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import reactivex
from reactivex import operators

from voicepipe.events import (
    Audio,
    Event,
    FunctionCall,
    FunctionCalled,
    FunctionDelayed,
    ReplyAudio,
    ReplyText,
    ReplyTextWritten,
    SynthesisEnded,
    SynthesisStarted,
    WordSpoken,
)
from voicepipe.operators import as_text, by_clause, pace, split_words, text_only
from voicepipe.rx import transduce
from voicepipe.stage import Stage, StageError
from voicepipe.testing import Marbles, Recorded, ScriptedError

RATE_HZ = 1000
CALL = FunctionCalled(FunctionCall("1", "look"), server_side=True)
WORDS: dict[str, Event] = {"a": ReplyText("I"), "b": ReplyText(" look."), "c": ReplyText(" Nobody."), "X": CALL}


def clauses(**_: Any) -> Stage[ReplyText, Event]:
    """A synthesiser that waits for a clause, as the real ones do; a word of it takes 100 ms."""
    return lambda text: text.pipe(by_clause(first_words=8, min_words=4, max_words=24), transduce(lambda _: _Voice()))


class _Voice:
    def __init__(self) -> None:
        self._at_s = 0.0

    def __call__(self, clause: str) -> Iterator[Event]:
        words = clause.split()
        yield SynthesisStarted(clause)
        yield SynthesisEnded(0.1 * len(words))
        yield ReplyAudio(Audio(np.zeros(RATE_HZ // 10 * len(words), np.float32), RATE_HZ))
        for word in words:
            yield WordSpoken(word, self._at_s, round(self._at_s + 0.1, 3))
            self._at_s = round(self._at_s + 0.1, 3)


def times(out: list[Recorded], kind: type) -> list[Any]:
    """When events of a kind came."""
    return [one.t_ms for one in out if isinstance(one.value, kind)]


def spoken(out: list[Recorded]) -> list[tuple[str, float, float]]:
    words = [one.value for one in out if isinstance(one.value, WordSpoken)]
    return [(word.word, round(word.start_s, 3), round(word.stop_s, 3)) for word in words]


# ---- text_only -------------------------------------------------------------------------------------------------------


def test_what_was_said_before_a_call_is_spoken_before_the_function_returns(marbles: Marbles) -> None:
    """Without punctuation the synthesiser would wait for more of the clause, and that comes when the function has
    returned."""
    source = marbles.cold("aX 1s c|", table={**WORDS, "a": ReplyText("Let me look")})
    out = marbles.record(source.pipe(text_only(clauses())))
    assert times(out, SynthesisStarted) == [20, 1040]
    assert [one.value.text for one in out if isinstance(one.value, SynthesisStarted)] == ["Let me look", "Nobody."]


def test_the_times_of_words_go_on_from_one_run_to_the_next(marbles: Marbles) -> None:
    """They count the reply's sound, in which there is no silence for the function."""
    out = marbles.record(marbles.cold("aX-bX-c|", table=WORDS).pipe(text_only(clauses())))
    assert spoken(out) == [("I", 0.0, 0.1), ("look.", 0.1, 0.2), ("Nobody.", 0.2, 0.3)]
    assert times(out, SynthesisEnded) == [20, 60, 120]


def test_a_run_without_sound_moves_no_times(marbles: Marbles) -> None:
    """A synthesiser may have nothing to say to a dash."""
    silent: Stage[ReplyText, Event] = lambda text: text.pipe(operators.filter(lambda _: False))
    stages = iter([silent, clauses(), silent, clauses()])
    out = marbles.record(marbles.cold("aXbXaXcX|", table=WORDS).pipe(text_only(lambda text: next(stages)(text))))
    assert spoken(out) == [("look.", 0.0, 0.1), ("Nobody.", 0.1, 0.2)]


def test_words_are_heard_when_their_sound_is(marbles: Marbles) -> None:
    """Behind a slow function the playback clock goes on where it stood, and so do the words."""
    out = marbles.record(
        marbles.cold("bX 1s c|", table=WORDS).pipe(text_only(clauses()), pace(lead_ms=40, frame_ms=20))
    )
    assert [one.t_ms for one in out if isinstance(one.value, WordSpoken)] == [0, 1040]
    assert out[-1] == (1140, "completed", None)
    quick = marbles.record(marbles.cold("bXc|", table=WORDS).pipe(text_only(clauses()), pace(lead_ms=40, frame_ms=20)))
    assert [one.t_ms for one in quick if isinstance(one.value, WordSpoken)] == [0, 100]
    assert quick[-1].t_ms == 200


def test_a_call_does_not_wait_for_the_sound_before_it(marbles: Marbles) -> None:
    """The function runs while the bot speaks; what it says next comes behind what it is saying."""
    voice = marbles.tts(delay_ms=100, ms_per_word=200)
    out = marbles.record(marbles.cold("aXb|", table=WORDS).pipe(text_only(voice)))
    assert times(out, FunctionCalled) == [20]
    assert times(out, ReplyAudio) == [100, 140]
    assert spoken(out) == [("I", 0.0, 0.2), ("look.", 0.2, 0.4)]
    assert [call.asked for call in voice.calls] == [["I"], ["look."]]


def test_a_call_in_the_midst_of_a_runs_sound_moves_no_times(marbles: Marbles) -> None:
    """A passing item belongs to no run."""
    out = marbles.record(marbles.cold("abX-c|", table=WORDS).pipe(text_only(marbles.tts(delay_ms=30, ms_per_word=200))))
    assert (times(out, ReplyAudio), times(out, FunctionCalled)) == ([30, 50, 110], [40])
    assert spoken(out) == [("I", 0.0, 0.2), ("look.", 0.2, 0.4), ("Nobody.", 0.4, 0.6)]


def test_the_text_of_a_later_run_comes_with_it(marbles: Marbles) -> None:
    """Behind the sound of the one before, so that no text is ahead of a failure."""
    out = marbles.record(marbles.cold("aXb|", table=WORDS).pipe(text_only(marbles.tts(delay_ms=100))))
    kinds = [type(one.value).__name__ for one in out[:-1]]
    run = ["ReplyText", "SynthesisStarted", "SynthesisEnded", "WordSpoken", "ReplyAudio"]
    assert kinds == [*run[:2], "FunctionCalled", *run[2:], *run]


def test_a_failing_synthesiser_is_the_replys_failure(marbles: Marbles) -> None:
    """In any run; the model is told to stop."""
    source = marbles.cold("aX-bX---c|", table=WORDS)
    voice = marbles.tts(delay_ms=20, fail_at=0, error=ScriptedError("no voice"))
    out = marbles.record(source.pipe(text_only(voice)))
    assert out[-1] == (20, "error", voice.error)
    marbles.expect_subscriptions(source, "^!")
    stages = iter([clauses(), voice])
    out = marbles.record(source.pipe(text_only(lambda text: next(stages)(text))))
    assert out[-1] == (80, "error", voice.error)
    marbles.expect_subscriptions(source, "^---!")


def test_a_failing_model_ends_what_is_being_made(marbles: Marbles) -> None:
    """As it does without functions."""
    voice = marbles.tts(delay_ms=500)
    out = marbles.record(marbles.cold("aXb#", table=WORDS, error=ScriptedError("LLM")).pipe(text_only(voice)))
    assert (out[-1].t_ms, str(out[-1].value)) == (60, "LLM")
    assert [call.outcome for call in voice.calls] == ["cancelled", "cancelled"]


def test_disposing_stops_all_voices(marbles: Marbles) -> None:
    """A barge-in in the midst of the second."""
    voice, source = marbles.tts(delay_ms=500), marbles.cold("aXb 1s c|", table=WORDS)
    marbles.record(source.pipe(text_only(voice)), "^----!")
    marbles.expect_subscriptions(source, "^----!")
    assert [(call.ended_ms, call.outcome) for call in voice.calls] == [(100, "cancelled")] * 2


def test_without_text_there_is_no_voice(marbles: Marbles) -> None:
    """A reply that only calls asks nothing of a synthesiser, which may be a service far away."""
    voice = marbles.tts()
    marbles.expect(marbles.cold("X-X|", table=WORDS).pipe(text_only(voice)), "X-X|", X=CALL)
    assert voice.calls == []


def test_what_is_not_a_synthesiser_may_be_only_for_text_as_well(marbles: Marbles) -> None:
    """A filter for words, which ends the reply where it must."""
    louder: Stage[ReplyText, Event] = operators.map(lambda text: ReplyText(text.delta.upper()))
    marbles.expect(marbles.cold("aXb|", table=WORDS).pipe(text_only(louder)), "aXb|", a=ReplyText("I"), X=CALL, b=LOUD)
    source = marbles.cold("aXbc|", table=WORDS)
    until_look: Stage[ReplyText, Event] = operators.take_while(lambda text: "look" not in text.delta)
    marbles.expect(source.pipe(text_only(until_look)), "aX|", a=ReplyText("I"), X=CALL)
    marbles.expect_subscriptions(source, "^-!")


LOUD = ReplyText(" LOOK.")


def test_words_and_filler_of_a_reply_in_the_order_of_a_pipeline(marbles: Marbles) -> None:
    """The last word before an event is whole, and out at once."""
    said = marbles.cold("aX 400ms fD 400ms c|", a="Let me lo", X=CALL, f=" One moment", D=FunctionDelayed(0.4), c=" No")
    out = marbles.record(said.pipe(split_words(), text_only(clauses())))
    started = [(one.t_ms, one.value.text) for one in out if isinstance(one.value, SynthesisStarted)]
    assert started == [(20, "Let me lo"), (460, "One moment"), (900, "No")]
    assert [word for word, *_ in spoken(out)] == ["Let", "me", "lo", "One", "moment", "No"]


def test_the_name_of_an_error_is_that_of_the_stage_within(marbles: Marbles) -> None:
    """It is the stage that failed, not the one around it."""
    bad: Stage[Any, Any] = transduce(lambda _: lambda item: [item.no_such_thing])
    (failed,) = marbles.record(marbles.cold("a|", table=WORDS).pipe(text_only(bad)))
    assert isinstance(failed.value, StageError)
    assert isinstance(failed.value.cause, AttributeError)


def test_each_reply_begins_anew(marbles: Marbles) -> None:
    """Nothing of the times of the last one is left."""
    piped = marbles.cold("bXc|", table=WORDS).pipe(text_only(clauses()))
    assert spoken(marbles.record(piped)) == spoken(marbles.record(piped))


# ---- as_text ------------------------------------------------------------------------------------------------------


def test_a_reply_in_writing_is_the_text_as_it_comes(marbles: Marbles) -> None:
    """Letter for letter; what is no text passes in its place."""
    said = marbles.cold("a-X-b|", a="Let me lo", X=CALL, b="ok.")
    marbles.expect(said.pipe(as_text()), "a-X-b|", a=ReplyTextWritten("Let me lo"), X=CALL, b=ReplyTextWritten("ok."))
    marbles.expect(reactivex.empty().pipe(as_text()), "|")
