"""The likelihood of phrases, by Moonshine, for words that people and the embedded voice say."""

from __future__ import annotations

import numpy as np
import pytest

from voicepipe.audio import resampled
from voicepipe.events import Audio, Samples
from voicepipe.presets import ACKNOWLEDGEMENTS, ENDPOINTING, SHORT_PHRASES, UTTERANCES
from voicepipe.stt.likelihood import Phrases
from voicepipe.stt.moonshine import RATE_HZ, Moonshine, Token
from voicepipe.tts.hibari import Hibari
from voicepipe.weights import registry

pytestmark = pytest.mark.models

YES = ((1.4, 2.2), (3.8, 4.7))
"""The times at which actors say "Yes." in `endgame_nagg_nell`, in seconds."""


@pytest.fixture(scope="module")
def moonshine() -> Moonshine:
    return Moonshine()


@pytest.fixture(scope="module")
def phrases(moonshine: Moonshine) -> Phrases:
    return Phrases(moonshine, SHORT_PHRASES["en"])


@pytest.fixture(scope="module")
def hibari() -> Hibari:
    return Hibari()


def clip(samples: Samples, rate_hz: int) -> Samples:
    margin = np.zeros(rate_hz // 5, np.float32)
    return resampled(Audio(np.concatenate([margin, samples, margin]), rate_hz), RATE_HZ).samples


def actor(start_s: float, stop_s: float) -> Samples:
    import sphn

    pcm, rate_hz = sphn.read(registry.require("moonshine").parent / "endgame_nagg_nell.wav")
    return clip(pcm[0][round(start_s * rate_hz) : round(stop_s * rate_hz)], rate_hz)


@pytest.mark.parametrize(("start_s", "stop_s"), YES)
def test_what_was_written_is_as_likely_as_itself(
    moonshine: Moonshine, phrases: Phrases, start_s: float, stop_s: float
) -> None:
    """The mark behind it does not count, and the quantised network gives another sum for several texts at once."""
    samples = actor(start_s, stop_s)
    found = phrases.likeliest(samples, moonshine.tokens(samples), within=UTTERANCES.phrases_within)
    assert found.phrase == "Yes"
    assert abs(found.nats) < 0.1


@pytest.mark.parametrize("written", ["Darted.", "Got hit,", "God it"])
def test_a_misread_phrase_is_found_in_the_sound(moonshine: Moonshine, hibari: Hibari, written: str) -> None:
    """Whatever a recogniser writes for "Got it", the phrase is the likelier one, by far."""
    samples = clip(hibari.synthesise("Got it."), hibari.RATE_HZ)
    wrong = [Token(number, 0.0) for number in moonshine.tokenizer.tokens(f" {written}")]
    found = Phrases(moonshine, SHORT_PHRASES["en"]).likeliest(samples, wrong, within=UTTERANCES.phrases_within)
    assert (found.phrase, found.nats > 1) == ("Got it", True)


@pytest.mark.parametrize(
    "text", ["Pizza.", "Seven.", "London.", "Tomorrow.", "Yesterday.", "Right bracket.", "Okay, but why?"]
)
def test_other_words_resemble_no_acknowledgement(
    moonshine: Moonshine, phrases: Phrases, hibari: Hibari, text: str
) -> None:
    """A phrase is all that was said, and not only its beginning."""
    samples = clip(hibari.synthesise(text), hibari.RATE_HZ)
    found = phrases.likeliest(samples, moonshine.tokens(samples), within=UTTERANCES.phrases_within)
    assert found.nats < -ENDPOINTING.alike_within or found.phrase.casefold() not in ACKNOWLEDGEMENTS["en"]


def test_silence_resembles_nothing(moonshine: Moonshine, phrases: Phrases) -> None:
    """Nothing was written, so that there is nothing to compare with."""
    assert phrases.likeliest(np.zeros(RATE_HZ, np.float32), [], within=5).phrase == ""


def test_the_tokens_of_a_phrase_are_those_of_the_recogniser(moonshine: Moonshine) -> None:
    """The longest piece of the vocabulary comes first; letters spell what has none."""
    for phrase in SHORT_PHRASES["en"]:
        tokens = moonshine.tokenizer.tokens(f" {phrase}")
        assert moonshine.tokenizer.text(tokens) == phrase
        assert len(tokens) <= 5
