"""The bot's voice in real time."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.events import Audio, ReplyAudio, ReplyText, WordSpoken
from voicepipe.operators import pace
from voicepipe.testing import Marbles

RATE_HZ = 1000


def speech(ms: int, level: float = 0.1) -> ReplyAudio:
    return ReplyAudio(Audio(np.full(ms, level, np.float32), RATE_HZ))


FRAME = speech(40)


def test_sound_is_released_ahead_of_its_time_by_the_lead_only(marbles: Marbles) -> None:
    """160 ms at once: two frames now, two when they are 80 ms from being heard; the end when all has been heard."""
    tts = marbles.cold("(a|)", a=speech(160))
    marbles.expect(tts.pipe(pace(lead_ms=80, frame_ms=40)), "(xxx)-x-----|", x=FRAME)


def test_words_come_when_their_sound_is_heard(marbles: Marbles) -> None:
    """Word times count from the first sample, whatever was made ahead."""
    first, second = WordSpoken("one", 0.0, 0.04), WordSpoken("two", 0.06, 0.1)
    tts = marbles.cold("(uva|)", u=first, v=second, a=speech(120))
    marbles.expect(tts.pipe(pace(lead_ms=400, frame_ms=40)), "(xuxx)--v--|", x=FRAME, u=first, v=second)


def test_a_slow_synthesiser_stops_the_clock(marbles: Marbles) -> None:
    """Sound that comes late plays at once, and the words after it move with it."""
    late = WordSpoken("late", 0.04, 0.08)
    tts = marbles.cold("a----(ua|)", a=FRAME, u=late)
    marbles.expect(tts.pipe(pace(lead_ms=80, frame_ms=40)), "x----(xu)-|", x=FRAME, u=late)


def test_what_is_not_sound_passes_at_once(marbles: Marbles) -> None:
    """Text runs ahead of the voice."""
    text = ReplyText("hi")
    tts = marbles.cold("a-(t|)", a=speech(120), t=text)
    marbles.expect(tts.pipe(pace(lead_ms=40, frame_ms=40)), "(xx)-(xt)---|", x=FRAME, t=text)


def test_disposing_drops_what_waits(marbles: Marbles) -> None:
    """After a barge-in nothing more is released, and the synthesiser is let go."""
    tts = marbles.cold("a 10s |", a=speech(4000))
    marbles.expect(tts.pipe(pace(lead_ms=40, frame_ms=40)), "(xx)-x!", x=FRAME)
    marbles.expect_subscriptions(tts, "^--!")


def test_an_error_is_not_delayed(marbles: Marbles) -> None:
    """A broken voice is known at once; what was made and not yet heard goes with it."""
    tts = marbles.cold("a--#", a=speech(400))
    marbles.expect(tts.pipe(pace(lead_ms=40, frame_ms=40)), "(xx)-x#", x=FRAME)


def test_after_a_stall_of_the_process_frames_do_not_come_in_a_burst(marbles: Marbles) -> None:
    """The client has run dry meanwhile: it plays the next frame when it comes, and the others are timed from there."""
    marbles.loop.call_later(0.11, marbles.loop.stall, 1.0)
    out = marbles.record(marbles.cold("(a|)", a=speech(400)).pipe(pace(lead_ms=80, frame_ms=40)))
    assert [round(one.t_ms) for one in out] == [0, 0, 0, 40, 80, 1110, 1110, 1110, 1150, 1190, 1310]


def test_words_without_sound_are_released_at_the_end(marbles: Marbles) -> None:
    """No word is lost when a synthesiser's times run past its audio."""
    word = WordSpoken("over", 5.0, 5.1)
    tts = marbles.cold("(ua|)", u=word, a=FRAME)
    marbles.expect(tts.pipe(pace(lead_ms=40, frame_ms=40)), "x-(u|)", x=FRAME, u=word)


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 300)), min_size=1, max_size=6))
def test_it_never_runs_further_ahead_than_the_lead(pieces: list[tuple[int, int]]) -> None:
    """However the synthesiser stutters: all samples, in order, none more than lead and a frame ahead of a player."""
    lead_ms = 80
    letters = dict(zip("abcdef", [speech(length_ms) for _, length_ms in pieces], strict=False))
    script = " ".join(f"{wait_ms}ms {letter}" for letter, (wait_ms, _) in zip(letters, pieces, strict=True))
    with Marbles() as marbles:
        source = marbles.cold(f"{script}|", table=letters)
        out = marbles.record(source.pipe(pace(lead_ms=lead_ms, frame_ms=20)))
    plays_until = 0.0
    for released in out[:-1]:
        assert released.t_ms >= plays_until - lead_ms - 0.01
        plays_until = max(plays_until, released.t_ms) + len(released.value.audio.samples)
    assert sum(len(released.value.audio.samples) for released in out[:-1]) == sum(length for _, length in pieces)
    assert out[-1].t_ms >= plays_until - 0.01
