"""From the client: what it sends, and what it wants."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from voicepipe.conversation.character import CharacterLines
from voicepipe.conversation.functions import FunctionCall, Generation
from voicepipe.events.base import ClientEvent

__all__ = [
    "AudioDeferred",
    "AudioReceived",
    "ClientMessage",
    "InputCleared",
    "InputCommitted",
    "InputRejected",
    "ItemCreated",
    "ItemDeleted",
    "ItemRequested",
    "ItemTruncated",
    "ReplyCancelled",
    "ReplyRequested",
    "SettingsChanged",
    "TurnTaking",
]


@dataclass(frozen=True, slots=True)
class AudioReceived:
    """A packet of the microphone, still encoded as the session's codec says. Not an `Event`: `decode` makes `Audio`."""

    data: bytes
    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class AudioDeferred(ClientEvent):
    """More of the microphone's sound is here, but far ahead of real time: it waits until what came before is heard.

    Until the next `AudioReceived` the client is not silent, though nothing comes.
    """


@dataclass(frozen=True, slots=True)
class TurnTaking(ClientEvent):
    """How a client that leads the conversation wants turns to be taken. What is None is as the pipeline has it.

    `by` "voice" ends turns by silence alone, "meaning" by what the sound of the speech says as well, "client" never:
    the client commits its sound itself. The bot answers a turn only when `answers`, is cut short by the user's voice
    only when `interrupts`, and breaks a silence only after `idle_s`. `patience` multiplies the silence that ends turns.
    `prefix_ms` of the sound before a voice belong to its turn: to what the recogniser hears, and to what it is said to
    begin with.
    """

    by: Literal["voice", "meaning", "client"] = "meaning"
    speech_above: float | None = None
    silence_ms: float | None = None
    prefix_ms: float | None = None
    patience: float = 1.0
    answers: bool = True
    interrupts: bool = True
    idle_s: float | None = None


@dataclass(frozen=True, slots=True)
class SettingsChanged(ClientEvent):
    """The client set how the bot behaves. Stages see it from their next turn on.

    `system_prompt` None: the client gave no instructions; the bot goes on with what it had. `turns` None: turns are
    taken as the pipeline has it, the bot opens, breaks silences and hangs up; else the client leads. `aloud` False: the
    bot answers in writing. `generation` is how the model shall answer, with the client's functions that it may call.
    `lines` belong to the character, and only a model in this process uses them.
    `written` is what the client wrote, in its dialect, for the answer that repeats it; it does not count when two are
    compared.
    """

    system_prompt: str | None = None
    voice: str | None = None
    allow_recording: bool = False
    written: dict[str, Any] = field(default_factory=dict[str, Any], compare=False, repr=False)
    turns: TurnTaking | None = None
    aloud: bool = True
    generation: Generation = field(default_factory=Generation)
    lines: CharacterLines = field(default_factory=CharacterLines)


@dataclass(frozen=True, slots=True)
class InputCommitted(ClientEvent):
    """The user's turn is over: the client says so.

    `item` is the client's name for what was said since the last turn; without one it is the detector's turn that ends.
    `at_s` is its place in the user's audio, where `listen` has noted it; it does not count when two are compared.
    """

    item: str = ""
    at_s: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class InputCleared(ClientEvent):
    """What was said since the last turn shall be forgotten. `at_s` as in `InputCommitted`."""

    at_s: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class ItemCreated(ClientEvent):
    """The client wrote a message into the talk, behind the item `after` ("": at its beginning; None: at its end).

    With `call`, it is a call of the assistant's, without a text, or, from a "tool", what that call gave.
    """

    item: str
    role: Literal["user", "assistant", "system", "tool"]
    text: str
    after: str | None = None
    call: FunctionCall | None = None


@dataclass(frozen=True, slots=True)
class ItemDeleted(ClientEvent):
    """The client took a message out of the conversation."""

    item: str


@dataclass(frozen=True, slots=True)
class ItemTruncated(ClientEvent):
    """The user has heard `audio_end_ms` of the sound of a reply, and will hear no more of it."""

    item: str
    audio_end_ms: float


@dataclass(frozen=True, slots=True)
class ItemRequested(ClientEvent):
    """The client wants to see a message as it is now; no stage need know."""

    item: str


@dataclass(frozen=True, slots=True)
class ReplyRequested(ClientEvent):
    """The client wants the bot to speak now. What is None is as in the conversation.

    `messages` are answered instead of what was said. A reply that is not `remembered` leaves no trace in the
    conversation. `voice` speaks it, where the synthesiser has more than one. `item` will name it in `ReplyStarted`.
    """

    item: str = ""
    system_prompt: str | None = None
    messages: tuple[ItemCreated, ...] | None = None
    aloud: bool | None = None
    remembered: bool = True
    generation: Generation | None = None
    voice: str | None = None


@dataclass(frozen=True, slots=True)
class ReplyCancelled(ClientEvent):
    """The client wants the bot to stop; or that the reply `item` beside the conversation ends."""

    item: str = ""


@dataclass(frozen=True, slots=True)
class InputRejected(ClientEvent):
    """Something the client sent could not be understood. The session goes on without it."""

    code: str
    message: str
    param: str | None = None
    message_id: str | None = None


ClientMessage: TypeAlias = (
    AudioReceived
    | AudioDeferred
    | SettingsChanged
    | InputRejected
    | InputCommitted
    | InputCleared
    | ItemCreated
    | ItemDeleted
    | ItemTruncated
    | ItemRequested
    | ReplyRequested
    | ReplyCancelled
)
"""What the client may send, and that its sound is held; the order on the wire is the order here."""
