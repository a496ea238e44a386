"""The conversation as immutable data: what was said and heard. `voicepipe.events.fold` folds events into it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from voicepipe.conversation.character import CharacterLines
from voicepipe.conversation.chat_prompt import GREETING, STILL_RUNNING, TAKEN_OVER, prompt
from voicepipe.conversation.functions import FunctionCall, Generation
from voicepipe.conversation.message import CUT, NO_ITEM, SILENCE, AudioFormat, ItemId, Message, Role, TimedWord

__all__ = ["CUT", "GREETING", "SILENCE", "Conversation", "Message", "Role", "heard_until", "joined", "with_word"]


@dataclass(frozen=True, slots=True)
class Conversation:
    """The system prompt and everything that was said since. The bot's messages hold what the user heard.

    >>> talk = Conversation("Be brief.").user_said("Hi!").bot_said("Hello").bot_said("there").cut()
    >>> talk.messages[-1].text
    'Hello there—'
    >>> talk.prompt()[-1]
    {'role': 'user', 'content': '...'}
    """

    system_prompt: str = ""
    messages: tuple[Message, ...] = ()
    aloud: bool = True
    """True: the next reply is spoken; False: it is text only."""
    led: bool = False
    """True: the client leads, and the bot neither opens nor ends the conversation."""
    voice: str = ""
    """The name of the voice that speaks the next reply; empty: the synthesiser's own."""
    output_format: AudioFormat | None = None
    """The format in which the client gets the sound of the next reply; None: that of the session."""
    generation: Generation = field(default_factory=Generation)
    """The model's sampling options, and the functions that it may call."""
    lines: CharacterLines = field(default=CharacterLines(), repr=False)
    """Sentences that the character says word for word. Only models in this process use them."""
    verbatim: str = field(default="", repr=False)
    """The text of the next reply, in place of what the model would answer; "": the model answers."""
    replying: ItemId = field(default=NO_ITEM, compare=False, repr=False)
    """The item of the current reply."""
    gone: frozenset[ItemId] = field(default=frozenset(), compare=False, repr=False)
    """Items that the client has deleted: later words of theirs are not stored."""

    @property
    def said(self) -> tuple[Message, ...]:
        """The messages without the pipeline's own calls and their results, which were not heard."""
        return tuple(message for message in self.messages if message.call is None or message.item)

    @property
    def awaits_reply(self) -> bool:
        """Return whether the user spoke last. A function that the pipeline runs meanwhile is not an answer."""
        last = self._last_said
        return last is not None and last.role == "user"

    @property
    def is_silent(self) -> bool:
        """Return whether a silence of the user's is the last that was said: the bot has not broken it yet."""
        last = self._last_said
        return last is not None and (last.role, last.text) == ("user", SILENCE)

    @property
    def _last_said(self) -> Message | None:
        return next((message for message in reversed(self.messages) if message.call is None or message.item), None)

    def user_said(self, text: str, item: ItemId = NO_ITEM) -> Conversation:
        """Return the conversation with a message of the user's at its end, unless the client has deleted that item."""
        return self if item in self.gone else self._with(Message("user", text, item))

    def bot_said(self, word: str, spoken: TimedWord | None = None) -> Conversation:
        """Return the conversation after the user heard `word`, which continues the bot's message or begins one."""
        joint = "" if spoken is not None and spoken.glued else " "
        return self._bot_goes_on(word, joint, () if spoken is None else (spoken,))

    def bot_wrote(self, delta: str) -> Conversation:
        """Append `delta` unchanged to the message of a text-only reply."""
        return self._bot_goes_on(delta, "", ())

    def bot_called(self, call: FunctionCall, *, server_side: bool = False) -> Conversation:
        """Add a call: `server_side` calls are run by the pipeline, and the bot then goes on; others by the client."""
        if not server_side:
            return self._with(Message("assistant", "", ItemId(f"{self.replying}.{call.id}"), call=call))
        at = self._bots_message() if self.replying else None
        return self._inserted(len(self.messages) if at is None else at, Message("assistant", "", call=call))

    def returned(self, call_id: str, output: str) -> Conversation:
        """Add the result of the latest call with that id, behind the call and its neighbours. Drop the result of an
        unknown call.

        Where the model has read something else in its place, it comes last, and that goes: it is news.
        """
        called, result = self._call(call_id)
        if called is None:
            return self
        message = Message("tool", output, call=self.messages[called].call)
        if result is None:
            return self._inserted(self._behind(called), message)
        return replace(self, messages=(*self.messages[:result], *self.messages[result + 1 :], message))

    @property
    def client_runs_function(self) -> bool:
        """Return whether the client has been asked for a function, and has not given its result."""
        given = {message.call.id for message in self.messages if message.role == "tool" and message.call}
        asked = (one.call.id for one in self.messages if one.role == "assistant" and one.call and one.item)
        return any(call_id not in given for call_id in asked)

    def has_called(self, call_id: str) -> bool:
        """Return whether there is a call with that id."""
        return self._call(call_id)[0] is not None

    def goes_on(self, call_id: str, *, taken_over: bool = False) -> Conversation:
        """Note that the latest call with that id still runs, or that a later call has its result. The model reads that
        in place of the result."""
        called, result = self._call(call_id)
        if called is None:
            return self
        text = TAKEN_OVER if taken_over else STILL_RUNNING
        message = Message("tool", text, call=self.messages[called].call)
        return self._inserted(self._behind(called), message) if result is None else self._changed(result, message)

    def cut(self) -> Conversation:
        """Mark the bot's message, if there is one, as cut short by the user."""
        at = self._bots_message()
        if at is None or self.messages[at].text.endswith(CUT):
            return self
        return self._changed(at, replace(self.messages[at], text=self.messages[at].text + CUT))

    def prompt(self, *, calls: bool = False, unfinished: bool = False) -> list[dict[str, Any]]:
        """Return the messages for a chat model, in an order that the strictest chat template accepts.

        The system prompt is first, then user and assistant are strictly in turn, and the user, or a result, is last.
        Neighbours of one role are merged, interruption marks are removed, and so is a silence that the user broke.
        Where the bot would come first a greeting stands before it, and where it was last, a silence of the user behind
        it. Only with `calls` does it contain function calls and their results, in OpenAI's form, each result behind its
        call, and a word of the assistant's between a result and the user. If a message came between them, both stand at
        the result's place.

        Args:
            calls: Whether to include function calls and results.
            unfinished: The user's turn is still to come: the bot's message may be last. For reading ahead.

        Returns:
            Dictionaries with `role` and `content`, as the chat completions API takes them.
        """
        return prompt(self.system_prompt, self.messages, calls=calls, unfinished=unfinished)

    def _with(self, message: Message) -> Conversation:
        return replace(self, messages=(*self.messages, message))

    def _inserted(self, at: int, message: Message) -> Conversation:
        return replace(self, messages=(*self.messages[:at], message, *self.messages[at:]))

    def _changed(self, at: int, message: Message) -> Conversation:
        return replace(self, messages=(*self.messages[:at], message, *self.messages[at + 1 :]))

    def _bots_message(self) -> int | None:
        """Return the index of the current reply's message; where replies have no items, the last message's."""
        if not self.replying:
            last = self.messages[-1] if self.messages else None
            return len(self.messages) - 1 if last and last.role == "assistant" and last.call is None else None
        places = (at for at in reversed(range(len(self.messages))) if self.messages[at].item == self.replying)
        return next(places, None)

    def _call(self, call_id: str) -> tuple[int | None, int | None]:
        """Return the index of the latest call with that id, and that of its result."""
        result: int | None = None
        for at in reversed(range(len(self.messages))):
            message = self.messages[at]
            if message.call is None or message.call.id != call_id:
                continue
            if message.role == "assistant":
                return at, result
            result = at if result is None else result
        return None, None

    def _behind(self, called: int) -> int:
        """Return the index behind a call and its neighbours."""
        beside = itertools.takewhile(lambda other: other.call is not None, self.messages[called:])
        return called + len(list(beside))

    def _first_call(self) -> int:
        """Return the index for the reply's words: before calls that the client runs, which arrive with less delay."""
        ours = (at for at, message in enumerate(self.messages) if message.call and self._is_of_reply(message))
        return next(ours, len(self.messages))

    def _is_of_reply(self, message: Message) -> bool:
        return bool(self.replying) and message.item.startswith(f"{self.replying}.")

    def _bot_goes_on(self, text: str, joint: str, spoken: tuple[TimedWord, ...]) -> Conversation:
        at = self._bots_message()
        if at is None and self.replying in self.gone:
            return self
        if at is None:
            return self._inserted(self._first_call(), Message("assistant", text, self.replying, spoken))
        said = self.messages[at]
        if self.replying and said.text.endswith(CUT):
            return self  # the client has heard no more than this
        return self._changed(at, replace(said, text=f"{said.text}{joint}{text}", spoken=(*said.spoken, *spoken)))


def joined(words: Iterable[TimedWord]) -> str:
    """Return words as one text, without a space before those that are `glued`."""
    text = ""
    for word in words:
        text += word.word if word.glued or not text else f" {word.word}"
    return text


def with_word(heard: tuple[str, ...], word: TimedWord) -> tuple[str, ...]:
    """Return words with one more; one that is `glued` continues the last."""
    return (*heard[:-1], heard[-1] + word.word) if word.glued and heard else (*heard, word.word)


def heard_until(spoken: Iterable[TimedWord], audio_end_ms: float) -> tuple[TimedWord, ...]:
    """Return the words that begin before `audio_end_ms` of the reply's audio."""
    return tuple(word for word in spoken if word.start_s * 1000 < audio_end_ms)
