"""Hibari: what it says is understood, comes without silence around it, and its words have times."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from human import word_errors
from reading_table import HEARD_BACK

from voicepipe.audio import resampled
from voicepipe.events import Audio, Samples
from voicepipe.stt.moonshine import Moonshine
from voicepipe.tts.hibari import RATE_HZ, Hibari, speakable

# ---- without the network --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("**Bold** and _slanted_ `code`", "Bold and slanted code"),
        ("“It’s fine,” she said", '"It\'s fine," she said'),
        ("A choice : this one", "A choice this one"),
        ("At 7:30, note: now", "At seven thirty, note: now"),
        ("  two\n lines ", "two lines"),
        ("...", ""),
        ("*** — !?", ""),
        ("😀", ""),
        ("", ""),
    ],
)
def test_text_is_made_speakable(written: str, said: str):
    """Marks that would be misread go, curled quotes become straight, and what has no word becomes nothing."""
    assert speakable(written) == said


# ---- with the network -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def hibari() -> Hibari:
    return Hibari()


@pytest.fixture(scope="session")
def moonshine() -> Moonshine:
    return Moonshine()


def loudness(samples: Samples) -> float:
    return float(np.sqrt(np.square(samples).mean()))


SENTENCES = [
    "Hello there.",
    "How are you today?",
    "The quick brown fox jumps over the lazy dog near the old river bank today.",
    "Fish is fine, thanks!",
]


def heard(moonshine: Moonshine, sound: Samples) -> str:
    """Return the recogniser's words for a synthesised sound with a little silence around it."""
    margin = np.zeros(RATE_HZ // 5, np.float32)
    return moonshine.transcribe(resampled(Audio(np.concatenate([margin, sound, margin]), RATE_HZ), 16_000).samples)


@pytest.mark.models
def test_what_it_says_is_understood(hibari: Hibari, moonshine: Moonshine):
    """The recogniser hears the words of the synthesised sentences, first and last ones included: if those of each were
    cut, that alone were more errors than may be."""
    errors = {said: word_errors(said, heard(moonshine, hibari.synthesise(said))) for said in SENTENCES}
    assert sum(errors.values()) <= 3, errors


@pytest.mark.models
@pytest.mark.parametrize("sentence", SENTENCES)
def test_the_sound_begins_at_once(hibari: Hibari, sentence: str):
    """Speech is heard within 50 ms, after a few milliseconds of silence, and lasts until 300 ms before the end."""
    samples = hibari.synthesise(sentence)
    assert samples.dtype == np.float32
    assert np.abs(samples).max() <= 1
    assert loudness(samples[: RATE_HZ // 20]) > 10 ** (-55 / 20)
    assert loudness(samples[: RATE_HZ // 100]) < 10 ** (-50 / 20)
    assert loudness(samples[-3 * RATE_HZ // 10 :]) > 10 ** (-55 / 20)


@pytest.mark.models
@pytest.mark.parametrize("text", ["", "...", "😀", "!?", " \n", "**"])
def test_nothing_to_say_is_no_sound(hibari: Hibari, text: str):
    """Punctuation and pictures give an empty array and no words."""
    samples = hibari.synthesise(text)
    assert samples.shape == (0,)
    assert samples.dtype == np.float32
    assert hibari.word_times(text, samples) == []


@pytest.mark.models
def test_the_same_text_sounds_the_same_in_any_thread(hibari: Hibari):
    """Four threads at once get, bit by bit, what one gets alone."""
    texts = [*SENTENCES, "In 1984 it cost three dollars.", "Zyxx Blorptan ran."] * 2
    alone = [hibari.synthesise(text) for text in texts]
    with ThreadPoolExecutor(4) as pool:
        for samples, expected in zip(pool.map(hibari.synthesise, texts), alone, strict=True):
            np.testing.assert_array_equal(samples, expected)


@pytest.mark.models
@pytest.mark.parametrize("text", [*SENTENCES, "In 1984, it cost $3.50 😀 — **really**!", "One. Two, three."])
def test_every_word_has_its_time(hibari: Hibari, text: str):
    """The words are those of the text, one after the other without a gap, from the first sound to the last."""
    samples = hibari.synthesise(text)
    times = hibari.word_times(text, samples)
    assert [word for word, _, _ in times] == text.split()
    starts, stops = [start for _, start, _ in times], [stop for _, _, stop in times]
    assert starts[1:] == stops[:-1]
    assert all(start < stop for start, stop in zip(starts, stops, strict=True))
    assert 0 <= starts[0] < 0.05
    assert len(samples) / RATE_HZ - 0.3 < stops[-1] <= len(samples) / RATE_HZ


@pytest.mark.models
def test_times_are_close_to_where_the_words_are(hibari: Hibari, moonshine: Moonshine):
    """Cut between two words, each half of the sentence is understood as its own words."""
    text = "She walked across the quiet garden because somebody was singing there"
    samples = hibari.synthesise(text)
    cut = int(hibari.word_times(text, samples)[6][1] * RATE_HZ)
    for own, half in (
        ("She walked across the quiet garden", samples[:cut]),
        ("because somebody was singing there", samples[cut:]),
    ):
        understood = heard(moonshine, half)
        assert word_errors(own, understood) <= 2, understood


@pytest.mark.models
def test_longer_words_take_longer(hibari: Hibari):
    """A word of many phonemes gets more of the time than one of a few."""
    text = "An extraordinary cat"
    lengths = {word: stop - start for word, start, stop in hibari.word_times(text, hibari.synthesise(text))}
    assert lengths["extraordinary"] > 2 * lengths["An"]


@pytest.mark.models
def test_what_is_read_aloud_is_heard_back(hibari: Hibari, moonshine: Moonshine):
    """Numbers, signs, markup and abbreviations: the recogniser hears the words that the text means.

    It writes some of them as numbers or signs again, so both sides are read before they are compared.
    """
    errors = {
        written: word_errors(_words(meant), _words(heard(moonshine, hibari.synthesise(written))))
        for written, meant in HEARD_BACK
    }
    words = sum(len(meant.split()) for _, meant in HEARD_BACK)
    assert sum(errors.values()) <= words * 0.1, errors


def _words(text: str) -> str:
    return speakable(text).lower().replace("-", " ")
