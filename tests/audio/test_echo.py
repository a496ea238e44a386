"""The bot's voice in a microphone: found, removed, and left alone where it is not."""

import tracemalloc
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from voicepipe.audio.echo import EchoCanceller, Loudspeaker
from voicepipe.events import Audio, Samples
from voicepipe.presets import ECHO

RATE_HZ = 24_000
PACKET = 480


@cache
def voice(seconds: float, seed: int) -> Samples:
    """Syllables of noise, a few hundred milliseconds each: as loud, as short and as broad as speech. Read-only."""
    draw = np.random.default_rng(seed)
    count = round(seconds * RATE_HZ)
    coarse = np.repeat(draw.uniform(0, 1, count // 3_000 + 1) ** 2, 3_000)[:count]
    smooth = np.convolve(draw.normal(0, 0.2, count + 5), np.ones(6) / 6, "valid")
    made = (coarse * smooth).astype(np.float32)
    made.flags.writeable = False
    return made


def echo_of(sound: Samples, delay_s: float, gain_db: float) -> Samples:
    """The sound in a room: late, softer, and with a tail of 100 ms."""
    tail = np.random.default_rng(9).normal(0, 0.1, 2_400) * np.exp(-np.arange(2_400) / 480)
    tail[0] = 1.0
    heard = np.convolve(sound, tail / np.linalg.norm(tail) * 10 ** (gain_db / 20))
    return np.pad(heard, (round(delay_s * RATE_HZ), 0))[: len(sound)].astype(np.float32)


def cleaned(canceller: EchoCanceller, near: Samples, far: Samples) -> tuple[Samples, float | None]:
    """Play and record in packets of 20 ms; return what is left, and when an echo was found."""
    out: list[Samples] = []
    found_s: float | None = None
    for at in range(0, len(near), PACKET):
        canceller.loudspeaker.put(Audio(far[at : at + PACKET], RATE_HZ))
        out.append(canceller.clean(near[at : at + PACKET]))
        if canceller.found and found_s is None:
            found_s = at / RATE_HZ
    return np.concatenate(out), found_s


def decibels(samples: Samples) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(samples**2)) + 1e-9))


@pytest.mark.parametrize("delay_s", [0.05, 0.2, 0.4])
@pytest.mark.parametrize("gain_db", [-6, -18, -30])
def test_an_echo_is_found_and_removed(delay_s: float, gain_db: float) -> None:
    """Within a second of the bot's first sound; soon nothing of it is left that a VAD would take for a voice."""
    bot = voice(3.5, seed=1)
    echo = echo_of(bot, delay_s, gain_db) + np.random.default_rng(2).normal(0, 2e-4, len(bot)).astype(np.float32)
    left, found_s = cleaned(EchoCanceller(RATE_HZ, ECHO), echo, bot)
    assert found_s is not None
    assert found_s <= 1.0
    assert decibels(left[2 * RATE_HZ :]) < min(-55, decibels(echo[2 * RATE_HZ :]) - 8)


@pytest.mark.parametrize("delay_s", [0.6, 0.75])
def test_a_very_late_echo_stays_removed(delay_s: float) -> None:
    """WebRTC's canceller, which looks half a second back, would lose it again and again."""
    bot = voice(6, seed=1)
    echo = echo_of(bot, delay_s, -6) + np.random.default_rng(2).normal(0, 2e-4, len(bot)).astype(np.float32)
    left, found_s = cleaned(EchoCanceller(RATE_HZ, ECHO), echo, bot)
    assert found_s is not None
    assert found_s <= 1.3
    seconds = range(2 * RATE_HZ, 6 * RATE_HZ, RATE_HZ)
    assert all(decibels(left[at:][:RATE_HZ]) < decibels(echo[at:][:RATE_HZ]) - 25 for at in seconds)


def test_without_an_echo_the_sound_stays_as_it_is() -> None:
    """To the bit, and without a delay: a canceller would take the user's voice for an echo."""
    user = voice(6, seed=3)
    left, found_s = cleaned(EchoCanceller(RATE_HZ, ECHO), user, voice(6, seed=1))
    assert found_s is None
    assert np.array_equal(left, user)


def test_a_user_is_heard_over_an_echo() -> None:
    """Most of their voice is left, and little of the bot's."""
    bot, user = voice(6, seed=1), np.zeros(6 * RATE_HZ, np.float32)
    user[4 * RATE_HZ :] = voice(2, seed=3)
    left, _ = cleaned(EchoCanceller(RATE_HZ, ECHO), echo_of(bot, 0.1, -12) + user, bot)
    heard, said = left[4 * RATE_HZ :], user[4 * RATE_HZ : 4 * RATE_HZ + len(left) - 4 * RATE_HZ]
    assert decibels(heard) > decibels(said) - 6
    assert decibels(left[3 * RATE_HZ : 4 * RATE_HZ]) < -60


def test_headphones_end_the_cancelling() -> None:
    """After a few seconds of the bot's voice without an echo; no sample is lost at the change."""
    bot = voice(12, seed=1)
    heard = echo_of(bot, 0.1, -12)
    heard[4 * RATE_HZ :] = 0
    canceller = EchoCanceller(RATE_HZ, ECHO)
    left, found_s = cleaned(canceller, heard, bot)
    assert found_s is not None
    assert not canceller.found
    assert len(left) == len(heard)


def test_an_echo_is_removed_again_after_a_rest() -> None:
    """The rest takes what was played before it, and not what was learnt of the room."""
    bot = voice(9, seed=1).copy()
    bot[3 * RATE_HZ : 6 * RATE_HZ] = 0
    canceller = EchoCanceller(RATE_HZ, ECHO)
    left, found_s = cleaned(canceller, echo_of(bot, 0.1, -12), bot)
    assert found_s is not None
    assert canceller.found
    assert decibels(left[6 * RATE_HZ : 9 * RATE_HZ]) < -55


def test_a_search_keeps_little_and_a_rest_keeps_nothing() -> None:
    """Each conversation has a search: 173 KiB in the bot's first seconds, 124 from then on, and 28 in a rest."""
    user, bot = voice(8, seed=3), voice(8, seed=1).copy()
    bot[6 * RATE_HZ :] = 0
    cleaned(EchoCanceller(RATE_HZ, ECHO), user[:RATE_HZ], bot[:RATE_HZ])  # what is imported does not count
    tracemalloc.start()
    try:
        canceller, kib = EchoCanceller(RATE_HZ, ECHO), list[float]()
        for begin_s, end_s in pairwise((0, 3, 5.5, 8)):
            cleaned(canceller, *(one[round(begin_s * RATE_HZ) : round(end_s * RATE_HZ)] for one in (user, bot)))
            kib.append(tracemalloc.get_traced_memory()[0] / 1024)
    finally:
        tracemalloc.stop()
    assert canceller.rests
    assert kib[0] <= 190
    assert kib[1] <= 150
    assert kib[2] <= 40


def test_nothing_is_computed_while_the_bot_is_silent() -> None:
    """The output is the very same array as the input."""
    canceller, sound = EchoCanceller(RATE_HZ, ECHO), voice(0.02, seed=3)
    assert canceller.clean(sound) is sound


def test_packets_of_any_length_are_kept_whole() -> None:
    """Up to 10 ms wait for the end of a frame."""
    bot = voice(4, seed=1)
    canceller, out, at = EchoCanceller(RATE_HZ, ECHO), 0, 0
    heard = echo_of(bot, 0.1, -12)
    for size in np.random.default_rng(4).integers(1, 1_000, 400):
        canceller.loudspeaker.put(Audio(bot[at : at + size], RATE_HZ))
        out += len(canceller.clean(heard[at : at + size]))
        at += len(heard[at : at + size])
        assert 0 <= at - out < RATE_HZ // 100
    assert canceller.found


def test_a_rate_that_webrtc_does_not_take_is_named() -> None:
    """It is not resampled behind the user's back."""
    with pytest.raises(ValueError, match="not 8000 Hz"):
        EchoCanceller(8_000, ECHO)


def test_a_loudspeaker_plays_what_it_was_given() -> None:
    """In pieces of any size, and silence where there is nothing; a stop drops the rest."""
    loudspeaker = Loudspeaker(RATE_HZ)
    for level in (0.1, 0.2):
        loudspeaker.put(Audio(np.full(3, level, np.float32), RATE_HZ))
    assert loudspeaker.take(4) == pytest.approx([0.1, 0.1, 0.1, 0.2])
    assert loudspeaker.plays
    assert loudspeaker.take(4) == pytest.approx([0.2, 0.2, 0, 0])
    loudspeaker.put(Audio(np.ones(3, np.float32), RATE_HZ))
    loudspeaker.stop()
    assert not loudspeaker.plays
    assert loudspeaker.take(2) == pytest.approx([0, 0])


def test_a_client_that_does_not_play_fills_no_memory() -> None:
    """The oldest sound goes first: five seconds are kept."""
    loudspeaker = Loudspeaker(RATE_HZ)
    for second in range(20):
        loudspeaker.put(Audio(np.full(RATE_HZ, second, np.float32), RATE_HZ))
    assert loudspeaker.take(1)[0] == 15
