"""A stage that keeps silent for too long has failed."""

import numpy as np
import pytest
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.conversation import Conversation
from voicepipe.events import Audio, ReplyAudio, ReplyText
from voicepipe.operators import DeadlineMissed, fallback, with_deadline
from voicepipe.stage import StageError
from voicepipe.testing import Marbles

HI = Conversation().user_said("hi")


def answering(marbles: Marbles, diagram: str, *, first_s: float = 0.1, between_s: float = 0.06) -> Observable[str]:
    answer = marbles.cold(diagram)
    return with_deadline(lambda _: answer, "LLM", first_s=first_s, between_s=between_s)(HI)


def missed(bound_s: float, *, first: bool, stage: str = "LLM") -> StageError:
    return StageError(stage, DeadlineMissed(stage, bound_s, first))


def test_an_answer_in_time_passes(marbles: Marbles) -> None:
    """And no timer is left behind it."""
    marbles.expect(answering(marbles, "---x-y|"), "---x-y|")


def test_no_answer_is_a_failure_with_the_stage_and_the_time(marbles: Marbles) -> None:
    """A TimeoutError in the stage's name."""
    marbles.expect(answering(marbles, "------x|"), "-----#", error=missed(0.1, first=True))
    assert str(missed(0.1, first=True)) == "LLM: LLM gave no answer within 0.1 s"
    assert isinstance(missed(0.1, first=True).cause, TimeoutError)


def test_falling_silent_in_mid_answer_is_a_failure(marbles: Marbles) -> None:
    """Each item puts it off, the last one's end, too."""
    marbles.expect(answering(marbles, "x--y--z----w|"), "x--y--z--#", error=missed(0.06, first=False))
    marbles.expect(answering(marbles, "x-----|"), "x--#", error=missed(0.06, first=False))


def test_the_first_bound_may_be_the_shorter_one(marbles: Marbles) -> None:
    """Or the longer one; the timer is set anew with the first answer."""
    marbles.expect(answering(marbles, "-x---y|", first_s=0.04, between_s=0.2), "-x---y|")
    marbles.expect(answering(marbles, "-x---y|", first_s=1, between_s=0.04), "-x-#", error=missed(0.04, first=False))


def test_what_is_late_is_disposed(marbles: Marbles) -> None:
    """A request that nobody waits for is closed, and a further answer unheard."""
    answer = marbles.cold("x 1s y|")
    late = with_deadline(lambda _: answer, "LLM", first_s=1, between_s=0.04)(HI)
    marbles.expect(late, "x-#", error=missed(0.04, first=False))
    marbles.expect_subscriptions(answer, "^-!")


def test_an_error_passes_and_so_does_disposal(marbles: Marbles) -> None:
    """The timer goes with them."""
    marbles.expect(answering(marbles, "-#"), "-#")
    marbles.expect(answering(marbles, "-x"), "-x!")


def test_one_timer_serves_any_number_of_items(marbles: Marbles, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two are set for what comes in the first bound, and one per bound after it; none per item."""
    armed = list[float]()
    call_at = marbles.scheduler.call_at
    monkeypatch.setattr(
        marbles.scheduler, "call_at", lambda when_s, action: armed.append(when_s) or call_at(when_s, action)
    )
    marbles.record(answering(marbles, "a" * 50 + "|", between_s=0.5))
    assert len(armed) <= 4


def test_a_stage_is_not_blamed_for_what_comes_late_to_it(marbles: Marbles) -> None:
    """Its time runs from the first item that it receives, and anew from each later one."""
    passing = with_deadline(lambda source: source.pipe(rx_ops.map(str.upper)), "TTS", first_s=0.04, between_s=0.1)
    marbles.expect(marbles.hot("----------a---b|").pipe(passing), "----------A---B|")


def test_a_stage_that_does_not_answer_what_it_received_has_failed(marbles: Marbles) -> None:
    """An item that only passes is no answer where the answer is sound."""
    words = {"a": ReplyText("Hi"), "S": ReplyAudio(Audio(np.zeros(8, np.float32), 1000))}
    silent = with_deadline(lambda source: source, "TTS", first_s=0.1, between_s=0.06, answer=ReplyAudio)
    marbles.expect(marbles.hot("--aa|", table=words).pipe(silent), "--aa|", table=words)
    late = missed(0.1, first=True, stage="TTS")
    marbles.expect(marbles.hot("--aaaaaaa|", table=words).pipe(silent), "--aaaaa(a#)", error=late, table=words)


def test_a_stage_falls_silent_when_it_neither_gets_nor_gives(marbles: Marbles) -> None:
    """An item that it receives gives it time again."""
    echo = with_deadline(lambda source: source.pipe(rx_ops.take(1)), "TTS", first_s=0.1, between_s=0.06, answer=object)
    marbles.expect(marbles.hot("a--b|").pipe(echo), "(a|)")
    waiting = marbles.cold("x 1s |")
    deaf = with_deadline(
        lambda source: source.pipe(rx_ops.filter(lambda _: False), rx_ops.merge(waiting)),
        "TTS",
        first_s=0.1,
        between_s=0.06,
    )
    marbles.expect(marbles.hot("a-b-c--------|").pipe(deaf), "x 120ms #", error=missed(0.06, first=False, stage="TTS"))


def test_it_goes_with_a_fallback(marbles: Marbles) -> None:
    """Too late is failed: the next one takes over."""
    slow = with_deadline(lambda _: marbles.cold("1s x|"), "LLM", first_s=0.06, between_s=1)
    marbles.expect(fallback(slow, lambda _: marbles.cold("-y|"))(HI), "----y|")


def test_the_diagram_of_the_docstring(marbles: Marbles) -> None:
    """A stage that has received its last item, and falls silent for more than 100 ms."""
    answer = marbles.cold("---x-y---------z|")
    stage = with_deadline(
        lambda source: source.pipe(rx_ops.ignore_elements(), rx_ops.merge(answer)), "TTS", first_s=1, between_s=0.1
    )
    marbles.expect(marbles.hot("a-b-|").pipe(stage), "---x-y----#", error=missed(0.1, first=False, stage="TTS"))
