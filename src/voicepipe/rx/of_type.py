"""`of_type` and `filter_`: pass some items only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from reactivex import Observable, abc

from voicepipe.rx.loop_observable import LoopObservable
from voicepipe.stage import Stage

__all__ = ["filter_", "of_type"]

A = TypeVar("A")
B = TypeVar("B")


def of_type(*kinds: type[B]) -> Stage[object, B]:
    """Pass the items of some types; drop the others.

    It is a `filter` whose result a type checker knows: `heard.pipe(of_type(WordRecognised))` is an
    `Observable[WordRecognised]`.

    Args:
        kinds: The types, which pass with their subclasses.

    .. marbles::

        source    a-1-b-2|
        of_type   a---b--|      with str
    """
    return cast("Stage[object, B]", _filter(lambda observer: _OfType(kinds, observer)))


def filter_(passes: Callable[[A], bool]) -> Stage[A, A]:
    """Pass the items for which a function returns True: `rx_ops.filter` without its locks. Its exception is an error.

    Args:
        passes: Called with each item.

    .. marbles::

        source    a-1-b-2|
        filter_   a---b--|      with str.isalpha
    """

    return _filter(lambda observer: _Passing(passes, observer))


def _filter(make: Callable[[abc.ObserverBase[Any]], _Filter]) -> Stage[Any, Any]:
    def filter_(source: Observable[Any]) -> Observable[Any]:
        def subscribe(
            observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            return source.subscribe(make(observer), scheduler=scheduler)

        return LoopObservable(subscribe)

    return filter_


class _Filter(abc.ObserverBase[Any]):
    __slots__ = ("_observer",)

    def __init__(self, observer: abc.ObserverBase[Any]) -> None:
        self._observer = observer

    def on_error(self, error: Exception) -> None:
        self._observer.on_error(error)

    def on_completed(self) -> None:
        self._observer.on_completed()


class _OfType(_Filter):
    __slots__ = ("_kinds",)

    def __init__(self, kinds: tuple[type, ...], observer: abc.ObserverBase[Any]) -> None:
        super().__init__(observer)
        self._kinds = kinds

    def on_next(self, value: Any) -> None:
        if isinstance(value, self._kinds):
            self._observer.on_next(value)


class _Passing(_Filter):
    __slots__ = ("_passes",)

    def __init__(self, passes: Callable[[Any], bool], observer: abc.ObserverBase[Any]) -> None:
        super().__init__(observer)
        self._passes = passes

    def on_next(self, value: Any) -> None:
        try:
            passes = self._passes(value)
        except Exception as error:
            self._observer.on_error(error)
        else:
            if passes:
                self._observer.on_next(value)
