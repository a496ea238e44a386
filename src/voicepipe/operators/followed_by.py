"""`followed_by`: a second speaker goes on when the first has ended."""

from __future__ import annotations

from collections.abc import Callable

from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.events import Event
from voicepipe.rx import merge
from voicepipe.rx.publish import publish
from voicepipe.stage import Stage, stage_factory

__all__ = ["followed_by"]


@stage_factory()
def followed_by(go_on: Callable[[str], Observable[str | Event]]) -> Stage[str | Event, str | Event]:
    """Emit what the source says, then a space and what `go_on(all that the source has said)` says.

    An error of either is passed on; disposing stops the current one. Items that are not text pass, and do not count.

    Args:
        go_on: Called once, when the source completes, with the source's whole text.

    .. marbles::

        first         a-b|
        second        ---^-c|     go_on("ab")
        followed_by   a-b_-c|     _: a space
    """

    def stage(first: Observable[str | Event]) -> Observable[str | Event]:
        return first.pipe(publish(lambda said: merge(said, said.pipe(_joined(), _going_on(go_on)))))

    return stage


def _joined() -> Stage[str | Event, str]:
    def join(text: str, piece: str | Event) -> str:
        return text + piece if isinstance(piece, str) else text

    return rx_ops.reduce(join, "")


def _going_on(go_on: Callable[[str], Observable[str | Event]]) -> Stage[str, str | Event]:
    return rx_ops.flat_map(lambda text: go_on(text).pipe(rx_ops.start_with(" ")))
