"""`of_type`: pass items of some types only."""

from __future__ import annotations

from typing import TypeVar, cast

from reactivex import operators as rx_ops

from voicepipe.stage import Stage

__all__ = ["of_type"]

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
    return cast("Stage[object, B]", rx_ops.filter(lambda item: isinstance(item, kinds)))
