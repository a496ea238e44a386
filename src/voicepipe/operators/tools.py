"""`with_tools`: a model that may call the pipeline's own functions."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, overload

import reactivex
import structlog
from reactivex import Observable, abc

from voicepipe.conversation import Conversation, Message
from voicepipe.events import (
    Event,
    FunctionCall,
    FunctionCalled,
    FunctionCallWritten,
    FunctionDelayed,
    FunctionReturned,
)
from voicepipe.operators.function_calls import FunctionCalls, renamed
from voicepipe.operators.tool_source import Runner, ToolSource, together
from voicepipe.presets import Tools
from voicepipe.rx import from_async, scheduler_of, transduce, until_used
from voicepipe.rx.background import Background
from voicepipe.stage import stage_factory, takes_preset

__all__ = ["with_tools"]

log = structlog.get_logger()


@overload
def with_tools(
    llm: Callable[[Conversation], Observable[str | Event]],
    *functions: Callable[..., Any] | ToolSource | Tools,
    cancellable: Collection[Callable[..., Any]] = (),
) -> Callable[[Conversation], Observable[str | Event]]: ...


@overload
def with_tools(
    llm: Callable[[Conversation], Observable[str | Event]],
    *functions: Callable[..., Any] | ToolSource,
    deadline_s: float,
    filler: str,
    filler_after_s: float,
    rounds: int,
    cancellable: Collection[Callable[..., Any]] = (),
) -> Callable[[Conversation], Observable[str | Event]]: ...


@takes_preset(Tools)
@stage_factory(gives=(str, FunctionCalled, FunctionDelayed, FunctionReturned))
def with_tools(
    llm: Callable[[Conversation], Observable[str | Event]],
    *functions: Callable[..., Any] | ToolSource,
    deadline_s: float,
    filler: str,
    filler_after_s: float,
    rounds: int,
    cancellable: Collection[Callable[..., Any]] = (),
) -> Callable[[Conversation], Observable[str | Event]]:
    """Return a model that may call `functions`: they run here, and the model answers once more with their results.

    The model reads a function's name, signature and docstring; `voicepipe.operators.toolbox` says what a function may
    be. Calls of one answer run in parallel. A call that is late, raises, has invalid arguments or an unknown name gives
    the model an error to read.

    Text passes as it comes. A call emits `FunctionCalled(server_side=True)` and `FunctionReturned`, which a
    conversation stores, and `FunctionDelayed` behind the filler. Calls of the client's functions pass; if an answer has
    one, the client requests the next answer. If the client and the pipeline have a function of one name, the pipeline's
    is used.

    A result is emitted as soon as it is there. In a reply that was begun ahead (`speculate`) no function runs before
    the reply is used. An error of the model is passed on.

    After a barge-in the functions go on, with their deadline, and their results are part of the conversation when they
    come: `respond` emits `FunctionContinues`, which the model reads as such, and then `FunctionReturned`. A model that
    calls such a function again with the same arguments waits for that result: nothing is done twice. A function in a
    thread that is late goes on, too, and its result replaces the error. Those that are `cancellable` are cancelled, and
    the model reads that there was no result, as all are at the end of the session, and where no `respond` is.

    The preset `TOOLS`, behind the functions, takes the place of the four numbers and texts.

    Args:
        llm: The model without functions.
        functions: What it may call: functions, async functions or bound methods, with annotated parameters; and other
            sources, such as an `McpServer`.
        deadline_s: The time that each call has, in seconds.
        filler: What the bot says, once a reply, while calls take long; "" is nothing.
        filler_after_s: How long calls may take before it says so.
        rounds: After so many answers with calls, further calls are not run.
        cancellable: The async functions among them that a barge-in cancels.

    Raises:
        ValueError: `cancellable` has a function that is not among `functions`, or runs in a thread.

    .. marbles::

        first        a-c|            a: text   c: FunctionCalled, for a function of ours that takes 40 ms
        second       -----^-b|       the model, which now knows the result
        with_tools   a-c--r-b|       r: FunctionReturned
    """
    names = _checked(cancellable, functions)
    settings = _Settings(together(functions), deadline_s, filler, filler_after_s, names)

    def make(conversation: Conversation) -> Observable[str | Event]:
        def begin(scheduler: abc.SchedulerBase) -> Observable[str | Event]:
            return _Reply(llm, settings, scheduler_of(scheduler).background).answer(conversation, rounds)

        return reactivex.defer(begin)

    return make


@dataclass(frozen=True, slots=True)
class _Settings:
    toolbox: Runner
    deadline_s: float
    filler: str
    filler_after_s: float
    cancellable: frozenset[str]


def _checked(cancellable: Collection[Callable[..., Any]], functions: Collection[object]) -> frozenset[str]:
    """Return the names of the functions that a barge-in cancels."""
    for one in cancellable:
        if one not in functions or not inspect.iscoroutinefunction(one):
            name = getattr(one, "__name__", repr(one))
            raise ValueError(f"cancellable: {name} is no async function among those that the model may call")
    return frozenset(one.__name__ for one in cancellable)


@dataclass(slots=True)
class _Answer:
    """One answer of the model: its text, and its calls of the pipeline's functions and of unknown ones."""

    theirs: frozenset[str]
    """The client's functions."""
    may_call: bool
    """True: the pipeline's functions are run."""
    background: Background
    joint: str = ""
    """The text between this answer and the text before it."""
    text: str = ""
    calls: list[FunctionCall] = field(default_factory=list[FunctionCall])
    asks_client: bool = False
    passed: list[FunctionCalled | FunctionReturned] = field(default_factory=list[FunctionCalled | FunctionReturned])
    """The calls that the model's own stage has run, and their results."""

    def __call__(self, said: str | Event) -> Iterator[str | Event]:
        match said:
            case str():
                yield from self._say(said)
            case FunctionCallWritten(name=name) if name not in self.theirs:
                pass
            case FunctionCalled(call=call, server_side=False) if call.name not in self.theirs:
                yield from self._call(call)
            case FunctionCalled(server_side=False):
                self.asks_client = True
                yield said
            case FunctionCalled() | FunctionReturned():
                self.passed.append(said)
                yield said
            case _:
                yield said

    def _call(self, call: FunctionCall) -> Iterator[Event]:
        if self.may_call:
            taken = self.background.names.union(one.id for one in self.calls)
            self.calls.append(renamed(call, taken))
            yield FunctionCalled(self.calls[-1], server_side=True)
        else:
            log.warning("function.not_called", function=call.name, reason="no rounds are left")

    def _say(self, text: str) -> Iterator[str]:
        if text:
            yield text if self.text or text[0].isspace() else self.joint + text
            self.text += text


class _Reply:
    """The answers that make up one reply."""

    def __init__(
        self, llm: Callable[[Conversation], Observable[str | Event]], settings: _Settings, background: Background
    ) -> None:
        self._llm, self._settings, self._background = llm, settings, background
        self._has_spoken = self._has_filled = False

    def answer(self, conversation: Conversation, rounds: int) -> Observable[str | Event]:
        """Emit what the model says, and then the results of its calls."""
        ours, generation = self._settings.toolbox, conversation.generation
        theirs = [function for function in generation.functions if function.name not in ours]
        offered = replace(generation, functions=(*ours.functions, *theirs))
        if not rounds:
            offered = replace(offered, choice="none", must_call="")
        names = frozenset(function.name for function in theirs)
        answer = _Answer(
            names, may_call=bool(rounds), background=self._background, joint=" " if self._has_spoken else ""
        )
        said = self._llm(replace(conversation, generation=offered)).pipe(transduce(lambda _: answer))
        return reactivex.concat(said, reactivex.defer(lambda _: self._follow(conversation, answer, rounds)))

    def _follow(self, conversation: Conversation, answer: _Answer, rounds: int) -> Observable[str | Event]:
        self._has_spoken = self._has_spoken or bool(answer.text)
        if not answer.calls:
            return reactivex.empty()
        results: list[FunctionReturned] = []
        run = from_async(lambda: self._run(answer.calls, results, conversation.aloud), "functions")
        running = reactivex.concat(until_used(), run)
        if answer.asks_client:
            return running
        again = reactivex.defer(lambda _: self.answer(_knowing(conversation, answer, results), rounds - 1))
        return reactivex.concat(running, again)

    async def _run(
        self, calls: list[FunctionCall], results: list[FunctionReturned], aloud: bool
    ) -> AsyncGenerator[str | Event, None]:
        settings, clock = self._settings, asyncio.get_running_loop().time
        running = FunctionCalls(settings.toolbox, self._background, settings.deadline_s, settings.cancellable)
        running.begin(calls)
        wait_s: float | None = settings.filler_after_s
        try:
            while running.left:  # a result is known as soon as it is there
                began_s, before = clock(), len(results)
                await running.wait(wait_s)
                for result in running.returned():
                    results.append(result)
                    yield result
                wait_s = None if wait_s is None else max(0.0, wait_s - (clock() - began_s))
                if len(results) == before and wait_s is not None:
                    wait_s = None
                    for said in self._fill(aloud=aloud):
                        yield said
        finally:
            await running.leave()

    def _fill(self, *, aloud: bool) -> Iterator[str | Event]:
        """Say that it takes some time, once a reply."""
        filler = self._settings.filler
        if aloud and filler and not self._has_filled:
            yield f" {filler}" if self._has_spoken else filler
            self._has_filled = self._has_spoken = True
        yield FunctionDelayed(self._settings.filler_after_s)


def _knowing(conversation: Conversation, answer: _Answer, results: list[FunctionReturned]) -> Conversation:
    """Return the conversation with the answer, its calls and their results. A demanded call has been made."""
    said = [Message("assistant", answer.text)] if answer.text.strip() else []
    called = [Message("assistant", "", call=call) for call in answer.calls]
    outputs = {result.id: result.output for result in results}
    returned = [Message("tool", outputs[call.id], call=call) for call in answer.calls]
    generation = conversation.generation
    if generation.choice != "none":
        generation = replace(generation, choice="auto", must_call="")
    messages = (*conversation.messages, *said, *_passed(answer.passed), *called, *returned)
    return replace(conversation, messages=messages, generation=generation)


def _passed(events: list[FunctionCalled | FunctionReturned]) -> Iterator[Message]:
    """Yield the calls that have a result, each in front of it."""
    calls = {event.call.id: event.call for event in events if isinstance(event, FunctionCalled)}
    for event in events:
        if isinstance(event, FunctionReturned) and (call := calls.pop(event.id, None)) is not None:
            yield Message("assistant", "", call=call)
            yield Message("tool", event.output, call=call)
