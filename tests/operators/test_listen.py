"""`listen`: a recogniser beside a stage that notices pauses."""

import numpy as np
import pytest
import reactivex as rx
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.events import (
    Audio,
    Event,
    FlushRequested,
    InputCleared,
    InputCommitted,
    InputRejected,
    Pause,
    SpeechStarted,
    TurnTaking,
    WordRecognised,
)
from voicepipe.operators import listen
from voicepipe.testing import Marbles

SOUND = Audio(np.ones(20, np.float32), 1000)
STARTED, BEGIN, PAUSED, LONG = SpeechStarted(0.0, 0.1), Pause(0.0, 0.0), Pause(0.9, 0.1), Pause(1.0, 0.1)


def pauses_at(marbles: Marbles, diagram: str):
    notices = {"s": STARTED, "b": BEGIN, "P": PAUSED, "L": LONG}
    return lambda mic: rx.merge(mic.pipe(rx_ops.ignore_elements()), marbles.cold(diagram, table=notices))


def test_the_recogniser_gets_the_sound_and_what_was_noticed(marbles: Marbles) -> None:
    """Audio, edges, and one flush per pause, in the order in which they happened."""
    got: list[Event] = []

    def stt(source: Observable[Event]) -> Observable[Event]:
        return source.pipe(rx_ops.do_action(got.append), rx_ops.ignore_elements())

    mic = marbles.hot("-a---a---|", a=SOUND)
    stage = listen(stt, pauses_at(marbles, "s-b-P-L|"), flush_at=0.6)
    marbles.expect(mic.pipe(stage), "s-b-P-L--|", s=STARTED, b=BEGIN, P=PAUSED, L=LONG)
    assert [e if isinstance(e, FlushRequested) else type(e) for e in got] == [
        SpeechStarted,
        Audio,
        Pause,
        Pause,
        FlushRequested(0.1),
        Audio,
        Pause,
    ]


def test_words_and_pauses_come_out_as_they_are_noticed(marbles: Marbles) -> None:
    """`listen` adds no time of its own."""
    word = WordRecognised("hi", 0.0, 0.1)
    stt = lambda source: rx.merge(source.pipe(rx_ops.ignore_elements()), marbles.cold("---w|", w=word))
    mic = marbles.hot("a-----|", a=SOUND)
    marbles.expect(mic.pipe(listen(stt, pauses_at(marbles, "-s|"), flush_at=0.6)), "-s-w--|", s=STARTED, w=word)


def test_what_is_not_sound_passes(marbles: Marbles) -> None:
    """A packet that could not be decoded is told to the client, and heard by nobody."""
    rejected = InputRejected("invalid_audio", "garbage")
    mic = marbles.hot("r-|", r=rejected)
    stt = lambda source: source.pipe(rx_ops.ignore_elements())
    marbles.expect(mic.pipe(listen(stt, pauses_at(marbles, "|"), flush_at=0.6)), "r-|", r=rejected)


def test_a_failing_recogniser_fails_the_ear(marbles: Marbles) -> None:
    """And lets go of the microphone."""
    stt = lambda source: rx.merge(source.pipe(rx_ops.ignore_elements()), marbles.cold("--#"))
    mic = marbles.hot("a-----|", a=SOUND)
    marbles.expect(mic.pipe(listen(stt, pauses_at(marbles, "|"), flush_at=0.6)), "--#")


def test_a_recogniser_that_notices_pauses_itself_is_flushed_by_its_own(marbles: Marbles) -> None:
    """One flush per pause that is surer than the threshold, right behind the pause."""
    got: list[Event] = []

    def stt(source: Observable[Event]) -> Observable[Event]:
        notices = marbles.cold("b-P-L-b-P|", b=BEGIN, P=PAUSED, L=LONG)
        return rx.merge(source.pipe(rx_ops.do_action(got.append), rx_ops.ignore_elements()), notices)

    mic = marbles.hot("-a-------a|", a=SOUND)
    marbles.expect(mic.pipe(listen(stt, None, flush_at=0.6)), "b-P-L-b-P-|", b=BEGIN, P=PAUSED, L=LONG)
    assert [event for event in got if isinstance(event, FlushRequested)] == [FlushRequested(0.1)] * 2
    assert len([event for event in got if isinstance(event, Audio)]) == 2
    assert not [event for event in got if isinstance(event, Pause)], "it knows its own pauses"


def test_what_is_not_sound_passes_a_recogniser_that_notices_pauses(marbles: Marbles) -> None:
    """It is heard by nobody, and its failure is the recogniser's."""
    rejected = InputRejected("invalid_audio", "garbage")
    mic = marbles.hot("r-----|", r=rejected)
    stt = lambda source: rx.merge(source.pipe(rx_ops.ignore_elements()), marbles.cold("--#"))
    marbles.expect(mic.pipe(listen(stt, None, flush_at=0.6)), "r-#", r=rejected)


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "with a detector"])
@pytest.mark.parametrize("end", [InputCommitted("=a"), InputCleared()])
def test_where_the_client_ends_what_was_said_the_recogniser_is_flushed(
    marbles: Marbles, end: InputCommitted | InputCleared, alone: bool
) -> None:
    """Behind the sound before it; and the event tells where that is."""
    got: list[Event] = []
    stt = lambda source: source.pipe(rx_ops.do_action(got.append), rx_ops.ignore_elements())
    mic = marbles.hot("aaaxa|", a=SOUND, x=end)
    stage = listen(stt, None if alone else pauses_at(marbles, "|"), flush_at=0.6)
    (out,) = [one.value for one in marbles.record(mic.pipe(stage)) if one.kind == "next"]
    assert (out, out.at_s) == (end, pytest.approx(0.06))
    assert got == [SOUND, SOUND, SOUND, FlushRequested(out.at_s), SOUND]


def test_the_recogniser_has_the_sound_before_what_was_noticed_in_it(marbles: Marbles) -> None:
    """And knows how turns are taken, as the detector does."""
    got: list[Event] = []
    noticed: list[Event] = []
    stt = lambda source: source.pipe(rx_ops.do_action(got.append), rx_ops.ignore_elements())
    pauses = lambda mic: mic.pipe(
        rx_ops.do_action(noticed.append), rx_ops.filter(lambda e: isinstance(e, Audio)), rx_ops.map(lambda _: STARTED)
    )
    turns = TurnTaking("voice", prefix_ms=500)
    out = marbles.record(marbles.hot("ta|", t=turns, a=SOUND).pipe(listen(stt, pauses, flush_at=0.6)))
    assert [one.value for one in out if one.kind == "next"] == [turns, STARTED]
    assert got == [turns, SOUND, STARTED]
    assert noticed == [turns, SOUND]
