"""The vocabulary: every fact that flows through a pipeline.

Events are small, frozen, past-tense facts. Units stand in the field names. Two clocks exist, and a field is on one
of them: times of *heard* and *turn* events (`at_s`, `start_s`, `stop_s`, `until_s`) are seconds of the user's audio
since the session began; times of *reply* events (`Spoken.start_s`, `stop_s`) are seconds of the reply's audio since
its first sample.

A reply and a turn, in order, as the default pipeline emits them::

    SpeechStarted Word… SpeechStopped Pause Transcribed          what was heard
    TurnStarted TurnConfirmed TurnEnded                          whose turn it is
    ReplyStarted (ReplyText | SynthesisStarted | Speech | Spoken)… (ReplyEnded | ReplyInterrupted)

What a reply emits where the model calls functions is in `voicepipe.functions`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from voicepipe.functions import (
    FunctionCall,
    FunctionCalled,
    FunctionCallWritten,
    FunctionDelayed,
    FunctionReturned,
    Generation,
)

if TYPE_CHECKING:
    from voicepipe.conversation import Conversation

__all__ = [
    "AnswerLimited",
    "Aside",
    "Audio",
    "AudioHeld",
    "AudioReceived",
    "ClientMessage",
    "Event",
    "Flush",
    "FunctionCall",
    "FunctionCallWritten",
    "FunctionCalled",
    "FunctionDelayed",
    "FunctionReturned",
    "Generation",
    "HungUp",
    "InputCleared",
    "InputCommitted",
    "InputRejected",
    "ItemCreated",
    "ItemDeleted",
    "ItemRequested",
    "ItemTruncated",
    "Overflowed",
    "Pause",
    "ReplyCancelled",
    "ReplyEnded",
    "ReplyInterrupted",
    "ReplyRequested",
    "ReplyStarted",
    "ReplyText",
    "Samples",
    "SessionOpened",
    "SettingsChanged",
    "Speech",
    "SpeechEncoded",
    "SpeechStarted",
    "SpeechStopped",
    "Spoken",
    "StageFailed",
    "SynthesisEnded",
    "SynthesisStarted",
    "Transcribed",
    "TurnConfirmed",
    "TurnEnded",
    "TurnMeasured",
    "TurnStarted",
    "TurnTaking",
    "Voice",
    "Warned",
    "Word",
    "Written",
]

Samples: TypeAlias = NDArray[np.float32]
"""Mono sound: float32, shape (n,), in [-1, 1]."""


@dataclass(frozen=True, slots=True, eq=False)
class Audio:
    """A stretch of sound. Two are equal when rate and every sample are."""

    samples: Samples
    rate_hz: int

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.rate_hz

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Audio) and self.rate_hz == other.rate_hz and np.array_equal(self.samples, other.samples)
        )

    def __hash__(self) -> int:
        return hash((self.rate_hz, len(self.samples)))

    def __repr__(self) -> str:
        return f"Audio({self.duration_s * 1000:g} ms, {self.rate_hz} Hz)"


# ---- from the client ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AudioReceived:
    """A packet of the microphone, still encoded as the session's codec says."""

    data: bytes
    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class AudioHeld:
    """More of the microphone's sound is here, but far ahead of real time: it waits until what came before is heard.

    Until the next `AudioReceived` the client is not silent, though nothing comes.
    """


@dataclass(frozen=True, slots=True)
class TurnTaking:
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
class SettingsChanged:
    """The client set how the bot behaves. Stages see it from their next turn on.

    `system_prompt` None: the client gave no instructions; the bot goes on with what it had. `turns` None: turns are
    taken as the pipeline has it, the bot opens, breaks silences and hangs up; else the client leads. `aloud` False: the
    bot answers in writing. `generation` is how the model shall answer, with the client's functions that it may call.
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


@dataclass(frozen=True, slots=True)
class InputCommitted:
    """The user's turn is over: the client says so.

    `item` is the client's name for what was said since the last turn; without one it is the detector's turn that ends.
    `at_s` is its place in the user's audio, where `listen` has noted it; it does not count when two are compared.
    """

    item: str = ""
    at_s: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class InputCleared:
    """What was said since the last turn shall be forgotten. `at_s` as in `InputCommitted`."""

    at_s: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class ItemCreated:
    """The client wrote a message into the talk, behind the item `after` ("": at its beginning; None: at its end).

    With `call`, it is a call of the assistant's, without a text, or, from a "tool", what that call gave.
    """

    item: str
    role: Literal["user", "assistant", "system", "tool"]
    text: str
    after: str | None = None
    call: FunctionCall | None = None


@dataclass(frozen=True, slots=True)
class ItemDeleted:
    """The client took a message out of the conversation."""

    item: str


@dataclass(frozen=True, slots=True)
class ItemTruncated:
    """The user has heard `audio_end_ms` of the sound of a reply, and will hear no more of it."""

    item: str
    audio_end_ms: float


@dataclass(frozen=True, slots=True)
class ItemRequested:
    """The client wants to see a message as it is now; no stage need know."""

    item: str


@dataclass(frozen=True, slots=True)
class ReplyRequested:
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
class ReplyCancelled:
    """The client wants the bot to stop; or that the reply `item` beside the conversation ends."""

    item: str = ""


@dataclass(frozen=True, slots=True)
class InputRejected:
    """Something the client sent could not be understood. The session goes on without it."""

    code: str
    message: str
    param: str | None = None
    message_id: str | None = None


# ---- heard ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Voice:
    """How surely a frame that ends at `at_s` is speech (a VAD's output, one per frame)."""

    probability: float
    at_s: float


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Sound became speech at `at_s`, which was noticed when the audio had come to `noticed_s`."""

    at_s: float
    noticed_s: float


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """Speech fell silent; `at_s` is its last loud moment, noticed when the audio had come to `noticed_s`."""

    at_s: float
    noticed_s: float


@dataclass(frozen=True, slots=True)
class Pause:
    """How surely the user has finished, as of `at_s`: 0 while they speak, 1 when nobody expects more."""

    probability: float
    at_s: float


@dataclass(frozen=True, slots=True)
class Word:
    """A word was recognised."""

    text: str
    start_s: float
    stop_s: float


@dataclass(frozen=True, slots=True)
class Transcribed:
    """Every word said before `until_s` has been emitted.

    `text` is how all words since the last `Transcribed` read now that the whole was heard: a recogniser may know better
    than when it let the first of them out. None: as they were emitted.
    """

    until_s: float
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Flush:
    """To a recogniser: the user has paused at `at_s`; give the words up to there as soon as you can."""

    at_s: float


# ---- turns ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """The user took the floor: their voice was heard, words may follow or not (a cough, an echo).

    `item` names the turn's message in the conversation, here and in `TurnEnded`, for who wants to refer to it; it does
    not count when two are compared.
    """

    at_s: float
    item: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class TurnConfirmed:
    """The first word of the turn was recognised: this is speech."""

    at_s: float


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The user gave the floor back. `text` is empty when no word was recognised; `at_s` is the last loud moment.

    `committed`: the client has ended the turn, and will ask for a reply itself if it wants one.
    """

    text: str
    at_s: float
    item: str = field(default="", compare=False, repr=False)
    committed: bool = False


# ---- reply ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReplyStarted:
    """The bot took the floor, answering `conversation`. `item` names the message that the reply becomes."""

    conversation: Conversation
    item: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ReplyText:
    """The LLM said it. A word carries its leading space, so that deltas concatenate to the text."""

    delta: str


@dataclass(frozen=True, slots=True)
class SynthesisStarted:
    """The TTS has enough text to begin to speak: `text` is its first (or next) piece."""

    text: str


@dataclass(frozen=True, slots=True)
class SynthesisEnded:
    """The piece has been made into `duration_s` of sound."""

    duration_s: float


@dataclass(frozen=True, slots=True)
class Speech:
    """The next stretch of the bot's voice."""

    audio: Audio


@dataclass(frozen=True, slots=True)
class Spoken:
    """A word whose sound has been released (before `in_real_time`: whose sound has been made)."""

    word: str
    start_s: float
    stop_s: float


@dataclass(frozen=True, slots=True)
class Written:
    """The next piece of a reply that is not spoken; deltas concatenate to its text."""

    delta: str


@dataclass(frozen=True, slots=True)
class AnswerLimited:
    """The model has stopped because it may say no more (`Generation.max_tokens`), not because it was done."""


@dataclass(frozen=True, slots=True)
class ReplyInterrupted:
    """The user cut the reply short; `heard_text` is what they had heard of it."""

    heard_text: str
    conversation: Conversation


@dataclass(frozen=True, slots=True)
class ReplyEnded:
    """The last of the reply has been played; `text` is what was said."""

    text: str
    conversation: Conversation


@dataclass(frozen=True, slots=True)
class Aside:
    """Something happened in the reply `item`, which is written beside the conversation and takes nobody's floor."""

    item: str
    event: Event


# ---- the session ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SessionOpened:
    """A client that waits to be greeted is connected."""

    session_id: str


@dataclass(frozen=True, slots=True)
class StageFailed:
    """A stage raised `error`. The turn has ended; the session only when `fatal`."""

    stage: str
    error: Exception
    fatal: bool = False


@dataclass(frozen=True, slots=True)
class Overflowed:
    """A boundary was full and let go of `lost_ms` of audio, by its policy."""

    boundary: str
    lost_ms: float


@dataclass(frozen=True, slots=True)
class Warned:
    """Something the user should know, in a sentence they understand; the session goes on."""

    message: str


@dataclass(frozen=True, slots=True)
class TurnMeasured:
    """Voice to voice of one turn: from the user's last loud sample to the first sample released, and where it went.

    `parts_ms` is in the order in which time passed; the parts sum to `total_ms`.
    """

    total_ms: float
    parts_ms: dict[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class SpeechEncoded:
    """`Speech` as the session's codec writes it."""

    data: bytes
    duration_ms: float


@dataclass(frozen=True, slots=True)
class HungUp:
    """The bot ended the conversation."""

    reason: str


ClientMessage: TypeAlias = (
    AudioReceived
    | AudioHeld
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

Event: TypeAlias = Any
"""Any of the above. A pipeline may add its own: stages act on the events they know and pass the others on."""
