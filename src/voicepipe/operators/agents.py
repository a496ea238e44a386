"""`with_agents` and `with_voices`: several agents share a conversation, and hand it over to each other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeAlias, overload

import reactivex
import structlog
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.conversation import Conversation, FunctionCall, Generation
from voicepipe.events import (
    AgentChanged,
    Event,
    FunctionCalled,
    FunctionCallWritten,
    FunctionDelayed,
    FunctionReturned,
    GenerationRequested,
    Unpaced,
    Unspoken,
)
from voicepipe.operators.agent import Agent, Team, noted
from voicepipe.operators.text_only import text_only
from voicepipe.operators.tools import with_tools
from voicepipe.operators.unasked import asked_unasked
from voicepipe.presets import Tools
from voicepipe.rx import transduce
from voicepipe.stage import SessionError, Stage, stage_factory, takes_preset

__all__ = ["with_agents", "with_voices"]

log = structlog.get_logger()

Answers: TypeAlias = Callable[[Conversation], Observable[str | Event]]
Rule: TypeAlias = Callable[[Conversation], str]


@overload
def with_agents(
    llm: Answers, *agents: Agent | Tools, summary: str, handovers: int, rule: Rule | None = None
) -> Answers: ...


@overload
def with_agents(
    llm: Answers,
    *agents: Agent,
    summary: str,
    handovers: int,
    deadline_s: float,
    filler: str,
    filler_after_s: float,
    rounds: int,
    rule: Rule | None = None,
) -> Answers: ...


@takes_preset(Tools)
@stage_factory(gives=(str, FunctionCalled, FunctionDelayed, FunctionReturned, AgentChanged))
def with_agents(
    llm: Answers,
    *agents: Agent,
    summary: str,
    handovers: int,
    deadline_s: float,
    filler: str,
    filler_after_s: float,
    rounds: int,
    rule: Rule | None = None,
) -> Answers:
    """Return a model that answers as one of `agents`, each with its prompt, its functions and its voice.

    The first agent begins. The one that speaks hands over in mid-reply: its model calls `transfer_to_NAME`, which it is
    offered beside the agent's own functions; or `rule` names another agent before the model is asked. The next agent
    greets, and answers in the same reply. A handover emits `FunctionCalled(server_side=True)` and `FunctionReturned`,
    which the conversation stores: they say which agent speaks from then on. Then comes `AgentChanged`. `with_voices`
    has each agent speak in its own voice.

    The other parameters are those of `with_tools`, for the functions of every agent; the preset `TOOLS`, behind the
    agents, takes their place. If the summary fails, that is
    logged, and the next agent reads the whole history. Disposing (a barge-in) before `FunctionReturned` cancels the
    handover; after it, the new agent answers.

    Args:
        llm: The model, which all agents share.
        agents: The agents; the first one begins.
        summary: The instructions with which the model sums up the conversation for the next agent, which then reads the
            summary in place of what was said before; "": it reads all.
        handovers: How many handovers a reply may have; after that the model is not offered any.
        deadline_s: The time that each call of a function has, in seconds.
        filler: What the bot says while calls take long; "" is nothing.
        filler_after_s: How long calls may take before it says so.
        rounds: After so many answers with calls in a row, further calls are not run.
        rule: Returns the name of the agent that has to answer; "": the one that spoke last.

    Raises:
        ValueError: Names of agents are invalid, used twice or unknown.

    .. marbles::

        first         a-c|             a: text   c: FunctionCalled of transfer_to_second
        second        ---^-b|          the model, with the prompt and the functions of the second
        with_agents   a-c(rn_)-b|      r: FunctionReturned   n: AgentChanged   _: a space
    """
    team = Team(agents)

    def answering(agent: Agent) -> Answers:
        return with_tools(
            llm, *agent.tools, deadline_s=deadline_s, filler=filler, filler_after_s=filler_after_s, rounds=rounds
        )

    answers = {agent.name: answering(agent) for agent in team}

    def make(conversation: Conversation) -> Observable[str | Event]:
        reply = _Reply(team, answers, llm, summary)
        return reactivex.defer(lambda _: reply.begin(conversation, rule, handovers))

    return make


@dataclass(slots=True)
class _Answer:
    """Takes what one agent says, and keeps its handover: the first one counts."""

    names: frozenset[str]
    said: list[str | Event] = field(default_factory=list[str | Event])
    handover: FunctionCall | None = None

    def __call__(self, item: str | Event) -> Iterator[str | Event]:
        match item:
            case FunctionCallWritten(name=name) if name in self.names:
                return
            case FunctionCalled(call=call, server_side=False) if call.name in self.names:
                if self.handover is not None:
                    log.warning("agent.not_called", function=call.name, reason="another agent has taken over")
                    return
                self.handover, item = call, FunctionCalled(call, server_side=True)
            case _:
                pass
        self.said.append(item)
        yield item


@dataclass(frozen=True, slots=True)
class _Handover:
    """A handover in a reply to `talk`, in which `said` has been said: `call` is its last item but text."""

    talk: Conversation
    said: list[str | Event]
    by: Agent
    to: Agent
    call: FunctionCall
    left: int
    """The number of handovers that the reply may still have."""


@dataclass(frozen=True, slots=True)
class _Reply:
    """One reply, of one or more agents."""

    team: Team
    answers: dict[str, Answers]
    llm: Answers
    summary: str

    def begin(self, talk: Conversation, rule: Rule | None, left: int) -> Observable[str | Event]:
        """Emit what the agent says that has to answer."""
        speaking = self.team.speaking(talk)
        name = rule(talk) if rule is not None else ""
        if not name or name == speaking.name:
            return self._answer(talk, speaking, left)
        called = FunctionCalled(self.team.handover(name, f"handover{len(talk.messages)}"), server_side=True)
        handover = _Handover(talk, [called], speaking, self.team.named(name), called.call, left)
        return reactivex.concat(reactivex.just(called), self._hand_over(handover))

    def _answer(
        self, talk: Conversation, agent: Agent, left: int, opening: str | None = None
    ) -> Observable[str | Event]:
        """Emit what an agent says, and what follows from it; `opening` are its instructions after a handover."""
        offered = self.team.handovers(agent) if left > 0 else ()
        view = self.team.view(talk, agent)
        if opening is not None:
            view = asked_unasked(view, GenerationRequested(instructions=opening))
        theirs = [function for function in talk.generation.functions if self.team.target(function.name) is None]
        view = replace(view, generation=replace(talk.generation, functions=(*theirs, *offered)))
        answer = _Answer(frozenset(function.name for function in offered))

        def follow() -> Observable[str | Event]:
            if (call := answer.handover) is None or (to := self.team.target(call.name)) is None:
                return reactivex.empty()
            return self._hand_over(_Handover(talk, answer.said, agent, to, call, left - 1))

        said = self.answers[agent.name](view).pipe(transduce(lambda _: answer))
        return reactivex.concat(said, reactivex.defer(lambda _: follow()))

    def _hand_over(self, handover: _Handover) -> Observable[str | Event]:
        """Emit what the next agent says, when there is a summary for it."""
        summary = self._summarised(handover) if self.summary else reactivex.just("")
        return summary.pipe(rx_ops.flat_map(lambda text: self._take_over(handover, text.strip())))

    def _summarised(self, handover: _Handover) -> Observable[str]:
        """Emit the model's summary of what was said; "" if it fails."""

        def failed(error: Exception, _: Observable[str]) -> Observable[str]:
            if isinstance(error, SessionError):
                return reactivex.throw(error)
            log.warning("agent.summary_failed", exc_info=error)
            return reactivex.just("")

        known = self.team.view(noted(handover.talk, handover.said), handover.by)
        asked = replace(known, aloud=False, generation=Generation())
        said = self.llm(asked_unasked(asked, GenerationRequested(instructions=self.summary)))
        texts = said.pipe(rx_ops.map(lambda one: one if isinstance(one, str) else ""))
        return texts.pipe(rx_ops.reduce(lambda text, more: text + more, ""), rx_ops.catch(failed))

    def _take_over(self, handover: _Handover, summary: str) -> Observable[str | Event]:
        agent, said = handover.to, handover.said
        result = {"agent": agent.name} | ({"summary": summary} if summary else {})
        returned = FunctionReturned(handover.call.id, json.dumps(result, ensure_ascii=False))
        joint = [" "] if any(isinstance(one, str) and one.strip() for one in said) else []
        greeting = [agent.greeting, " "] if agent.greeting else []
        told = noted(handover.talk, [*said, returned, *greeting])
        told = replace(told, generation=replace(told.generation, choice="auto", must_call=""))
        return reactivex.concat(
            reactivex.of(returned, AgentChanged(agent.name, agent.voice), *joint, *greeting),
            self._answer(told, agent, handover.left, agent.opening),
        )


def with_voices(
    tts: Callable[[Conversation], Stage[Unspoken | Event, Unpaced | Event]], *agents: Agent
) -> Callable[[Conversation], Stage[Unspoken | Event, Unpaced | Event]]:
    """Return a TTS that speaks in the voice of the agent: of the one that took over last, and, from an `AgentChanged`
    in the reply on, of the next one.

    The words before a handover are spoken to their end; the times of the words behind it go on. An agent without a
    voice of its own has the session's.

    Args:
        tts: Makes the stage that speaks in a conversation's voice: `Session.tts`.
        agents: The agents of `with_agents`, in the same order.
    """
    team = Team(agents)

    def make(conversation: Conversation) -> Stage[Unspoken | Event, Unpaced | Event]:
        def stage(words: Observable[Unspoken | Event]) -> Observable[Unpaced | Event]:
            def begin() -> Observable[Unpaced | Event]:
                voice = _Voice(tts, conversation, team.speaking(conversation).voice)
                return words.pipe(rx_ops.do_action(voice.note), text_only(voice.speak))

            return reactivex.defer(lambda _: begin())

        return stage

    return make


@dataclass(slots=True)
class _Voice:
    """The voice in a reply: `speak` is the stage for the words up to the next handover."""

    tts: Callable[[Conversation], Stage[Unspoken | Event, Unpaced | Event]]
    conversation: Conversation
    voice: str

    def note(self, item: Unspoken | Event) -> None:
        if isinstance(item, AgentChanged):
            self.voice = item.voice

    def speak(self, words: Observable[Unspoken | Event]) -> Observable[Unpaced | Event]:
        talk = self.conversation
        return self.tts(replace(talk, voice=self.voice or talk.voice))(words)
