"""A recogniser of whole clips made to stream, with a recogniser that reads the samples as letters."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from voicepipe.boundary.workers import Workers
from voicepipe.events import (
    Audio,
    FlushRequested,
    Resemblance,
    Samples,
    SpeechStarted,
    SpeechStopped,
    TokenLogprob,
    Transcribed,
    TranscriptDrafted,
    TurnTaking,
    WordRecognised,
)
from voicepipe.presets import UTTERANCES
from voicepipe.stt.utterances import by_utterance
from voicepipe.testing import Marbles

RATE_HZ = 16_000
LIMITS = replace(UTTERANCES, margin_ms=40, partial_every_ms=40, unsure_words=1)
FRAME_S = 0.02


@pytest.fixture
def workers() -> Iterator[Workers]:
    pool = Workers(1, "test")
    yield pool
    pool.close(timeout_s=5)


def frame(level: float) -> Audio:
    return Audio(np.full(int(FRAME_S * RATE_HZ), level, np.float32), RATE_HZ)


def read(samples: Samples) -> list[str]:
    levels = [round(float(level) * 10) for level in samples[::320]]
    return ["abcdefgh"[level - 1] for level in levels if level]


class Reader:
    """Reads a clip: each frame of 0.1 is the word "a", of 0.2 "b" …; silence says nothing. Keeps what it was given."""

    def __init__(self) -> None:
        self.clips: list[Samples] = []
        self.drafts: list[Sequence[str]] = []

    def __call__(
        self, samples: Samples, draft: Sequence[str], cancelled: Callable[[], bool]
    ) -> tuple[str, Sequence[str]]:
        self.clips.append(samples)
        self.drafts.append(draft)
        letters = read(samples)
        return " ".join(letters), letters


def recorded(marbles: Marbles, workers: Workers, diagram: str, reader: Callable[..., object], **events: object):
    """Return the output for a diagram whose digits are frames of that level in tenths, `_` silence."""
    frames = {str(level): frame(level / 10) for level in range(1, 9)} | {"_": frame(0.0)}
    stage = by_utterance(
        reader,
        workers,
        replace(LIMITS, join_up_to_s=0.2, longest_s=0.4),
    )
    out = marbles.record(marbles.cold(diagram, table=frames | events).pipe(stage))
    return [(one.t_ms, one.value) for one in out if one.kind == "next"]


EVENTS = {
    "s": SpeechStarted(0.04, 0.06),
    "e": SpeechStopped(0.16, 0.2),
    "f": FlushRequested(0.16),
    "S": SpeechStarted(0.24, 0.26),
    "E": SpeechStopped(0.32, 0.36),
    "F": FlushRequested(0.32),
}


def texts(out: list[tuple[float, object]]) -> list[str]:
    return [event.text for _, event in out if isinstance(event, WordRecognised)]


def test_a_word_is_let_out_when_two_guesses_agree_on_it(marbles: Marbles, workers: Workers) -> None:
    """The last word of a growing clip does not count yet; the rest comes when the pause is sure."""
    out = recorded(marbles, workers, "__1(s2)3456___(_e)_f|", Reader(), **EVENTS)
    assert texts(out) == ["a", "b", "c", "d", "e", "f"]
    early = [t_ms for t_ms, event in out if isinstance(event, WordRecognised) and event.text == "a"]
    settled = [t_ms for t_ms, event in out if isinstance(event, Transcribed)]
    assert early[0] < settled[0]
    assert out[-1][1] == Transcribed(0.16, "a b c d e f")


def test_words_of_a_whole_clip_tell_how_sure_the_recogniser_is(marbles: Marbles, workers: Workers) -> None:
    """The mean of its tokens, without punctuation; a word that two guesses agreed on has none."""

    def logprobs(tokens: Sequence[str]) -> tuple[TokenLogprob, ...]:
        return (*(TokenLogprob(f" {one}", -0.4) for one in tokens), TokenLogprob(" f", -1.6), TokenLogprob(".", -3.0))

    frames = {str(level): frame(level / 10) for level in range(1, 9)} | {"_": frame(0.0)}
    source = marbles.cold("__1(s2)____(_e)_f|", table=frames | EVENTS)
    out = marbles.record(source.pipe(by_utterance(Reader(), workers, LIMITS, logprobs=logprobs)))
    words = [one.value for one in out if isinstance(one.value, WordRecognised)]
    assert [word.logprob for word in words] == [None, pytest.approx(-0.8)]


@pytest.mark.parametrize(("phrase_words", "compared"), [(2, True), (1, False)])
def test_a_whole_clip_of_few_words_is_compared_with_phrases(
    marbles: Marbles, workers: Workers, phrase_words: int, compared: bool
) -> None:
    """All its words carry what it resembles; a clip of more words is not compared, nor is a guess."""
    asked: list[tuple[str, ...]] = []

    def compare(_: Samples, tokens: Sequence[str]) -> Resemblance:
        asked.append(tuple(tokens))
        return Resemblance("A bee", -0.5)

    frames = {str(level): frame(level / 10) for level in range(1, 9)} | {"_": frame(0.0)}
    source = marbles.cold("__1(s2)____(_e)_f|", table=frames | EVENTS)
    limits = replace(LIMITS, phrase_words=phrase_words)
    out = marbles.record(source.pipe(by_utterance(Reader(), workers, limits, compare=compare)))
    words = [one.value for one in out if isinstance(one.value, WordRecognised)]
    assert asked == ([("a", "b")] if compared else [])
    assert [word.resemblance for word in words] == [None, Resemblance("A bee", -0.5) if compared else None]


def test_nothing_is_settled_before_the_flush(marbles: Marbles, workers: Workers) -> None:
    """The clip has been read at the pause; its words wait for the verdict, and then take no time."""
    out = recorded(marbles, workers, "__1(s2)____(_e)-----f|", Reader(), **EVENTS)
    assert [t_ms for t_ms, event in out if isinstance(event, Transcribed)] == [280]


def test_at_a_pause_it_says_what_it_has_read(marbles: Marbles, workers: Workers) -> None:
    """With the words that are not out yet, as they will be if the pause is the end."""
    out = [event for _, event in recorded(marbles, workers, "__1(s2)34____(_e)-----f|", Reader(), **EVENTS)]
    place, draft = next((n, event) for n, event in enumerate(out) if isinstance(event, TranscriptDrafted))
    assert draft == TranscriptDrafted(0.16, "a b c d", draft.words)
    assert draft.words
    assert out[place + 1 :] == [*draft.words, Transcribed(0.16, "a b c d")]


def test_speech_that_goes_on_continues_its_clip(marbles: Marbles, workers: Workers) -> None:
    """A sentence with a breath in it is read as a whole."""
    reader = Reader()
    out = recorded(marbles, workers, "__1(s2)34__(_e)_5(S6)7___(_E)F|", reader, **EVENTS)
    assert out[-1][1] == Transcribed(0.32, "a b c d e f g")
    assert len(reader.clips[-1]) == 17 * 320  # from the margin before the first word to the last frame there is


def test_a_clip_that_is_long_enough_is_settled_when_speech_goes_on(marbles: Marbles, workers: Workers) -> None:
    """Reading the whole of a long turn again at each pause would take ever longer."""
    long = {"s": SpeechStarted(0.0, 0.06), "e": SpeechStopped(0.22, 0.26)} | {"S": SpeechStarted(0.3, 0.32)}
    out = recorded(
        marbles, workers, "11(s1)11111111__(_e)_22(S2)__(_E)F|", Reader(),
        **long, E=SpeechStopped(0.38, 0.4), F=FlushRequested(0.38),
    )  # fmt: skip
    settled = [event for _, event in out if isinstance(event, Transcribed)]
    assert [event.until_s for event in settled] == [0.22, 0.38]


def test_endless_speech_is_cut_at_its_quietest_moment(marbles: Marbles, workers: Workers) -> None:
    """No clip is longer than the recogniser can take, and no sound is lost between two."""
    reader = Reader()
    begin = {"s": SpeechStarted(0.0, 0.02)}
    recorded(marbles, workers, "1(s1)111111111111111111111111111111111111111111111111111|", reader, **begin)
    assert max(len(clip) for clip in reader.clips) <= 0.55 * RATE_HZ


def test_a_margin_of_sound_surrounds_the_speech(marbles: Marbles, workers: Workers) -> None:
    """40 ms before and after, taken from the sound that really was there."""
    reader = Reader()
    recorded(marbles, workers, "78(s1)11111_(5e)6___f|", reader, **(EVENTS | {"e": SpeechStopped(0.12, 0.2)}))
    whole = reader.clips[-1]
    assert whole[0] == np.float32(0.7)
    assert len(whole) == pytest.approx(0.16 * RATE_HZ, abs=2)


def test_silence_settles_to_nothing(marbles: Marbles, workers: Workers) -> None:
    """A flush without speech says that there were no words."""
    assert recorded(marbles, workers, "____f|", Reader(), **EVENTS) == [(80, Transcribed(0.16, ""))]


def test_word_times_lie_within_the_speech_and_in_order(marbles: Marbles, workers: Workers) -> None:
    """Shared out by length."""
    out = recorded(marbles, workers, "__1(s2)34__(_e)_f|", Reader(), **EVENTS)
    words = [event for _, event in out if isinstance(event, WordRecognised)]
    assert words[0].start_s >= 0.04
    assert words[-1].stop_s <= 0.161
    assert all(a.stop_s <= b.start_s + 1e-6 for a, b in pairwise(words) if a.text != "z")


def test_no_word_begins_before_the_one_before_it(marbles: Marbles, workers: Workers) -> None:
    """Though the clip that grows turns out to have been spoken ever faster."""

    def quick(samples: Samples, draft: Sequence[str], cancelled: Callable[[], bool]) -> tuple[str, Sequence[str]]:
        return "one two three" + " four" * (20 if len(samples) > 0.2 * RATE_HZ else 0), []

    out = recorded(marbles, workers, "11(s1)11111111111111(_e)_f|", quick, **(EVENTS | {"e": SpeechStopped(0.3, 0.34)}))
    words = [event for _, event in out if isinstance(event, WordRecognised)]
    assert len(words) == 23
    assert all(before.start_s <= after.start_s for before, after in pairwise(words))
    assert all(word.start_s <= word.stop_s for word in words)


def test_a_failing_recogniser_fails_the_stage(marbles: Marbles, workers: Workers) -> None:
    """The error comes out on the loop."""

    def broken(samples: Samples, draft: Sequence[str], cancelled: Callable[[], bool]) -> tuple[str, Sequence[str]]:
        raise ValueError("no model")

    frames = {"_": frame(0.0)}
    stage = by_utterance(
        broken,
        workers,
        replace(LIMITS, join_up_to_s=1, longest_s=2),
    )
    source = marbles.cold("__(_s)____(_e)---|", table=frames | EVENTS)
    marbles.expect(source.pipe(stage), "----#", error=ValueError("no model"))


def test_each_guess_begins_with_the_last_one_of_its_clip(marbles: Marbles, workers: Workers) -> None:
    """A growing clip is read quicker with what was read of it; a new clip starts from nothing."""
    reader = Reader()
    recorded(marbles, workers, "__1(s2)34__(_e)_f_1(S1)1111|", reader, **EVENTS)
    assert reader.drafts[0] == ()
    assert reader.drafts[1] == ["a", "b", "c"]
    assert reader.drafts[-1] == () or reader.drafts[-2] == ()


def test_a_clip_with_hardly_a_voice_is_not_read(marbles: Marbles, workers: Workers) -> None:
    """Recognisers invent words for a click."""
    reader = Reader()
    click = {"s": SpeechStarted(0.04, 0.06), "e": SpeechStopped(0.05, 0.1, 0.059), "f": FlushRequested(0.05)}
    assert recorded(marbles, workers, "__1(s_)(_e)f|", reader, **click)[-1][1] == Transcribed(0.05, "")
    assert reader.clips == []


def said(marbles: Marbles, workers: Workers, text: str, *voiced_s: float | None) -> object:
    """The text of a clip whose stretches of speech, with a pause between them, have so much voice."""
    edges = {"s": SpeechStarted(0.0, 0.02), "f": FlushRequested(0.1)}
    stops = {chr(ord("A") + number): SpeechStopped(0.1, 0.1, voice) for number, voice in enumerate(voiced_s)}
    diagram = "".join(f"1(s1)(1{stop})" for stop in stops)
    out = recorded(marbles, workers, f"{diagram}f|", lambda *_: (text, ()), **edges, **stops)
    return out[-1][1]


@pytest.mark.parametrize(
    ("text", "voiced_s", "kept"),
    [
        ("You", (0.299,), ""),
        ("You", (0.3,), "You"),
        ("Uh, uh, uh.", (0.2,), ""),
        ("Yeah.", (0.149,), ""),
        ("Yeah.", (0.151,), "Yeah."),
        ("Okay, so", (0.2,), ""),
        ("No.", (0.06,), "No."),
        ("You know", (0.1,), "You know"),
        ("You", (0.2, 0.2), "You"),
        ("You", (None,), "You"),
        ("", (0.2,), ""),
    ],
)
def test_what_a_recogniser_writes_for_noise_needs_more_voice(
    marbles: Marbles, workers: Workers, text: str, voiced_s: tuple[float | None, ...], kept: str
) -> None:
    """If the whole text is such words. All voice in the clip counts; where it is not known, it is enough."""
    assert said(marbles, workers, text, *voiced_s) == Transcribed(0.1, kept)


# ---- where a clip begins and ends -----------------------------------------------------------------------------------


def clips(
    marbles: Marbles, workers: Workers, levels: str, noticed: dict[float, object], packet: int = 1
) -> list[Samples]:
    """Return the clips of frames of that loudness, in packets of so many: the sound before the edges in it."""
    reader, symbols = Reader(), dict[str, object]()
    for at in range(0, len(levels), packet):
        loudness = np.array([int(level) / 10 for level in levels[at : at + packet]], np.float32)
        packed: list[object] = [Audio(np.repeat(loudness, 320), RATE_HZ)]
        ends = [round(FRAME_S * (at + number), 2) for number in range(1, len(loudness) + 1)]
        packed += [noticed[end] for end in ends if end in noticed]
        symbols |= {chr(0x4E00 + len(symbols) + number): event for number, event in enumerate(packed)}
    recorded(marbles, workers, "".join(symbols) + "|", reader, **symbols)
    return reader.clips


@pytest.mark.parametrize("packet", [2, 3, 5, 28])
def test_what_is_read_does_not_depend_on_the_packets(marbles: Marbles, workers: Workers, packet: int) -> None:
    """The same clip, to the sample, from packets of 20 ms and from one of 560."""
    noticed = {0.08: SpeechStarted(0.04, 0.08), 0.22: SpeechStopped(0.16, 0.22), 0.3: SpeechStarted(0.28, 0.3)}
    noticed |= {0.42: SpeechStopped(0.34, 0.42), 0.5: FlushRequested(0.34)}
    said = (marbles, workers, "0012345600000012300000000000", noticed)
    whole = clips(*said)[-1]
    assert len(whole) == 0.38 * RATE_HZ
    assert np.array_equal(clips(*said, packet)[-1], whole)


def test_a_flush_in_mid_speech_ends_the_clip_there(marbles: Marbles, workers: Workers) -> None:
    """With all words so far, and silence behind them; what goes on is the next clip."""
    reader = Reader()
    again = {"f": FlushRequested(0.16), "e": SpeechStopped(0.22, 0.26), "F": FlushRequested(0.22)}
    out = recorded(marbles, workers, "__1(s2)3456(_f)-78(_e)_F|", reader, **(EVENTS | again))
    assert [event.text for _, event in out if isinstance(event, Transcribed)] == ["a b c d e f", "g h"]
    first = next(clip for clip in reader.clips if "".join(read(clip)) == "abcdef" and not clip[-640:].any())
    assert len(first) == (0.18 + 0.04) * RATE_HZ
    assert texts(out) == ["a", "b", "c", "d", "e", "f", "g", "h"]


def test_a_flush_in_mid_speech_and_then_silence_has_no_more_words(marbles: Marbles, workers: Workers) -> None:
    """The detector notices the end of the speech only after it."""
    again = {"f": FlushRequested(0.14), "F": FlushRequested(0.14), "e": SpeechStopped(0.14, 0.2)}
    out = recorded(marbles, workers, "__1(s2)3456f___(_e)_F|", Reader(), **(EVENTS | again))
    assert [event.text for _, event in out if isinstance(event, Transcribed)] == ["a b c d e f", ""]


@pytest.mark.parametrize(("prefix_ms", "begins_s"), [(None, 0.16), (0, 0.2), (100, 0.1), (150, 0.08), (10_000, 0.08)])
def test_the_client_says_how_much_before_a_voice_is_heard(
    marbles: Marbles, workers: Workers, prefix_ms: float | None, begins_s: float
) -> None:
    """As far as it is not of the clip before; without a word from the client it is the margin."""
    noticed = {0.06: SpeechStarted(0.02, 0.06), 0.12: SpeechStopped(0.08, 0.12), 0.16: FlushRequested(0.08)}
    noticed |= {0.26: SpeechStarted(0.2, 0.26), 0.34: SpeechStopped(0.3, 0.34), 0.4: FlushRequested(0.3)}
    noticed |= {0.02: TurnTaking("voice", prefix_ms=prefix_ms)}
    whole = clips(marbles, workers, "02120000001234560000", noticed)[-1]
    assert len(whole) / RATE_HZ == pytest.approx(0.34 - begins_s)
