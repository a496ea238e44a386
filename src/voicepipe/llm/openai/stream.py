"""An answer of OpenAI's chat completions, read from its stream. No I/O.

The facts are those of `POST /v1/chat/completions` with `stream`, as OpenAI, Azure, vLLM, llama.cpp, Ollama, Mistral,
Gemini and others speak it; `voicepipe.testing.servers.quirks` has a table of what they do differently.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any, cast

from voicepipe.events import MaxTokensReached, TokensCounted
from voicepipe.llm.errors import LlmFiltered, LlmGarbled, LlmSaidNothing, LlmUnavailable
from voicepipe.llm.openai.chunks import Choice, NotAChunk, choices_of, read_choice
from voicepipe.llm.openai.clean import CleanText
from voicepipe.llm.openai.markup import Markup
from voicepipe.llm.openai.refusals import error_in_chunk
from voicepipe.llm.openai.tool_calls import Calls, Said
from voicepipe.llm.openai.written_calls import NotACall
from voicepipe.services.errors import FailureReason
from voicepipe.services.openai.refusals import shortened
from voicepipe.services.openai.sse import EventTooLong, SseParser

__all__ = ["Answer"]

_DONE = "[DONE]"
# An answer that ends with one of these is taken for whole where its connection is closed in order.
_SENTENCE_ENDS = ".!?…。！？؟।\"'”’»)"


class Answer:
    """One answer, read from its stream.

    Args:
        where: What errors say of the service.
        max_event_bytes: The bound of one event.
        functions: The names of the functions that were offered; None: any. Their calls are recognised in the text, too.
        reasoning_first: Whether the model begins with reasoning without a tag; see `begins_with_reasoning`.
    """

    def __init__(
        self,
        where: str,
        *,
        max_event_bytes: int,
        functions: Collection[str] | None = None,
        reasoning_first: bool = False,
    ) -> None:
        self.complete = False
        """True once the answer has ended."""
        self.usage: TokensCounted | None = None
        """It comes after the text; None where the server does not tell it."""
        self._where, self._events = where, SseParser(max_event_bytes=max_event_bytes)
        self._clean, self._markup = CleanText(), Markup(functions, reasoning_first=reasoning_first)
        self._calls = Calls(functions)
        self._index: Any = None
        self._raw = self._refusal = self._last = ""
        self._has_called = False

    @property
    def begins_with_reasoning(self) -> bool | None:
        """Return whether this model's answers begin with reasoning without a tag; None if this one does not show it."""
        return self._markup.begins_with_reasoning

    def feed(self, chunk: bytes) -> Iterator[Said]:
        """The text in these bytes, a piece per event. Keep-alives, which have no choices or no content, give nothing.

        Function calls come as `FunctionCallWritten`, piece by piece, and `FunctionCalled`, each as soon as it is
        complete; `MaxTokensReached` comes last where the answer was cut at its length. Text after the end is ignored.

        Raises:
            LlmGarbled: It is no chat completion.
            LlmUnavailable: The server tells an error in the middle of its answer.
            LlmRefused: It tells one that will come again.
            LlmFiltered: The model, or a filter, refuses to answer. The text of a refusal has been given.
            LlmSaidNothing: The answer ends, and has said and called nothing.
        """
        try:
            for data in self._events.feed(chunk):
                yield from self._event(data)
        except EventTooLong as error:
            raise LlmGarbled(self._where, "sent an invalid message", str(error), why=FailureReason.NONSENSE) from None

    def finish(self) -> Iterator[Said]:
        """The connection was closed in order: an answer that has ended its sentence, or a call, is complete.

        Raises:
            LlmUnavailable: The answer was not at its end.
        """
        for data in self._events.finish():
            yield from self._event(data)
        if not self.complete and self._last.rstrip().endswith(tuple(_SENTENCE_ENDS)) and not self._calls.under_way:
            yield from self._complete(Choice(ended=True))
        if not self.complete:
            raise LlmUnavailable(self._where, "broke off in the middle of its answer")

    # ---- events ------------------------------------------------------------------------------------------------------

    def _event(self, data: str) -> Iterator[Said]:
        if not data.strip():
            return
        if data.strip() == _DONE:
            yield from self._complete(Choice(ended=True))
            return
        chunk = self._chunk(data)
        if (fault := error_in_chunk(self._where, chunk)) is not None:
            raise fault
        self._count(chunk.get("usage"))
        try:
            for choice in choices_of(chunk):
                if (fault := error_in_chunk(self._where, {"choices": None, **choice})) is not None:
                    raise fault
                if self._is_ours(choice.get("index")):
                    yield from self._choice(read_choice(choice))
        except (NotAChunk, NotACall):
            raise self._garbled(data) from None

    def _is_ours(self, index: Any) -> bool:
        """Return whether it is the choice that is read, the first one; others are further answers."""
        if self._index is None:
            self._index = index
        return index is None or index == self._index

    def _choice(self, choice: Choice) -> Iterator[Said]:
        if self.complete:
            return
        yield from self._text(choice.text or self._unsaid(choice.whole_text))
        for call in choice.calls:
            yield from self._calls.take(call)
            self._has_called = self._has_called or self._calls.under_way
        if choice.refusal:
            self._refusal += choice.refusal
            yield from self._text(choice.refusal)
        if choice.failed:
            raise LlmUnavailable(self._where, "failed in the middle of its answer", "finish_reason: error")
        if choice.ended:
            yield from self._complete(choice)

    def _unsaid(self, whole: str) -> str:
        """Return what a repeated text adds; a text that is another one adds nothing."""
        return whole[len(self._raw) :] if whole.startswith(self._raw) else ""

    def _text(self, text: str) -> Iterator[Said]:
        self._raw += text
        if clean := self._clean(text):
            for said in self._markup.feed(clean):
                yield from self._said(said)

    def _said(self, said: Any) -> Iterator[Said]:
        if isinstance(said, str):
            self._last = said if said.strip() else self._last
            yield said
        else:
            self._has_called = True
            yield from self._calls.written(said)

    # ---- the end -----------------------------------------------------------------------------------------------------

    def _complete(self, end: Choice) -> Iterator[Said]:
        if self.complete:
            return
        self.complete = True
        for said in self._markup.finish(cut=end.limited):
            yield from self._said(said)
        yield from self._calls.finish(cut=end.limited)
        if self._refusal:
            raise LlmFiltered(self._where, "refused to answer", shortened(self._refusal))
        if end.filtered:
            raise LlmFiltered(self._where, "was stopped by a content filter", f"finish_reason: {end.filtered}")
        if not self._markup.said and not self._has_called:
            raise self._empty(end)
        if end.limited:
            yield MaxTokensReached()

    def _empty(self, end: Choice) -> LlmSaidNothing:
        """Return why nothing was said. What was too long once will be too long again."""
        what = "only reasoning" if self._markup.reasoned else "only spaces" if self._raw else "nothing in it"
        if end.limited:
            limit = f"{what}, up to the limit of its length: raise llm_max_tokens"
            return LlmSaidNothing(self._where, "gave no answer", limit, retry_after_s=None)
        return LlmSaidNothing(self._where, "gave an empty answer", what)

    def _chunk(self, data: str) -> dict[str, Any]:
        try:
            chunk = json.loads(data)
        except (ValueError, RecursionError):
            raise self._garbled(data) from None
        if not isinstance(chunk, dict):
            raise self._garbled(data)
        return cast("dict[str, Any]", chunk)

    def _garbled(self, data: str) -> LlmGarbled:
        what = f"no part of a chat completion is {shortened(data)!r}"
        return LlmGarbled(self._where, "sent an invalid message", what, why=FailureReason.NONSENSE)

    def _count(self, usage: Any) -> None:
        match usage:
            case {"prompt_tokens": int(read), "completion_tokens": int(written)}:
                self.usage = TokensCounted(read, written, min(read, _cached(usage)))
            case _:
                pass


def _cached(usage: dict[str, Any]) -> int:
    """Return how much of the prompt the server had read before; DeepSeek has a field of its own for that."""
    match usage:
        case {"prompt_tokens_details": {"cached_tokens": int(cached)}} | {"prompt_cache_hit_tokens": int(cached)}:
            return max(0, cached)
        case _:
            return 0
