"""`with_deadline`: fail a stage that does not answer in time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeAlias, TypeVar, cast, overload

from reactivex import Observable, abc
from reactivex import operators as rx_ops
from reactivex.disposable import CompositeDisposable, SerialDisposable

from voicepipe.conversation import Conversation
from voicepipe.events import Audio
from voicepipe.presets import Deadline
from voicepipe.rx.loop_observable import LoopObservable
from voicepipe.rx.scheduler import LoopScheduler, scheduler_of
from voicepipe.stage import Stage, StageError, checked, stage_factory, takes_preset

__all__ = ["Bounds", "DeadlineMissed", "Watch", "with_deadline", "with_timeout"]


A = TypeVar("A")

B = TypeVar("B")

Asked = TypeVar("Asked", Conversation, Audio)

Types: TypeAlias = type | tuple[type, ...]


class DeadlineMissed(TimeoutError):
    """A stage did not answer in time.

    Args:
        stage: The stage's name.
        bound_s: The time that it had.
        first: There was no answer at all; otherwise it stopped in the middle.
    """

    def __init__(self, stage: str, bound_s: float, first: bool) -> None:
        what = "gave no answer" if first else "fell silent"
        super().__init__(f"{stage} {what} within {bound_s:g} s")
        self.stage, self.bound_s, self.first = stage, bound_s, first


@overload
def with_deadline(stage: Stage[A, B], name: str, deadline: Deadline, /, *, answer: Types = object) -> Stage[A, B]: ...


@overload
def with_deadline(
    stage: Callable[[Asked], Observable[B]], name: str, deadline: Deadline, /, *, answer: Types = object
) -> Callable[[Asked], Observable[B]]: ...


@overload
def with_deadline(
    stage: Stage[A, B], name: str, *, first_s: float, between_s: float, answer: Types = object
) -> Stage[A, B]: ...


@overload
def with_deadline(
    stage: Callable[[Asked], Observable[B]], name: str, *, first_s: float, between_s: float, answer: Types = object
) -> Callable[[Asked], Observable[B]]: ...


@takes_preset(Deadline)
@stage_factory()
def with_deadline(
    stage: Callable[[Any], Observable[B]], name: str, *, first_s: float, between_s: float, answer: Types = object
) -> Callable[[Any], Observable[B]]:
    """Return the stage with a deadline: too late, it fails with `StageError(name, DeadlineMissed)` and is disposed.

    A function that gives answers (an LLM) has `first_s` from its call for its first item, and `between_s` from each
    item to the next, and to its end. A stage has `first_s` from the first item that it *receives*, so that the time of
    earlier stages does not count, and `between_s` from the last item that it received or emitted, whichever is later.
    One timer runs per subscription, whatever the number of items.

    Args:
        stage: A stage that answers what it receives, or a function from a conversation to an observable (an LLM).
        name: The stage's name in the error.
        first_s: The bound of the first item, in seconds.
        between_s: The bound of each later one. It must be longer than the longest pause of the stage's source.
        answer: The types of event that count: a TTS passes words on at once, and its answer is `ReplyAudio`.

    .. marbles::

        asked           a-b-|
        stage           ---x-y---------z|
        with_deadline   ---x-y----#         fell silent for more than 100 ms
    """
    bounds = Bounds(first_s, between_s, lambda bound_s, first: StageError(name, DeadlineMissed(name, bound_s, first)))

    def make(asked: Any) -> Observable[B]:
        return with_timeout(lambda watch: checked(stage, stage(_seen(asked, watch))), bounds, _is(answer))

    return make


def _seen(asked: Any, watch: Watch) -> Any:
    """Start the clock when an item is received."""
    if isinstance(asked, Observable):
        return cast("Observable[Any]", asked).pipe(rx_ops.do_action(lambda _: watch.asked()))
    watch.asked()
    return asked


def _is(answer: Types) -> Callable[[object], bool]:
    return lambda item: isinstance(item, answer)


class Bounds:
    """`first_s` for the first answer, `between_s` for each later one; `missed(bound_s, first)` makes the error."""

    __slots__ = ("between_s", "first_s", "missed")

    def __init__(self, first_s: float, between_s: float, missed: Callable[[float, bool], Exception]) -> None:
        self.first_s, self.between_s, self.missed = first_s, between_s, missed


class Watch:
    """The deadline of the next answer. One timer, which is set again when it fires early: items only note the time."""

    def __init__(self, scheduler: LoopScheduler, bounds: Bounds) -> None:
        self.timer = SerialDisposable()
        self.fail: Callable[[Exception], None] = _nobody
        self._scheduler, self._bounds = scheduler, bounds
        self._answered = False
        self._due_s: float | None = None

    def asked(self) -> None:
        """Note a request; the first one starts the clock."""
        if self._due_s is None:
            self._arm(self._scheduler.clock() + self._bounds.first_s)
        elif self._answered:
            self._due_s = self._scheduler.clock() + self._bounds.between_s

    def answered(self) -> None:
        first, self._answered = not self._answered, True
        due_s = self._scheduler.clock() + self._bounds.between_s
        if first:
            self._arm(due_s)
        else:
            self._due_s = due_s

    def _arm(self, due_s: float) -> None:
        self._due_s = due_s
        self.timer.disposable = self._scheduler.call_at(due_s, lambda: self._look(due_s))

    def _look(self, armed_for_s: float) -> None:
        """Set the timer again if it was put off, or if the loop called early by its clock's resolution."""
        due_s = self._due_s
        if due_s is not None and due_s > armed_for_s:
            self._arm(due_s)
            return
        bounds = self._bounds
        bound_s = bounds.between_s if self._answered else bounds.first_s
        self.fail(bounds.missed(bound_s, not self._answered))


def with_timeout(make: Callable[[Watch], Observable[B]], bounds: Bounds, answers: Callable[[B], bool]) -> Observable[B]:
    """Emit what `make(watch)` gives; when an answer is overdue, dispose it and fail with `bounds.missed(…)`.

    The clock runs from the first `watch.asked()` to the end.

    .. marbles::

        source         -a-b--------c|
        with_timeout   -a-b----#         with 100 ms between two items
    """

    def subscribe(observer: abc.ObserverBase[B], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
        watch, subscription = Watch(scheduler_of(scheduler), bounds), SerialDisposable()
        both = CompositeDisposable(subscription, watch.timer)
        relay = _Relay(observer, watch, both, answers)
        watch.fail = relay.on_error
        subscription.disposable = make(watch).subscribe(
            relay.on_next, relay.on_error, relay.on_completed, scheduler=scheduler
        )
        return both

    return LoopObservable(subscribe)


class _Relay(Generic[B]):
    def __init__(
        self,
        observer: abc.ObserverBase[B],
        watch: Watch,
        below: CompositeDisposable,
        answers: Callable[[B], bool],
    ) -> None:
        self._observer, self._watch, self._below, self._answers = observer, watch, below, answers

    def on_next(self, item: B) -> None:
        if self._answers(item):
            self._watch.answered()
        self._observer.on_next(item)

    def on_error(self, error: Exception) -> None:
        self._below.dispose()
        self._observer.on_error(error)

    def on_completed(self) -> None:
        self._below.dispose()
        self._observer.on_completed()


def _nobody(error: Exception) -> None:
    raise error
