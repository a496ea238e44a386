"""More than one way to the same answer, before the first item and not after it."""

import logging
from collections.abc import Callable

import numpy as np
import pytest
import reactivex
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.conversation import Conversation
from voicepipe.events import Audio, ReplyAudio, ReplyText
from voicepipe.operators import fallback, hedge, retrying
from voicepipe.rx import from_async, transduce
from voicepipe.stage import NotAnObservable, Stage, StageError
from voicepipe.testing import Marbles, ScriptedError

HI = Conversation().user_said("hi")
Answer = Callable[[Conversation], Observable[str]]


def saying(answer: Observable[str]) -> Answer:
    return lambda _: answer


def upper(source: Observable[str]) -> Observable[str]:
    return source.pipe(rx_ops.map(str.upper))


def failing_at(number: int, error: Exception | None = None) -> Stage[str, str]:
    """Fails with the item of that number, silently until then."""

    def stage(source: Observable[str]) -> Observable[str]:
        def step(item: str, index: int) -> str:
            if index == number:
                raise error or ScriptedError(item)
            return item

        return source.pipe(rx_ops.map_indexed(step), rx_ops.filter(lambda _: False))

    return stage


# ---- fallback --------------------------------------------------------------------------------------------------------


def test_the_second_answers_when_the_first_fails_before_its_first_item(marbles: Marbles) -> None:
    """From when the first has failed on."""
    a, b = marbles.cold("--#"), marbles.cold("--x-y|")
    marbles.expect(fallback(saying(a), saying(b))(HI), "----x-y|")
    marbles.expect_subscriptions(a, "^-!")
    marbles.expect_subscriptions(b, "--^----!")


def test_a_first_that_answers_is_all_there_is(marbles: Marbles) -> None:
    """Spoken words cannot be taken back: a later error is an error; the second stage is never asked."""
    a, b = marbles.cold("-x-#", error=ScriptedError("late")), marbles.cold("y|")
    marbles.expect(fallback(saying(a), saying(b))(HI), "-x-#", error=ScriptedError("late"))
    marbles.expect_subscriptions(b)


def test_an_answer_of_nothing_is_an_answer(marbles: Marbles) -> None:
    """Some have nothing to say."""
    marbles.expect(fallback(saying(marbles.cold("--|")), saying(marbles.cold("y|")))(HI), "--|")


def test_when_all_fail_the_last_error_tells_of_the_others(marbles: Marbles) -> None:
    """As its notes."""
    ways = [saying(marbles.cold("-#", error=ScriptedError(name))) for name in "abc"]
    (failed,) = marbles.record(fallback(*ways)(HI))
    assert failed.t_ms == 60
    assert str(failed.value) == "c"
    assert failed.value.__notes__ == ["before it: ScriptedError('a')", "before it: ScriptedError('b')"]


def test_one_that_cannot_even_be_asked_has_failed(marbles: Marbles) -> None:
    """An exception of the function, or no observable, is a failure like others."""

    def broken(_: Conversation) -> Observable[str]:
        raise ValueError("no model")

    def forgetful(_: Conversation) -> Observable[str]:
        return None  # pyright: ignore[reportReturnType]

    marbles.expect(fallback(broken, saying(marbles.cold("x|")))(HI), "x|")
    (failed,) = marbles.record(fallback(broken, forgetful)(HI))
    assert isinstance(failed.value, NotAnObservable)
    assert "forgetful (" in str(failed.value)


def test_disposing_stops_the_one_at_work(marbles: Marbles) -> None:
    """Nobody pays for words that nobody will hear."""
    b = marbles.cold("--x 10s |")
    marbles.expect(fallback(saying(marbles.cold("-#")), saying(b))(HI), "---x-!")
    marbles.expect_subscriptions(b, "-^---!")


def test_a_stage_that_takes_over_hears_everything_from_the_beginning(marbles: Marbles) -> None:
    """Also of hot input, which would not say it again; each subscription remembers its own."""
    words = marbles.hot("a-b-c-d|")
    stage = fallback(failing_at(1), upper, remembers=8)
    for _ in range(2):
        marbles.expect(words.pipe(stage), "--(AB)-C-D|")
        marbles.expect_subscriptions(words, "^------!")


def test_input_that_comes_at_once_is_not_lost_either(marbles: Marbles) -> None:
    """The first stage fails in the midst of a cold source's items."""
    marbles.expect(reactivex.of(*"abc").pipe(fallback(failing_at(1), upper, remembers=8)), "(ABC|)")


def test_more_than_can_be_remembered_means_no_second_chance(marbles: Marbles) -> None:
    """Better the error than a reply without its beginning."""
    words = marbles.hot("a-b-c-d|")
    marbles.expect(words.pipe(fallback(failing_at(2), upper, remembers=3)), "----(ABC)-D|")
    marbles.expect(words.pipe(fallback(failing_at(2), upper, remembers=2)), "----#", error=ScriptedError("c"))


def test_a_failing_input_is_not_the_stages_fault(marbles: Marbles) -> None:
    """Nobody takes over: the second would fail of the same."""
    asked = list[str]()

    def second(source: Observable[str]) -> Observable[str]:
        asked.append("second")
        return source

    marbles.expect(marbles.cold("-#").pipe(fallback(upper, second, remembers=8)), "-#")
    assert asked == []


def test_stages_need_a_capacity() -> None:
    """Told where the pipeline is built."""
    stage = fallback(upper, upper)  # pyright: ignore[reportCallIssue, reportArgumentType, reportUnknownVariableType]
    with pytest.raises(TypeError, match=r"fallback\(…\) of stages needs a capacity: remembers=…"):
        reactivex.of("a").pipe(stage)  # pyright: ignore


SOUND = ReplyAudio(Audio(np.zeros(8, np.float32), 1000))


def speaking(fails: bool) -> Stage[ReplyText, ReplyText | ReplyAudio]:
    """Passes words on, and gives sound at the second one, or fails there."""

    def voice(words: Observable[ReplyText]) -> Observable[ReplyText | ReplyAudio]:
        def step(number: int) -> list[ReplyAudio]:
            if number == 1 and fails:
                raise ScriptedError("no voice")
            return [SOUND] if number >= 1 else []

        counted = words.pipe(rx_ops.map_indexed(lambda _, index: index), transduce(lambda _: step))
        return reactivex.merge(words, counted)

    return lambda source: source.pipe(rx_ops.publish(voice))


def test_what_comes_before_the_answer_goes_out_as_it_comes_and_once(marbles: Marbles) -> None:
    """A synthesiser passes words on, then fails at its first sound: its successor does not say the words again."""
    words = {"a": ReplyText("Well,"), "b": ReplyText(" I"), "c": ReplyText(" know"), "S": SOUND}
    stage = fallback(speaking(fails=True), speaking(fails=False), remembers=8, answer=ReplyAudio)
    marbles.expect(marbles.hot("a-b-c|", table=words).pipe(stage), "a-(bS)-(cS)|", **words)


def test_a_word_said_twice_is_said_twice(marbles: Marbles) -> None:
    """Only what is out already is left out."""
    words = {"a": ReplyText(" the"), "b": ReplyText(" the"), "S": SOUND}
    stage = fallback(speaking(fails=True), speaking(fails=False), remembers=8, answer=ReplyAudio)
    marbles.expect(marbles.hot("a-b|", table=words).pipe(stage), "a-(bS)|", **words)


def test_a_failed_one_is_logged(marbles: Marbles, caplog: pytest.LogCaptureFixture) -> None:
    """The user hears nothing of it; who runs the server should."""
    import structlog

    with structlog.testing.capture_logs() as logs, caplog.at_level(logging.CRITICAL):
        marbles.expect(fallback(saying(marbles.cold("-#")), saying(marbles.cold("x|")))(HI), "-x|")
    assert [(one["event"], one["error"]) for one in logs] == [("stage.failed_before_answer", "ScriptedError('#')")]


# ---- hedge -----------------------------------------------------------------------------------------------------------


def test_a_slow_first_gets_company_and_loses(marbles: Marbles) -> None:
    """The second begins after the time; when it answers, the first is disposed in that moment."""
    a, b = marbles.cold("-------x|"), marbles.cold("--y-z|")
    marbles.expect(hedge(saying(a), saying(b), after_ms=40)(HI), "----y-z|")
    marbles.expect_subscriptions(a, "^---!")
    marbles.expect_subscriptions(b, "--^----!")


def test_a_slow_first_gets_company_and_wins(marbles: Marbles) -> None:
    """The first stage to answer goes on."""
    a, b = marbles.cold("---x-w|"), marbles.cold("--y|")
    marbles.expect(hedge(saying(a), saying(b), after_ms=40)(HI), "---x-w|")
    marbles.expect_subscriptions(b, "--^!")


def test_a_quick_first_stays_alone(marbles: Marbles) -> None:
    """The second is never asked, and the timer is gone."""
    b = marbles.cold("y|")
    marbles.expect(hedge(saying(marbles.cold("-x 1s w|")), saying(b), after_ms=40)(HI), "-x 1s w|")
    marbles.expect_subscriptions(b)


def test_a_first_that_fails_makes_the_second_begin_at_once(marbles: Marbles) -> None:
    """Before its time."""
    marbles.expect(hedge(saying(marbles.cold("-#")), saying(marbles.cold("-y|")), after_ms=400)(HI), "--y|")


def test_one_of_two_may_fail_while_the_other_runs(marbles: Marbles) -> None:
    """Whichever; both together is an error."""
    slow, broken = marbles.cold("------x|"), marbles.cold("-#")
    marbles.expect(hedge(saying(slow), saying(broken), after_ms=40)(HI), "------x|")
    late = marbles.cold("----#", error=ScriptedError("late"))
    marbles.expect(hedge(saying(late), saying(marbles.cold("---y|")), after_ms=40)(HI), "-----y|")
    marbles.expect(hedge(saying(late), saying(broken), after_ms=40)(HI), "----#", error=ScriptedError("late"))


def test_a_third_joins_after_twice_the_time(marbles: Marbles) -> None:
    """Each one when those before it have not answered."""
    silent = saying(marbles.cold("10s |"))
    marbles.expect(hedge(silent, silent, saying(marbles.cold("z|")), after_ms=40)(HI), "----z|")


def test_a_hedged_stage_hears_everything(marbles: Marbles) -> None:
    """And its early items wait until it leads."""
    words = {"a": ReplyText("Well,"), "b": ReplyText(" I"), "S": SOUND}
    silent: Stage[ReplyText, ReplyText | ReplyAudio] = lambda source: source
    stage = hedge(silent, speaking(fails=False), after_ms=10, remembers=8, answer=ReplyAudio)
    marbles.expect(marbles.hot("a-b--|", table=words).pipe(stage), "a-(bS)--|", **words)


def test_a_memory_that_overflows_means_no_company(marbles: Marbles) -> None:
    """The second could not be asked the same."""
    stage = hedge(failing_at(9), upper, after_ms=30, remembers=1)
    marbles.expect(marbles.hot("ab----|").pipe(stage), "------|")


def test_losers_of_asyncio_are_closed(marbles: Marbles) -> None:
    """Their `finally` runs: the request is over, not only unheard."""
    closed = list[str]()

    async def slow():
        import asyncio

        try:
            await asyncio.sleep(10)
            yield "never"
        finally:
            closed.append(f"closed at {marbles.now_ms():g}")

    answer = hedge(lambda _: from_async(slow, "slow"), saying(marbles.cold("-y|")), after_ms=40)
    marbles.expect(answer(HI), "---y|")
    assert closed == ["closed at 60"]


# ---- retrying --------------------------------------------------------------------------------------------------------


def again(times: int, pause_ms: float = 40, on: type[Exception] = Exception) -> Callable[[Answer], Answer]:
    return lambda stage: retrying(stage, times=times, pause_ms=pause_ms, longest_pause_ms=60, on=on)


def scripted(marbles: Marbles, *diagrams: str) -> Answer:
    answers = iter([marbles.cold(diagram) for diagram in diagrams])
    return lambda _: next(answers)


def test_it_is_tried_again_after_a_pause_twice_as_long_each_time(marbles: Marbles) -> None:
    """40 ms, then 60 ms, because that is the longest."""
    answer = again(3)(scripted(marbles, "#", "-#", "x-y|"))
    marbles.expect(answer(HI), "------x-y|")


def test_it_is_tried_so_many_times(marbles: Marbles) -> None:
    """The last error is passed on."""
    (failed,) = marbles.record(again(2, pause_ms=20)(scripted(marbles, "#", "#", "#", "x|"))(HI))
    assert (failed.t_ms, failed.kind) == (60, "error")


def test_an_error_after_the_first_item_is_an_error(marbles: Marbles) -> None:
    """Nothing is said twice."""
    marbles.expect(again(3)(scripted(marbles, "x-#", "y|"))(HI), "x-#")


def test_only_the_errors_that_are_named_are_forgiven(marbles: Marbles) -> None:
    """A mistake in the program is not tried again; the cause counts, not the stage's name around it."""
    lost = marbles.cold("#", error=StageError("LLM", ConnectionError("lost")))
    answers = iter([lost, marbles.cold("#", error=TypeError("mistake")), marbles.cold("x|")])
    marbles.expect(again(3, on=ConnectionError)(lambda _: next(answers))(HI), "--#", error=TypeError("mistake"))


def test_disposing_in_a_pause_ends_it(marbles: Marbles) -> None:
    """No timer is left."""
    marbles.expect(again(3)(scripted(marbles, "#", "x|"))(HI), "-!")


def test_a_stage_is_tried_again_with_all_it_was_given(marbles: Marbles) -> None:
    """Items of the pause are included, unless there are more than it can remember."""
    stages = iter([failing_at(1), upper])

    def flaky(source: Observable[str]) -> Observable[str]:
        return next(stages)(source)

    retried = retrying(flaky, times=1, pause_ms=40, longest_pause_ms=40, remembers=3)
    marbles.expect(marbles.hot("ab-c-d|").pipe(retried), "---(ABC)-D|")
    stages = iter([failing_at(1), upper])
    forgetful = retrying(flaky, times=1, pause_ms=40, longest_pause_ms=40, remembers=2)
    marbles.expect(marbles.hot("ab-c-d|").pipe(forgetful), "---#", error=ScriptedError("b"))
