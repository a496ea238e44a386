"""A language model in this process as a part of an engine: the embedded one, or a GGUF file."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import reactivex
from reactivex import Observable, abc

from voicepipe.boundary.workers import Workers
from voicepipe.conversation import GREETING, SILENCE, Conversation, Message
from voicepipe.engine.health_checks import Probe
from voicepipe.engine.parts import SessionPart
from voicepipe.events import Event, ReplyText, TokensCounted, Unspoken, Warned
from voicepipe.llm.gguf import GgufError, check_gguf
from voicepipe.llm.history import History, latest, recent
from voicepipe.llm.in_process import in_process
from voicepipe.llm.prefill import PromptPrefill
from voicepipe.llm.smollm import LlmFailed, SmolLM
from voicepipe.operators import at_most_sentences, split_words
from voicepipe.rx import scheduler_of, transduce
from voicepipe.session import Llm
from voicepipe.stage import Stage

__all__ = ["EMBEDDED", "LocalLlm", "Manner", "gguf_manner", "gguf_probe", "load_gguf", "with_examples"]


@dataclass(frozen=True, slots=True)
class Manner:
    """The options of an embedded model: its `history`, the length of an answer, and llama.cpp's `sampling`."""

    what: str
    history: History
    max_tokens: int
    sentences: int | None = None
    """Of an answer; None: as many as the model writes."""
    sampling: Mapping[str, float] = field(default_factory=dict[str, float])


def with_examples(history: History) -> History:
    """`history`, with the character's examples before it, as turns of the conversation.

    The examples are the same in each turn, so that a model which keeps prompts by their beginning reads them once.
    """

    def told(conversation: Conversation) -> Conversation:
        examples = conversation.lines.examples
        left = history(conversation)
        if not examples:
            return left
        shown = [message for user, bot in examples for message in (Message("user", user), Message("assistant", bot))]
        if left.messages and left.messages[0].role == "assistant":
            shown.append(Message("user", GREETING))
        return replace(left, messages=(*shown, *left.messages))

    return told


EMBEDDED = Manner("SmolLM2-135M", with_examples(latest(turns=2)), max_tokens=60, sentences=2)
"""By `python -m benchmarks answers`: with the whole talk before it, so small a model repeats it, and takes up what it
invented; it answers best with examples, the exchange before, and the question. Each token costs 4 ms to read."""


def gguf_manner(name: str, context: int) -> Manner:
    """For a model of the user's own choice: as a service would be asked, as far as its context goes."""
    history = recent(max_tokens=context * 5 // 8, at_once=2)
    return Manner(name, history, max_tokens=context // 8, sampling=_GGUF_SAMPLING)


# The temperature of services; the rest is llama.cpp's against loops, with its own base and reach.
_GGUF_SAMPLING = {
    "temperature": 0.3,
    "min_p": 0.05,
    "repeat_penalty": 1.05,
    "dry_multiplier": 0.8,
    "dry_allowed_length": 4,
}


@dataclass(frozen=True, slots=True)
class LocalLlm:
    """A model that all sessions share; each session has a slot of its own, which it frees at its end.

    There it reads what the user says while they say it; what a slot has read it need not read again. The bot's first
    sentence, and what it says to a silence, are the character's own lines where it has some: they cost no model call.
    """

    model: SmolLM
    writers: Workers
    free_slots: list[int]
    manner: Manner = EMBEDDED

    def open(self) -> SessionPart[Llm]:
        slot = heapq.heappop(self.free_slots)
        ahead = PromptPrefill(
            lambda messages, cancelled: self.model.warm(messages, slot, cancelled=cancelled),
            self.writers,
            self.manner.history,
        )

        def close() -> None:
            ahead.close()
            heapq.heappush(self.free_slots, slot)

        llm = _warned(_with_lines(ahead, ahead.before(self._answers(slot))))
        return SessionPart(llm, close, ahead.stage(), ahead.instructed())

    def probe(self) -> Probe:
        async def ask() -> str:
            return "loaded"

        return Probe("llm", self.manner.what, "embedded", "", ask)

    def close(self) -> None:
        """Free the model. No session may be open."""
        self.model.close()

    def shared(self) -> Llm:
        """Return the model for answers to any number of sessions; each goes to the slot that knows most of its prompt.

        Nothing is read ahead: which session asks is not known.
        """
        return self._answers(None)

    def _answers(self, slot: int | None) -> Llm:
        manner = self.manner
        shorten = None if manner.sentences is None else _at_most(manner.sentences)
        return in_process(self.model, self.writers, max_tokens=manner.max_tokens, slot=slot, shorten=shorten)


def _at_most(sentences: int) -> Stage[str | Event, str | Event]:
    shortened = at_most_sentences(sentences)
    return lambda said: said.pipe(split_words(), shortened, transduce(lambda _: _as_delta))


def _as_delta(said: Unspoken | Event) -> Iterator[str | Event]:
    match said:
        case ReplyText(delta=delta):
            yield delta
        case Event():
            yield said
        case _:
            pass


def _with_lines(ahead: PromptPrefill, llm: Llm) -> Llm:
    """`llm`, which is not asked where the character has a line: then it reads the prompt while the line is spoken."""

    def answer(conversation: Conversation) -> Observable[str | Event]:
        line = _line(conversation)
        if not line:
            return llm(conversation)

        def say(_: object) -> Observable[str | Event]:
            ahead.read(conversation, line)
            return reactivex.of(line, TokensCounted(0, 0))

        return reactivex.defer(say)

    return answer


def _line(conversation: Conversation) -> str:
    lines, said = conversation.lines, conversation.messages
    if not said:
        return lines.opening
    if lines.idle_prompts and said[-1].role == "user" and said[-1].text == SILENCE:
        silences = sum(message.role == "user" and message.text == SILENCE for message in said)
        return lines.idle_prompts[(silences - 1) % len(lines.idle_prompts)]
    return ""


def _warned(llm: Llm) -> Llm:
    """The first answer of a character that the model cannot play begins with a warning."""
    told: set[str] = set()

    def answer(conversation: Conversation) -> Observable[str | Event]:
        warning = conversation.lines.warning
        if not warning or warning in told:
            return llm(conversation)

        def warn(scheduler: abc.SchedulerBase) -> Observable[str | Event]:
            scheduler_of(scheduler).when_used(lambda: told.add(warning))
            return reactivex.concat(reactivex.just(Warned(warning)), llm(conversation))

        return reactivex.defer(warn)

    return answer


# ---- a GGUF file -----------------------------------------------------------------------------------------------------


def load_gguf(path: Path, *, sessions: int, threads: int) -> tuple[SmolLM, Manner]:
    """The model of a GGUF file, and how it is asked.

    Raises:
        GgufError: the file is absent, no chat model, too large for memory, or one that llama.cpp cannot load.
    """
    file = check_gguf(path, sessions=sessions)
    manner = gguf_manner(file.name, file.context)
    try:
        model = SmolLM(path, slots=sessions, context=file.context, threads=threads, sampling=manner.sampling)
    except LlmFailed as error:
        raise GgufError(
            f"{error}; its architecture is {file.architecture!r}, which this llama.cpp may not know"
        ) from error
    return model, manner


def gguf_probe(path: Path, *, sessions: int) -> Probe:
    """Return whether a file could be loaded: only its header is read."""

    async def ask() -> str:
        file = check_gguf(path, sessions=sessions)
        return f"{file.name}, {file.size_bytes / 1e6:.0f} MB, {file.context} tokens of context"

    return Probe("llm", "GGUF", str(path), "name another file with --llm, or a service's URL", ask)
