"""A language model in this process as a stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import reactivex
from reactivex import Observable, abc

from voicepipe.boundary.threads import from_worker
from voicepipe.boundary.workers import Ticket, Workers
from voicepipe.conversation import Conversation
from voicepipe.events import Event, Generation, MaxTokensReached, TokensCounted, Warned
from voicepipe.llm.errors import LlmSaidNothing
from voicepipe.rx import scheduler_of
from voicepipe.stage import Stage, naming

__all__ = ["Model", "TokenUse", "in_process"]

# An answer without a letter is asked for once more.
_ATTEMPTS = 2


@dataclass(slots=True)
class TokenUse:
    """The tokens of a request.

    Those of the prompt, how many of them the slot still knew, how many have been read in all (those included), and how
    many the answer has so far.
    """

    tokens: int = 0
    known: int = 0
    read: int = 0
    written: int = 0


class Model(Protocol):
    """A model in this process: `stream` blocks, yields text as it comes, and stops soon after `cancelled()`.

    It keeps `use` up to date.
    """

    def stream(
        self,
        messages: list[dict[str, str]],
        on_text: Callable[[str], None],
        *,
        cancelled: Callable[[], bool],
        max_tokens: int,
        slot: int | None = None,
        use: TokenUse | None = None,
    ) -> object: ...


def in_process(
    model: Model,
    workers: Workers,
    *,
    max_tokens: int,
    slot: int | None,
    shorten: Stage[str | Event, str | Event] | None = None,
) -> Callable[[Conversation], Observable[str | Event]]:
    """Return an LLM that runs in a thread of the pool; disposing an answer stops it within a token.

    An empty answer is asked for once more, and is then an error (`LlmSaidNothing`). An answer ends after `max_tokens`
    at the latest, or after what the conversation's `generation` allows, and then with `MaxTokensReached`. Behind it
    comes `TokensCounted`, with what the model has read and written until then. A model in this process calls no
    functions: where the conversation offers some, the first answer of all begins with `Warned`, which says so.

    Args:
        model: The model, which all sessions share.
        workers: The pool.
        max_tokens: The bound of an answer.
        slot: The model's slot that keeps this session's prompt prefix warm between turns; None takes any.
        shorten: A stage through which each answer passes; when it completes early, the model is stopped.

    Returns:
        A function from a conversation to the answer's text, piece by piece.
    """
    warn = _Warning()

    def answer(conversation: Conversation) -> Observable[str | Event]:
        generation = conversation.generation
        limit, use = min(max_tokens, generation.max_tokens or max_tokens), TokenUse()

        def produce(emit: Callable[[str | Event], None], ticket: Ticket) -> None:
            counted = _Counted(emit)
            cancelled = lambda: ticket.cancelled
            for _ in range(_ATTEMPTS):
                model.stream(conversation.prompt(), counted, cancelled=cancelled, max_tokens=limit, slot=slot, use=use)
                if counted.said or cancelled():
                    break
            else:
                raise LlmSaidNothing("this process", "gave an empty answer", f"{_ATTEMPTS} times")
            if counted.pieces >= limit:
                emit(MaxTokensReached())

        said = from_worker(produce, workers, what="llm").pipe(naming("LLM"), shorten or _whole)
        answered = reactivex.concat(said, reactivex.defer(lambda _: reactivex.from_iterable(_counted(use))))
        return reactivex.concat(warn.about(generation), answered) if generation.functions else answered

    return answer


def _whole(said: Observable[str | Event]) -> Observable[str | Event]:
    return said


def _counted(use: TokenUse) -> Iterator[TokensCounted]:
    if use.tokens:
        yield TokensCounted(use.tokens, use.written, use.known)


class _Counted:
    """Counts the pieces of text on their way: a token each."""

    def __init__(self, emit: Callable[[str | Event], None]) -> None:
        self._emit, self.pieces, self.said = emit, 0, False

    def __call__(self, text: str) -> None:
        self.pieces += 1
        self.said = self.said or bool(text.strip())
        self._emit(text)


class _Warning:
    """Told once, not at each answer."""

    def __init__(self) -> None:
        self._told = False

    def about(self, generation: Generation) -> Observable[Event]:
        names = ", ".join(function.name for function in generation.functions)
        what = "The embedded language model cannot call functions"
        warning = Warned(f"{what} ({names}): it answers without them. A service can, set with llm_url.")

        def warn(scheduler: abc.SchedulerBase) -> Observable[Event]:
            if self._told:
                return reactivex.empty()
            scheduler_of(scheduler).when_used(self._tell)
            return reactivex.just(warning)

        return reactivex.defer(warn)

    def _tell(self) -> None:
        self._told = True
