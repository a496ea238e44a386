"""The bot's voice is kept out of what is heard, and everything else passes."""

import numpy as np
import reactivex
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.events import Audio, EchoEnded, EchoFound, Event, ReplyAudio, ReplyInterrupted, SettingsChanged
from voicepipe.operators import cancel_echo
from voicepipe.presets import ECHO
from voicepipe.testing import Marbles

RATE_HZ = 24_000
PACKET = 480


def sounds(seconds: float) -> list[Audio]:
    draw = np.random.default_rng(1)
    return [Audio(draw.normal(0, 0.1, PACKET).astype(np.float32), RATE_HZ) for _ in range(round(seconds * 50))]


class Talk:
    """A conversation that says each sound when a packet comes, and keeps what it hears."""

    def __init__(self, says: list[Audio], *, cut_after: int | None = None) -> None:
        self.says, self.heard, self.passed = iter(says), list[Audio](), list[Event]()
        self._cut_after = cut_after

    def __call__(self, mic: Observable[Audio | Event]) -> Observable[ReplyAudio | Event]:
        return mic.pipe(rx_ops.flat_map(self._answer))

    def _answer(self, event: Audio | Event) -> Observable[ReplyAudio | Event]:
        if not isinstance(event, Audio):
            self.passed.append(event)
            return reactivex.just(event)
        self.heard.append(event)
        if len(self.heard) == self._cut_after:
            return reactivex.just(ReplyInterrupted("", None))  # pyright: ignore[reportArgumentType]
        sound = next(self.says, None)
        return reactivex.empty() if sound is None else reactivex.just(ReplyAudio(sound))


def level(audio: Audio) -> float:
    return float(np.sqrt(np.mean(audio.samples**2)))


def test_the_bots_sound_is_taken_out_of_the_microphones(marbles: Marbles) -> None:
    """It comes two packets after it was said, at a tenth; the conversation is told of it once."""
    says = sounds(3)
    silence = Audio(np.zeros(PACKET, np.float32), RATE_HZ)
    echo = [silence, silence, silence, *[Audio(one.samples * 0.1, RATE_HZ) for one in says[:-3]]]
    talk = Talk(says)
    marbles.record(reactivex.from_iterable(echo).pipe(cancel_echo(talk, ECHO)))
    assert talk.passed == [EchoFound()]
    assert np.mean([level(one) for one in talk.heard[100:]]) < 0.35 * level(echo[100])


def test_the_end_of_an_echo_is_told(marbles: Marbles) -> None:
    """The user has put on headphones: four seconds of the bot's sound do not come back."""
    says = sounds(8)
    gains = [0.0] * 3 + [0.1] * 150 + [0.0] * 250
    echo = [Audio(says[max(0, at - 3)].samples * gain, RATE_HZ) for at, gain in enumerate(gains)]
    talk = Talk(says)
    marbles.record(reactivex.from_iterable(echo).pipe(cancel_echo(talk, ECHO)))
    assert talk.passed == [EchoFound(), EchoEnded()]


def test_what_was_said_before_the_microphone_counts(marbles: Marbles) -> None:
    """A greeting is on its way before the client has sent its first packet."""
    says = sounds(3)
    heard: list[Audio] = []

    def talk(mic: Observable[Audio | Event]) -> Observable[ReplyAudio | Event]:
        def note(event: Audio | Event) -> Observable[ReplyAudio | Event]:
            heard.extend([event] if isinstance(event, Audio) else [])
            return reactivex.empty()

        greeting: list[ReplyAudio | Event] = [ReplyAudio(one) for one in says]
        return reactivex.merge(mic.pipe(rx_ops.flat_map(note)), reactivex.from_iterable(greeting))

    echo = [Audio(one.samples * 0.1, RATE_HZ) for one in says]
    marbles.record(reactivex.from_iterable(echo).pipe(cancel_echo(talk, ECHO)))
    assert np.mean([level(one) for one in heard[100:]]) < 0.35 * level(echo[100])


def test_without_an_echo_everything_passes(marbles: Marbles) -> None:
    """The sound as the same objects would have been, and every other event in its place."""
    mic: list[Audio | Event] = [*sounds(0.5), SettingsChanged("Hi."), *sounds(0.5)]
    talk = Talk([Audio(np.full(PACKET, 0.1, np.float32), RATE_HZ)] * 10, cut_after=20)
    marbles.record(reactivex.from_iterable(mic).pipe(cancel_echo(talk, ECHO)))
    assert talk.passed == [SettingsChanged("Hi.")]
    assert all(np.array_equal(one.samples, sent.samples) for one, sent in zip(talk.heard, sounds(0.5), strict=False))
    assert len(talk.heard) == 50
