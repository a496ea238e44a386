"""Scripted services: an LLM, a TTS and an STT that answer as diagrams say, and record what was asked of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import reactivex
from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable

from voicepipe.testing.marbles.sources import Cold, Scene
from voicepipe.testing.marbles.timeline import ScriptedError, Timeline

if TYPE_CHECKING:
    from voicepipe.events import ReplyText

__all__ = ["Call", "Calls", "ScriptedLlm", "ScriptedStt", "ScriptedTts"]

Play = Callable[[Timeline], Cold]
"""Makes a cold observable that the harness watches."""


@dataclass(slots=True, eq=False)
class Call:
    """One use of a service: what was asked, from when to when (ms of the scene), and how it ended.

    `outcome` stays "running" for one that only the end of the scene has stopped. `closed`: it was disposed.
    """

    asked: Any
    began_ms: float
    ended_ms: float | None = None
    outcome: Literal["running", "completed", "failed", "cancelled"] = "running"
    closed: bool = False


class Calls:
    """The log of a service. `calls` are in the order in which they began."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.calls: list[Call] = []

    @property
    def cancelled(self) -> list[Call]:
        """Return the calls that were disposed before their end."""
        return [call for call in self.calls if call.outcome == "cancelled"]

    @property
    def open(self) -> list[Call]:
        """The calls that still have a subscriber."""
        return [call for call in self.calls if not call.closed]

    def logged(self, make: Callable[[Call], Observable[Any]], asked: Callable[[], Any]) -> Observable[Any]:
        """Return the observable of `make` for each subscription, which is recorded as a call."""

        def subscribe(
            observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            call = Call(asked(), self.scene.now_ms())
            self.calls.append(call)

            def failed(error: Exception) -> None:
                self._end(call, "failed")
                observer.on_error(error)

            def completed() -> None:
                self._end(call, "completed")
                observer.on_completed()

            running = make(call).subscribe(observer.on_next, failed, completed, scheduler=scheduler)
            return CompositeDisposable(Disposable(lambda: self._close(call)), running)

        return Observable(subscribe)

    def _end(self, call: Call, outcome: Literal["completed", "failed", "cancelled"]) -> None:
        call.outcome, call.ended_ms = outcome, self.scene.now_ms()

    def _close(self, call: Call) -> None:
        call.closed = True
        if call.outcome == "running" and not self.scene.over:
            self._end(call, "cancelled")


class _Message(Protocol):
    @property
    def role(self) -> str: ...
    @property
    def text(self) -> str: ...


class _Conversation(Protocol):
    @property
    def messages(self) -> tuple[_Message, ...]: ...


class ScriptedLlm(Calls):
    """Answers a conversation by what the user said last; `Call.asked` is that text, `conversations` all that came in.

    A diagram that ends with ``#`` fails, one without an end stalls. What has no answer fails with a LookupError that
    lists what has one.
    """

    def __init__(self, scene: Scene, play: Play, answers: Mapping[str, Timeline], default: Timeline | None) -> None:
        super().__init__(scene)
        self.conversations: list[Any] = []
        self._play = play
        self._answers = dict(answers)
        self._default = default

    def __call__(self, conversation: _Conversation) -> Observable[str]:
        self.conversations.append(conversation)
        said = next((message.text for message in reversed(conversation.messages) if message.role == "user"), "")
        return self.logged(lambda _: self._answer(said), asked=lambda: said)

    def _answer(self, said: str) -> Observable[str]:
        answer = self._answers.get(said, self._default)
        if answer is None:
            scripted = ", ".join(map(repr, self._answers))
            return reactivex.throw(LookupError(f"no answer to {said!r} is scripted, only to {scripted}"))
        return self._play(answer)


class ScriptedStt(Calls):
    """A stage that hears what its diagram says, from its subscription on; it listens to its audio only for the end.

    A plain string in the diagram is a `WordRecognised` that was said in the column before. Ends as the diagram does,
    or, if that has no end, with the audio.
    """

    def __init__(self, scene: Scene, play: Play, heard: Timeline) -> None:
        super().__init__(scene)
        self._play = play
        self._heard = heard

    def __call__(self, source: Observable[Any]) -> Observable[Any]:
        return self.logged(lambda call: self._hearing(source, call.began_ms), asked=lambda: None)

    def _hearing(self, source: Observable[Any], began_ms: float) -> Observable[Any]:
        heard = self._play(self._heard)

        def subscribe(
            observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            def hear(item: Any) -> None:
                observer.on_next(_word(item, self.scene.now_ms() - began_ms))

            def audio_ended() -> None:
                if not self._heard.ends:
                    observer.on_completed()

            hearing = heard.subscribe(hear, observer.on_error, observer.on_completed, scheduler=scheduler)
            audio = source.subscribe(_ignore, observer.on_error, audio_ended, scheduler=scheduler)
            return CompositeDisposable(hearing, audio)

        return Observable(subscribe)


class ScriptedTts(Calls):
    """A stage that passes the reply's words; each is followed by `SynthesisStarted` … `WordSpoken` and one
    `ReplyAudio`.

    The sound comes `delay_ms` after its word and lasts `ms_per_word`. Word number `fail_at` (from 0) ends the stream
    with `error` when its sound is due; from word number `stall_at` on there is no sound, and no end. `Call.asked` is
    the list of the words that were read.
    """

    def __init__(
        self,
        scene: Scene,
        *,
        delay_ms: float,
        ms_per_word: float,
        rate_hz: int = 24_000,
        fail_at: int | None = None,
        stall_at: int | None = None,
        error: Exception | None = None,
    ) -> None:
        super().__init__(scene)
        self.delay_ms, self.ms_per_word, self.rate_hz = delay_ms, ms_per_word, rate_hz
        self.fail_at, self.stall_at = fail_at, stall_at
        self.error = error or ScriptedError("the scripted TTS was told to fail")

    def __call__(self, source: Observable[ReplyText]) -> Observable[Any]:
        return self.logged(lambda call: self._speaking(source, call.asked), asked=list[str])

    def fails(self, number: int, word: str) -> bool:
        """Return whether this word of a reply is where it fails."""
        return number == self.fail_at

    def stalls(self, number: int, word: str) -> bool:
        """Return whether nothing comes from this word of a reply on."""
        return self.stall_at is not None and number >= self.stall_at

    def _speaking(self, source: Observable[ReplyText], words: list[str]) -> Observable[Any]:
        def subscribe(
            observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            voice = _ScriptedSpeech(self, observer, words)
            running = source.subscribe(voice.read, observer.on_error, voice.finish, scheduler=scheduler)
            return CompositeDisposable(running, Disposable(voice.stop))

        return Observable(subscribe)


class _ScriptedSpeech:
    """One reply: `words` are those read, `timers` those whose sound is still to come."""

    def __init__(self, script: ScriptedTts, observer: abc.ObserverBase[Any], words: list[str]) -> None:
        self._script = script
        self._observer = observer
        self._words = words
        self._timers: list[asyncio.TimerHandle] = []
        self._pending = 0
        self._read_all = self._stalled = False

    def read(self, item: Any) -> None:
        from voicepipe.events import ReplyText, SynthesisStarted

        self._observer.on_next(item)
        if not isinstance(item, ReplyText) or not (word := item.delta.strip()):
            return
        number = len(self._words)
        self._words.append(word)
        self._pending += 1
        self._stalled = self._stalled or self._script.stalls(number, word)
        if not self._stalled:
            self._observer.on_next(SynthesisStarted(word))
            loop = self._script.scene.loop
            due_s = loop.time() + self._script.delay_ms / 1000
            self._timers.append(loop.call_at(due_s, self._speak, number, word))

    def finish(self) -> None:
        self._read_all = True
        self._complete()

    def stop(self) -> None:
        for timer in self._timers:
            timer.cancel()

    def _speak(self, number: int, word: str) -> None:
        from voicepipe.events import ReplyAudio, SynthesisEnded, WordSpoken
        from voicepipe.testing.marbles.sound import speech

        if self._script.fails(number, word):
            self._observer.on_error(self._script.error)
            return
        length_ms = self._script.ms_per_word
        self._observer.on_next(SynthesisEnded(length_ms / 1000))
        self._observer.on_next(WordSpoken(word, number * length_ms / 1000, (number + 1) * length_ms / 1000))
        self._observer.on_next(ReplyAudio(speech(number * length_ms, length_ms, self._script.rate_hz)))
        self._pending -= 1
        self._complete()

    def _complete(self) -> None:
        if self._read_all and not self._pending:
            self._observer.on_completed()


def _ignore(item: Any) -> None:
    """The script knows already what is heard."""


def _word(item: Any, heard_ms: float) -> Any:
    from voicepipe.events import WordRecognised

    return WordRecognised(item, max(0.0, (heard_ms - 20) / 1000), heard_ms / 1000) if isinstance(item, str) else item
