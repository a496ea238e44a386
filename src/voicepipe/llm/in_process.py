"""A language model in this process as a stage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from reactivex import Observable

from voicepipe.boundary import from_worker
from voicepipe.conversation import Conversation
from voicepipe.stage import naming
from voicepipe.workers import Ticket, Workers

__all__ = ["Model", "in_process"]


class Model(Protocol):
    """What is asked of a model: `stream` blocks, gives text as it comes, and stops soon after `cancelled()`."""

    def stream(
        self,
        messages: list[dict[str, str]],
        on_text: Callable[[str], None],
        *,
        cancelled: Callable[[], bool],
        max_tokens: int,
        slot: int | None = None,
    ) -> object: ...


def in_process(
    model: Model, workers: Workers, *, max_tokens: int, slot: int | None
) -> Callable[[Conversation], Observable[str]]:
    """The model's answer to a conversation, in pieces, from a thread of the pool; disposing stops it within a token.

    `slot` keeps one session's prompt prefix warm between turns. An answer ends after `max_tokens` at the latest.
    """

    def answer(conversation: Conversation) -> Observable[str]:
        def produce(emit: Callable[[str], None], ticket: Ticket) -> None:
            cancelled = lambda: ticket.cancelled
            model.stream(conversation.prompt(), emit, cancelled=cancelled, max_tokens=max_tokens, slot=slot)

        return from_worker(produce, workers).pipe(naming("LLM"))

    return answer
