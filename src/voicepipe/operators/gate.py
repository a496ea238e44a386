"""`gate`: pass items or drop them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.rx import merge, transduce
from voicepipe.rx.publish import publish
from voicepipe.stage import Stage, stage_factory

__all__ = ["gate"]

A = TypeVar("A")


@stage_factory(passes=True)
def gate(opens: Callable[[A], bool | None] | Observable[bool], *, is_open: bool) -> Stage[A, A]:
    """Pass items while the gate is open, and drop the others.

    Completes with the source; an error of either is passed on.

    Args:
        opens: An observable of states (a button; whether the bot is silent), or a function that is called with each
            item: True opens the gate, and this item passes; False closes it before this item; None leaves it as it is.
        is_open: The state at the beginning.

    .. marbles::

        source   a-b-c-d-e|
        opens    --t---f-         t: True   f: False
        gate     --b-c----|       at the same instant `opens` comes first
    """

    def stage(source: Observable[A]) -> Observable[A]:
        if not isinstance(opens, Observable):
            asked = opens
            return source.pipe(transduce(lambda _: _Gate(asked, is_open)))
        turned = cast("Observable[bool]", opens).pipe(rx_ops.map(_Turned))
        return source.pipe(publish(lambda main: _beside(turned, main)), transduce(lambda _: _Gate(_same, is_open)))

    return stage


class _Turned:
    """A state from `opens`, among the items."""

    __slots__ = ("is_open",)

    def __init__(self, is_open: bool) -> None:
        self.is_open = is_open


def _beside(turned: Observable[_Turned], main: Observable[Any]) -> Observable[Any]:
    over = main.pipe(rx_ops.ignore_elements(), rx_ops.materialize())
    return merge(turned.pipe(rx_ops.take_until(over)), main)


def _same(_: object) -> bool | None:
    """Return None: with an observable, items do not change the gate."""
    return None


class _Gate:
    def __init__(self, opens: Callable[[Any], bool | None], is_open: bool) -> None:
        self._opens, self._is_open = opens, is_open

    def __call__(self, item: Any) -> Iterator[Any]:
        if isinstance(item, _Turned):
            self._is_open = item.is_open
            return
        verdict = self._opens(item)
        self._is_open = self._is_open if verdict is None else verdict
        if self._is_open:
            yield item
