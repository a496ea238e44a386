"""Moonshine on real speech, and the small pure parts around the network."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count

import numpy as np
import pytest

from voicepipe.events import Samples
from voicepipe.stt.moonshine import RATE_HZ, Moonshine, Token, Tokenizer, drop_repeats
from voicepipe.weights import registry

# ---- without the network --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("I want to go I want to go home", "I want to go home"),
        ("Thank you very much. thank you very much, thank you very much.", "Thank you very much."),
        ("no, no, no", "no, no, no"),
        ("the the the the the cat", "the cat"),
        ("la di la di la di la di da", "la di da"),
        (
            "It was the best of times. It was the worst of times.",
            "It was the best of times. It was the worst of times.",
        ),
        ("very very good", "very very good"),
        ("", ""),
    ],
)
def test_phrases_said_over_and_over_are_said_once(said: str, kept: str):
    """A clause said twice at once, or a word four times, is a network in a loop; less than that is speech."""
    assert drop_repeats(said) == kept


def entry(text: bytes) -> bytes:
    length = len(text)
    return (bytes([length]) if length < 128 else bytes([128 + length % 128, length // 128])) + text


def test_the_tokenizers_file_is_lengths_and_bytes():
    """Lengths from 128 on take two bytes; spaces, single bytes and special tokens are told apart."""
    long = b"x" * 300
    special = [entry(b"<unk>"), entry(b"<s>"), entry(b"</s>")]
    words = [entry(text) for text in ("▁hello".encode(), "▁wor".encode(), b"ld", b"\xc3", b"\xa9", long)]
    tokenizer = Tokenizer(b"".join(special + words))
    assert len(tokenizer) == 9
    assert tokenizer.text([1, 3, 4, 5, 6, 7, 2]) == "hello worldé"
    assert tokenizer.text([8]) == long.decode()
    assert tokenizer.text([]) == ""


def test_a_tokenizers_file_that_breaks_off_is_refused():
    """A truncated download is an error, not a shorter vocabulary."""
    with pytest.raises(ValueError, match="ends within a token"):
        Tokenizer(entry(b"whole") + entry(b"broken")[:-1])


# ---- with the network -----------------------------------------------------------------------------------------------

TWO_CITIES = [
    (
        1.22,
        8.26,
        "it was the best of times it was the worst of times it was the age of wisdom it was the age of foolishness",
    ),
    (8.80, 12.86, "it was the epoch of belief it was the epoch of incredulity"),
    (13.47, 16.74, "it was the season of light it was the season of darkness"),
    (17.57, 20.54, "it was the spring of hope it was the winter of despair"),
    (21.25, 24.06, "we had everything before us we had nothing before us"),
    (24.64, 28.35, "we were all going direct to heaven we were all going direct the other way"),
    (
        29.12,
        41.73,
        "in short the period was so far like the present period that some of its noisiest authorities insisted on its"
        " being received for good or for evil in the superlative degree of comparison only",
    ),
]
"""The recording's utterances, cut at its pauses: from, to (s), and what Dickens wrote."""

MARGIN_S = 0.2


@pytest.fixture(scope="session")
def moonshine() -> Moonshine:
    return Moonshine()


def recording(name: str) -> Samples:
    import soxr
    import sphn

    pcm, rate_hz = sphn.read(registry.require("moonshine").parent / name)
    return soxr.resample(pcm[0], rate_hz, RATE_HZ).astype(np.float32)


@pytest.fixture(scope="session")
def clips() -> list[tuple[Samples, list[str]]]:
    """Each utterance with 200 ms around it, and its words."""
    whole = recording("two_cities.wav")
    bounds = [(int((start - MARGIN_S) * RATE_HZ), int((stop + MARGIN_S) * RATE_HZ)) for start, stop, _ in TWO_CITIES]
    return [(whole[a:b], text.split()) for (a, b), (_, _, text) in zip(bounds, TWO_CITIES, strict=True)]


def words(text: str) -> list[str]:
    return "".join(letter for letter in text.lower().replace("-", " ") if letter.isalpha() or letter == " ").split()


def errors(said: list[str], heard: list[str]) -> int:
    """Words replaced, lost and added: Levenshtein's distance."""
    costs = list(range(len(heard) + 1))
    for row, word in enumerate(said, 1):
        diagonal, costs[0] = costs[0], row
        for column, other in enumerate(heard, 1):
            best = min(costs[column] + 1, costs[column - 1] + 1, diagonal + (word != other))
            diagonal, costs[column] = costs[column], best
    return costs[-1]


def word_error_rate(pairs: list[tuple[list[str], list[str]]]) -> float:
    return sum(errors(said, heard) for said, heard in pairs) / sum(len(said) for said, _ in pairs)


@pytest.mark.models
def test_read_speech_is_understood(moonshine: Moonshine, clips: list[tuple[Samples, list[str]]]):
    """Of the opening of "A Tale of Two Cities", read aloud, at most one word in ten is wrong."""
    heard = [(said, words(moonshine.transcribe(sound))) for sound, said in clips]
    assert word_error_rate(heard) <= 0.1


@pytest.mark.models
def test_a_draft_changes_no_more_than_a_rounding(moonshine: Moonshine, clips: list[tuple[Samples, list[str]]]):
    """Clips that grow by 320 ms, each read with the last reading as a draft, are understood as well as at once."""
    heard: list[tuple[list[str], list[str]]] = []
    for sound, said in clips[:4]:
        draft: list[Token] = []
        for end in [*range(RATE_HZ, len(sound), 5120), len(sound)]:
            draft = moonshine.tokens(sound[:end], draft=draft)
        heard.append((said, words(moonshine.text(draft))))
    assert word_error_rate(heard) <= 0.1


@pytest.mark.models
def test_a_wrong_draft_costs_no_words(moonshine: Moonshine, clips: list[tuple[Samples, list[str]]]):
    """The reading of another clip as a draft, or nonsense longer than any answer, is corrected."""
    sound, said = clips[1]
    for draft in (moonshine.tokens(clips[4][0]), [Token(number, 0.0) for number in range(100, 400)]):
        assert errors(said, words(moonshine.text(moonshine.tokens(sound, draft=draft)))) <= 2


@pytest.mark.models
def test_each_token_has_its_probability(moonshine: Moonshine, clips: list[tuple[Samples, list[str]]]):
    """The tokens make up the text, whether they come one by one or by a draft; in noise they are less probable."""
    sound, _ = clips[1]
    tokens = moonshine.tokens(sound)
    scored = moonshine.logprobs(tokens)
    assert "".join(one.text for one in scored).strip() == moonshine.text(tokens)
    assert all(-5 < one.logprob <= 0 for one in scored)
    drafted = moonshine.tokens(sound, draft=tokens)
    if [token.number for token in drafted] == [token.number for token in tokens]:  # it may round differently
        assert [token.logprob for token in drafted] == pytest.approx([token.logprob for token in tokens], abs=0.2)
    noise = np.random.default_rng(1).normal(0, 0.1, len(sound)).astype(np.float32)
    unsure = moonshine.logprobs(moonshine.tokens(sound + noise))
    assert np.mean([one.logprob for one in unsure]) < np.mean([one.logprob for one in scored])


@pytest.mark.models
def test_threads_share_the_network(moonshine: Moonshine, clips: list[tuple[Samples, list[str]]]):
    """Four threads at once read what one reads alone."""
    sounds = [sound for sound, _ in clips[1:5]]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(moonshine.transcribe, sounds)) == [moonshine.transcribe(sound) for sound in sounds]


@pytest.mark.models
def test_a_cancelled_reading_ends_with_the_token(moonshine: Moonshine, clips: list[tuple[Samples, list[str]]]):
    """It is asked before each token, and the text so far is a beginning of the whole."""
    sound, _ = clips[0]
    asked = count()
    part = moonshine.transcribe(sound, cancelled=lambda: next(asked) > 4)
    assert 1 <= len(part.split()) <= 4
    assert moonshine.transcribe(sound).startswith(part)
    assert moonshine.transcribe(sound, cancelled=lambda: True) == ""


@pytest.mark.models
def test_a_sound_too_short_for_a_word_is_empty(moonshine: Moonshine):
    """Nothing, and less than 100 ms, say nothing; neither is an error."""
    for length in (0, 1, 894, 1599):
        assert moonshine.transcribe(np.zeros(length, np.float32)) == ""


@pytest.mark.models
def test_noise_cannot_make_it_talk_on(moonshine: Moonshine):
    """Ten seconds of hiss give a few words at most, whatever the network fancies."""
    hiss = (0.05 * np.random.default_rng(5).standard_normal(10 * RATE_HZ)).astype(np.float32)
    assert len(moonshine.transcribe(hiss).split()) < 20


@pytest.mark.models
def test_the_package_of_the_weights_is_not_imported(moonshine: Moonshine):
    """Its library brings an onnxruntime of its own, and stays out of the process."""
    import sys

    assert moonshine is not None
    assert "moonshine_voice" not in sys.modules
