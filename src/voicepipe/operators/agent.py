"""`Agent`: one of several personas of a conversation, and what a conversation says of them. Pure data."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from voicepipe.conversation import CharacterLines, Conversation, Function, FunctionCall, Message
from voicepipe.events import Event, FunctionCalled, FunctionReturned
from voicepipe.operators.tool_source import ToolSource

__all__ = ["Agent", "Team", "noted"]

_PREFIX = "transfer_to_"
# OpenAI's rule for the name of a function, of which the agent's name is the end.
_NAME = re.compile(rf"[a-zA-Z0-9_-]{{1,{64 - len(_PREFIX)}}}")


@dataclass(frozen=True, slots=True)
class Agent:
    """One of several personas that share a conversation: `with_agents` has them answer, one at a time.

    Args:
        name: Letters, digits, _ and -. The other agents hand over with the function `transfer_to_NAME`.
        prompt: The system prompt, in place of the session's.
        tools: The functions that the model may call while this agent speaks (see `with_tools`).
        voice: The name of a voice of the TTS; "": the session's.
        description: When to hand over to this agent, for the models of the others.
        greeting: What it says, word for word, when it takes over; "": the model speaks at once.
        opening: The instructions for its first answer after it has taken over.
        hands_over_to: The names of the agents to which it may hand over; None: to all.
    """

    name: str
    prompt: str
    tools: tuple[Callable[..., Any] | ToolSource, ...] = ()
    voice: str = ""
    description: str = ""
    greeting: str = ""
    opening: str = "You have just taken over the conversation: the user hears you now. Help with what they want."
    hands_over_to: tuple[str, ...] | None = None


class Team:
    """The agents of a conversation; the first one begins.

    Raises:
        ValueError: There is no agent, a name is invalid or used twice, an agent hands over to an unknown one, or a
            function has the name of a handover.
    """

    def __init__(self, agents: Sequence[Agent]) -> None:
        self._agents = {agent.name: agent for agent in agents}
        if len(self._agents) != len(agents) or not agents:
            raise ValueError(
                f"agents need different names: {', '.join(agent.name for agent in agents) or 'there is none'}"
            )
        for agent in agents:
            if not _NAME.fullmatch(agent.name):
                raise ValueError(f"an agent cannot be called {agent.name!r}: letters, digits, _ and -")
            for other in agent.hands_over_to or ():
                self.named(other)
            if taken := [name for name in map(_name_of, agent.tools) if self.target(name) is not None]:
                raise ValueError(
                    f"{taken[0]} hands over to another agent: no function of {agent.name} can be called so"
                )

    def __iter__(self) -> Iterator[Agent]:
        return iter(self._agents.values())

    def named(self, name: str) -> Agent:
        """Return an agent by its name. Raises ValueError."""
        if name not in self._agents:
            raise ValueError(f"there is no agent {name!r}, only {', '.join(self._agents)}")
        return self._agents[name]

    def target(self, function: str) -> Agent | None:
        """Return the agent to which a function hands over; None for any other function."""
        return self._agents.get(function.removeprefix(_PREFIX)) if function.startswith(_PREFIX) else None

    def speaking(self, conversation: Conversation) -> Agent:
        """Return the agent that has taken over last; the first one, if there was no handover."""
        taken = (self._handover(message) for message in reversed(conversation.messages) if message.role == "tool")
        return next(filter(None, taken), next(iter(self)))

    def handovers(self, agent: Agent) -> tuple[Function, ...]:
        """Return the functions with which `agent` hands over."""
        names = self._agents if agent.hands_over_to is None else agent.hands_over_to
        others = [self._agents[name] for name in names if name != agent.name]
        return tuple(
            Function(_PREFIX + one.name, _described(one), {"type": "object", "properties": {}}) for one in others
        )

    def handover(self, name: str, call_id: str) -> FunctionCall:
        """Return the call that hands over to the agent `name`. Raises ValueError."""
        return FunctionCall(call_id, _PREFIX + self.named(name).name)

    def view(self, conversation: Conversation, agent: Agent) -> Conversation:
        """Return the conversation as the model of `agent` reads it: with its prompt, and without handovers. What was
        before the last handover is a note, where that has a summary."""
        messages, note = list(conversation.messages), ""
        taken = [at for at, message in enumerate(messages) if message.role == "tool" and self._handover(message)]
        if taken and (note := json.loads(messages[taken[-1]].text).get("summary", "")):
            note = f"What was said before: {note}"
            before = messages[: taken[-1]]
            messages = [*(one for one in before if one.role == "system"), *messages[taken[-1] :]]
        return replace(
            conversation,
            system_prompt="\n\n".join(filter(None, [agent.prompt, note])),
            messages=tuple(message for message in messages if self._handover(message) is None),
            lines=CharacterLines(),  # they do not fit another prompt
        )

    def _handover(self, message: Message) -> Agent | None:
        """Return to which agent a call, or its result, hands over; None for other messages, and the client's calls."""
        return self.target(message.call.name) if message.call is not None and not message.item else None


def _name_of(tool: Callable[..., Any] | ToolSource) -> str:
    return getattr(tool, "__name__", "")


def _described(agent: Agent) -> str:
    return f"Hand the conversation over to {agent.name}. {agent.description}".strip()


def noted(conversation: Conversation, said: Iterable[str | Event]) -> Conversation:
    """Return the conversation after what the bot has said and called in the running reply, in that order."""
    messages, text, calls = list(conversation.messages), "", dict[str, FunctionCall]()
    for one in [*said, None]:
        if isinstance(one, str):
            text += one
            continue
        if text.strip():
            messages.append(Message("assistant", text.strip()))
        text = ""
        match one:
            case FunctionCalled(call=call, server_side=True):
                calls[call.id] = call
                messages.append(Message("assistant", "", call=call))
            case FunctionReturned(id=call_id, output=output) if call_id in calls:
                messages.append(Message("tool", output, call=calls[call_id]))
            case _:
                pass
    return replace(conversation, messages=tuple(messages))
