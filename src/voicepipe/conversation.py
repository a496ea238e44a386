"""What was said and heard: an immutable fold over events."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from voicepipe.events import Event, ReplyInterrupted, SettingsChanged, Spoken, TurnEnded

__all__ = ["CUT", "SILENCE", "Conversation", "Message", "Role"]

Role: TypeAlias = Literal["user", "assistant"]

CUT = "—"
"""Ends an assistant message that the user cut short. The LLM never sees it."""

SILENCE = "..."
"""What the user "says" by saying nothing for a while."""

GREETING = "Hello."
"""Stands for the user where the bot opens: chat templates want a user message first."""


@dataclass(frozen=True, slots=True)
class Message:
    """What one side said, as it was heard."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """The system prompt and everything that was said since, the bot's side cut to what the user heard.

    >>> talk = Conversation("Be brief.").user_said("Hi!").bot_said("Hello").bot_said("there").cut()
    >>> talk.messages[-1].text
    'Hello there—'
    >>> talk.prompt()[-1]
    {'role': 'assistant', 'content': 'Hello there'}
    """

    system_prompt: str = ""
    messages: tuple[Message, ...] = ()

    def after(self, event: Event) -> Conversation:
        """The conversation once `event` has happened; most events leave it as it is."""
        match event:
            case TurnEnded(text=text) if text:
                return self.user_said(text)
            case Spoken(word=word):
                return self.bot_said(word)
            case ReplyInterrupted():
                return self.cut()
            case SettingsChanged(system_prompt=str(prompt)):
                return replace(self, system_prompt=prompt)
            case _:
                return self

    @property
    def awaits_reply(self) -> bool:
        """Whether the user has had the last word."""
        return bool(self.messages) and self.messages[-1].role == "user"

    def user_said(self, text: str) -> Conversation:
        return self._with(Message("user", text))

    def bot_said(self, word: str) -> Conversation:
        """`word` was heard: it continues the bot's message, or begins one."""
        if not self.messages or self.messages[-1].role != "assistant":
            return self._with(Message("assistant", word))
        said = self.messages[-1].text
        return replace(self, messages=(*self.messages[:-1], Message("assistant", f"{said} {word}")))

    def cut(self) -> Conversation:
        """The bot was interrupted; its message, if it got that far, ends here."""
        if not self.messages or self.messages[-1].role != "assistant" or self.messages[-1].text.endswith(CUT):
            return self
        return replace(self, messages=(*self.messages[:-1], Message("assistant", self.messages[-1].text + CUT)))

    def prompt(self) -> list[dict[str, str]]:
        """The messages as a chat model wants them: the system prompt, then user and assistant strictly in turn.

        Neighbours of one role are merged, interruption marks go, a silence that the user broke is forgotten, and
        where the bot would come first a greeting stands before it.
        """
        turns = _merged([Message(m.role, m.text.rstrip(CUT).strip()) for m in self.messages])
        if not turns or turns[0].role == "assistant":
            turns.insert(0, Message("user", GREETING))
        chat = [{"role": turn.role, "content": turn.text} for turn in turns]
        return [{"role": "system", "content": self.system_prompt}, *chat] if self.system_prompt else chat

    def _with(self, message: Message) -> Conversation:
        return replace(self, messages=(*self.messages, message))


def _merged(messages: list[Message]) -> list[Message]:
    turns: list[Message] = []
    for message in messages:
        if not message.text:
            continue
        if turns and turns[-1].role == message.role:
            turns[-1] = Message(message.role, _unbroken(f"{turns[-1].text} {message.text}"))
        else:
            turns.append(message)
    return turns


def _unbroken(text: str) -> str:
    """Without the silence that the user broke by going on."""
    return text.removeprefix(SILENCE).strip() or SILENCE
