"""`KyutaiTtsSession`: one reply, words in, sound and the times of its words out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from voicepipe.boundary.overflow import BoundaryFull
from voicepipe.events import (
    Audio,
    Event,
    ReplyAudio,
    ReplyText,
    SynthesisEnded,
    SynthesisStarted,
    TextNotSpoken,
    Warned,
    WordSpoken,
)
from voicepipe.operators.words import as_words
from voicepipe.rx import Clock
from voicepipe.services import ConnectionLost, ServiceError, ServiceObserver
from voicepipe.text.reading import Reader, Reading, Unit
from voicepipe.text.words import has_letters, shows_something
from voicepipe.tts.kyutai.protocol import EOS, RATE_HZ, Sound, WordSaid, decode, encode_text
from voicepipe.tts.word_times import WordTracker

__all__ = ["KyutaiTtsSession", "TtsOptions"]

LOOKAHEAD = 4
"""Words that the model may read ahead: this many unspoken words are no silence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TtsOptions:
    """Options of the synthesiser.

    Up to `capacity` words wait to be sent: one more fails the turn, because text is never dropped. A synthesiser that
    has text and sends nothing for `silent_s` counts as lost. A reply of which nothing was said yet gets `retries` on
    other connections. `reading` is how text is read: it is sent as it is said, and reported as it is written.
    """

    capacity: int
    silent_s: float
    retries: int
    reading: Reading = field(default_factory=Reading)


class KyutaiTtsSession:
    """The protocol of the synthesiser for one reply: see `voicepipe.services.ServiceProtocol`."""

    def __init__(self, clock: Clock, speaking: TtsOptions, service: str, observer: ServiceObserver) -> None:
        self._clock, self._speaking, self._service, self._observer = clock, speaking, service, observer
        self._reader = Reader(speaking.reading)
        # All words to be said, as they are sent, and as they are written.
        self._words: list[str] = []
        self._written = WordTracker()
        self._started = self._warned = False
        self._sent = 0
        self._finished = self._eos_sent = False
        self._said: list[str] = []
        # Words before their sound: without it they were not spoken, and may be said again.
        self._held: list[WordSpoken] = []
        self._made_s = 0.0
        self._retries = speaking.retries
        self._asked_s: float | None = None
        self._active_s = clock()
        self.done = False

    # ---- the graph's side -------------------------------------------------------------------------------------------

    def put(self, item: Event) -> Sequence[Event]:
        if not isinstance(item, ReplyText):
            return [item]
        units = [unit for word in as_words(item) for unit in self._reader(word)]
        if any(has_letters(unit.spoken) for unit in units) and len(self._words) - self._sent >= self._speaking.capacity:
            raise BoundaryFull(self._service, self._speaking.capacity)
        return [item, *self._take(units)]

    def _take(self, units: Sequence[Unit]) -> Sequence[Event]:
        """Queue what is said; return the events that follow."""
        events: list[Event] = []
        for unit in units:
            said = unit.spoken if has_letters(unit.spoken) else ""
            self._written.add(unit._replace(spoken=said))
            glued = not self._words or unit.words[0].glued
            self._words += [word if glued and not at else f" {word}" for at, word in enumerate(said.split())]
            if said and not self._started:
                self._started = True
                events.append(SynthesisStarted(said))
            if unit.unsayable and not self._warned:
                self._warned = True
                events.append(TextNotSpoken.of(" ".join(word.text for word in unit.words)))
        return events

    def finish(self) -> Sequence[Event]:
        events = self._take(list(self._reader.rest()))
        self._finished = True
        self.done = not self._words
        shown = [word for word in self._written.rest() if shows_something(word.word)] if self.done else []
        return [*events, *shown]

    # ---- the connection ---------------------------------------------------------------------------------------------

    def opened(self) -> None:
        self._sent, self._eos_sent = 0, False
        self._said.clear()
        self._held.clear()
        self._written.restart()
        self._asked_s = None
        self._active_s = self._clock()

    def outgoing(self) -> bytes | None:
        if self._sent < len(self._words):
            self._sent += 1
            self._asked()
            self._observer.sent(1)
            return encode_text(self._words[self._sent - 1])
        if self._finished and not self._eos_sent:
            self._eos_sent = True
            self._active_s = self._clock()
            return EOS
        return None

    def _asked(self) -> None:
        self._active_s = self._clock()
        self._asked_s = self._active_s if self._asked_s is None else self._asked_s

    def received(self, message: bytes) -> Sequence[ReplyAudio | Event]:
        self._active_s = self._clock()
        match decode(message, service=self._service):
            case WordSaid(text=text, start_s=start_s, stop_s=stop_s) if text.strip():
                self._said += text.split()
                self._held += self._written.said(text, start_s, stop_s)
                return self._release() if self._made_s else ()
            case Sound(samples=samples):
                return self._sound(Audio(samples, RATE_HZ))
            case _:
                return ()

    def _sound(self, audio: Audio) -> Sequence[ReplyAudio | Event]:
        self._observer.received(1)
        if not self._made_s and self._asked_s is not None:
            self._observer.first_item(self._clock() - self._asked_s)
        self._made_s += audio.duration_s
        return [*self._release(), ReplyAudio(audio)]

    def _release(self) -> Sequence[Event]:
        words, self._held = self._held, []
        return words

    def closed(self) -> Sequence[Event]:
        if not self._eos_sent or self._left_out:
            raise ConnectionLost(self._service, "it ended before it had finished")
        self.done = True
        if self._asked_s is not None:
            self._observer.generated(self._made_s, self._clock() - self._asked_s)
        return [*self._release(), *self._written.rest(), SynthesisEnded(self._made_s)]

    def lost(self, error: ServiceError) -> Sequence[Event]:
        if self._made_s or not self._retries:
            raise error
        self._retries -= 1
        return [Warned(f"{error.user_message} Trying another one.")]

    def cut(self) -> None:
        if self._words:
            self._observer.interrupted()

    # ---- what is owed -----------------------------------------------------------------------------------------------

    @property
    def _left_out(self) -> bool:
        """Return whether the last words were not said. A server may count words differently: the last one decides,
        too."""
        sent = [word for text in self._words for word in text.split() if _letters(word)]
        said = [word for word in self._said if _letters(word)]
        return len(said) < len(sent) and (not said or _letters(said[-1]) != _letters(sent[-1]))

    @property
    def overdue_at(self) -> float | None:
        ahead = self._sent - len(self._said)
        owes = self._asked_s is not None and (self._eos_sent or ahead > LOOKAHEAD)
        return self._active_s + self._speaking.silent_s if owes else None

    @property
    def stale(self) -> bool:
        return False


def _letters(word: str) -> str:
    return "".join(filter(str.isalnum, word)).lower()
