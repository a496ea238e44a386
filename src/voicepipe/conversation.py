"""What was said and heard: an immutable fold over events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from voicepipe.events import (
    Event,
    ItemCreated,
    ItemDeleted,
    ItemTruncated,
    ReplyInterrupted,
    ReplyStarted,
    SettingsChanged,
    Spoken,
    TurnEnded,
    Written,
)

__all__ = ["CUT", "SILENCE", "Conversation", "Message", "Role", "heard_until"]

Role: TypeAlias = Literal["user", "assistant", "system"]

CUT = "—"
"""Ends an assistant message that the user cut short. The LLM never sees it."""

SILENCE = "..."
"""What the user "says" by saying nothing for a while."""

GREETING = "Hello."
"""Stands for the user where the bot opens: chat templates want a user message first."""


@dataclass(frozen=True, slots=True)
class Message:
    """What one side said, as it was heard.

    `item` is the name by which the client may refer to it, `spoken` when which word was heard; where two messages are
    compared, neither counts.
    """

    role: Role
    text: str
    item: str = field(default="", compare=False, repr=False)
    spoken: tuple[Spoken, ...] = field(default=(), compare=False, repr=False)


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
    aloud: bool = True
    """Whether the next answer shall be spoken, or only be written."""
    led: bool = False
    """Whether the client leads: the bot neither opens the conversation, nor ends it."""
    replying: str = field(default="", compare=False, repr=False)
    """The item of the reply that is being said."""

    def after(self, event: Event) -> Conversation:
        """The conversation once `event` has happened; most events leave it as it is."""
        match event:
            case TurnEnded(text=text, item=item) if text:
                return self.user_said(text, item)
            case ReplyStarted(item=item):
                return replace(self, replying=item)
            case Spoken(word=word):
                return self.bot_said(word, event)
            case Written(delta=delta):
                return self._bot_goes_on(delta, "", ())
            case ReplyInterrupted():
                return self.cut()
            case SettingsChanged(system_prompt=prompt, aloud=aloud, turns=turns):
                prompt = self.system_prompt if prompt is None else prompt
                return replace(self, system_prompt=prompt, aloud=aloud, led=turns is not None)
            case ItemCreated() | ItemDeleted() | ItemTruncated():
                return replace(self, messages=tuple(_edited(self.messages, event)))
            case _:
                return self

    @property
    def awaits_reply(self) -> bool:
        """Whether the user has had the last word."""
        return bool(self.messages) and self.messages[-1].role == "user"

    def user_said(self, text: str, item: str = "") -> Conversation:
        return self._with(Message("user", text, item))

    def bot_said(self, word: str, spoken: Spoken | None = None) -> Conversation:
        """`word` was heard: it continues the bot's message, or begins one."""
        return self._bot_goes_on(word, " ", () if spoken is None else (spoken,))

    def cut(self) -> Conversation:
        """The bot was interrupted; its message, if it got that far, ends here."""
        at = self._bots_message()
        if at is None or self.messages[at].text.endswith(CUT):
            return self
        return self._changed(at, replace(self.messages[at], text=self.messages[at].text + CUT))

    def prompt(self) -> list[dict[str, str]]:
        """The messages as a chat model wants them: the system prompt, then user and assistant strictly in turn.

        Neighbours of one role are merged, interruption marks go, a silence that the user broke is forgotten, and
        where the bot would come first a greeting stands before it.
        """
        turns = _merged([Message(m.role, m.text.rstrip(CUT).strip()) for m in self.messages if m.role != "system"])
        if not turns or turns[0].role == "assistant":
            turns.insert(0, Message("user", GREETING))
        chat = [{"role": turn.role, "content": turn.text} for turn in turns]
        notes = [message.text for message in self.messages if message.role == "system"]
        system = "\n\n".join(filter(None, [self.system_prompt, *notes]))
        return [{"role": "system", "content": system}, *chat] if system else chat

    def _with(self, message: Message) -> Conversation:
        return replace(self, messages=(*self.messages, message))

    def _changed(self, at: int, message: Message) -> Conversation:
        return replace(self, messages=(*self.messages[:at], message, *self.messages[at + 1 :]))

    def _bots_message(self) -> int | None:
        """Where the message stands that the bot goes on with: its reply's; where replies have no names, the last."""
        if not self.replying:
            return len(self.messages) - 1 if self.messages and self.messages[-1].role == "assistant" else None
        places = (at for at in reversed(range(len(self.messages))) if self.messages[at].item == self.replying)
        return next(places, None)

    def _bot_goes_on(self, text: str, joint: str, spoken: tuple[Spoken, ...]) -> Conversation:
        at = self._bots_message()
        if at is None:
            return self._with(Message("assistant", text, self.replying, spoken))
        said = self.messages[at]
        if self.replying and said.text.endswith(CUT):
            return self  # the client has heard no more of it
        return self._changed(at, replace(said, text=f"{said.text}{joint}{text}", spoken=(*said.spoken, *spoken)))


def heard_until(spoken: Iterable[Spoken], audio_end_ms: float) -> tuple[Spoken, ...]:
    """The words whose sound has begun before `audio_end_ms` of the reply's audio."""
    return tuple(word for word in spoken if word.start_s * 1000 < audio_end_ms)


def _edited(messages: tuple[Message, ...], edit: ItemCreated | ItemDeleted | ItemTruncated) -> Iterable[Message]:
    """The messages after an edit of the client; one that names nothing that is there changes nothing."""
    match edit:
        case ItemDeleted(item=item):
            return [message for message in messages if message.item != item]
        case ItemTruncated(item=item, audio_end_ms=end_ms):
            cut = [_cut_to(message, end_ms) if message.item == item else message for message in messages]
            return [message for message in cut if message.text]
        case ItemCreated() if any(message.item == edit.item for message in messages):
            return messages
        case _:
            at = _place(messages, edit.after)
            return [*messages[:at], Message(edit.role, edit.text, edit.item), *messages[at:]]


def _cut_to(message: Message, audio_end_ms: float) -> Message:
    """What was heard of it; a message without sound stays whole."""
    kept = heard_until(message.spoken, audio_end_ms)
    if len(kept) == len(message.spoken):
        return message
    text = " ".join(word.word for word in kept)
    return replace(message, text=text and text + CUT, spoken=kept)


def _place(messages: tuple[Message, ...], after: str | None) -> int:
    """Behind the message of that item."""
    if after == "":
        return 0
    return next((at + 1 for at, message in enumerate(messages) if after and message.item == after), len(messages))


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
