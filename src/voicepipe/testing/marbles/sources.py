"""Observables that play a diagram and record their subscriptions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from reactivex import Observable, abc
from reactivex.disposable import Disposable

from voicepipe.testing.marbles.notation import Kind, Marble
from voicepipe.testing.marbles.timeline import ScriptedError, Timeline

__all__ = ["Cold", "Hot", "MarbleSource", "Scene", "Subscription"]


@dataclass(slots=True)
class Scene:
    """The time of one recording: `begin_s` on the loop's clock is its time 0."""

    loop: asyncio.AbstractEventLoop
    begin_s: float = 0.0
    over: bool = False

    def now_ms(self) -> float:
        elapsed = round((self.loop.time() - self.begin_s) * 1000, 3)
        return int(elapsed) if elapsed.is_integer() else elapsed


@dataclass(slots=True)
class Subscription:
    """From when to when, in ms of the scene. `disposed_ms` is None while it is open, or if only the scene ended it."""

    subscribed_ms: float
    disposed_ms: float | None = None
    open: bool = True

    def close(self, scene: Scene) -> None:
        if self.open:
            self.open = False
            self.disposed_ms = None if scene.over else scene.now_ms()


@dataclass
class _Log:
    everything: list[Subscription] = field(default_factory=list[Subscription])
    scene_began: int = 0


class MarbleSource(Observable[Any]):
    """The base of `Hot` and `Cold`. `subscriptions` are those of the running, or of the last, scene."""

    def __init__(self, scene: Scene, script: Timeline) -> None:
        super().__init__()
        self.scene = scene
        self.timeline = script.since_subscription()
        self._log = _Log()

    @property
    def subscriptions(self) -> list[Subscription]:
        return self._log.everything[self._log.scene_began :]

    @property
    def leaked(self) -> list[Subscription]:
        """The subscriptions that were not disposed."""
        return [subscription for subscription in self._log.everything if subscription.open]

    def begin(self) -> None:
        """A scene begins."""
        self._log.scene_began = len(self._log.everything)

    def end(self) -> None:
        """The scene is over."""

    def _subscribed(self) -> Subscription:
        subscription = Subscription(self.scene.now_ms())
        self._log.everything.append(subscription)
        return subscription

    def _instants(self) -> list[tuple[float, list[Marble]]]:
        return [(at_ms, marbles) for at_ms, marbles in self.timeline.diagram.instants if at_ms >= 0]

    def _tell(self, observer: abc.ObserverBase[Any], marble: Marble) -> None:
        match marble.kind:
            case Kind.NEXT:
                observer.on_next(self.timeline.value(marble))
            case Kind.COMPLETED:
                observer.on_completed()
            case Kind.ERROR:
                observer.on_error(_exception(self.timeline.error))
            case _:
                pass


class Cold(MarbleSource):
    """Plays its diagram to each subscriber, from the beginning."""

    def _subscribe_core(
        self, observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        subscription, begin_s, loop = self._subscribed(), self.scene.loop.time(), self.scene.loop

        def play(marbles: list[Marble]) -> None:
            for marble in marbles:
                if subscription.open:
                    self._tell(observer, marble)

        timers = [loop.call_at(begin_s + at_ms / 1000, play, marbles) for at_ms, marbles in self._instants()]

        def dispose() -> None:
            subscription.close(self.scene)
            for timer in timers:
                timer.cancel()

        return Disposable(dispose)


class Hot(MarbleSource):
    """Plays its diagram from the beginning of every scene, with or without subscribers.

    A subscriber after its end gets the end at once.
    """

    def __init__(self, scene: Scene, script: Timeline) -> None:
        super().__init__(scene, script)
        self._observers: list[abc.ObserverBase[Any]] = []
        self._timers: list[asyncio.TimerHandle] = []
        self._ended: Marble | None = None

    def begin(self) -> None:
        super().begin()
        self.end()
        self._ended = None
        now_s, loop = self.scene.loop.time(), self.scene.loop
        self._timers = [loop.call_at(now_s + at_ms / 1000, self._play, marbles) for at_ms, marbles in self._instants()]

    def end(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers = []

    def _play(self, marbles: list[Marble]) -> None:
        for marble in marbles:
            if marble.kind is not Kind.NEXT:
                self._ended = marble
            for observer in list(self._observers):
                if observer in self._observers:
                    self._tell(observer, marble)

    def _subscribe_core(
        self, observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        if self._ended is not None:
            self._tell(observer, self._ended)
            return Disposable()
        subscription = self._subscribed()
        self._observers.append(observer)

        def dispose() -> None:
            subscription.close(self.scene)
            self._observers.remove(observer)

        return Disposable(dispose)


def _exception(error: Exception | type[Exception] | None) -> Exception:
    if error is None:
        return ScriptedError("#")
    return error() if isinstance(error, type) else error
