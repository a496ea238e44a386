"""Finders, microphones and recordings for the tests of the network services."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from reactivex import Observable
from reactivex.subject import Subject

from voicepipe.events import Audio, Event
from voicepipe.rx import LoopScheduler
from voicepipe.services import NULL_OBSERVER, Address, Backoff, Finder, Instance, ServiceObserver, resolve_with_dns
from voicepipe.stage import Stage
from voicepipe.stt.kyutai.stage import ReconnectPolicy, SttOptions
from voicepipe.testing.servers import FakeServer, Tones
from voicepipe.testing.servers.tones import joined, silence

TONES = Tones(
    ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
)
STT, TTS = "speech recognition (STT)", "speech synthesis (TTS)"

STT_OPTIONS = SttOptions(
    delay_s=0.5,
    notices_pauses=True,
    speech_below=0.4,
    silence_above=0.6,
    buffer_s=12,
    in_flight_s=4,
    behind_s=0.24,
    silent_s=1.5,
    renew_after_s=600,
)
RECONNECTING = ReconnectPolicy(pauses=Backoff(0.1, 1.5, 1.0), give_up_after_s=20, settled_after_s=5)


def finder(
    *servers: FakeServer,
    service: str = STT,
    resolve: Callable[[Address], Any] | None = None,
    observer: ServiceObserver = NULL_OBSERVER,
    url: str | None = None,
) -> Finder:
    """Of one server, or of a name behind which there are several."""

    async def all_of_them(address: Address) -> Sequence[Instance]:
        return [Instance(server.host, server.port) for server in servers]

    address = Address.parse(url or (servers[0].url if servers else "ws://nowhere.invalid:1"))
    return Finder(
        service,
        address,
        resolve=resolve or (all_of_them if servers else resolve_with_dns),
        tries=3,
        try_s=0.5,
        random=Random(1),
        observer=observer,
    )


@dataclass
class Told:
    """An event of a stage, and its time in seconds."""

    at_s: float
    event: Event


@dataclass
class Running:
    """A stage at work on what is put into it."""

    source: Subject[Event]
    told: list[Told] = field(default_factory=list)
    error: Exception | None = None
    completed: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def events(self, kind: type) -> list[Any]:
        return [one.event for one in self.told if isinstance(one.event, kind)]

    def times(self, kind: type) -> list[float]:
        return [round(one.at_s, 3) for one in self.told if isinstance(one.event, kind)]

    def texts(self, kind: type) -> str:
        return " ".join(getattr(event, "text", None) or event.word for event in self.events(kind))

    async def until(self, kind: type, count: int = 1, *, for_s: float = 60) -> Any:
        """The event number `count` of this kind, once it has come."""
        async with asyncio.timeout(for_s):
            while len(self.events(kind)) < count:
                if self.error is not None:
                    raise AssertionError(f"it failed: {self.error!r}")
                await asyncio.sleep(0.005)
        return self.events(kind)[count - 1]


@asynccontextmanager
async def running(stage: Stage[Event, Event]) -> AsyncIterator[Running]:
    """Subscribe a stage; at the end dispose it, and wait for its tasks."""
    loop = asyncio.get_running_loop()
    scheduler, began_s = LoopScheduler(loop), loop.time()
    one = Running(Subject())

    def failed(error: Exception) -> None:
        one.error = error
        one.ended.set()

    def completed() -> None:
        one.completed = True
        one.ended.set()

    out: Observable[Event] = one.source.pipe(stage)
    subscription = out.subscribe(
        lambda event: one.told.append(Told(loop.time() - began_s, event)), failed, completed, scheduler=scheduler
    )
    try:
        yield one
    finally:
        subscription.dispose()
        if scheduler.tasks:
            _, left = await asyncio.wait(scheduler.tasks, timeout=1)
            assert not left, left


async def play(source: Subject[Event], *pieces: Audio, frame_s: float = 0.02) -> None:
    """A microphone: the sound at the pace at which it is spoken."""
    loop, sound = asyncio.get_running_loop(), joined(pieces)
    began_s, frame = loop.time(), round(frame_s * sound.rate_hz)
    for number, start in enumerate(range(0, len(sound.samples), frame), 1):
        await asyncio.sleep(began_s + number * frame_s - loop.time())
        source.on_next(Audio(sound.samples[start : start + frame], sound.rate_hz))


def said(text: str, *, before_s: float = 1.2, after_s: float = 1.0) -> Audio:
    """Words between two silences."""
    return joined([silence(before_s), TONES.say(text), silence(after_s)])
