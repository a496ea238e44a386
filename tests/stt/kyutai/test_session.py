"""The results for a recogniser's messages, without a connection."""

import tracemalloc
from collections.abc import Sequence
from typing import Any

import numpy as np
import ormsgpack
import pytest
from kyutai import STT_OPTIONS, TONES

from voicepipe.boundary.pending import PendingWork
from voicepipe.events import (
    Audio,
    Event,
    FlushRequested,
    Pause,
    SpeechStarted,
    SpeechStopped,
    Transcribed,
    Warned,
    WordRecognised,
)
from voicepipe.services import NULL_OBSERVER, ConnectionLost
from voicepipe.stt.kyutai.session import KyutaiSttSession, SttOptions
from voicepipe.testing.servers.tones import joined, silence

SERVICE = "speech recognition (STT)"


class Played:
    """A session with a recogniser, on a clock that the test sets, with the messages of the test."""

    def __init__(self, stt_options: SttOptions = STT_OPTIONS) -> None:
        self.now_s = 0.0
        self.backlog = PendingWork()
        self.session = KyutaiSttSession(lambda: self.now_s, stt_options, SERVICE, NULL_OBSERVER, self.backlog)
        self.session.opened()
        self.events: list[Event] = []

    def sound(self, *pieces: Audio) -> None:
        self.events += self.session.put(joined(pieces))

    def sent(self) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        while (message := self.session.outgoing()) is not None:
            messages.append(ormsgpack.unpackb(message))
        return messages

    def says(self, **message: Any) -> Sequence[Event]:
        events = self.session.received(ormsgpack.packb(message))
        self.events += events
        return events

    def step(self, score: float, count: int = 1) -> list[Event]:
        """The next frames are heard."""
        events: list[Event] = []
        for _ in range(count):
            self.now_s += 0.08
            events += self.says(type="Step", step_idx=0, prs=[0.0, 0.0, score, 0.0])
        return events

    def hear(self, sound: Audio, score: float) -> list[Event]:
        """Sound that is sent and heard in step."""
        self.sound(sound)
        return self.step(score, len([message for message in self.sent() if message["type"] == "Audio"]))


def primed(stt_options: SttOptions = STT_OPTIONS) -> Played:
    """After the twelve steps that do not count."""
    played = Played(stt_options)
    assert played.hear(silence(12 * 0.08), 1.0) == []
    return played


def test_each_step_tells_the_pause() -> None:
    """Before anybody has spoken it is sure, and as far as the sound was heard."""
    played = primed()
    assert played.hear(silence(0.08), 1.0) == [Pause(1.0, pytest.approx(1.04))]


def test_speech_starts_and_stops_with_the_score_and_is_placed_by_the_sound() -> None:
    """In a pause the last loud moment stays, however long it gets; a stop knows when it was noticed."""
    played = primed()
    heard = played.hear(joined([silence(0.06), TONES.say("one")]), 0.02)
    assert [type(event) for event in heard[:2]] == [SpeechStarted, Pause]
    assert heard[0].at_s == pytest.approx(0.96 + 0.06)
    assert heard[0].noticed_s == pytest.approx(0.96 + 0.38)
    events = played.hear(silence(0.4), 0.98)
    stopped, *pauses = events
    assert stopped == SpeechStopped(pytest.approx(0.96 + 0.06 + 0.24), pytest.approx(0.96 + 0.78))
    assert {round(pause.at_s, 3) for pause in pauses} == {1.26}


def test_a_word_is_told_at_once() -> None:
    """With the score at 0: the user begins; and an empty word is none."""
    played = primed()
    played.hear(silence(0.8), 1.0)
    assert played.says(type="Word", text="", start_time=0) == ()
    assert played.says(type="Word", text="hi", start_time=0.96) == [
        SpeechStarted(pytest.approx(0.96), pytest.approx(1.76)),
        Pause(0.0, pytest.approx(0.96)),
        WordRecognised("hi", pytest.approx(0.96), pytest.approx(1.76 - 0.5)),
    ]
    assert [type(event) for event in played.says(type="Word", text="there", start_time=1.1)] == [WordRecognised]
    assert played.says(type="EndWord", stop_time=1.3) == ()


@pytest.mark.parametrize(("delay_s", "frames", "steps"), [(0.5, 8, 7), (2.5, 33, 32)])
def test_a_flush_pushes_the_delays_worth_of_silence(delay_s: float, frames: int, steps: int) -> None:
    """ceil(delay / 80 ms) + 1 frames, and all is transcribed when the clock has passed the moment and the delay."""
    played = primed(SttOptions(**{**_fields(STT_OPTIONS), "delay_s": delay_s}))
    played.hear(TONES.say("one"), 0.0)
    played.hear(silence(0.08), 1.0)
    noted_s = played.events[-1].at_s
    assert played.session.put(FlushRequested(noted_s)) == []
    pushed = played.sent()
    assert len(pushed) == frames
    assert not any(any(message["pcm"]) for message in pushed)
    assert played.step(1.0, steps - 1) == [], "no pause is told while a flush is under way"
    (transcribed,) = played.step(1.0)
    assert transcribed == Transcribed(pytest.approx(0.96 + 0.40), None)


def test_one_flush_may_follow_another_that_is_not_through() -> None:
    """Each is told of, in its place: two turns that a client has ended are two."""
    played = primed()
    played.hear(TONES.say("one"), 0.0)
    played.session.put(FlushRequested(1.28))
    played.sound(TONES.say("two"))
    played.session.put(FlushRequested(1.6))
    frames = len([message for message in played.sent() if message["type"] == "Audio"])
    assert frames == 8 + 4 + 8
    events = [event for event in played.step(1.0, frames) if isinstance(event, Transcribed)]
    assert events == [Transcribed(pytest.approx(1.28)), Transcribed(pytest.approx(1.6))]


def test_sound_of_another_rate_is_flushed_to_its_last_sample() -> None:
    """The sound in the resampler is sent, too."""
    played = primed()
    sound = Audio(np.full(16_000, 0.3, np.float32), 16_000)
    played.session.put(sound)
    played.session.put(FlushRequested(1.96))
    frames = [message["pcm"] for message in played.sent()]
    assert sum(abs(sample) > 0.1 for frame in frames for sample in frame) == pytest.approx(24_000, abs=30)
    assert Transcribed(pytest.approx(1.96)) in played.step(1.0, len(frames))


def test_it_is_behind_while_three_frames_are_on_their_way_or_a_flush_is() -> None:
    """A caller that plays a recording to it waits so long."""
    played = primed()
    behind: list[bool] = []
    for _ in range(3):
        played.sound(silence(0.08))
        behind.append(not played.backlog.is_clear)
    assert (behind, len(played.sent())) == ([False, False, True], 3)
    played.step(1.0)
    assert played.backlog.is_clear
    played.step(1.0, 2)
    played.session.put(FlushRequested(1.2))
    pushed = len(played.sent())
    played.step(1.0, 6)
    assert (pushed, played.backlog.is_clear) == (8, False)
    played.step(1.0)
    assert played.backlog.is_clear


def _fields(stt_options: SttOptions) -> dict[str, Any]:
    return {name: getattr(stt_options, name) for name in SttOptions.__dataclass_fields__}


def test_the_next_turn_is_placed_behind_the_silence_that_was_pushed() -> None:
    """The service's clock has run ahead of the microphone's by that much."""
    played = primed()
    played.hear(TONES.say("one"), 0.0)
    played.session.put(FlushRequested(1.2))
    played.step(1.0, len(played.sent()))
    played.hear(silence(1.28), 1.0)
    now_s = 12 * 0.08 + 0.32 + 1.28
    events = played.says(type="Word", text="two", start_time=12 * 0.08 + 0.32 + 8 * 0.08 + 1.0)
    assert events[-1].start_s == pytest.approx(now_s - 0.28)


def test_a_word_that_a_flush_has_hurried_does_not_reopen_the_turn() -> None:
    """The pause that was flushed is still the pause."""
    played = primed()
    played.hear(TONES.say("one"), 0.0)
    played.hear(silence(0.08), 1.0)
    played.session.put(FlushRequested(1.2))
    assert [type(event) for event in played.says(type="Word", text="one", start_time=0.96)] == [WordRecognised]


def test_a_flush_that_a_vad_asks_for_waits_for_its_own_moment() -> None:
    """It is ahead of the recogniser, which has not heard that far: also what does not fill a frame yet is sent."""
    played = primed(SttOptions(**{**_fields(STT_OPTIONS), "notices_pauses": False}))
    played.sound(TONES.say("one"), silence(0.05))
    played.session.put(FlushRequested(1.30))
    messages = played.sent()
    assert len(messages) == 5 + 8
    assert played.step(0.0, 5 + 6) == []
    assert played.step(0.0) == [Transcribed(1.30, None)]


def test_a_vad_beside_it_leaves_no_pauses_to_tell() -> None:
    """Words only."""
    played = primed(SttOptions(**{**_fields(STT_OPTIONS), "notices_pauses": False}))
    assert played.hear(TONES.say("one"), 0.0) == []
    assert [type(event) for event in played.says(type="Word", text="one", start_time=0.96)] == [WordRecognised]


def test_on_a_new_connection_the_sound_since_the_last_word_is_sent_again() -> None:
    """Up to the end of a word that has ended; its tail, and a word that is repeated, are not told again."""
    played = primed()
    played.hear(TONES.say("one two three"), 0.0)
    played.says(type="Word", text="one", start_time=0.96)
    played.says(type="EndWord", stop_time=1.23)
    assert [type(event) for event in played.session.lost(ConnectionLost(SERVICE, "close code 1006"))] == [Warned]
    played.session.opened()
    again = played.sent()
    # Twelve frames of silence and twelve of words; of them those that end before 1.23 s are understood.
    assert len(again) == 12 + 12 - 15
    played.step(0.0, len(again))
    assert played.says(type="Word", text="one", start_time=0.0) == (), "the tail of a word that is known"
    (word,) = [
        event for event in played.says(type="Word", text="two", start_time=0.08) if isinstance(event, WordRecognised)
    ]
    assert word.start_s == pytest.approx(1.28)


def test_a_word_that_was_open_is_sent_again_but_told_once() -> None:
    """From its beginning: nobody knows how much of it the lost recogniser had heard."""
    played = primed()
    played.hear(TONES.say("one two"), 0.0)
    played.says(type="Word", text="one", start_time=0.96)
    played.session.opened()
    again = played.sent()
    assert len(again) == 8
    played.step(0.0, 8)
    assert played.says(type="Word", text="one", start_time=0.08) == ()
    assert played.says(type="Word", text="two", start_time=0.32) != ()


def test_the_same_word_twice_is_told_twice() -> None:
    """Nothing is sent again, so nothing is repeated."""
    played = primed()
    played.hear(silence(1.6), 0.0)
    for start_s in (1.0, 1.1):
        assert played.says(type="Word", text="no", start_time=start_s) != ()


def test_long_silence_is_not_sent_again() -> None:
    """Two seconds before the model's clock there is nothing that could still become a word."""
    played = primed()
    for _ in range(60):
        played.hear(silence(0.8), 1.0)
    played.session.opened()
    assert len(played.sent()) == round((2.0 + 0.5) / 0.08) + 1


def test_sound_that_was_heard_takes_half_and_is_sent_again_nearly_as_it_was() -> None:
    """Each conversation keeps 2.5 s for a connection that may break: 155 KiB; 300 if it were kept whole."""
    sound = Audio(np.random.default_rng(1).normal(0, 0.1, 24_000 * 8).astype(np.float32), 24_000)
    primed()  # what is imported does not count
    tracemalloc.start()
    try:
        played = primed()
        for at in range(0, len(sound.samples), 1920):
            played.hear(Audio(sound.samples[at : at + 1920], 24_000), 1.0)
        kib = tracemalloc.get_traced_memory()[0] / 1024
    finally:
        tracemalloc.stop()
    assert kib <= 170
    played.session.opened()
    again = np.concatenate([message["pcm"] for message in played.sent()])
    last = sound.samples[-len(again) :]
    assert np.allclose(again, last, rtol=2**-10, atol=1e-6)


def test_a_session_that_is_cut_keeps_no_sound() -> None:
    """Its objects refer to each other in circles, and stay until the garbage collector comes."""
    played = primed()
    played.hear(silence(0.8), 1.0)
    played.session.cut()
    played.session.opened()
    assert played.sent() == []


def test_a_new_connections_first_steps_do_not_count() -> None:
    """The earlier pause score stays."""
    played = primed()
    played.hear(silence(0.8), 1.0)
    played.session.opened()
    played.sent()
    assert played.step(0.0, 12) == []


def test_silence_is_a_fault_only_while_a_step_is_owed() -> None:
    """From the moment in which the first frame went out."""
    played = primed()
    assert played.session.overdue_at is None
    played.now_s = 10.0
    played.sound(silence(0.16))
    played.sent()
    assert played.session.overdue_at == pytest.approx(10.0 + STT_OPTIONS.silent_s)
    played.now_s = 11.0
    played.says(type="Step", step_idx=0, prs=[0, 0, 0, 0])
    assert played.session.overdue_at == pytest.approx(11.0 + STT_OPTIONS.silent_s)
    played.says(type="Step", step_idx=0, prs=[0, 0, 0, 0])
    assert played.session.overdue_at is None


def test_an_old_connection_is_stale_between_turns_only() -> None:
    """Not while the user speaks, nor before their words are out."""
    played = primed()
    played.now_s = 601.0
    assert played.session.stale
    played.hear(TONES.say("one"), 0.0)
    assert not played.session.stale
    played.says(type="Word", text="one", start_time=0.96)
    played.hear(silence(0.08), 1.0)
    assert not played.session.stale
    played.session.put(FlushRequested(1.2))
    assert not played.session.stale
    played.sent()
    played.step(1.0, 8)
    assert played.session.stale
    played.session.opened()
    assert not played.session.stale


def test_the_end_waits_for_the_last_words() -> None:
    """A marker goes out, and silence for the delay behind it; when the marker comes back everything has been said."""
    played = primed()
    played.sound(TONES.say("one"), silence(0.05))
    played.session.finish()
    messages = played.sent()
    assert [message["type"] for message in messages] == ["Audio"] * 5 + ["Marker"] + ["Audio"] * 8
    assert not played.session.done
    played.says(type="Marker", id=messages[5]["id"])
    assert played.session.done


def test_nothing_heard_is_nothing_to_wait_for() -> None:
    """Not even for a connection."""
    session = KyutaiSttSession(lambda: 0.0, STT_OPTIONS, SERVICE, NULL_OBSERVER)
    session.finish()
    assert session.done


def test_events_of_others_are_no_business_of_an_ear() -> None:
    """A VAD's edges mean nothing to it."""
    assert primed().session.put(SpeechStarted(0.0, 0.1)) == ()


def test_sound_that_is_not_taken_is_lost_from_the_old_end() -> None:
    """And how much is told."""
    played = Played(SttOptions(**{**_fields(STT_OPTIONS), "buffer_s": 1.0, "in_flight_s": 0.4}))
    played.sound(Audio(np.zeros(48_000, np.float32), 24_000))
    (lost,) = played.events
    assert (lost.boundary, lost.lost_ms) == (SERVICE, pytest.approx(960))
    assert len(played.sent()) == 5
