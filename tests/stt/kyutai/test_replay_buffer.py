"""The sound on its way to the recogniser, and its two clocks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.events import Audio
from voicepipe.stt.kyutai.replay_buffer import SILENCE, Frame, Framer, ReplayBuffer


def piece(number: int) -> Frame:
    """The frame with this number."""
    return Frame(SILENCE, number * 0.08, (number + 1) * 0.08)


def pushed(at_s: float) -> Frame:
    return Frame(SILENCE, at_s, at_s)


def send_all(replay: ReplayBuffer) -> list[float]:
    sent: list[float] = []
    while (one := replay.next()) is not None:
        sent.append(round(one.start_s, 2))
    return sent


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=20))
def test_frames_hold_every_sample_once(lengths: list[int]) -> None:
    """However the microphone cuts its sound; what does not fill a frame waits."""
    framer, sound = Framer(), np.arange(sum(lengths), dtype=np.float32)
    pieces, begin = [], 0
    for length in lengths:
        pieces += framer.add(Audio(sound[begin : begin + length], 24_000))
        begin += length
    rest = framer.rest()
    heard = np.concatenate([one.samples for one in [*pieces, *rest]] or [sound[:0]])
    assert np.array_equal(heard[: len(sound)], sound)
    assert not heard[len(sound) :].any(), "filled up with silence"
    assert all(len(one.samples) == 1920 for one in [*pieces, *rest])
    assert framer.framed_s == pytest.approx(len(sound) / 24_000) == pytest.approx(framer.heard_s)


def test_other_rates_are_resampled() -> None:
    """A second at 16 kHz is a second."""
    framer = Framer()
    for _ in range(50):
        pieces = framer.add(Audio(np.zeros(320, np.float32), 16_000))
    assert framer.heard_s == pytest.approx(1.0)
    assert framer.framed_s == pytest.approx(1.0, abs=0.1)
    assert pieces[-1].stop_s == framer.framed_s


def test_only_so_many_are_on_the_way() -> None:
    """A recogniser that is slow is not sent more and more: what it has not heard grows old here, where it is seen."""
    replay = ReplayBuffer(capacity=10, in_flight=2)
    for number in range(4):
        assert replay.add(piece(number)) == 0
    assert send_all(replay) == [0.0, 0.08]
    assert replay.unheard == 2
    replay.step()
    assert send_all(replay) == [0.16]


def test_the_oldest_that_was_not_sent_is_lost() -> None:
    """And its length is told."""
    replay = ReplayBuffer(capacity=3, in_flight=99)
    assert [round(replay.add(piece(number)), 2) for number in range(5)] == [0, 0, 0, 0.08, 0.08]
    assert send_all(replay) == [0.16, 0.24, 0.32]


def test_what_was_sent_is_not_lost_when_it_makes_room() -> None:
    """The recogniser has it already; only a new connection would miss it."""
    replay = ReplayBuffer(capacity=3, in_flight=99)
    for number in range(3):
        replay.add(piece(number))
    assert send_all(replay) == [0.0, 0.08, 0.16]
    assert replay.add(piece(3)) == 0
    assert send_all(replay) == [0.24]


def test_a_new_connection_gets_what_was_not_understood() -> None:
    """Once more, in order; what was understood is forgotten."""
    replay = ReplayBuffer(capacity=99, in_flight=99)
    for number in range(5):
        replay.add(piece(number))
    send_all(replay)
    replay.understood(0.2)
    replay.rewind()
    assert send_all(replay) == [0.16, 0.24, 0.32]
    assert replay.unheard == 3


def test_what_was_not_sent_is_never_forgotten() -> None:
    """However far the clock seems to be."""
    replay = ReplayBuffer(capacity=99, in_flight=99)
    replay.add(piece(0))
    replay.understood(99)
    assert send_all(replay) == [0.0]


def test_the_clock_starts_at_minus_the_delay() -> None:
    """And a step is 80 ms."""
    replay = ReplayBuffer(capacity=99, in_flight=99)
    assert replay.clock_s(0.5) == -0.5
    for _ in range(10):
        replay.step()
    assert replay.clock_s(0.5) == pytest.approx(0.3)


def test_pushed_silence_takes_no_time_of_the_users_audio() -> None:
    """A word behind it is placed where the user said it."""
    replay = ReplayBuffer(capacity=99, in_flight=99)
    for one in (piece(0), piece(1), pushed(0.16), pushed(0.16), piece(2)):
        replay.add(one)
    send_all(replay)
    for _ in range(5):
        replay.step()
    assert [round(replay.audio_s(at_s), 3) for at_s in (0.0, 0.1, 0.16, 0.3, 0.32, 0.36)] == [
        0.0, 0.1, 0.16, 0.16, 0.16, 0.2,
    ]  # fmt: skip
    assert replay.audio_s(-1) == 0.0
    assert replay.audio_s(99) == pytest.approx(0.24)


def test_a_new_connections_clock_is_placed_where_it_began() -> None:
    """Sound that is sent again keeps its place in the user's audio."""
    replay = ReplayBuffer(capacity=99, in_flight=99)
    for number in range(10):
        replay.add(piece(number))
    send_all(replay)
    for _ in range(10):
        replay.step()
    replay.understood(0.5)
    replay.rewind()
    assert replay.audio_s(0) == pytest.approx(0.48)
    send_all(replay)
    replay.step()
    assert replay.audio_s(0.04) == pytest.approx(0.52)


def test_a_step_too_many_does_no_harm() -> None:
    """It stands still in the user's audio."""
    replay = ReplayBuffer(capacity=99, in_flight=99)
    assert replay.step() is None
    replay.add(piece(0))
    send_all(replay)
    assert replay.step() is not None
    assert replay.step() is None
    assert replay.audio_s(0.2) == pytest.approx(0.08)
    assert replay.audio_s(0.1) == pytest.approx(0.02)


def test_an_hours_steps_are_not_all_remembered() -> None:
    """Only where the last ones were."""
    replay = ReplayBuffer(capacity=99, in_flight=99)
    for number in range(45_000):
        replay.add(piece(number))
        replay.next()
        replay.step()
        replay.understood((number - 5) * 0.08)
    assert replay.kept < 10
    assert replay.audio_s(44_990 * 0.08 + 0.01) == pytest.approx(44_990 * 0.08 + 0.01)
