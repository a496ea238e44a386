"""`Marbles`: observables from diagrams, and expectations of observables as diagrams, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from reactivex import Observable
from reactivex.disposable import SingleAssignmentDisposable

from voicepipe.rx.scheduler import LoopScheduler
from voicepipe.testing.loop.virtual_loop import VirtualLoop
from voicepipe.testing.marbles.clocks import refuse_other_clocks
from voicepipe.testing.marbles.compare import compare
from voicepipe.testing.marbles.exceptions import tracebacks
from voicepipe.testing.marbles.leaks import LeakWatch
from voicepipe.testing.marbles.notation import COLUMN_MS, Diagram, Kind, format_ms, parse
from voicepipe.testing.marbles.services import ScriptedLlm, ScriptedStt, ScriptedTts
from voicepipe.testing.marbles.sound import Sound, sound
from voicepipe.testing.marbles.sources import Cold, Hot, MarbleSource, Scene, Subscription
from voicepipe.testing.marbles.timeline import Recorded, Script, timeline

__all__ = ["Marbles"]

T = TypeVar("T")
Source = TypeVar("Source", bound=MarbleSource)

LONGEST_MS = 60_000
"""Virtual time after which an observable that goes on by itself is not going to end."""


class Marbles:
    """A virtual loop, a scheduler on it, and diagrams. The fixture `marbles` is one::

        def test_debounce_waits_for_silence(marbles):
            typed = marbles.hot("ab---c|")
            marbles.expect(typed.pipe(ops.debounce(0.04)), "---b--(c|)")

    Every `expect`, `record` and `run` is a *scene*: its time 0 is when it begins, and hot observables play from their
    beginning in each. Without pytest use it as a context manager, whose end raises `Leaked` for what was left behind.
    """

    def __init__(self, loop: VirtualLoop | None = None) -> None:
        self.loop = VirtualLoop() if loop is None else loop
        self.scheduler = LoopScheduler(self.loop)
        self.scene = Scene(self.loop)
        self.sources: list[MarbleSource] = []
        self._watch = LeakWatch(self.loop, self.sources)

    # ---- sources ----------------------------------------------------------------------------------------------------

    def hot(self, diagram: Script, **values: Any) -> Hot:
        """Return an observable that plays from the beginning of the scene, with or without subscribers.

        `values` name what the letters stand for, `error` is what ``#`` stands for, and `table` is a mapping with values
        for many diagrams. A letter without a value stands for itself among strings, and is a TypeError among others. A
        value without a letter is a TypeError, unless it is one of the `table`.

        Made while a scene is running, it begins at once. With a ``^`` in it, the scene begins there.
        """
        source = self._add(Hot(self.scene, timeline(diagram, values)))
        if self.loop.is_running():
            source.begin()
        return source

    def cold(self, diagram: Script, **values: Any) -> Cold:
        """An observable that plays to each subscriber from the beginning. `values` name what the letters stand for;
        `error` is what ``#`` stands for."""
        return self._add(Cold(self.scene, timeline(diagram, values)))

    def audio(self, pattern: str, *, rate_hz: int = 24_000) -> Sound:
        """``"sss__ss"``: 20 ms of something like speech for each ``s``, of silence for each ``_``, as `Audio`.

        For `hot` and `cold`, and as an expectation.
        """
        return sound(pattern, rate_hz)

    def microphone(self, pattern: str, *, rate_hz: int = 24_000) -> Hot:
        """`audio` as a hot observable; without a ``|`` it never completes."""
        return self.hot(self.audio(pattern, rate_hz=rate_hz))

    # ---- services ---------------------------------------------------------------------------------------------------

    def llm(self, answers: Mapping[str, Script], default: Script | None = None, **values: Any) -> ScriptedLlm:
        """``{"hi": "100ms t 80ms t|"}``: what it answers, by what the user said last; `default` to anything else."""
        table = {"table": values}
        scripts = {asked: timeline(answer, table) for asked, answer in answers.items()}
        return ScriptedLlm(self.scene, self._play, scripts, None if default is None else timeline(default, table))

    def stt(self, heard: Script, **values: Any) -> ScriptedStt:
        """A stage that hears `heard`, whatever the audio is; a plain string becomes a `WordRecognised`."""
        return ScriptedStt(self.scene, self._play, timeline(heard, values))

    def tts(
        self,
        *,
        delay_ms: float = 100,
        ms_per_word: float = 200,
        rate_hz: int = 24_000,
        fail_at: int | None = None,
        stall_at: int | None = None,
        error: Exception | None = None,
    ) -> ScriptedTts:
        """A stage that speaks each word of the reply, `delay_ms` later, for `ms_per_word`; see `ScriptedTts`."""
        return ScriptedTts(
            self.scene,
            delay_ms=delay_ms,
            ms_per_word=ms_per_word,
            rate_hz=rate_hz,
            fail_at=fail_at,
            stall_at=stall_at,
            error=error,
        )

    # ---- expectations -----------------------------------------------------------------------------------------------

    def expect(self, observable: Observable[Any], diagram: Script, **values: Any) -> None:
        """Subscribe, let it play, and compare. Raises AssertionError with both timelines.

        A ``^`` says when to subscribe (at once, otherwise), a ``!`` when to dispose; without it, the observable ends
        or has nothing more to do. ``#`` is any error, unless `error` is an exception (same class, same arguments) or a
        class. A tolerance, ``100ms±20ms a``, is about one item: the times of those after it count from its nominal
        time.
        """
        __tracebackhide__ = True
        expected = timeline(diagram, values)
        recorded = self._record(observable, expected.diagram, None)
        if report := compare(expected, recorded):
            raise AssertionError("\n\n".join([report, *tracebacks(_errors(recorded))]))

    def record(
        self, observable: Observable[Any], subscription: str = "^", *, until_ms: float | None = None
    ) -> list[Recorded]:
        """Return what it does, with times in ms: ``[(0, "next", "a"), (20, "completed", None)]``.

        Plays until it ends, has nothing more to do, or the scene's time is `until_ms`; `subscription` may say when to
        subscribe and dispose: ``"--^---!"``. Raises AssertionError if it goes on by itself for a minute of virtual
        time, and whatever exception escaped into the event loop meanwhile.
        """
        return self._record(observable, parse(subscription), until_ms)

    def expect_subscriptions(self, source: MarbleSource, *diagrams: str) -> None:
        """That `source` was subscribed as the diagrams say, in this order, in the last scene.

        ``"^--!"`` is from 0 to 60 ms; one that only the end of the scene disposed has no ``!``.
        """
        __tracebackhide__ = True
        expected = [_subscription(diagram) for diagram in diagrams]
        actual = [Subscription(one.subscribed_ms, one.disposed_ms, open=False) for one in source.subscriptions]
        if expected != actual:
            lines = ["subscriptions differ", *_described("expected", expected), *_described("actual", actual)]
            raise AssertionError("\n".join(lines))

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine that runs in virtual time, in a scene of its own. Raises Deadlock."""
        __tracebackhide__ = True
        with self._scene():
            return self.loop.run(main)

    def now_ms(self) -> float:
        """The scene's time."""
        return self.scene.now_ms()

    # ---- the end ----------------------------------------------------------------------------------------------------

    def __enter__(self) -> Marbles:
        return self

    def __exit__(self, error: object, *rest: object) -> None:
        __tracebackhide__ = True
        try:
            if error is None:
                self._watch.check()
        finally:
            self.loop.close()

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _add(self, source: Source) -> Source:
        self.sources.append(source)
        return source

    def _play(self, script: Script) -> Cold:
        return self.cold(script)

    @contextmanager
    def _scene(self) -> Generator[None]:
        self.scene.begin_s, self.scene.over = self.loop.time(), False
        for source in self.sources:
            source.begin()
        try:
            with refuse_other_clocks():
                yield
        finally:
            for source in self.sources:
                source.end()

    def _record(self, observable: Observable[Any], when: Diagram, until_ms: float | None) -> list[Recorded]:
        __tracebackhide__ = True
        swallowed = len(self.loop.swallowed)
        limit_ms = when.length_ms + LONGEST_MS if until_ms is None else until_ms
        recording = _Recording(self, when, limit_ms)
        try:
            with self._scene():
                ended = self.loop.run(recording.watch(observable))
                self.loop.settle()
        finally:
            escaped, self.loop.swallowed[swallowed:] = self.loop.swallowed[swallowed:], []
        for context in escaped:
            raise context.get("exception") or AssertionError(context["message"])
        if not ended and until_ms is None:
            raise AssertionError(_endless(recording.items))
        return recording.items


class _Recording:
    """One subscription to an observable, from the ``^`` to the ``!`` of `when`, and what came out of it."""

    def __init__(self, marbles: Marbles, when: Diagram, limit_ms: float) -> None:
        self.items: list[Recorded] = []
        self._scene = marbles.scene
        self._loop = marbles.loop
        self._scheduler = marbles.scheduler
        self._begin_s = self._loop.time()
        self._from_ms = when.at(Kind.SUBSCRIBED) or 0
        self._subscription = SingleAssignmentDisposable()
        self._finished = self._loop.idle(self._begin_s + limit_ms / 1000)
        self._stop = self._stop_at(when.at(Kind.DISPOSED))

    async def watch(self, observable: Observable[Any]) -> bool:
        """Return whether it came to an end, or to a stand, before the limit."""
        if self._from_ms:
            await asyncio.sleep(self._from_ms / 1000)
        self._subscription.disposable = observable.subscribe(
            lambda item: self._note(Kind.NEXT, item),
            lambda error: self._note(Kind.ERROR, error),
            lambda: self._note(Kind.COMPLETED),
            scheduler=self._scheduler,
        )
        ended = await self._finished
        if self._stop is not None:
            self._stop.cancel()
        self._scene.over = True
        self._subscription.dispose()
        return ended

    def _stop_at(self, at_ms: float | None) -> asyncio.TimerHandle | None:
        """The timer of the ``!``, set before any source's: it stands before what else happens at its instant."""
        return None if at_ms is None else self._loop.call_at(self._begin_s + at_ms / 1000, self._dispose)

    def _dispose(self) -> None:
        self._subscription.dispose()
        self._finish()

    def _note(self, kind: Kind, value: Any = None) -> None:
        self.items.append(Recorded(self._scene.now_ms(), kind, value))
        if kind is not Kind.NEXT:
            self._finish()

    def _finish(self) -> None:
        if not self._finished.done():
            self._finished.set_result(True)


def _errors(recorded: list[Recorded]) -> list[BaseException]:
    return [one.value for one in recorded if one.kind is Kind.ERROR]


def _endless(recorded: list[Recorded]) -> str:
    shown = [f"    {one}" for one in recorded[-5:]]
    return "\n".join(
        [f"still going after {format_ms(LONGEST_MS)}; a ! in the diagram, or until_ms, ends the scene", *shown]
    )


def _subscription(diagram: str) -> Subscription:
    parsed = parse(diagram)
    subscribed_ms = parsed.at(Kind.SUBSCRIBED)
    if subscribed_ms is None:
        raise ValueError(f"a subscription begins with ^: {diagram!r} has none")
    return Subscription(subscribed_ms, parsed.at(Kind.DISPOSED), open=False)


def _described(name: str, subscriptions: list[Subscription]) -> Iterator[str]:
    yield f"{name}:" if subscriptions else f"{name}: none"
    for one in subscriptions:
        columns = "-" * int(one.subscribed_ms // COLUMN_MS)
        end = "the end" if one.disposed_ms is None else f"{one.disposed_ms:g} ms"
        yield f"    {columns}^  from {one.subscribed_ms:g} ms to {end}"
