"""A synthesiser of whole clauses as a stage."""

from collections.abc import Iterator

import numpy as np
import pytest

from voicepipe.boundary.overflow import BoundaryFull
from voicepipe.boundary.workers import Workers
from voicepipe.events import Audio, ReplyAudio, ReplyText, SynthesisEnded, SynthesisStarted, WordSpoken
from voicepipe.testing import Marbles
from voicepipe.tts.clauses import Timing, clause_by_clause


@pytest.fixture
def workers() -> Iterator[Workers]:
    pool = Workers(2, "test")
    yield pool
    pool.close(timeout_s=5)


def say(text: str) -> tuple[Audio, list[Timing]]:
    """100 ms a word."""
    words = text.split()
    if "fail." in words:
        raise ValueError("cannot say that")
    times = [(word, index / 10, (index + 1) / 10) for index, word in enumerate(words)]
    return Audio(np.ones(100 * len(words), np.float32), 1000), times


WORDS = {"a": ReplyText("Well,"), "b": ReplyText(" I"), "c": ReplyText(" know."), "f": ReplyText(" fail.")}


def stage(workers: Workers, capacity: int = 8):
    return clause_by_clause(say, workers, first_words=4, min_words=2, max_words=8, capacity=capacity)


def test_each_clause_is_followed_by_its_sound_and_word_times(marbles: Marbles, workers: Workers) -> None:
    """Text passes at once; the times of the second clause count from the reply's first sample."""
    marbles.expect(
        marbles.cold("a-b-c|", table=WORDS).pipe(stage(workers)),
        "(asemA)-b-(ctfnoB)|",
        **WORDS
        | {
            "s": SynthesisStarted("Well,"), "e": SynthesisEnded(0.1), "m": WordSpoken("Well,", 0.0, 0.1),
            "A": ReplyAudio(say("x")[0]),
            "t": SynthesisStarted("I know."), "f": SynthesisEnded(0.2), "n": WordSpoken("I", 0.1, 0.2),
            "o": WordSpoken("know.", 0.2, 0.30000000000000004), "B": ReplyAudio(say("x y")[0]),
        },
    )  # fmt: skip


def test_what_has_no_punctuation_is_spoken_at_the_end(marbles: Marbles, workers: Workers) -> None:
    """No word is left unsaid."""
    out = marbles.record(marbles.cold("b|", table=WORDS).pipe(stage(workers)))
    assert [one.value.word for one in out if isinstance(one.value, WordSpoken)] == ["I"]


def test_a_synthesiser_that_fails_fails_the_reply(marbles: Marbles, workers: Workers) -> None:
    """With its own error, after the sound that was made."""
    out = marbles.record(marbles.cold("a-f|", table=WORDS).pipe(stage(workers)))
    assert [type(one.value) for one in out][-2:] == [SynthesisStarted, ValueError]
    assert sum(isinstance(one.value, ReplyAudio) for one in out) == 1


def test_text_is_never_dropped_a_full_boundary_fails_the_turn(marbles: Marbles, workers: Workers) -> None:
    """More clauses than may wait, all at once."""
    source = marbles.cold("(acccc|)", table=WORDS)
    out = marbles.record(source.pipe(stage(workers, capacity=1)))
    assert isinstance(out[-1].value, BoundaryFull)
