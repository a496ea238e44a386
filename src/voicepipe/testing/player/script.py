"""The behaviour of a scenario's services."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from voicepipe.conversation import ClientInfo, Conversation
from voicepipe.events import FunctionCall
from voicepipe.testing.player.transcript import said_in
from voicepipe.testing.simulation.judge import Judgement
from voicepipe.testing.simulation.user import UserGoal

__all__ = ["ANYTHING", "Answer", "NotScripted", "Rule", "ServiceScript", "last_said"]


class NotScripted(LookupError):
    """A request to the scripted LLM has no answer. The message says what was asked, and what is scripted."""


def last_said(conversation: Conversation) -> str:
    """Return what the LLM is asked: the instructions of a reply that comes unasked, the user's last message, or the
    functions' results since, with commas; "" where the bot opens."""
    if conversation.messages and conversation.messages[-1].role == "system":
        return conversation.messages[-1].text
    results = itertools.takewhile(lambda message: message.role == "tool", reversed(conversation.messages))
    if given := [message.text for message in results]:
        return ", ".join(reversed(given))
    return next((message.text for message in reversed(conversation.messages) if message.role == "user"), "")


@dataclass(frozen=True)
class Answer:
    """The LLM's answer, the time to its first word and between words, and the number of words before it breaks off.

    `calls` are the functions that it calls after its text; each time with new ids.
    """

    text: str
    after_s: float = 0.1
    word_s: float = 0.0
    fails_after: int | None = None
    stalls_after: int | None = None
    calls: tuple[FunctionCall, ...] = ()


@dataclass(frozen=True)
class Rule:
    """An answer of the LLM to the requests that have all of these properties; see `Scenario.llm_when`."""

    code: str
    """The builder's call, which names the rule in messages."""
    answer: Answer
    system: str | None = None
    tools: tuple[str, ...] | None = None
    last_user: str | None = None
    history: Callable[[Conversation], bool] | None = None
    write: Callable[[Conversation], str] | None = None
    """Writes the answer's text; None: it is that of `answer`."""

    def matches(self, asked: Conversation) -> bool:
        """Return whether the request has all properties that are not None."""
        offered = {function.name for function in asked.generation.functions}
        return (
            (self.system is None or self.system.lower() in asked.system_prompt.lower())
            and (self.tools is None or (offered >= set(self.tools) if self.tools else not offered))
            and (self.last_user is None or _has(last_said(asked), self.last_user))
            and (self.history is None or self.history(asked))
        )

    def answer_to(self, asked: Conversation) -> Answer:
        """Return the answer, written for this request."""
        return self.answer if self.write is None else replace(self.answer, text=self.write(asked))


def _has(said: str, text: str) -> bool:
    return said_in(text, said) if text else not said


ANYTHING = Answer("I see.")
"""The answer to what is not scripted, in a scenario without rules."""


@dataclass
class ServiceScript:
    """The behaviour of the services. The defaults are quick and without failures."""

    rules: list[Rule] = field(default_factory=list[Rule])
    answers: dict[str, Answer] = field(
        default_factory=lambda: {"": Answer("Hi!"), "...": Answer("Are you still there?")}
    )
    anything: Answer | None = ANYTHING
    hang_up_s: float = 0.0
    tts_delay_s: float = 0.06
    tts_word_s: float = 0.3
    tts_fails_after: int | None = None
    tts_stalls_after: int | None = None
    tts_fails_at: str | None = None
    tts_stalls_at: str | None = None
    user_word_s: float = 0.3
    recogniser_delay_s: float = 0.5
    flush_s: float = 0.0
    deaf: bool = False
    misheard: dict[str, str] = field(default_factory=dict[str, str])
    finished: float | None = 0.9
    finished_after: dict[str, float] = field(default_factory=dict[str, float])
    verdict_s: float = 0.06
    speculations: int = 0
    prompt: str | None = "Be brief."
    goal: UserGoal | None = None
    judgements: list[Judgement] = field(default_factory=list[Judgement])
    client: ClientInfo = field(default_factory=ClientInfo)
    length_s: float | None = None
    in_process: bool = False
    order: int = 0
    silence_s: float | None = None
    idle: tuple[float, int] | None = None
    unchecked: set[str] = field(default_factory=set[str])

    def answer_to(self, asked: Conversation) -> Answer:
        """Return the answer of the first rule that matches, or the answer to the last message.

        Raises:
            NotScripted: There is none.
        """
        if (rule := next((rule for rule in self.rules if rule.matches(asked)), None)) is not None:
            return rule.answer_to(asked)
        if (answer := self.answers.get(last_said(asked), self.anything)) is None:
            raise NotScripted(
                "\n    ".join(["no answer is scripted to this request:", *_described(asked), *self._known()])
            )
        return answer

    def add_rule(self, rule: Rule) -> None:
        """Add a rule. From the first one on, what is not scripted is an error, unless it was given an answer."""
        self.rules.append(rule)
        if self.anything is ANYTHING:
            self.anything = None

    def _known(self) -> Iterator[str]:
        yield "scripted are:"
        yield from (f"    {rule.code}" for rule in self.rules)
        yield from (f'    llm("{asked}", …)' for asked in self.answers)

    def change_answer(self, asked: str, *, fails_after: int | None = None, stalls_after: int | None = None) -> None:
        answer = self.answers.get(asked, self.anything) or Answer("")
        self.answers[asked] = replace(answer, fails_after=fails_after, stalls_after=stalls_after)


def _described(asked: Conversation) -> Iterator[str]:
    """Yield what a request has that a rule can ask for."""
    yield f"system prompt: {asked.system_prompt!r}"
    yield f"functions: {', '.join(function.name for function in asked.generation.functions) or 'none'}"
    yield f"last message: {last_said(asked)!r}"
    yield f"history: {' | '.join(f'{one.role}: {one.text}' for one in asked.messages) or 'empty'}"
