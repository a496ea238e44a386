"""Replies beside the conversation: in writing, while the talk goes on."""

from __future__ import annotations

from collections.abc import Callable

import reactivex
from reactivex import Observable, abc
from reactivex import operators as rx_ops

from voicepipe.conversation import Conversation, ItemId
from voicepipe.events import (
    Event,
    OutOfBandResponse,
    ReplyAudio,
    ReplyCancelled,
    ReplyEnded,
    ReplyInterrupted,
    ReplyRequested,
    ReplyStarted,
    ReplyTextWritten,
    StageFailed,
)
from voicepipe.operators.commits import asked_of
from voicepipe.rx import merge, of_type, scheduler_of
from voicepipe.rx.loop_observable import LoopObservable
from voicepipe.rx.publish import publish
from voicepipe.stage import Stage, StageError

__all__ = ["failure", "is_out_of_band", "out_of_band"]


def is_out_of_band(request: ReplyRequested, conversation: Conversation) -> bool:
    """Return whether a reply is out-of-band: text only, and not stored in the conversation."""
    aloud = conversation.aloud if request.aloud is None else request.aloud
    return not request.remembered and not aloud


def failure(error: Exception, *, silent: bool = False) -> StageFailed:
    """The error of a reply, as an event; `silent` as the event has it."""
    if isinstance(error, StageError):
        return StageFailed(error.stage, error.cause, silent=silent)
    return StageFailed("reply", error, silent=silent)


def out_of_band(
    reply: Callable[[Conversation], Observable[ReplyAudio | Event]], conversation: Callable[[], Conversation]
) -> Stage[Event, Event]:
    """Answer each request for an out-of-band response at once, any number side by side.

    A voice does not interrupt them, and what is said meanwhile is not known to them. Everything of a reply is an
    `OutOfBandResponse` with its name: `ReplyStarted`, `ReplyTextWritten…`, then `ReplyEnded`, or `ReplyInterrupted`
    where the client has cancelled it. A failing one tells `StageFailed` before its end, and touches no other. All else
    stays behind.

    .. marbles::

        turns         r-q---|            r, q: ReplyRequested
        out_of_band   b-c-w-w-z-(z|)     b, c: ReplyStarted   w: ReplyTextWritten   z: ReplyEnded
    """

    def answers(events: Observable[Event]) -> Observable[Event]:
        def answer(request: ReplyRequested) -> Observable[Event]:
            ended = events.pipe(rx_ops.filter(lambda event: event == ReplyCancelled(request.item)))
            asked = asked_of(conversation(), request)
            said = _apart(_answer(reply, asked, request.item, ended))
            return said.pipe(rx_ops.map(lambda event: OutOfBandResponse(request.item, event)))

        beside: Stage[ReplyRequested, ReplyRequested] = rx_ops.filter(
            lambda request: is_out_of_band(request, conversation())
        )
        return events.pipe(of_type(ReplyRequested), beside, rx_ops.flat_map(answer))

    return publish(answers)


def _apart(answer: Observable[ReplyAudio | Event]) -> Observable[ReplyAudio | Event]:
    """Return an answer whose functions end with it: the conversation does not know of their calls."""

    def subscribe(
        observer: abc.ObserverBase[ReplyAudio | Event], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        return answer.subscribe(observer, scheduler=scheduler_of(scheduler).child(apart=True))

    return LoopObservable(subscribe)


def _answer(
    reply: Callable[[Conversation], Observable[ReplyAudio | Event]],
    asked: Conversation,
    item: ItemId,
    cancelled: Observable[Event],
) -> Observable[ReplyAudio | Event]:
    """One reply, to its end or until it is cancelled."""
    text: list[str] = []

    def note(event: ReplyAudio | Event) -> None:
        if isinstance(event, ReplyTextWritten):
            text.append(event.delta)

    said = reactivex.defer(lambda _: reply(asked)).pipe(rx_ops.catch(lambda error, _: reactivex.just(failure(error))))
    whole = reactivex.concat(
        reactivex.just(ReplyStarted(asked, item)),
        said.pipe(rx_ops.do_action(note)),
        reactivex.defer(lambda _: reactivex.just(ReplyEnded("".join(text), asked))),
    )
    cut = cancelled.pipe(rx_ops.map(lambda _: reactivex.just(ReplyInterrupted("".join(text), asked))))
    return merge(reactivex.just(whole), cut).pipe(
        rx_ops.switch_latest(),
        rx_ops.take_while(lambda event: not isinstance(event, ReplyEnded | ReplyInterrupted), inclusive=True),
    )
