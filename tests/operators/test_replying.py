"""A reply of a language model and a voice; the opening, which nobody asks for again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import reactivex
from reactivex import Observable

from voicepipe.conversation import Conversation
from voicepipe.events import Audio, Event, ReplyAudio, ReplyText, ReplyTextWritten
from voicepipe.operators import replying
from voicepipe.presets import PLAYBACK
from voicepipe.rx import transduce
from voicepipe.stage import Stage, StageError
from voicepipe.testing import Marbles, Recorded, ScriptedError

SOUND = ReplyAudio(Audio(np.zeros(1920, np.float32), 24_000))
OPENING = Conversation("Be brief.")
FAILS = reactivex.throw(StageError("LLM", ScriptedError("down")))


class Model:
    """Says one thing after the other."""

    def __init__(self, *answers: Observable[Any]) -> None:
        self._answers = iter(answers)
        self.asked = 0

    def __call__(self, _: Conversation) -> Observable[str | Event]:
        self.asked += 1
        return next(self._answers)


def speaking(_: Conversation) -> Stage[Any, Any]:
    def step(item: Any) -> Iterator[Any]:
        yield item
        if isinstance(item, ReplyText):
            yield SOUND

    return transduce(lambda _: step)


def reply(marbles: Marbles, model: Model, conversation: Conversation = OPENING) -> list[Recorded]:
    return marbles.record(replying(model, speaking, PLAYBACK)(conversation))


def texts(got: list[Recorded]) -> list[tuple[int, str]]:
    kinds = (ReplyText, ReplyTextWritten)
    return [(round(one.t_ms), one.value.delta) for one in got if isinstance(one.value, kinds)]


def test_an_opening_that_fails_is_tried_once_more(marbles: Marbles) -> None:
    """A second later; the first failure is not told."""
    model = Model(FAILS, reactivex.just("Hi."))
    got = reply(marbles, model)
    assert (texts(got), got[-1].kind) == ([(1000, "Hi.")], "completed")


def test_an_opening_that_fails_twice_has_failed(marbles: Marbles) -> None:
    """With the error of the second."""
    model = Model(FAILS, FAILS, FAILS)
    got = reply(marbles, model)
    assert (got[-1].kind, got[-1].t_ms, model.asked) == ("error", 1000, 2)


def test_an_answer_that_fails_is_not_tried_again(marbles: Marbles) -> None:
    """The user is there, and asks again."""
    model = Model(FAILS, reactivex.just("Hi."))
    assert reply(marbles, model, OPENING.user_said("Hi."))[-1].kind == "error"
    assert model.asked == 1


def test_an_opening_that_was_heard_is_not_tried_again(marbles: Marbles) -> None:
    """It would be heard twice."""
    model = Model(reactivex.concat(reactivex.just("Hi. "), FAILS), reactivex.just("Hi."))
    assert reply(marbles, model)[-1].kind == "error"
    assert model.asked == 1


def test_an_opening_in_writing_is_tried_again_too(marbles: Marbles) -> None:
    """Before its first word."""
    model = Model(FAILS, reactivex.just("Hi."))
    assert texts(reply(marbles, model, Conversation(aloud=False))) == [(1000, "Hi.")]
