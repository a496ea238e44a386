"""`KyutaiSttSession`: sound in, words and pauses out, over any number of connections. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voicepipe.boundary.pending import PendingMark, PendingWork
from voicepipe.events import (
    Audio,
    Event,
    FlushRequested,
    Overflowed,
    Pause,
    Samples,
    SpeechStarted,
    SpeechStopped,
    Transcribed,
    Warned,
    WordRecognised,
)
from voicepipe.rx import Clock
from voicepipe.services import ConnectionLost, ServiceError, ServiceObserver
from voicepipe.stt.kyutai.flush import FlushTracker, WordDeduplicator
from voicepipe.stt.kyutai.loudness import SpeechBounds
from voicepipe.stt.kyutai.protocol import (
    FRAME_S,
    RATE_HZ,
    MarkerPassed,
    PauseScore,
    Step,
    WordEnded,
    WordStarted,
    decode,
    encode_audio,
    encode_marker,
)
from voicepipe.stt.kyutai.replay_buffer import SILENCE, Frame, Framer, ReplayBuffer

__all__ = ["KyutaiSttSession", "SttOptions"]

LONGEST_WORD_S = 2.0
"""A word that started this far behind the model's clock has been emitted by Kyutai's models, if it was one."""
END = 1
"""The marker after the last sound."""
TOLD_EVERY_S = 5.0
"""A server that breaks again and again is one outage to the user."""
_MARKER: Samples = np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class SttOptions:
    """Options of the recogniser.

    `delay_s` is the model's delay, 0.5 (1B) or 2.5 (2.6B). With `notices_pauses` its own pause score decides where
    speech starts (below `speech_below`) and stops (above `silence_above`); otherwise another stage does. `buffer_s` of
    sound are kept until they are transcribed, and `in_flight_s` of them may be on the way; with `behind_s` unsent or on
    the way the recogniser is behind. A recogniser that owes a step and sends nothing for `silent_s` counts as lost.
    After `renew_after_s` a fresh connection replaces the old one in the next pause. While the user speaks, sound of the
    last `word_after_s` without a word is kept to be sent again: a recogniser of whole clips emits words that late.
    """

    delay_s: float
    notices_pauses: bool
    speech_below: float
    silence_above: float
    buffer_s: float
    in_flight_s: float
    behind_s: float
    silent_s: float
    renew_after_s: float
    word_after_s: float = LONGEST_WORD_S


class KyutaiSttSession:
    """The protocol of the recogniser: see `voicepipe.services.ServiceProtocol`, and `kyutai` for what is emitted."""

    def __init__(
        self,
        clock: Clock,
        stt_options: SttOptions,
        service: str,
        observer: ServiceObserver,
        backlog: PendingWork | None = None,
    ) -> None:
        self._clock, self._hearing, self._service, self._observer = clock, stt_options, service, observer
        self._gauge = PendingMark(backlog)
        self._framer = Framer()
        self._replay = ReplayBuffer(capacity=_frames(stt_options.buffer_s), in_flight=_frames(stt_options.in_flight_s))
        self._score = PauseScore()
        self._loudness = SpeechBounds()
        self._words = WordDeduplicator()
        self._flush = FlushTracker(stt_options.delay_s)
        self._speaking = False
        self._in_message = False
        # The last loud moment before the current pause; kept, so that one flush ends one pause.
        self._paused_s: float | None = None
        # How much of the user's audio the recogniser has heard.
        self._read_s = 0.0
        # The audio before the connection: pauses in it are over.
        self._replayed_s = 0.0
        self._understood_s = 0.0
        self._opened_s = self._answered_s = clock()
        self._first_sent_s: float | None = None
        self._first_word_seen = False
        self._finishing = False
        # When the user was told of the present outage. It lasts until a recogniser makes a step again.
        self._told_s = -math.inf
        self._is_outage = False
        self.done = False

    # ---- the graph's side -------------------------------------------------------------------------------------------

    def put(self, item: Audio | Event) -> Sequence[Event]:
        events: Sequence[Event] = ()
        match item:
            case Audio():
                events = self._queue(self._framer.add(item))
            case FlushRequested(at_s=at_s):
                events = self._hurry(at_s)
            case _:
                pass
        self._show_backlog()
        return events

    def finish(self) -> Sequence[Event]:
        self._queue(self._framer.rest())
        self._finishing = True
        self.done = not self._replay.kept
        self._queue([self._between(_MARKER), *[self._between(SILENCE)] * self._flush.frames])
        return ()

    def _queue(self, pieces: Sequence[Frame]) -> Sequence[Event]:
        lost_s = sum(self._replay.add(piece) for piece in pieces)
        return [Overflowed(self._service, lost_s * 1000)] if lost_s else ()

    def _hurry(self, at_s: float) -> Sequence[Event]:
        """Push silence, so that the model emits what it has heard before."""
        lost = self._queue(self._framer.rest()) if at_s > self._framer.framed_s else ()
        self._flush.begin(max(at_s, self._read_s), framed_s=self._framer.framed_s)
        return [*lost, *self._queue([self._between(SILENCE)] * self._flush.frames)]

    def _show_backlog(self) -> None:
        self._gauge.show(behind=self._flush.on or self._replay.behind >= _frames(self._hearing.behind_s))

    def _between(self, samples: Samples) -> Frame:
        """Return a frame of silence behind the user's last sound."""
        return Frame(samples, self._framer.framed_s, self._framer.framed_s)

    # ---- the connection ---------------------------------------------------------------------------------------------

    def opened(self) -> None:
        self._forget()
        self._words.replay(self._framer.heard_s)
        self._replayed_s = self._framer.framed_s
        self._replay.rewind()
        self._score.begin()
        self._flush.begin_anew()
        self._first_sent_s, self._first_word_seen = None, False
        self._opened_s = self._answered_s = self._clock()

    def outgoing(self) -> bytes | None:
        if not self._replay.unheard:
            self._answered_s = self._clock()
        piece = self._replay.next()
        if piece is None:
            return None
        if piece.is_marker:
            return encode_marker(END)
        if self._first_sent_s is None:
            self._first_sent_s = self._clock()
        self._observer.sent(1)
        return encode_audio(piece.samples)

    def received(self, message: bytes) -> Sequence[Event]:
        self._answered_s = self._clock()
        match decode(message, service=self._service):
            case Step(pause=pause):
                return self._step(pause)
            case WordStarted(text=text, start_s=start_s):
                return self._word(text.strip(), self._replay.audio_s(start_s))
            case WordEnded(stop_s=stop_s):
                self._words.end(self._replay.audio_s(stop_s))
            case MarkerPassed(number=number):
                self.done = self._finishing and number == END
            case _:
                pass
        return ()

    def closed(self) -> Sequence[Event]:
        raise ConnectionLost(self._service, "it said goodbye")

    def lost(self, error: ServiceError) -> Sequence[Event]:
        is_new = not self._is_outage and self._clock() - self._told_s >= TOLD_EVERY_S
        self._is_outage = True
        if is_new:
            self._told_s = self._clock()
        what = f"{error.user_message} Looking for another one; what you say meanwhile is kept."
        return [Warned(what, service_lost=is_new)]

    def cut(self) -> None:
        """Drop the sound at the end of the session: its objects stay until the garbage collector has seen them."""
        self._replay.clear()

    @property
    def overdue_at(self) -> float | None:
        return self._answered_s + self._hearing.silent_s if self._replay.unheard else None

    @property
    def stale(self) -> bool:
        quiet = not (self._speaking or self._in_message or self._flush.on or self._finishing)
        return quiet and self._clock() - self._opened_s >= self._hearing.renew_after_s

    # ---- what was heard ---------------------------------------------------------------------------------------------

    def _step(self, pause: float) -> Sequence[Event]:
        self._is_outage = False
        self._observer.stepped(1)
        events = self._stepped(self._replay.step(), pause)
        self._show_backlog()
        return events

    def _stepped(self, piece: Frame | None, pause: float) -> Sequence[Event]:
        score = self._score.add(pause)
        if piece is not None:
            self._read_s = max(self._read_s, piece.stop_s)
            if not piece.pushed:
                self._loudness.add(piece.samples, piece.start_s, RATE_HZ)
                piece.compact()
        self._forget()
        if self._flush.on:
            return self._hurried(piece)
        old = piece is None or piece.pushed or piece.stop_s <= self._replayed_s
        return () if score is None or old or not self._hearing.notices_pauses else self._weigh(score)

    def _hurried(self, piece: Frame | None) -> Sequence[Event]:
        """Emit `Transcribed` when the model's clock has passed the flush's moment and its delay."""
        until_s = self._flush.passed(piece)
        if until_s is None:
            return ()
        self._in_message = False
        self._understood_s = max(self._understood_s, until_s)
        return [Transcribed(until_s)]

    def _weigh(self, score: float) -> Sequence[Event]:
        edge: Sequence[Event] = ()
        if score < self._hearing.speech_below and not self._speaking:
            edge = self._start()
        elif score > self._hearing.silence_above and self._speaking:
            edge = self._stop()
        at_s = self._read_s if self._speaking or self._paused_s is None else self._paused_s
        return [*edge, Pause(score, at_s)]

    def _start(self, at_s: float | None = None) -> Sequence[Event]:
        self._speaking = True
        since_s = self._loudness.since_s if at_s is None else at_s
        return [SpeechStarted(self._read_s if since_s is None else since_s, self._framer.heard_s)]

    def _stop(self) -> Sequence[Event]:
        self._speaking = False
        last_s = self._loudness.last_s
        self._paused_s = self._read_s if last_s is None else last_s
        return [SpeechStopped(self._paused_s, self._framer.heard_s)]

    def _word(self, text: str, start_s: float) -> Sequence[Event]:
        if not text or self._words.is_repeated(text, start_s):
            return ()
        self._words.begin(text, start_s)
        self._count_word()
        # When it ends is not known yet; the user sees it, and the bot stops, now.
        stop_s = max(start_s, self._replay.audio_s(self._replay.clock_s(self._hearing.delay_s)))
        return [*self._message_began(start_s), WordRecognised(text, start_s, stop_s)]

    def _message_began(self, start_s: float) -> Sequence[Event]:
        """Note the first word of a message: the user has not finished, whatever the score was."""
        began, self._in_message = not self._in_message, True
        if not began or self._flush.on:
            return ()
        self._score.user_begins()
        if not self._hearing.notices_pauses:
            return ()
        return [*(() if self._speaking else self._start(start_s)), Pause(0.0, start_s)]

    def _count_word(self) -> None:
        self._observer.received(1)
        if self._first_sent_s is not None and not self._first_word_seen:
            self._first_word_seen = True
            self._observer.first_item(self._clock() - self._first_sent_s)

    def _forget(self) -> None:
        """Drop what need not be sent again: all before the last word, and sound too old to become one."""
        clock_s = self._replay.audio_s(self._replay.clock_s(self._hearing.delay_s))
        word_after_s = self._hearing.word_after_s if self._speaking or self._in_message else LONGEST_WORD_S
        self._understood_s = max(self._understood_s, self._words.until_s, clock_s - word_after_s)
        self._replay.understood(self._understood_s)


def _frames(seconds: float) -> int:
    return math.ceil(seconds / FRAME_S - 1e-9)
