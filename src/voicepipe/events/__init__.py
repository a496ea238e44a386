"""The vocabulary: every fact that flows through a pipeline.

Events are small, frozen facts in the past tense. Field names contain their units. There are two clocks: times of
*heard* and *turn* events (`at_s`, `start_s`, `stop_s`, `until_s`) are seconds of the user's audio since the session
began; times of *reply* events (`WordSpoken.start_s`, `stop_s`) are seconds of the reply's audio since its first sample.


A turn and a reply, in order, as the default pipeline emits them::

    SpeechStarted WordRecognised… SpeechStopped Pause Transcribed          what was heard
    TurnStarted TurnConfirmed TurnEnded                          the user's turn
    ReplyStarted (ReplyText | SynthesisStarted | ReplyAudio | WordSpoken)… (ReplyEnded | ReplyInterrupted)

The events of function calls are in `voicepipe.events.functions`.
"""

from voicepipe.conversation.character import CharacterLines
from voicepipe.conversation.functions import Function, FunctionCall, Generation
from voicepipe.events.application import app_event
from voicepipe.events.base import (
    ClientEvent,
    Event,
    TurnEvent,
    Unpaced,
    Unspoken,
)
from voicepipe.events.client import (
    AudioDeferred,
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
from voicepipe.events.functions import (
    FunctionCalled,
    FunctionCallWritten,
    FunctionContinues,
    FunctionDelayed,
    FunctionReturned,
)
from voicepipe.events.heard import (
    EchoEnded,
    EchoFound,
    FlushRequested,
    Pause,
    Resemblance,
    SpeechProbability,
    SpeechStarted,
    SpeechStopped,
    TokenLogprob,
    Transcribed,
    TranscriptDrafted,
    TurnConfirmed,
    TurnEnded,
    TurnJudged,
    TurnPaused,
    TurnResumed,
    TurnStarted,
    TurnTextChanged,
    TurnVoiceChanged,
    WordRecognised,
)
from voicepipe.events.reply import (
    AgentChanged,
    MaxTokensReached,
    OutOfBandResponse,
    ReplyAudio,
    ReplyDelayed,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    ReplyText,
    ReplyTextWritten,
    SpeculationEnded,
    SynthesisEnded,
    SynthesisStarted,
    TokensCounted,
    WordSpoken,
)
from voicepipe.events.session import (
    ConversationEnded,
    Overflowed,
    SessionOpened,
    SpeechEncoded,
    StageFailed,
    TextNotSpoken,
    TurnMeasured,
    Warned,
)
from voicepipe.events.sound import (
    Audio,
    Samples,
)
from voicepipe.events.tool_servers import (
    ServerTool,
    ToolApprovalGiven,
    ToolListFailed,
    ToolListStarted,
    ToolsListed,
)
from voicepipe.events.unasked import GenerationRequested, HangUpRequested, SpeechRequested, Unasked

__all__ = [
    "AgentChanged",
    "Audio",
    "AudioDeferred",
    "AudioReceived",
    "CharacterLines",
    "ClientEvent",
    "ClientMessage",
    "ConversationEnded",
    "EchoEnded",
    "EchoFound",
    "Event",
    "FlushRequested",
    "Function",
    "FunctionCall",
    "FunctionCallWritten",
    "FunctionCalled",
    "FunctionContinues",
    "FunctionDelayed",
    "FunctionReturned",
    "Generation",
    "GenerationRequested",
    "HangUpRequested",
    "InputCleared",
    "InputCommitted",
    "InputRejected",
    "ItemCreated",
    "ItemDeleted",
    "ItemRequested",
    "ItemTruncated",
    "MaxTokensReached",
    "OutOfBandResponse",
    "Overflowed",
    "Pause",
    "ReplyAudio",
    "ReplyCancelled",
    "ReplyDelayed",
    "ReplyEnded",
    "ReplyInterrupted",
    "ReplyRequested",
    "ReplyStarted",
    "ReplyText",
    "ReplyTextWritten",
    "Resemblance",
    "Samples",
    "ServerTool",
    "SessionOpened",
    "SettingsChanged",
    "SpeculationEnded",
    "SpeechEncoded",
    "SpeechProbability",
    "SpeechRequested",
    "SpeechStarted",
    "SpeechStopped",
    "StageFailed",
    "SynthesisEnded",
    "SynthesisStarted",
    "TextNotSpoken",
    "TokenLogprob",
    "TokensCounted",
    "ToolApprovalGiven",
    "ToolListFailed",
    "ToolListStarted",
    "ToolsListed",
    "Transcribed",
    "TranscriptDrafted",
    "TurnConfirmed",
    "TurnEnded",
    "TurnEvent",
    "TurnJudged",
    "TurnMeasured",
    "TurnPaused",
    "TurnResumed",
    "TurnStarted",
    "TurnTaking",
    "TurnTextChanged",
    "TurnVoiceChanged",
    "Unasked",
    "Unpaced",
    "Unspoken",
    "Warned",
    "WordRecognised",
    "WordSpoken",
    "app_event",
    "fold",
]
