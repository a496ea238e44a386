"""A microphone that falls silent without a word."""

import numpy as np

from voicepipe.events import Audio, AudioDeferred, InputRejected
from voicepipe.operators import fill_gaps
from voicepipe.testing import Marbles

SOUND = Audio(np.ones(20, np.float32), 1000)
FILL = Audio(np.zeros(40, np.float32), 1000)


def test_a_gap_is_filled_with_silence_up_to_a_limit(marbles: Marbles) -> None:
    """Enough to end any turn, then nothing more until the microphone is back."""
    mic = marbles.hot("-a-----------a---|", a=SOUND)
    marbles.expect(mic.pipe(fill_gaps(after_ms=40, at_most_ms=80)), "-a--s-s------a--s|", a=SOUND, s=FILL)


def test_a_steady_microphone_is_left_alone(marbles: Marbles) -> None:
    """No silence between frames that come in time."""
    marbles.expect(marbles.hot("aaaaaa|", a=SOUND).pipe(fill_gaps(after_ms=40, at_most_ms=80)), "aaaaaa|", a=SOUND)


def test_before_the_first_sound_there_is_nothing_to_fill(marbles: Marbles) -> None:
    """The rate is not known yet, and nobody is speaking."""
    marbles.expect(marbles.hot("--------|").pipe(fill_gaps(after_ms=40, at_most_ms=80)), "--------|")


def test_what_is_not_sound_passes_and_does_not_count(marbles: Marbles) -> None:
    """A rejected packet is no sound."""
    rejected = InputRejected("invalid_audio", "garbage")
    mic = marbles.hot("a-rr-|", a=SOUND, r=rejected)
    marbles.expect(mic.pipe(fill_gaps(after_ms=40, at_most_ms=40)), "a-(rs)r-|", a=SOUND, r=rejected, s=FILL)


def test_its_timer_ends_with_the_microphone(marbles: Marbles) -> None:
    """An error ends the ticking as an end does."""
    marbles.expect(marbles.hot("a--#", a=SOUND).pipe(fill_gaps(after_ms=40, at_most_ms=40)), "a-s#", a=SOUND, s=FILL)


def test_sound_that_is_held_back_is_no_silence(marbles: Marbles) -> None:
    """However long it takes; what is missing after it is."""
    mic = marbles.hot("ah-------------a-----|", a=SOUND, h=AudioDeferred())
    marbles.expect(mic.pipe(fill_gaps(after_ms=40, at_most_ms=40)), "a--------------a--s--|", a=SOUND, s=FILL)


def test_long_packets_have_as_much_time(marbles: Marbles) -> None:
    """A client that sends every 100 ms is not silent in between, and is when the next one is missing."""
    long = Audio(np.ones(100, np.float32), 1000)
    mic = marbles.hot("-l----l----l------------|", l=long)
    marbles.expect(mic.pipe(fill_gaps(after_ms=40, at_most_ms=80)), "-l----l----l------s-s---|", l=long, s=FILL)
