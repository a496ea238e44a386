"""Events of the reply: what the bot says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from voicepipe.conversation.message import NO_ITEM, ItemId
from voicepipe.events.base import Event, Unpaced, Unspoken
from voicepipe.events.sound import Audio
from voicepipe.events.unasked import Unasked

if TYPE_CHECKING:
    from voicepipe.conversation import Conversation

__all__ = [
    "AgentChanged",
    "MaxTokensReached",
    "OutOfBandResponse",
    "ReplyAudio",
    "ReplyDelayed",
    "ReplyEnded",
    "ReplyInterrupted",
    "ReplyStarted",
    "ReplyText",
    "ReplyTextWritten",
    "SpeculationEnded",
    "SynthesisEnded",
    "SynthesisStarted",
    "TokensCounted",
    "WordSpoken",
]


@dataclass(frozen=True, slots=True)
class ReplyStarted(Event):
    """The bot's reply to `conversation` began.

    `item` is the id of the message that the reply becomes. `unasked` is what the pipeline wanted; None for a reply to
    the user, or one that the client has asked for.
    """

    conversation: Conversation
    item: ItemId = field(default=NO_ITEM, compare=False, repr=False)
    unasked: Unasked | None = None


@dataclass(frozen=True, slots=True)
class ReplyText(Event, Unspoken):
    """A piece of the LLM's text. A word carries its leading space, so that pieces concatenate to the text.

    `line_breaks` is how many line breaks the white space before it stands for; it does not count in comparisons.
    """

    delta: str
    line_breaks: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class SynthesisStarted(Event):
    """The TTS has enough text to start: `text` is its first (or next) piece."""

    text: str


@dataclass(frozen=True, slots=True)
class SynthesisEnded(Event):
    """The TTS has made the piece into `duration_s` of sound."""

    duration_s: float


@dataclass(frozen=True, slots=True)
class WordSpoken(Event):
    """A word began to be heard (before `pace`: the TTS has made its sound).

    The word is as it is written, with its punctuation. `glued`: no space stands before it, as in Japanese. A word that
    has no sound of its own (an emoji, a mark) shares the time of a neighbour.
    """

    word: str
    start_s: float
    stop_s: float
    glued: bool = field(default=False, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ReplyAudio(Unpaced):
    """The next piece of the bot's sound. Not an `Event`: `encode` makes `SpeechEncoded` of it."""

    audio: Audio


@dataclass(frozen=True, slots=True)
class ReplyTextWritten(Event):
    """The next piece of a text-only reply; pieces concatenate to its text."""

    delta: str


@dataclass(frozen=True, slots=True)
class MaxTokensReached(Event):
    """The model stopped at the limit `Generation.max_tokens` before it had finished."""


@dataclass(frozen=True, slots=True)
class TokensCounted(Event):
    """The tokens of one request to the language model, as its service or its own tokenizer counts them.

    `read` is the prompt's, of which `cached` had been read before; `written` is the answer's, with its reasoning and
    its function calls. A reply has one for each request: with functions of the pipeline's own, several. A text that no
    model wrote has cost none.
    """

    read: int
    written: int
    cached: int = 0


@dataclass(frozen=True, slots=True)
class ReplyDelayed(Event):
    """The model has not answered after `after_s`; the text before this event is a filler."""

    after_s: float


@dataclass(frozen=True, slots=True)
class AgentChanged(Event):
    """Another agent has taken over the conversation (see `voicepipe.operators.with_agents`): the text of the reply
    behind this event is its own. `voice` "" is the session's voice."""

    agent: str
    voice: str = ""


@dataclass(frozen=True, slots=True)
class SpeculationEnded(Event):
    """A reply that was begun at a pause, before the turn had ended, was used, or thrown away (see
    `voicepipe.operators.speculate`).

    `tokens` are those of its requests, where it was thrown away after the model had counted them. In a reply that was
    used they come as those of any other reply.
    """

    used: bool
    tokens: tuple[TokensCounted, ...] = ()


@dataclass(frozen=True, slots=True)
class ReplyInterrupted(Event):
    """The user interrupted the reply; `heard_text` is what they heard of it."""

    heard_text: str
    conversation: Conversation


@dataclass(frozen=True, slots=True)
class ReplyEnded(Event):
    """The reply was played to its end; `text` is what was said."""

    text: str
    conversation: Conversation


@dataclass(frozen=True, slots=True)
class OutOfBandResponse(Event):
    """An event of the out-of-band response `item`, which is outside the conversation and takes no turn."""

    item: ItemId
    event: ReplyAudio | Event
