"""`with_deadline`: a stage that keeps silent for too long has failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, cast, overload

from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.conversation import Conversation
from voicepipe.events import Audio
from voicepipe.rx import Bounds, Watch, watched
from voicepipe.stage import Stage, StageError, checked, stage_factory

__all__ = ["DeadlineMissed", "with_deadline"]

A = TypeVar("A")
B = TypeVar("B")
Asked = TypeVar("Asked", Conversation, Audio)

Types: TypeAlias = type | tuple[type, ...]


class DeadlineMissed(TimeoutError):
    """A stage did not answer in time. `first`: not at all; otherwise it fell silent in mid-answer."""

    def __init__(self, stage: str, bound_s: float, first: bool) -> None:
        what = "gave no answer" if first else "fell silent"
        super().__init__(f"{stage} {what} within {bound_s:g} s")
        self.stage, self.bound_s, self.first = stage, bound_s, first


@overload
def with_deadline(
    stage: Stage[A, B], name: str, *, first_s: float, between_s: float, answer: Types = object
) -> Stage[A, B]: ...
@overload
def with_deadline(
    stage: Callable[[Asked], Observable[B]], name: str, *, first_s: float, between_s: float, answer: Types = object
) -> Callable[[Asked], Observable[B]]: ...
@stage_factory()
def with_deadline(
    stage: Callable[[Any], Observable[B]], name: str, *, first_s: float, between_s: float, answer: Types = object
) -> Callable[[Any], Observable[B]]:
    """The stage, which fails with `StageError(name, DeadlineMissed)` when it answers too late, and is disposed.

    What is asked in one piece (an LLM) has `first_s` from then on for its first item, and `between_s` from each to the
    next, and to its end. A stage has `first_s` from the first item that it *receives*, so that it is not blamed for
    what comes before it, and `between_s` from the last item that it received or gave, whichever is later. It is meant
    for a stage that owes something for what it gets: `between_s` must be longer than the longest pause of its source.

    `answer` is the type of event that counts: a synthesiser passes words on at once, its answer is `Speech`. One timer
    runs per subscription, whatever the number of items.

    .. marbles::

        asked           a-b-|
        stage           ---x-y---------z|
        with_deadline   ---x-y----#         fell silent for more than 100 ms
    """
    bounds = Bounds(first_s, between_s, lambda bound_s, first: StageError(name, DeadlineMissed(name, bound_s, first)))

    def make(asked: Any) -> Observable[B]:
        return watched(lambda watch: checked(stage, stage(_seen(asked, watch))), bounds, _is(answer))

    return make


def _seen(asked: Any, watch: Watch) -> Any:
    """What is asked, watched: the clock begins to run with it."""
    if isinstance(asked, Observable):
        return cast("Observable[Any]", asked).pipe(rx_ops.do_action(lambda _: watch.asked()))
    watch.asked()
    return asked


def _is(answer: Types) -> Callable[[object], bool]:
    return lambda item: isinstance(item, answer)
