"""`text_only` and `as_text`: stages for text in a stream that has more than text."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, SerialDisposable

from voicepipe.events import Event, ReplyAudio, ReplyText, ReplyTextWritten, Unspoken, WordSpoken
from voicepipe.rx import transduce
from voicepipe.rx.loop_observable import LoopObservable
from voicepipe.rx.publish import LoopSubject
from voicepipe.stage import Stage, checked, stage_factory

__all__ = ["as_text", "per_run", "text_only"]


B = TypeVar("B")

A = TypeVar("A")


@stage_factory()
def text_only(stage: Stage[ReplyText, B]) -> Stage[Unspoken | Event, B | Event]:
    """Pass the reply's `ReplyText` through `stage`, and everything else, such as a function call, at once.

    A call also ends the text before it: the stage's source completes, the stage emits what it kept, and it is
    subscribed again for later text, so that a TTS does not wait for the end of a sentence until the function has
    returned. The times of `WordSpoken` continue from one subscription to the next. Errors are those of the stage;
    disposing disposes it.

    What `session.tts` makes is wrapped already. A stage of your own between `split_words` and the TTS needs it where
    functions are called: `text_only(shout)`.

    Args:
        stage: A stage from words to words, or to sound.

    .. marbles::

        words       a-b-x-c|     x: FunctionCalled
        text_only   -A-Bx--C|    A: what the stage makes of a, in 20 ms
    """

    def on_text(source: Observable[Unspoken | Event]) -> Observable[B | Event]:
        return source.pipe(per_run(stage, lambda item: isinstance(item, ReplyText)), transduce(lambda _: _Joined()))

    return on_text


class _Joined:
    """Consecutive runs of sound: the times of each count from the first sample of all."""

    def __init__(self) -> None:
        self._run = 0
        self._begins_s = self._made_s = 0.0

    def __call__(self, numbered: tuple[int, B]) -> Iterator[B]:
        run, event = numbered
        if run > self._run:
            self._run, self._begins_s = run, self._made_s
        match event:
            case ReplyAudio(audio=audio):
                self._made_s += audio.duration_s
                yield event
            case WordSpoken(start_s=start_s, stop_s=stop_s) if run and self._begins_s:
                yield replace(event, start_s=self._begins_s + start_s, stop_s=self._begins_s + stop_s)
            case _:
                yield event


@stage_factory(gives=(ReplyTextWritten,))
def as_text() -> Stage[str | Event, Event]:
    """Turn the model's text into `ReplyTextWritten`, for a reply that is not spoken; other items pass.

    .. marbles::

        llm       a-x-b|     x: FunctionCalled
        as_text   A-x-B|     A, B: ReplyTextWritten
    """

    def step(said: str | Event) -> Iterator[Event]:
        yield ReplyTextWritten(said) if isinstance(said, str) else said

    return transduce(lambda _: step)


def per_run(stage: Stage[A, Any], belongs: Callable[[Any], bool]) -> Stage[Any, tuple[int, Any]]:
    """Run `stage` once for each run of consecutive items that `belongs` accepts; other items end a run, and pass.

    Outputs are pairs with the number of their run, 0 for items that pass. The stage is subscribed at the first item of
    a run, and its source completes at the run's end. Runs are emitted one after the other, in order, however long each
    takes; passed items do not wait for them. Completes with the last run, and disposes the source when the stage
    completes early; an error of a run ends all.

    .. marbles::

        source    a-b-x-c|         x does not belong
        per_run   -A-Bx--C|        A, B: (1, …)   C: (2, …); the stage takes 20 ms
    """

    def together(source: Observable[Any]) -> Observable[tuple[int, Any]]:
        def subscribe(
            observer: abc.ObserverBase[tuple[int, Any]], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            runs = _Runs(stage, belongs, observer, scheduler)
            runs.source.disposable = source.subscribe(runs.take, runs.fail, runs.finish, scheduler=scheduler)
            return runs.disposables

        return LoopObservable(subscribe)

    return together


@dataclass(slots=True)
class _Run(Generic[A]):
    number: int
    input: LoopSubject[A] = field(default_factory=LoopSubject)
    waiting: deque[Any] = field(default_factory=deque[Any])
    """Its outputs that were not emitted yet."""
    over: bool = False


class _Runs(Generic[A]):
    """The open runs of one subscription; the first one is being emitted."""

    def __init__(
        self,
        stage: Stage[A, Any],
        belongs: Callable[[Any], bool],
        observer: abc.ObserverBase[tuple[int, Any]],
        scheduler: abc.SchedulerBase | None,
    ) -> None:
        self._stage, self._belongs, self._observer, self._scheduler = stage, belongs, observer, scheduler
        self.source = SerialDisposable()
        self.disposables = CompositeDisposable(self.source)
        self._runs: deque[_Run[A]] = deque()
        self._current: _Run[A] | None = None
        self._count = 0
        self._finished = False

    def take(self, item: Any) -> None:
        if self._finished:
            return
        if not self._belongs(item):
            self._end_run()
            self._observer.on_next((0, item))
            return
        run = self._current or self._begin()
        run.input.on_next(item)

    def finish(self) -> None:
        self._finished = True
        self._end_run()
        self._let_out()

    def fail(self, error: Exception) -> None:
        self._finished = True
        self.disposables.dispose()
        self._observer.on_error(error)

    def _begin(self) -> _Run[A]:
        self._count += 1
        run = self._current = _Run[A](self._count)
        self._runs.append(run)
        try:
            made = checked(self._stage, self._stage(run.input))
        except Exception as error:  # it must not reach the sender of the item
            self.fail(error)
            return run
        self.disposables.add(
            made.subscribe(
                lambda item: self._out(run, item), self.fail, lambda: self._over(run), scheduler=self._scheduler
            )
        )
        return run

    def _end_run(self) -> None:
        run, self._current = self._current, None
        if run is not None:
            run.input.on_completed()

    def _out(self, run: _Run[A], item: Any) -> None:
        run.waiting.append(item)
        self._let_out()

    def _over(self, run: _Run[A]) -> None:
        run.over = True
        if run is self._current:  # it completed before its source did
            self._current, self._finished = None, True
            self.source.dispose()
        self._let_out()

    def _let_out(self) -> None:
        """Emit the current run's outputs. An item may cause others while it is emitted."""
        while self._runs:
            run = self._runs[0]
            if run.waiting:
                self._observer.on_next((run.number, run.waiting.popleft()))
            elif run.over:
                self._runs.popleft()
            else:
                return
        if self._finished:
            self._observer.on_completed()
