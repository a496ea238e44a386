"""The vocabulary: every fact that flows through a pipeline.

Events are small, frozen, past-tense facts. Units stand in the field names. Two clocks exist, and a field is on one
of them: times of *heard* and *turn* events (`at_s`, `start_s`, `stop_s`, `until_s`) are seconds of the user's audio
since the session began; times of *reply* events (`Spoken.start_s`, `stop_s`) are seconds of the reply's audio since
its first sample.

A reply and a turn, in order, as the default pipeline emits them::

    SpeechStarted Word… SpeechStopped Pause Transcribed          what was heard
    TurnStarted TurnConfirmed TurnEnded                          whose turn it is
    ReplyStarted (ReplyText | SynthesisStarted | Speech | Spoken)… (ReplyEnded | ReplyInterrupted)

Where the model calls functions, what comes between is in `voicepipe.events.functions`.
"""

from voicepipe.conversation.character import CharacterLines
from voicepipe.conversation.functions import Function, FunctionCall, Generation
from voicepipe.conversation.message import Spoken
from voicepipe.events.base import (
    ClientEvent,
    Event,
    TurnEvent,
    Unpaced,
    Unspoken,
)
from voicepipe.events.client import (
    AudioHeld,
    AudioReceived,
    ClientMessage,
    InputCleared,
    InputCommitted,
    InputRejected,
    ItemCreated,
    ItemDeleted,
    ItemRequested,
    ItemTruncated,
    ReplyCancelled,
    ReplyRequested,
    SettingsChanged,
    TurnTaking,
)
from voicepipe.events.fold import fold
from voicepipe.events.functions import FunctionCalled, FunctionCallWritten, FunctionDelayed, FunctionReturned
from voicepipe.events.heard import (
    Flush,
    Pause,
    SpeechStarted,
    SpeechStopped,
    Transcribed,
    TurnConfirmed,
    TurnEnded,
    TurnStarted,
    Voice,
    Word,
)
from voicepipe.events.reply import (
    AnswerLimited,
    Aside,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    ReplyText,
    Speech,
    SynthesisEnded,
    SynthesisStarted,
    Written,
)
from voicepipe.events.session import (
    HungUp,
    Overflowed,
    SessionOpened,
    SpeechEncoded,
    StageFailed,
    TurnMeasured,
    Warned,
)
from voicepipe.events.sound import (
    Audio,
    Samples,
)

__all__ = [
    "AnswerLimited",
    "Aside",
    "Audio",
    "AudioHeld",
    "AudioReceived",
    "CharacterLines",
    "ClientEvent",
    "ClientMessage",
    "Event",
    "Flush",
    "Function",
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
    "TurnEvent",
    "TurnMeasured",
    "TurnStarted",
    "TurnTaking",
    "Unpaced",
    "Unspoken",
    "Voice",
    "Warned",
    "Word",
    "Written",
    "fold",
]
