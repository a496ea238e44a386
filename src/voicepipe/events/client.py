"""Events from the client: what it sends and requests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from voicepipe.conversation.character import CharacterLines
from voicepipe.conversation.functions import FunctionCall, Generation
from voicepipe.conversation.message import NO_ITEM, AudioFormat, ItemId
from voicepipe.events.base import ClientEvent, Event
from voicepipe.events.tool_servers import ToolApprovalGiven

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
    """A packet of the microphone, encoded in `audio_format`. Not an `Event`: `decode` makes `Audio`.

    None is the format of the session's codec.
    """

    data: bytes
    message_id: str | None = None
    audio_format: AudioFormat | None = None


@dataclass(frozen=True, slots=True)
class AudioDeferred(ClientEvent):
    """More of the microphone's sound has arrived, far ahead of real time, and waits until earlier sound is heard.

    Until the next `AudioReceived` the client does not count as silent.
    """


@dataclass(frozen=True, slots=True)
class TurnTaking(ClientEvent):
    """The turn taking of a client that leads the conversation. None means: as the pipeline does.

    `by` "voice" ends turns by silence alone, "meaning" also by the content of the speech, "client" never: the client
    commits its sound itself. The bot answers a turn only if `answers`, stops at the user's voice only if `interrupts`,
    and sends an idle prompt only after `idle_s`. `patience` multiplies the silence that ends a turn. `prefix_ms` of
    sound before the voice belong to its turn: the recogniser hears it, and the turn's start includes it.
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
    """The client, or a stage in front of `respond`, changed the bot's settings. They count from the next reply on.

    What is None stays as it is, so that `SettingsChanged(voice="…")` changes the voice alone. `turns`: the client
    leads; as long as there are none the pipeline takes turns, and the bot opens, sends idle prompts and hangs up.
    `aloud` False: the bot answers in text. `generation` is how the model answers, with the client's functions. `lines`
    belong to the character that `system_prompt` describes; only a model in this process uses them. `output_format` is
    that of the bot's sound. `written` is the client's message in its dialect, for the answer that repeats it; it does
    not count in comparisons.
    """

    system_prompt: str | None = None
    voice: str | None = None
    allow_recording: bool = False
    written: dict[str, Any] = field(default_factory=dict[str, Any], compare=False, repr=False)
    turns: TurnTaking | None = None
    aloud: bool | None = None
    generation: Generation | None = None
    lines: CharacterLines | None = None
    output_format: AudioFormat | None = None
    allow_sound_recording: bool = False
    """With `allow_recording`: the user's sound may be kept, too."""


@dataclass(frozen=True, slots=True)
class InputCommitted(ClientEvent):
    """The client ended the user's turn.

    `item` is the client's id for what was said since the last turn; without it the turn of `detect_turns` ends. `at_s`
    is the position in the user's audio, which `listen` sets; it does not count in comparisons.
    """

    item: ItemId = NO_ITEM
    at_s: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class InputCleared(ClientEvent):
    """The client discards what was said since the last turn. `at_s` as in `InputCommitted`."""

    at_s: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class ItemCreated(ClientEvent):
    """The client added a message behind the item `after` ("": at the beginning; None: at the end).

    With `call`, it is an assistant's call without text, or, from a "tool", that call's result.
    """

    item: ItemId
    role: Literal["user", "assistant", "system", "tool"]
    text: str
    after: ItemId | None = None
    call: FunctionCall | None = None


@dataclass(frozen=True, slots=True)
class ItemDeleted(ClientEvent):
    """The client deleted a message of the conversation."""

    item: ItemId


@dataclass(frozen=True, slots=True)
class ItemTruncated(ClientEvent):
    """The user has heard `audio_end_ms` of a reply's sound, and hears no more of it."""

    item: ItemId
    audio_end_ms: float


@dataclass(frozen=True, slots=True)
class ItemRequested(ClientEvent):
    """The client asks for a message in its present form. Stages may ignore it."""

    item: ItemId


@dataclass(frozen=True, slots=True)
class ReplyRequested(ClientEvent):
    """The client asks for a reply now. None means: as in the conversation.

    `messages` are answered instead of the conversation. A reply that is not `remembered` is not stored in the
    conversation. `voice` speaks it, if the TTS has more than one, and its sound is written in `output_format`. `item`
    becomes the item of `ReplyStarted`.
    """

    item: ItemId = NO_ITEM
    system_prompt: str | None = None
    messages: tuple[ItemCreated, ...] | None = None
    aloud: bool | None = None
    remembered: bool = True
    generation: Generation | None = None
    voice: str | None = None
    output_format: AudioFormat | None = None


@dataclass(frozen=True, slots=True)
class ReplyCancelled(ClientEvent):
    """The client stops the reply; with `item`, the out-of-band response of that item.

    `clears`: it wants the sound to stop, whether or not a reply is active.
    """

    item: ItemId = NO_ITEM
    clears: bool = False


@dataclass(frozen=True, slots=True)
class InputRejected(ClientEvent):
    """A message of the client was invalid. The session goes on without it."""

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
    | ToolApprovalGiven
    | Event
)
"""The client's messages, and the notice that sound is deferred, in the order of the wire. Any other `Event` is one of
the application's own (`app_event`)."""
