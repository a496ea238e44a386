"""`with_filler`: say something while the model has not answered."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

import reactivex
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.conversation import Conversation
from voicepipe.events import Event, FunctionCalled, FunctionCallWritten, ReplyDelayed
from voicepipe.presets import Filler
from voicepipe.rx import merge, transduce
from voicepipe.rx.publish import publish
from voicepipe.stage import stage_factory, takes_preset

__all__ = ["with_filler"]


@overload
def with_filler(
    llm: Callable[[Conversation], Observable[str | Event]], filler: Filler, /
) -> Callable[[Conversation], Observable[str | Event]]: ...


@overload
def with_filler(
    llm: Callable[[Conversation], Observable[str | Event]], *, after_s: float, again_s: float, texts: Sequence[str]
) -> Callable[[Conversation], Observable[str | Event]]: ...


@takes_preset(Filler)
@stage_factory(gives=(str, ReplyDelayed))
def with_filler(
    llm: Callable[[Conversation], Observable[str | Event]], *, after_s: float, again_s: float, texts: Sequence[str]
) -> Callable[[Conversation], Observable[str | Event]]:
    """Return a model for which a filler is spoken while it has not answered; its request goes on.

    A user takes three seconds of silence for the end of the connection, and a model that reasons, or is loaded for this
    request, takes ten. The first of `texts` is said after `after_s`, the others, the last one again and again, every
    `again_s`, each with a `ReplyDelayed` behind it, until the model's first word or call, its end or its error. How
    long the model may take is its own limit (`llm_first_text_s`). A reply that is not spoken has no filler. Disposing
    disposes the model's answer.

    Args:
        llm: The model.
        after_s: The silence before the first filler, in seconds.
        again_s: The time between two fillers, in seconds.
        texts: What is said, in this order; empty is nothing.

    .. marbles::

        llm           -----a-b|
        with_filler   --(fd)--A-b|    f: the filler   d: ReplyDelayed   A: a, with a space before it
    """

    def make(conversation: Conversation) -> Observable[str | Event]:
        answer = llm(conversation)
        if not conversation.aloud or not texts:
            return answer
        fillers = lambda: _fillers(after_s, again_s, texts)
        together = answer.pipe(publish(lambda said: merge(said, fillers().pipe(_until_answer(said)))))
        return together.pipe(transduce(lambda _: _Joint()))

    return make


def _fillers(after_s: float, again_s: float, texts: Sequence[str]) -> Observable[str | Event]:
    """Emit the fillers, each at its time, without end."""
    waits = itertools.chain([after_s], itertools.repeat(again_s))
    told = itertools.accumulate(itertools.chain([after_s], itertools.repeat(again_s)))
    said = itertools.chain(texts, itertools.repeat(texts[-1]))
    return reactivex.concat_with_iterable(
        _filler(wait_s, text, passed_s) for wait_s, text, passed_s in zip(waits, said, told, strict=False)
    )


def _filler(wait_s: float, text: str, passed_s: float) -> Observable[str | Event]:
    return reactivex.timer(wait_s).pipe(rx_ops.flat_map(lambda _: reactivex.of(text, ReplyDelayed(passed_s))))


def _until_answer(said: Observable[str | Event]) -> Callable[[Observable[Any]], Observable[Any]]:
    """End with the first word or call of the model, or its end."""
    return rx_ops.take_until(said.pipe(rx_ops.filter(_answers), rx_ops.materialize()))


def _answers(said: str | Event) -> bool:
    return bool(said.strip()) if isinstance(said, str) else isinstance(said, FunctionCalled | FunctionCallWritten)


class _Joint:
    """Puts a space between a filler and the text behind it."""

    def __init__(self) -> None:
        self._open = False

    def __call__(self, said: str | Event) -> Iterator[str | Event]:
        if isinstance(said, str) and said:
            said, self._open = f" {said}" if self._open and not said[0].isspace() else said, False
        self._open = self._open or isinstance(said, ReplyDelayed)
        yield said
