"""`fallback`, `hedge` and `retrying`: several sources of the same answer.

Each works on stages and on functions that answer: an LLM (`Callable[[Conversation], Observable[B]]`), an end-of-turn
model (`Callable[[Audio], Observable[B]]`). They act only before the answer: after the first word an error is passed on,
because spoken words cannot be taken back.

A stage's input must be kept until it has answered. `remembers` is the number of items to keep: once the first stage
has taken more without an answer, there is no second attempt. For a reply's words, take the longest sentence; for audio,
prefer a stage that reconnects by itself.

`answer` is the type of event (or types) that counts as an answer. A TTS passes words on at once and may fail at the
first sound: `answer=ReplyAudio`. What comes before the answer is emitted as it comes, once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias, TypeVar, cast, overload

import reactivex
from reactivex import Observable

from voicepipe.conversation import Conversation
from voicepipe.events import Audio
from voicepipe.operators.fallback.attempts import Attempt, Plan, race
from voicepipe.operators.fallback.replay import Memory
from voicepipe.stage import SessionError, Stage, StageError, checked, stage_factory, stage_name

__all__ = ["fallback", "hedge", "retrying"]

A = TypeVar("A")
B = TypeVar("B")
Asked = TypeVar("Asked", Conversation, Audio)

Types: TypeAlias = type | tuple[type, ...]
Errors: TypeAlias = type[Exception] | tuple[type[Exception], ...]
Maker: TypeAlias = Callable[[Any], Observable[B]]


@overload
def fallback(first: Stage[A, B], *others: Stage[A, B], remembers: int, answer: Types = object) -> Stage[A, B]: ...
@overload
def fallback(
    first: Callable[[Asked], Observable[B]], *others: Callable[[Asked], Observable[B]], answer: Types = object
) -> Callable[[Asked], Observable[B]]: ...
@stage_factory()
def fallback(first: Maker[B], *others: Maker[B], remembers: int | None = None, answer: Types = object) -> Maker[B]:
    """Return the first stage; if it fails before its answer, the next one starts from the beginning, and so on.

    The last one's error is passed on, with the others' as its notes. Disposing stops the running one.

    Args:
        first: A stage, or a function from a conversation to an observable (an LLM).
        others: The stages that are tried after it, in this order.
        remembers: For a stage, how many items of its input are kept for the next; after more there is no next.
        answer: The types of item that count as an answer; earlier items are emitted as they come, once.

    .. marbles::

        asked      a-b-c|
        first      --#           fails before it has answered
        second     --(AB)-C|     hears a and b at once
        fallback   --(AB)-C|
    """
    return _first_answer("fallback", (first, *others), _plan(answer), remembers)


@overload
def hedge(
    first: Stage[A, B], *others: Stage[A, B], after_ms: float, remembers: int, answer: Types = object
) -> Stage[A, B]: ...
@overload
def hedge(
    first: Callable[[Asked], Observable[B]],
    *others: Callable[[Asked], Observable[B]],
    after_ms: float,
    answer: Types = object,
) -> Callable[[Asked], Observable[B]]: ...
@stage_factory()
def hedge(
    first: Maker[B], *others: Maker[B], after_ms: float, remembers: int | None = None, answer: Types = object
) -> Maker[B]:
    """Return the first stage, with the next one beside it if there is no answer after `after_ms`: the first to answer
    goes on, and the others are disposed. If one fails, the next starts at once, as in `fallback`.

    It shortens the tail of a slow service for a few per cent more requests.

    Args:
        first: A stage, or a function from a conversation to an observable (an LLM).
        others: The stages that begin after it, in this order.
        after_ms: The wait for an answer, in milliseconds; the 95th percentile of the service's is a good value.
        remembers: For a stage, how many items of its input are kept for the next; after more there is no next.
        answer: The types of item that count as an answer.

    .. marbles::

        first    ^---!           has not answered, and is disposed
        second   --^-y-z|        begins after 40 ms
        hedge    ----y-z|
    """
    return _first_answer("hedge", (first, *others), _plan(answer, hedge_s=after_ms / 1000), remembers)


@overload
def retrying(
    stage: Stage[A, B],
    *,
    times: int,
    pause_ms: float,
    longest_pause_ms: float,
    remembers: int,
    answer: Types = object,
    on: Errors = Exception,
) -> Stage[A, B]: ...
@overload
def retrying(
    stage: Callable[[Asked], Observable[B]],
    *,
    times: int,
    pause_ms: float,
    longest_pause_ms: float,
    answer: Types = object,
    on: Errors = Exception,
) -> Callable[[Asked], Observable[B]]: ...
@stage_factory()
def retrying(
    stage: Maker[B],
    *,
    times: int,
    pause_ms: float,
    longest_pause_ms: float,
    remembers: int | None = None,
    answer: Types = object,
    on: Errors = Exception,
) -> Maker[B]:
    """Return the stage, restarted up to `times` times if it fails before its answer with one of the errors `on`.

    The user waits meanwhile: in a conversation all pauses together should not exceed a second. The last error is passed
    on.

    Args:
        stage: A stage, or a function from a conversation to an observable (an LLM).
        times: The number of restarts.
        pause_ms: The first pause, in milliseconds; each later one is twice as long.
        longest_pause_ms: The bound of a pause.
        remembers: For a stage, how many items of its input are kept for a restart; after more there is none.
        answer: The types of item that count as an answer.
        on: The errors after which the stage is restarted.

    .. marbles::

        first      --#             fails before it has answered
        second     ----^-x-y|      the same stage, 40 ms later
        retrying   ------x-y|
    """
    pauses = [0.0, *(min(pause_ms * 2**number, longest_pause_ms) / 1000 for number in range(times))]
    return _first_answer("retrying", [stage] * (times + 1), _plan(answer, on=on), remembers, pauses)


# ---- inside ----------------------------------------------------------------------------------------------------------


class _Constant:
    """The input of a maker: it can be used again."""

    def possible(self) -> bool:
        return True

    def forget(self) -> None:
        """Do nothing: there is nothing to forget."""

    def dispose(self) -> None:
        """Do nothing: there is nothing to dispose."""


_CONSTANT: Final = _Constant()


def _plan(answer: Types, *, hedge_s: float | None = None, on: Errors = Exception) -> Plan[Any]:
    def forgives(error: Exception) -> bool:
        cause = error.cause if isinstance(error, StageError) else error
        return isinstance(cause, on) and not isinstance(error, SessionError)

    return Plan(lambda item: isinstance(item, answer), hedge_s, forgives)


def _first_answer(
    name: str, makers: Sequence[Maker[B]], plan: Plan[B], remembers: int | None, pauses_s: Sequence[float] = ()
) -> Maker[B]:
    def attempts(asked: object) -> list[Attempt[B]]:
        return [
            Attempt(stage_name(make), _asking(make, asked), pauses_s[number] if pauses_s else 0.0)
            for number, make in enumerate(makers)
        ]

    def recalling(source: Observable[Any], capacity: int) -> Observable[B]:
        memory = Memory(source, capacity)
        return race(attempts(memory.items), plan, memory)

    def make(asked: Any) -> Observable[B]:
        if not isinstance(asked, Observable):
            return race(attempts(asked), plan, _CONSTANT)
        if remembers is None:
            raise TypeError(
                f"{name}(…) of stages needs a capacity: remembers=…, how many items of their input it keeps"
            )
        source, capacity = cast("Observable[Any]", asked), remembers
        return reactivex.defer(lambda _: recalling(source, capacity))

    return make


def _asking(make: Maker[B], asked: object) -> Callable[[], Observable[B]]:
    return lambda: checked(make, make(asked))
