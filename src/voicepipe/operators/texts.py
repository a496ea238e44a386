"""`only_text` and `in_writing`: where what a model says is more than text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeVar

from reactivex import Observable

from voicepipe.events import Event, ReplyText, Speech, Spoken, Unspoken, Written
from voicepipe.rx import in_runs, transduce
from voicepipe.stage import Stage, stage_factory

__all__ = ["in_writing", "only_text"]

B = TypeVar("B")


@stage_factory()
def only_text(stage: Stage[ReplyText, B]) -> Stage[Unspoken | Event, B | Event]:
    """The reply's `ReplyText` goes through `stage`; everything else, a function call for example, passes at once.

    A call also ends what was said before it: the stage sees its source complete, says what it kept, and is subscribed
    anew for what is said next, so that a synthesiser does not wait for the end of a sentence until the function has
    returned. The times of `Spoken` go on from one to the next. Errors are those of the stage; disposing disposes it.

    `session.tts` is one already. A stage of your own between `by_word` and the synthesiser needs it where functions are
    called: `only_text(shout)`.

    .. marbles::

        words       a-b-x-c|     x: FunctionCalled
        only_text   -A-Bx--C|    A: what the stage makes of a, in 20 ms
    """

    def on_text(source: Observable[Unspoken | Event]) -> Observable[B | Event]:
        return source.pipe(in_runs(stage, lambda item: isinstance(item, ReplyText)), transduce(lambda _: _Joined()))

    return on_text


class _Joined:
    """Runs of sound in a row: the times of each count from the first sample of all."""

    def __init__(self) -> None:
        self._run = 0
        self._begins_s = self._made_s = 0.0

    def __call__(self, numbered: tuple[int, B]) -> Iterator[B]:
        run, event = numbered
        if run > self._run:
            self._run, self._begins_s = run, self._made_s
        match event:
            case Speech(audio=audio):
                self._made_s += audio.duration_s
                yield event
            case Spoken(start_s=start_s, stop_s=stop_s) if run and self._begins_s:
                yield replace(event, start_s=self._begins_s + start_s, stop_s=self._begins_s + stop_s)
            case _:
                yield event


@stage_factory(gives=(Written,))
def in_writing() -> Stage[str | Event, Event]:
    """The model's text as `Written`, for a reply that shall not be spoken; what is no text passes.

    .. marbles::

        llm          a-x-b|     x: FunctionCalled
        in_writing   A-x-B|     A, B: Written
    """

    def step(said: str | Event) -> Iterator[Event]:
        yield Written(said) if isinstance(said, str) else said

    return transduce(lambda _: step)
