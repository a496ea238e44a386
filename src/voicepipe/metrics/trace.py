"""A trace per turn: spans of what a reply consists of, made from a session's events. Knows no OpenTelemetry.

The names and attributes are those of OpenTelemetry's semantic conventions for generative AI
(https://opentelemetry.io/docs/specs/semconv/gen-ai/), and `voicepipe.…` where there are none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from voicepipe.events import (
    AgentChanged,
    Event,
    FunctionCalled,
    FunctionReturned,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    ReplyText,
    StageFailed,
    TokensCounted,
    TurnEnded,
    TurnJudged,
    TurnMeasured,
)
from voicepipe.rx import Clock

__all__ = ["Attribute", "Span", "TracedModel", "TurnTracer"]

Attribute: TypeAlias = str | int | float | bool

_CALLED, _ANSWERS = "execute_tool", "chat"


@dataclass(slots=True)
class Span:
    """A part of a turn's time. Seconds are on the session's clock.

    Args:
        name: What it is.
        began_s: When it began.
        ended_s: When it ended; None while it goes on.
        attributes: What is known of it.
        error: The kind of its failure; "" if it has not failed.
        is_client: It waits for another program.
        children: Its parts.
    """

    name: str
    began_s: float
    ended_s: float | None = None
    attributes: dict[str, Attribute] = field(default_factory=dict[str, Attribute])
    error: str = ""
    is_client: bool = False
    children: list[Span] = field(default_factory=list["Span"])


@dataclass(frozen=True, slots=True)
class TracedModel:
    """The language model, as spans name it.

    Args:
        provider: `gen_ai.provider.name`.
        name: `gen_ai.request.model`; "" where it is not known.
        host: The service's host; "" for a model in this process.
        port: Its port.
    """

    provider: str
    name: str = ""
    host: str = ""
    port: int = 0

    @property
    def attributes(self) -> Mapping[str, Attribute]:
        """Return what each of its spans says."""
        told: dict[str, Attribute] = {"gen_ai.operation.name": _ANSWERS, "gen_ai.provider.name": self.provider}
        if self.name:
            told["gen_ai.request.model"] = self.name
        if self.host:
            told |= {"server.address": self.host, "server.port": self.port}
        return told


class TurnTracer:
    """Makes a span of each reply, with what came before it, and hands it over when the reply is over.

    The parts of the time to its first sound (`TurnMeasured`) are children that follow each other and sum to it. So are
    the requests to the language model, and the functions that it calls.

    Args:
        session_id: The session, which is the conversation of the spans.
        agent: The pipeline's name.
        model: The language model.
        clock: The session's clock.
        done: Called with each span that is complete.
        words: Whether spans hold what was said.
    """

    def __init__(
        self,
        session_id: str,
        agent: str,
        model: TracedModel,
        clock: Clock,
        done: Callable[[Span], object],
        *,
        words: bool = False,
    ) -> None:
        self._session_id, self._agent, self._model = session_id, agent, model
        self._clock, self._done, self._words = clock, done, words
        self._heard: tuple[float, str] | None = None
        self._turn: Span | None = None
        self._answer: Span | None = None
        self._calls: dict[str, Span] = {}

    def note(self, event: object) -> None:
        """Note an event of the session, when it is sent."""
        match event:
            case TurnEnded(text=text) if text:
                self._heard = self._clock(), text
            case TurnJudged(counts=counts, text=text):
                self._heard = (self._clock(), text) if counts else None
            case ReplyStarted(unasked=unasked):
                self.close()
                self._begin(asked=unasked is None)
            case Event() if self._turn is not None:
                self._of_reply(event, self._turn)
            case _:
                pass

    def close(self) -> None:
        """Hand over the reply that is under way: the session ends."""
        if self._turn is not None:
            self._end(self._turn, "", interrupted=True)

    # ---- a reply -----------------------------------------------------------------------------------------------------

    def _begin(self, *, asked: bool) -> None:
        now_s = self._clock()
        told: dict[str, Attribute] = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": self._agent}
        told |= {"gen_ai.conversation.id": self._session_id, "gen_ai.provider.name": "voicepipe"}
        heard = self._heard if asked else None
        self._heard = None if asked else self._heard
        self._turn = Span(f"invoke_agent {self._agent}", now_s if heard is None else heard[0], attributes=told)
        if heard is not None and self._words:
            told["voicepipe.turn.heard"] = heard[1]
        told["voicepipe.turn.asked"] = heard is not None
        self._ask()

    def _of_reply(self, event: Event, turn: Span) -> None:
        match event:
            case TurnMeasured():
                self._measured(event, turn)
            case ReplyText():
                self._came()
            case TokensCounted():
                self._answered(event, turn)
            case FunctionCalled(call=call):
                self._calls[call.id] = Span(
                    f"{_CALLED} {call.name}",
                    self._clock(),
                    attributes={
                        "gen_ai.operation.name": _CALLED,
                        "gen_ai.tool.name": call.name,
                        "gen_ai.tool.call.id": call.id,
                        "gen_ai.tool.type": "function",
                    },
                )
                turn.children.append(self._calls[call.id])
            case FunctionReturned(id=call_id):
                self._returned(call_id)
            case AgentChanged(agent=agent):
                turn.attributes["gen_ai.agent.name"] = agent
            case StageFailed(stage=stage, error=error):
                turn.error, turn.attributes["voicepipe.failed_stage"] = type(error).__name__, stage
            case ReplyEnded(text=text):
                self._end(turn, text, interrupted=False)
            case ReplyInterrupted(heard_text=text):
                self._end(turn, text, interrupted=True)
            case _:
                pass

    def _measured(self, measured: TurnMeasured, turn: Span) -> None:
        """Add the parts, which end now, and begin the turn where they do."""
        at_s = self._clock() - measured.total_ms / 1000
        turn.began_s = at_s
        turn.attributes["voicepipe.turn.voice_to_voice_ms"] = round(measured.total_ms, 3)
        parts: list[Span] = []
        for name, part_ms in measured.parts_ms.items():
            parts.append(Span(name, at_s, at_s + part_ms / 1000, {"voicepipe.turn.part": name}))
            at_s += part_ms / 1000
        turn.children[:0] = parts

    def _end(self, turn: Span, text: str, *, interrupted: bool) -> None:
        turn.ended_s = self._clock()
        turn.attributes["voicepipe.turn.interrupted"] = interrupted
        if self._words and text:
            turn.attributes["voicepipe.turn.said"] = text
        self._drop_unanswered()
        for child in turn.children:
            child.ended_s = turn.ended_s if child.ended_s is None else child.ended_s
        self._turn = self._answer = None
        self._calls.clear()
        self._done(turn)

    # ---- the language model ------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        """Begin a request to the language model; it is kept when something comes of it."""
        self._drop_unanswered()
        name = f"{_ANSWERS} {self._model.name}".strip()
        told = {**self._model.attributes, "gen_ai.conversation.id": self._session_id}
        self._answer = Span(name, self._clock(), attributes=told, is_client=bool(self._model.host))
        if self._turn is not None:
            self._turn.children.append(self._answer)

    def _drop_unanswered(self) -> None:
        answer, turn = self._answer, self._turn
        if answer is not None and turn is not None and _FIRST not in answer.attributes:
            turn.children.remove(answer)

    def _came(self) -> None:
        answer = self._answer
        if answer is not None:
            answer.attributes.setdefault(_FIRST, round(self._clock() - answer.began_s, 6))

    def _answered(self, tokens: TokensCounted, turn: Span) -> None:
        """End a request; one that cost nothing was a line of the character's own, and no request."""
        answer, self._answer = self._answer, None
        if answer is None:
            return
        if not tokens.read and not tokens.written:
            turn.children.remove(answer)
            return
        answer.ended_s = self._clock()
        answer.attributes |= {
            "gen_ai.usage.input_tokens": tokens.read,
            "gen_ai.usage.output_tokens": tokens.written,
            "gen_ai.usage.cache_read.input_tokens": tokens.cached,
        }

    def _returned(self, call_id: str) -> None:
        if (call := self._calls.pop(call_id, None)) is not None:
            call.ended_s = self._clock()
            self._ask()


_FIRST = "gen_ai.response.time_to_first_chunk"
