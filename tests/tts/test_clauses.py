"""A synthesiser of whole clauses as a stage."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from voicepipe.boundary.overflow import BoundaryFull
from voicepipe.boundary.workers import Workers
from voicepipe.conversation import joined
from voicepipe.events import (
    Audio,
    ReplyAudio,
    ReplyText,
    SynthesisEnded,
    SynthesisStarted,
    TextNotSpoken,
    WordSpoken,
)
from voicepipe.operators import split_words
from voicepipe.testing import Marbles
from voicepipe.text.reading import Reading
from voicepipe.tts.clauses import Timing, clause_by_clause

Say = Callable[[str], tuple[Audio, list[Timing]]]


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


# ---- what is said, and what is written -------------------------------------------------------------------------------


def played(marbles: Marbles, workers: Workers, text: str, say: Say = say, **more: Any) -> list[Any]:
    """Return the events of a reply."""
    stage = clause_by_clause(say, workers, first_words=8, min_words=4, max_words=24, capacity=8, **more)
    out = marbles.record(marbles.cold("a|", a=text).pipe(split_words(), stage))
    return [one.value for one in out if one.kind == "next"]


def test_the_voice_gets_what_is_said_and_the_words_are_those_that_are_written(
    marbles: Marbles, workers: Workers
) -> None:
    """The words have the times of what is said for them; the text of the reply stays as it was."""
    given: list[str] = []

    def listen(text: str) -> tuple[Audio, list[Timing]]:
        given.append(text)
        return say(text)

    events = played(marbles, workers, "## Price\nIt **cost** $5.", listen)
    assert given == ["Price.", "It cost five dollars."]
    spoken = [event for event in events if isinstance(event, WordSpoken)]
    assert [event.word for event in spoken] == ["##", "Price", "It", "**cost**", "$5."]
    assert [round(event.stop_s, 3) for event in spoken] == [0.05, 0.1, 0.2, 0.3, 0.5]
    assert [event.delta for event in events if isinstance(event, ReplyText)] == [
        "##",
        " Price",
        " It",
        " **cost**",
        " $5.",
    ]


def test_users_pronunciations_reach_the_voice(marbles: Marbles, workers: Workers) -> None:
    reading = Reading(pronunciations={"qt": "cute"})
    events = played(marbles, workers, "Qt is QT.", reading=reading)
    assert [event.word for event in events if isinstance(event, WordSpoken)] == ["Qt", "is", "QT."]


LATIN = Reading(scripts=frozenset({"LATIN"}))


def test_text_that_the_voice_cannot_say_is_shown_and_the_user_is_told_once(marbles: Marbles, workers: Workers) -> None:
    """Its words come in order, without sound; what can be said is said."""
    events = played(marbles, workers, "今日は。元気です。 I said 猫 now. はい。", reading=LATIN)
    told = [event for event in events if isinstance(event, TextNotSpoken)]
    assert [event.text for event in told] == ["今日は。"]
    assert told[0].message == "The voice cannot say “今日は。”: it is shown, and not spoken."
    spoken = [event for event in events if isinstance(event, WordSpoken)]
    assert joined(spoken) == "今日は。元気です。 I said 猫 now. はい。"
    assert sum(event.audio.duration_s for event in events if isinstance(event, ReplyAudio)) == pytest.approx(0.3)


def test_a_voice_that_makes_no_sound_cannot_say_the_text(marbles: Marbles, workers: Workers) -> None:
    """Also one that does not say which scripts it can say."""

    def silent(_: str) -> tuple[Audio, list[Timing]]:
        return Audio(np.zeros(0, np.float32), 1000), []

    events = played(marbles, workers, "สวัสดี ครับ", silent)
    assert [event.text for event in events if isinstance(event, TextNotSpoken)] == ["สวัสดี ครับ"]
    assert [event.word for event in events if isinstance(event, WordSpoken)] == ["สวัสดี", "ครับ"]
    assert not [event for event in events if isinstance(event, ReplyAudio)]


@pytest.mark.parametrize(("text", "shown"), [("** :", []), ("...", []), ("👍", ["👍"]), ("Good! 👍", ["Good!", "👍"])])
def test_what_has_no_sound_is_no_failure(marbles: Marbles, workers: Workers, text: str, shown: list[str]) -> None:
    """An emoji is shown; marks alone are nothing; the user is told nothing."""
    events = played(marbles, workers, text, reading=LATIN)
    assert [event.word for event in events if isinstance(event, WordSpoken)] == shown
    assert not [event for event in events if isinstance(event, TextNotSpoken)]


@pytest.mark.parametrize(
    "text", ["今日は。元気です、はい。", "你好！今天很好。", "كيف حالك؟ أنا بخير.", "สวัสดีครับ ผมสบายดี"]
)
def test_other_scripts_are_captioned_as_they_are_heard(marbles: Marbles, workers: Workers, text: str) -> None:
    """A voice that can say them gets them as they are, at their own punctuation."""
    given: list[str] = []

    def listen(said: str) -> tuple[Audio, list[Timing]]:
        given.append(said)
        return say(said)

    events = played(marbles, workers, text, listen)
    assert "".join(given).replace(" ", "") == text.replace(" ", "")
    assert joined(event for event in events if isinstance(event, WordSpoken)) == text
