"""`cancel_echo`: keep the bot's own voice out of what is heard."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from reactivex import Observable

from voicepipe.audio.echo import EchoCanceller
from voicepipe.events import Audio, EchoEnded, EchoFound, Event, ReplyAudio, ReplyInterrupted
from voicepipe.presets import Echo
from voicepipe.rx import feedback, transduce
from voicepipe.stage import Stage, stage_factory

__all__ = ["CANCELLING", "Cancel", "Cleaned", "cancel_echo"]


@dataclass(frozen=True, slots=True)
class _Played(Event):
    """The client was sent sound; None: it drops what it has not played."""

    audio: Audio | None


_Heard: TypeAlias = Audio | Event

Cleaned: TypeAlias = tuple[Audio | EchoFound | EchoEnded, ...]
"""What has become of a piece of sound."""

Cancel: TypeAlias = Callable[[Audio], Cleaned]

CANCELLING: Final[contextvars.ContextVar[Callable[[Cancel], Cancel] | None]] = contextvars.ContextVar(
    "CANCELLING", default=None
)
"""Set where sessions are recorded, or run again without the user's sound: takes what cleans, and returns what is used
in its place."""


@stage_factory(gives=(EchoFound, EchoEnded), passes=True, before="talk")
def cancel_echo(talk: Stage[_Heard, ReplyAudio | Event], echo: Echo) -> Stage[_Heard, ReplyAudio | Event]:
    """Run a conversation with the bot's voice removed from the microphone's sound, where a loudspeaker brings it there.

    Many clients remove it themselves, as browsers do. The stage looks for an echo while the bot speaks, and leaves the
    sound as it is where there is none: the search takes about 2 ms per second of the bot's voice. Where there is one it
    emits `EchoFound`, and WebRTC's canceller removes it, for 10 ms of computing per second of the bot's voice; the
    sound is then up to 10 ms later. It emits `EchoEnded` where the echo ends.

    Args:
        talk: The conversation: from the microphone's sound to what the bot says, paced as it is played. What it emits
            is the reference.
        echo: When there is an echo.

    .. marbles::

        mic           a---b-|     a, b: Audio
        talk          -S----|     S: ReplyAudio; it hears a, and b without the echo of S
        cancel_echo   -S----|
    """

    def cleaned(source: Observable[_Heard]) -> Observable[ReplyAudio | Event]:
        return source.pipe(transduce(lambda _: _Cancelling(echo)), talk)

    return feedback(cleaned, lambda _: _played)


def _played(event: ReplyAudio | Event) -> Iterator[_Heard]:
    match event:
        case ReplyAudio(audio=audio):
            yield _Played(audio)
        case ReplyInterrupted():
            yield _Played(None)
        case _:
            pass


class _Cancelling:
    """The microphone's side. The canceller has the rate of the microphone's first sound."""

    def __init__(self, echo: Echo) -> None:
        self._echo = echo
        self._canceller: EchoCanceller | None = None
        # What was played before there was any sound of the microphone.
        self._played: list[Audio] = []
        around = CANCELLING.get()
        self._clean: Cancel = self._cleaned if around is None else around(self._cleaned)

    def __call__(self, event: _Heard) -> Iterable[_Heard]:
        match event:
            case Audio():
                return self._clean(event)
            case _Played(audio=audio):
                self._note(audio)
                return ()
            case _:
                return (event,)

    def _note(self, played: Audio | None) -> None:
        if self._canceller is None:
            self._played = [] if played is None else [*self._played, played]
        elif played is None:
            self._canceller.loudspeaker.stop()
        else:
            self._canceller.loudspeaker.put(played)

    def _cleaned(self, heard: Audio) -> Cleaned:
        canceller = self._canceller or self._made(heard.rate_hz)
        if canceller.rests:
            return (heard,)
        known, samples = canceller.found, canceller.clean(heard.samples)
        found = () if canceller.found == known else (EchoEnded() if known else EchoFound(),)
        if samples is heard.samples:
            return (*found, heard)
        return (*found, Audio(samples, heard.rate_hz)) if len(samples) else found

    def _made(self, rate_hz: int) -> EchoCanceller:
        canceller = self._canceller = EchoCanceller(rate_hz, self._echo)
        for played in self._played:
            canceller.loudspeaker.put(played)
        return canceller
