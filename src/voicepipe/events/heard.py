"""Events of the user's side: speech, words, and turns."""

from __future__ import annotations

from dataclasses import dataclass, field

from voicepipe.conversation.message import NO_ITEM, ItemId
from voicepipe.events.base import Event, TurnEvent

__all__ = [
    "EchoEnded",
    "EchoFound",
    "FlushRequested",
    "Pause",
    "SpeechProbability",
    "SpeechStarted",
    "SpeechStopped",
    "TokenLogprob",
    "Transcribed",
    "TranscriptDrafted",
    "TurnConfirmed",
    "TurnEnded",
    "TurnJudged",
    "TurnPaused",
    "TurnResumed",
    "TurnStarted",
    "TurnTextChanged",
    "TurnVoiceChanged",
    "WordRecognised",
]


@dataclass(frozen=True, slots=True)
class SpeechProbability(Event):
    """The probability that a frame that ends at `at_s` is speech (a VAD's output, one per frame)."""

    probability: float
    at_s: float


@dataclass(frozen=True, slots=True)
class SpeechStarted(Event):
    """Speech began at `at_s`; the VAD noticed it at `noticed_s` of the audio."""

    at_s: float
    noticed_s: float


@dataclass(frozen=True, slots=True)
class SpeechStopped(Event):
    """Speech ended; `at_s` is its last loud moment, and the VAD noticed it at `noticed_s` of the audio.

    `voiced_s` is how much voice the VAD found in it: the seconds of its frames, each times `2p - 1` for a probability
    `p` above 0.5, so that a frame of which the VAD is sure counts whole. None: the recogniser has no VAD.
    """

    at_s: float
    noticed_s: float
    voiced_s: float | None = None


@dataclass(frozen=True, slots=True)
class Pause(Event):
    """The probability that the user has finished, at `at_s`: 0 while they speak, 1 when no more is expected.

    `goes_on`: it is 0 for a voice that has ended a turn by its length, and has not paused since. `bounded`: it is the
    answer of an end-of-turn model, and `Pause(1)` follows if the silence lasts; it does not count in comparisons.
    """

    probability: float
    at_s: float
    goes_on: bool = False
    bounded: bool = field(default=False, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Resemblance:
    """The likeliest of some phrases for a short clip, asked of the recogniser beside its text.

    Args:
        phrase: as the recogniser spells it; empty: none is likelier than `nats`
        nats: how much likelier it is than the text, as a natural logarithm: below 0 less, 0 where it is the text
    """

    phrase: str
    nats: float


@dataclass(frozen=True, slots=True)
class WordRecognised(Event):
    """The STT recognised a word.

    `logprob` is how sure it is: the mean natural logarithm of the probabilities of its tokens, or of those of its clip.
    `resemblance` is that of its clip, if that is short. None: not known. They do not count in comparisons.
    """

    text: str
    start_s: float
    stop_s: float
    logprob: float | None = field(default=None, compare=False, repr=False)
    resemblance: Resemblance | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A piece of text as a recogniser has written it, with the natural logarithm of its probability."""

    text: str
    logprob: float


@dataclass(frozen=True, slots=True)
class Transcribed(Event):
    """Every word said before `until_s` has been emitted.

    `text` is the text of all words since the last `Transcribed` after a look at the whole: it may differ from the words
    that were emitted. None: it is the emitted words. `logprobs` are the tokens of that text, where the recogniser has
    their probabilities; they do not count in comparisons.
    """

    until_s: float
    text: str | None = None
    logprobs: tuple[TokenLogprob, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class TranscriptDrafted(Event):
    """The recogniser has read the sound up to a pause: what `Transcribed` will say if the user has finished.

    `text` is the text of all words since the last `Transcribed`, and `words` are those of them that have not been
    emitted. No word of it is final: if the user goes on, the sound is read again.
    """

    until_s: float
    text: str
    words: tuple[WordRecognised, ...] = ()


@dataclass(frozen=True, slots=True)
class FlushRequested(Event):
    """A request to the STT: the user paused at `at_s`; emit the words up to there as soon as possible."""

    at_s: float


# ---- turns -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TurnStarted(TurnEvent):
    """The user's turn began: a voice was heard. Words may follow or not (a cough, an echo).

    `item` is the id of the turn's message in the conversation, here and in `TurnEnded`. It does not count in
    comparisons.
    """

    at_s: float
    item: ItemId = field(default=NO_ITEM, compare=False, repr=False)
    goes_on: bool = False
    """Its voice has ended the turn before by its length: it stops no reply without a word."""


@dataclass(frozen=True, slots=True)
class TurnConfirmed(TurnEvent):
    """The turn has a word that is no acknowledgement ("mhm", "okay"): the user wants to speak.

    `text` is what was said so far. It does not count in comparisons.
    """

    at_s: float
    text: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class TurnTextChanged(TurnEvent):
    """A confirmed turn has another word; `text` is what was said so far."""

    text: str


@dataclass(frozen=True, slots=True)
class TurnVoiceChanged(TurnEvent):
    """The voice of a turn that is not confirmed yet has stopped, or goes on after that.

    `sure`: a recogniser that scores pauses itself has scored the voice as speech for a while. `acknowledges`: it has
    said one more word of what may be an acknowledgement.
    """

    speaking: bool
    at_s: float
    sure: bool = False
    acknowledges: bool = False


@dataclass(frozen=True, slots=True)
class TurnPaused(TurnEvent):
    """The user has paused, and may have finished: it is not decided yet. `TurnResumed` or `TurnEnded` follows.

    Its fields are those that `TurnEnded` will have if nothing else is heard.
    """

    text: str
    at_s: float
    item: ItemId = field(default=NO_ITEM, compare=False, repr=False)
    acknowledgement: bool = False


@dataclass(frozen=True, slots=True)
class TurnResumed(TurnEvent):
    """The user speaks on after a `TurnPaused`, from `at_s`."""

    at_s: float


@dataclass(frozen=True, slots=True)
class TurnEnded(TurnEvent):
    """The user's turn ended. `text` is empty if no word was recognised; `at_s` is the last loud moment.

    `committed`: the client ended the turn, and requests a reply itself if it wants one. `acknowledgement`: all its
    words are such ("mhm", "okay"), or few, and the recogniser is unsure of them; over a reply that is no turn, as
    `TurnJudged` then says. `text_follows`: the turn has words that are not known yet, and a second event, `committed`,
    has them, perhaps when the reply has begun.
    """

    text: str
    at_s: float
    item: ItemId = field(default=NO_ITEM, compare=False, repr=False)
    committed: bool = False
    acknowledgement: bool = False
    text_follows: bool = False


@dataclass(frozen=True, slots=True)
class EchoFound(TurnEvent):
    """The bot's voice is in the microphone's sound, up to here. `cancel_echo` removes it from now on."""


@dataclass(frozen=True, slots=True)
class EchoEnded(TurnEvent):
    """The bot's voice does not come back into the microphone any more: the user has put on headphones."""


@dataclass(frozen=True, slots=True)
class TurnJudged(TurnEvent):
    """The verdict on a turn that began over a reply, or that is an acknowledgement.

    An acknowledgement over a reply does not count, unless the bot has just asked something; neither does the bot's own
    voice. A turn that does not count is not answered, and is not in the conversation. `text` is what counts; it does
    not count in comparisons.
    """

    item: ItemId
    counts: bool
    text: str = field(default="", compare=False)
