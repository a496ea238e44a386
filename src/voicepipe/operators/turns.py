"""`detect_turns`: the turns of what is heard."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import overload

from voicepipe.conversation import ItemId
from voicepipe.events import (
    ClientEvent,
    EchoEnded,
    EchoFound,
    Event,
    InputCleared,
    InputCommitted,
    ItemCreated,
    ItemDeleted,
    ItemTruncated,
    Pause,
    ReplyCancelled,
    ReplyRequested,
    SettingsChanged,
    SpeechStarted,
    SpeechStopped,
    Transcribed,
    TranscriptDrafted,
    TurnConfirmed,
    TurnEnded,
    TurnEvent,
    TurnPaused,
    TurnResumed,
    TurnStarted,
    TurnTaking,
    TurnTextChanged,
    TurnVoiceChanged,
    Unasked,
    WordRecognised,
)
from voicepipe.operators.acknowledgements import Acknowledgements
from voicepipe.operators.commits import Commits
from voicepipe.operators.turn_pauses import TurnPauses
from voicepipe.presets import Endpointing
from voicepipe.rx import transduce
from voicepipe.stage import Stage, stage_factory, takes_preset
from voicepipe.text.mid_sentence import goes_on

__all__ = ["detect_turns"]

_ROUNDING_S = 1e-6  # of a sum of steps


@overload
def detect_turns(endpointing: Endpointing, /) -> Stage[Event, TurnEvent | ClientEvent]: ...


@overload
def detect_turns(*, pause_above: float, resume_below: float) -> Stage[Event, TurnEvent | ClientEvent]: ...


@takes_preset(Endpointing)
@stage_factory(
    gives=(
        *(TurnStarted, TurnConfirmed, TurnTextChanged, TurnVoiceChanged, TurnPaused, TurnResumed, TurnEnded),
        SettingsChanged,
    )
)
def detect_turns(
    *,
    pause_above: float,
    resume_below: float,
    min_words: int = 1,
    acknowledgements: Collection[str] = frozenset(),
    unsure_below: float = -math.inf,
    unsure_words: int = 0,
    alike_within: float = 0.0,
    unsure_weight: float = 0.0,
    clause_openers: Collection[str] = frozenset(),
    open_ends: Collection[str] = frozenset(),
    scored_ms: float = math.inf,
) -> Stage[Event, TurnEvent | ClientEvent]:
    """Emit `TurnStarted` when the user is heard, `TurnConfirmed` at their first word, and `TurnEnded(text)` when they
    have finished: the pause is surer than `pause_above`, and every word said before it has been transcribed.

    The user's turn begins with a pause surer below `resume_below`, or from a word, whichever is first; between the two
    thresholds nothing changes, so that a wavering score does not flicker. A turn without a word ends with an empty
    text. `TurnPaused` says what the turn's text would be, when the recogniser has read up to a pause
    (`TranscriptDrafted`), and an end-of-turn model, if there is one, is not sure; `TurnResumed` or `TurnEnded`
    follows. Behind a text that stops in
    mid-sentence, whatever an end-of-turn model says of its sound, silence ends the
    turn (`Pause.bounded`). The text is made of the words, or of what `Transcribed` says they should read. What the
    client wants of the bot passes through, for `respond`; everything else is left behind.

    Where the client leads with turns of its own (`TurnTaking.by`), a turn is what was heard up to an `InputCommitted`,
    and ends when all before its place has been transcribed; what the client wants after it waits for that.
    `InputCleared` drops what was heard since the last turn.

    Args:
        pause_above: A pause that is surer than this ends the turn.
        resume_below: A pause that is less sure than this begins one, or lets it go on.
        min_words: A turn is confirmed by so many words that are no acknowledgement.
        acknowledgements: What a listener says without wanting to speak.
        unsure_below: A word is unsure if its `logprob` is below.
        unsure_words: So many words at most may be an acknowledgement that was misread.
        alike_within: They are, where their `resemblance` is one within so many nats.
        unsure_weight: And by so many for each nat by which the mean logarithm of their probabilities is below 0.
        clause_openers: Words that open a clause behind which another one follows.
        open_ends: Words behind which a sentence goes on.
        scored_ms: A recogniser that scores pauses all the time (Kyutai's) is sure of a voice when its score has been
            below `resume_below` for so long; `TurnVoiceChanged(sure=True)` then comes with every score.

    .. marbles::

        heard          p-w-w-P-t     p: Pause(0)   w: WordRecognised   P: Pause(0.9)   t: Transcribed up to P
        detect_turns   s-c-x---e     s: TurnStarted   c: TurnConfirmed   x: TurnTextChanged   e: TurnEnded("w w")
    """
    known = Acknowledgements(
        acknowledgements,
        unsure_below=unsure_below,
        unsure_words=unsure_words,
        alike_within=alike_within,
        unsure_weight=unsure_weight,
    )
    opened = partial(goes_on, openers=clause_openers, open_ends=open_ends)
    return transduce(lambda _: _Turn(pause_above, resume_below, min_words, known, opened, scored_ms / 1000))


class _Turn:
    """The turn that is on, and how far the sound has been transcribed."""

    def __init__(
        self,
        pause_above: float,
        resume_below: float,
        min_words: int,
        acknowledgements: Acknowledgements,
        goes_on: Callable[[str], bool],
        scored_s: float,
    ) -> None:
        self._goes_on, self._scored_s = goes_on, scored_s
        # Since when the score says that the user speaks on.
        self._low_since_s: float | None = None
        self._min_words, self._acknowledgements = min_words, acknowledgements
        self._pause_above, self._resume_below = pause_above, resume_below
        self._settled: list[str] = []
        self._words: list[str] = []
        # Each word of the turn as it was recognised: how sure the recogniser is of it.
        self._said: list[WordRecognised] = []
        self._talking = self._told = self._confirmed = False
        self._paused_at: float | None = None
        self._pauses = TurnPauses()
        # Whether silence ends the turn, if the words so far leave a sentence open.
        self._bounded = False
        self._transcribed_s = self._began_s = 0.0
        self._turns = 0
        self._commits = Commits()

    def __call__(self, event: Event) -> Iterator[TurnEvent | ClientEvent]:
        match event:
            case WordRecognised():
                yield from self._hear(event)
            case Pause():
                yield from self._weigh(event)
            case Transcribed():
                self._settle(event)
                yield from self._end_if_done()
            case SpeechStarted() | SpeechStopped():
                yield from self._voice_changed(event)
            case TranscriptDrafted():
                self._pauses.drafted(event)
                yield from self._pause()
            case TurnTaking(by=by):
                self._commits.by_client = by == "client"
                self._pauses.taken(event)
            case SettingsChanged():
                yield event  # first, so that the turn's end has the effect that the client now wants
                yield from self._hand_over()
            case EchoFound() | EchoEnded() | Unasked():
                yield event
            case InputCommitted() | InputCleared():
                self._commits.told(event)
                yield from self._end_if_done()
            case ItemCreated() | ItemDeleted() | ItemTruncated() | ReplyRequested() | ReplyCancelled():
                yield from self._commits.behind(event)
            case _:
                pass

    def _hear(self, word: WordRecognised) -> Iterator[TurnEvent | ClientEvent]:
        yield from self._start(word.start_s)
        self._words.append(word.text)
        self._said.append(word)
        if not self._confirmed and not self._commits.by_client and self._wants_to_speak:
            self._confirmed = True
            yield TurnConfirmed(word.start_s, self._text)
        elif self._confirmed:
            yield TurnTextChanged(self._text)
        elif self._is_unconfirmed:
            yield TurnVoiceChanged(True, word.stop_s, acknowledges=True)

    @property
    def _wants_to_speak(self) -> bool:
        text = self._text
        return len(text.split()) >= self._min_words and not self._acknowledgements.may_match(text, self._said)

    @property
    def _text(self) -> str:
        return " ".join(filter(None, [*self._settled, *self._words]))

    def _settle(self, transcribed: Transcribed) -> None:
        self._transcribed_s = max(self._transcribed_s, transcribed.until_s)
        self._settled += self._words if transcribed.text is None else [transcribed.text]
        self._words = []

    def _weigh(self, pause: Pause) -> Iterator[TurnEvent | ClientEvent]:
        self._pauses.judged(pause)
        if pause.probability < self._resume_below:
            self._paused_at = None
            yield from self._start(pause.at_s, goes_on=pause.goes_on)
            yield from self._score(pause.at_s)
            yield from self._pause()
            return
        self._low_since_s = None
        if pause.probability > self._pause_above and self._talking:
            self._paused_at, self._bounded = pause.at_s, pause.bounded
            yield from self._end_if_done()
        yield from self._pause()

    def _voice_changed(self, event: SpeechStarted | SpeechStopped) -> Iterator[TurnEvent]:
        self._low_since_s = None
        if self._is_unconfirmed:
            yield TurnVoiceChanged(isinstance(event, SpeechStarted), event.at_s)
        resumes = self._pauses.told
        self._pauses.voice_changed(event)
        if resumes:
            yield TurnResumed(event.at_s)

    def _pause(self) -> Iterator[TurnEvent]:
        """Say that the turn may end here, once, if that is open when the words are there, and the model has judged."""
        if (draft := self._pauses.draft) is None or not self._told:
            return
        text = " ".join(filter(None, [*self._settled, draft.text]))
        if not self._will_end(text):
            acknowledgement = not self._confirmed and self._acknowledgements.matches(text, [*self._said, *draft.words])
            self._pauses.told = True
            yield TurnPaused(text, draft.until_s, self._item, acknowledgement=acknowledgement)

    def _score(self, at_s: float) -> Iterator[TurnEvent]:
        """Say that the voice is sure to be speech, where the recogniser's scores have said so for a while."""
        if self._low_since_s is None:
            self._low_since_s = at_s
        elif at_s - self._low_since_s > self._scored_s - _ROUNDING_S and self._is_unconfirmed:
            yield TurnVoiceChanged(True, at_s, sure=True)

    @property
    def _is_unconfirmed(self) -> bool:
        return self._talking and self._told and not self._confirmed

    def _start(self, at_s: float, *, goes_on: bool = False) -> Iterator[TurnEvent | ClientEvent]:
        if not self._talking:
            self._talking = True
            self._turns += 1
        if not self._told and not self._commits.by_client:
            self._told, self._began_s = True, at_s
            yield TurnStarted(at_s, self._item, goes_on)

    def _hand_over(self) -> Iterator[TurnEvent]:
        """End the turn that has been told of, where the client ends turns from now on: the words wait for its commit,
        or for the next turn that is detected."""
        if self._told and self._commits.by_client:
            item, self._told, self._confirmed, self._pauses.told = self._item, False, False, False
            self._turns += 1
            yield TurnEnded("", max(self._began_s, self._transcribed_s), item)

    @property
    def _item(self) -> ItemId:
        return ItemId(f"turn{self._turns}")

    @property
    def _is_heard(self) -> bool:
        """Return whether every word is there that was said before the pause."""
        return self._paused_at is not None and self._transcribed_s >= self._paused_at

    def _will_end(self, text: str) -> bool:
        """Return whether the turn is to end when all before the pause is there, with this text."""
        return self._paused_at is not None and not (self._bounded and self._goes_on(text))

    def _is_all_heard(self, until_s: float | None) -> bool:
        """Return whether every earlier word is there; for a word without a known place, every word before the last
        pause."""
        if until_s is None:
            return self._is_heard or not self._talking
        return self._transcribed_s >= until_s

    def _end_if_done(self) -> Iterator[TurnEvent | ClientEvent]:
        commits = self._commits
        if commits.waiting and self._is_all_heard(commits.at_s):
            detected = self._item if self._told else None
            text, at_s = self._taken()
            yield from commits.ended(text, at_s, detected)
            yield from self._end_if_done()
        elif self._is_heard and not commits.by_client and self._will_end(self._text):
            confirmed, began_s, said = self._confirmed, self._paused_at, self._said
            yield from self._start(self._transcribed_s if began_s is None else began_s)
            text, at_s = self._taken()
            acknowledgement = self._acknowledgements.matches(text, said)
            if text and not confirmed and not acknowledgement:
                yield TurnConfirmed(at_s if began_s is None else began_s, text)
            yield TurnEnded(text, at_s, self._item, acknowledgement=acknowledgement and not confirmed)

    def _taken(self) -> tuple[str, float]:
        """Return the words of the turn and its end; the next turn begins empty."""
        text, at_s = self._text, self._paused_at
        self._settled, self._words, self._said, self._paused_at = [], [], [], None
        self._talking = self._told = self._confirmed = self._pauses.told = False
        return text, self._transcribed_s if at_s is None else at_s
