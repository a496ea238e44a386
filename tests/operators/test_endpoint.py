"""The start and the end of speech, and the end of a turn."""

import numpy as np
import pytest
import reactivex as rx
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.events import Audio, Pause, SpeechProbability, SpeechStarted, SpeechStopped
from voicepipe.operators import EndOfTurn, endpoint
from voicepipe.rx import transduce
from voicepipe.testing import Marbles

SOUND = Audio(np.full(20, 0.5, np.float32), 1000)
SILENCE = Audio(np.zeros(20, np.float32), 1000)
UNSURE = Audio(np.full(20, 0.4, np.float32), 1000)
LIKELY = Audio(np.full(20, 0.75, np.float32), 1000)
SURE = Audio(np.full(20, 1.0, np.float32), 1000)


def loudness(mic: Observable[Audio]) -> Observable[SpeechProbability]:
    """A VAD for tests: a frame's first sample is its probability, at the ends of 20 ms frames."""
    ends = iter(range(1, 1_000_000))
    return mic.pipe(rx_ops.map(lambda audio: SpeechProbability(float(audio.samples[0]), next(ends) * 0.02)))


def edges(marbles: Marbles, diagram: str, end_of_turn: EndOfTurn) -> list[tuple[float, object]]:
    letters = {"s": SOUND, "_": SILENCE, "u": UNSURE, "l": LIKELY, "v": SURE}
    mic = marbles.cold(diagram, table=letters)
    stage = endpoint(
        loudness,
        end_of_turn,
        speech_above=0.5,
        silence_below=0.3,
        onset_ms=60,
        pause_ms=80,
        ask_again_ms=60,
        sure_above=0.6,
        silence_ms=200,
        context_s=0.1,
        longest_s=30,
    )
    return [(one.t_ms, one.value) for one in marbles.record(mic.pipe(stage)) if one.kind == "next"]


def test_a_voice_without_a_pause_ends_in_the_end(marbles: Marbles) -> None:
    """Music is speech for every `longest_s`, not without end; as it goes on, it begins no turn by itself."""
    mic = marbles.cold("s" * 40 + "|", table={"s": SOUND})
    stage = endpoint(
        loudness, never, speech_above=0.5, silence_below=0.3, onset_ms=60, pause_ms=80, ask_again_ms=60, sure_above=0.6,
        silence_ms=200, context_s=0.1, longest_s=0.3,
    )  # fmt: skip
    found = [(one.t_ms, one.value) for one in marbles.record(mic.pipe(stage)) if one.kind == "next"]
    assert [(t_ms, type(value), value.at_s) for t_ms, value in found] == [
        (40, SpeechStarted, 0.0), (40, Pause, 0.0), (280, SpeechStopped, 0.3), (280, Pause, 0.3),
        (340, SpeechStarted, 0.3), (340, Pause, 0.3), (580, SpeechStopped, 0.6), (580, Pause, 0.6),
        (640, SpeechStarted, 0.6), (640, Pause, 0.6),
    ]  # fmt: skip
    assert [value.goes_on for _, value in found if isinstance(value, Pause)] == [False, False, True, False, True]


def sure(_: Audio) -> Observable[float]:
    return rx.just(0.9)


def never(_: Audio) -> Observable[float]:
    return rx.empty()


def test_speech_starts_after_its_onset_and_stops_after_a_pause(marbles: Marbles) -> None:
    """The edges name where the voice really began and ended, and when that was noticed."""
    assert edges(marbles, "__ssssss_____|", sure) == [
        (80, SpeechStarted(0.04, 0.1)),
        (80, Pause(0.0, 0.04)),
        (220, SpeechStopped(0.16, 0.24, 0.0)),
        (220, Pause(0.9, 0.16)),
    ]


def test_speech_that_stops_says_how_much_voice_it_had(marbles: Marbles) -> None:
    """A frame that is surely voice counts whole, one of even odds not at all, and none from before the speech."""
    diagram = "vv_vvvsulv____slslvvv____|"
    stops = [event for _, event in edges(marbles, diagram, sure) if isinstance(event, SpeechStopped)]
    assert [stop.voiced_s for stop in stops] == [pytest.approx(0.09), pytest.approx(0.08)]


def test_a_click_is_no_speech(marbles: Marbles) -> None:
    """A sound shorter than the onset starts nothing, however often it comes."""
    assert edges(marbles, "ss_ss_ss_______|", sure) == []


def test_a_short_gap_does_not_stop_speech(marbles: Marbles) -> None:
    """Plosives are silent for some tens of milliseconds."""
    assert [event for _, event in edges(marbles, "ssss__ssss__ssss|", sure)] == [
        SpeechStarted(0.0, 0.06),
        Pause(0.0, 0.0),
    ]


def test_between_the_thresholds_speech_goes_on_and_silence_too(marbles: Marbles) -> None:
    """An unsure frame neither starts nor stops anything."""
    assert edges(marbles, "uuuuuuuuu|", sure) == []
    assert len(edges(marbles, "ssssuuuuuuuuuuu|", sure)) == 2


def test_without_a_verdict_a_long_silence_ends_the_turn(marbles: Marbles) -> None:
    """The model may be missing, or hold its tongue."""
    found = edges(marbles, "ssss____________|", never)
    assert found[2:] == [(140, SpeechStopped(0.08, 0.16, 0.0)), (260, Pause(1.0, 0.08))]


def test_a_failing_model_is_a_missing_one(marbles: Marbles) -> None:
    """Its error does not reach the conversation."""
    found = edges(marbles, "ssss____________|", lambda _: rx.throw(ValueError("broken")))
    assert found[-1] == (260, Pause(1.0, 0.08))


def test_a_verdict_that_comes_after_the_user_went_on_is_dropped(marbles: Marbles) -> None:
    """A slow model must not end a turn that is on again."""
    slow = marbles.cold("200ms p|", p=0.9)
    found = [event for _, event in edges(marbles, "ssss_____ssssssssssssssss|", lambda _: slow)]
    assert Pause(0.9, 0.08) not in found
    assert found[-2:] == [SpeechStarted(0.18, 0.24), Pause(0.0, 0.18)]


def test_the_model_hears_the_last_seconds_of_sound(marbles: Marbles) -> None:
    """With a context of 100 ms: the last speech and the pause after it."""
    asked: list[Audio] = []

    def model(sound: Audio) -> Observable[float]:
        asked.append(sound)
        return rx.just(0.9)

    edges(marbles, "ssssssssss____|", model)
    assert [round(sound.duration_s, 3) for sound in asked] == [0.1]
    assert asked[0].samples.tolist() == [0.5] * 20 + [0.0] * 80


def test_frames_of_another_length_than_the_audio(marbles: Marbles) -> None:
    """A VAD with frames of its own is followed by their times, not by the packets'."""
    stage = endpoint(
        transduce(lambda _: lambda audio: [SpeechProbability(1.0, 0.5), SpeechProbability(1.0, 1.0)]),
        never,
        speech_above=0.5,
        silence_below=0.3,
        onset_ms=1000,
        pause_ms=80,
        ask_again_ms=60,
        sure_above=0.6,
        silence_ms=200,
        context_s=1,
        longest_s=30,
    )
    out = marbles.record(marbles.cold("s|", s=SOUND).pipe(stage))
    assert out[0].value == SpeechStarted(0.0, 1.0)


def test_an_unsure_model_is_asked_again_until_it_is_sure(marbles: Marbles) -> None:
    """The longer the silence, the surer it is; a sure answer is the last."""
    answers = iter([0.2, 0.7, 0.9])
    found = edges(marbles, "ssss____________|", lambda _: rx.just(next(answers)))
    assert found[3:] == [(140, Pause(0.2, 0.08)), (200, Pause(0.7, 0.08)), (260, Pause(1.0, 0.08))]
    assert [event.bounded for _, event in found[3:] if isinstance(event, Pause)] == [True, True, False]


def test_asking_again_stops_when_the_user_goes_on(marbles: Marbles) -> None:
    """A voice that is not yet speech is not asked about either. At the next pause the questions begin anew."""
    asked: list[Audio] = []

    def model(sound: Audio) -> Observable[float]:
        asked.append(sound)
        return rx.just(0.2)

    edges(marbles, "ssss_______sssssssssss____________|", model)
    assert len(asked) == 2 + 2  # speech went on before the third question; the second pause ended the turn before its


def test_the_model_is_asked_by_the_sound_and_not_by_a_clock(marbles: Marbles) -> None:
    """A recording that comes at ten times its speed has the same questions about the same sound."""

    def asked(diagram: str) -> list[list[float]]:
        sounds: list[list[float]] = []

        def model(sound: Audio) -> Observable[float]:
            sounds.append(sound.samples.tolist())
            return rx.just(0.2)

        edges(marbles, diagram, model)
        return sounds

    live = asked("ssss____________|")
    assert len(live) == 2
    assert asked("(ssss____________)|") == live


def test_a_question_is_left_out_while_the_model_works_on_another(marbles: Marbles) -> None:
    """A slow model has one question at a time, and is not asked ever more."""
    asked: list[Audio] = []

    def model(sound: Audio) -> Observable[float]:
        asked.append(sound)
        return marbles.cold("80ms p|", p=0.2)

    found = edges(marbles, "ssss____________|", model)
    assert found[3:] == [(220, Pause(0.2, 0.08)), (260, Pause(1.0, 0.08))]
    assert len(asked) == 1
