"""Steady noise is dampened, and nothing else is touched."""

import numpy as np
import pytest
import reactivex

from voicepipe.events import Audio, SettingsChanged
from voicepipe.operators import suppress_noise
from voicepipe.testing import Marbles

RATE_HZ = 24_000


def level(samples: np.ndarray) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(samples**2)) + 1e-9))


def heard(marbles: Marbles, sound: np.ndarray, db: int) -> np.ndarray:
    packets = [Audio(packet.astype(np.float32), RATE_HZ) for packet in np.array_split(sound, 151)]
    out = marbles.record(reactivex.from_iterable(packets).pipe(suppress_noise(db=db)))
    return np.concatenate([one.value.samples for one in out if one.kind == "next"])


@pytest.mark.parametrize("db", [6, 12, 18])
def test_noise_is_dampened_by_so_much(marbles: Marbles, db: int) -> None:
    """After a second in which it is learnt."""
    noise = np.random.default_rng(1).normal(0, 0.01, 3 * RATE_HZ)
    left = heard(marbles, noise, db)
    assert level(noise) - level(left[2 * RATE_HZ :]) == pytest.approx(db, abs=3)
    assert 0 <= len(noise) - len(left) < RATE_HZ // 100


def test_what_comes_and_goes_as_a_voice_does_stays(marbles: Marbles) -> None:
    """Within 3 dB: a word of 0.2 s each half a second, over noise that is 40 dB softer."""
    draw = np.random.default_rng(2)
    word = np.hanning(4_800) * draw.normal(0, 0.3, 4_800)
    voice = np.concatenate([np.pad(word, (0, 7_200))] * 8)
    left = heard(marbles, voice + draw.normal(0, 0.002, len(voice)), 12)
    assert level(left[2 * RATE_HZ :]) == pytest.approx(level(voice[2 * RATE_HZ :]), abs=3)


def test_other_events_pass(marbles: Marbles) -> None:
    """At their places."""
    settings = SettingsChanged("Hi.")
    marbles.expect(marbles.cold("x-|", x=settings).pipe(suppress_noise(db=12)), "x-|", x=settings)


def test_a_level_that_there_is_not_is_named() -> None:
    """With those that there are."""
    with pytest.raises(ValueError, match=r"db is 10; .* 6, 12, 18 or 21 dB"):
        suppress_noise(db=10)
