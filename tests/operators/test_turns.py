"""From what is heard to whose turn it is."""

from dataclasses import replace

import pytest
import reactivex

from voicepipe.events import (
    Event,
    Pause,
    Resemblance,
    SettingsChanged,
    SpeechStarted,
    SpeechStopped,
    Transcribed,
    TranscriptDrafted,
    TurnConfirmed,
    TurnEnded,
    TurnPaused,
    TurnResumed,
    TurnStarted,
    TurnTaking,
    TurnTextChanged,
    TurnVoiceChanged,
    WordRecognised,
)
from voicepipe.operators import detect_turns
from voicepipe.presets import ENDPOINTING
from voicepipe.testing import Marbles

HEARD = {
    "p": Pause(0.0, 1.0),
    "P": Pause(0.9, 2.0),
    "q": Pause(0.5, 2.0),
    "w": WordRecognised("so", 1.0, 1.5),
    "v": WordRecognised("it is", 1.5, 2.0),
    "t": Transcribed(2.0),
    "o": Transcribed(1.9),
    "x": Transcribed(1.0, ""),
}
TURNS = {
    "s": TurnStarted(1.0),
    "c": TurnConfirmed(1.0),
    "g": TurnTextChanged("so it is"),
    "h": TurnTextChanged("so"),
    "e": TurnEnded("so it is", 2.0),
    "n": TurnEnded("", 2.0),
}


def expect(marbles: Marbles, heard: str, turns: str) -> None:
    stage = detect_turns(pause_above=0.6, resume_below=0.4)
    marbles.expect(marbles.cold(heard, table=HEARD).pipe(stage), turns, table=TURNS)


def test_a_turn_starts_with_the_voice_and_ends_when_its_words_are_there(marbles: Marbles) -> None:
    """The pause is sure first; the turn ends with the transcript."""
    expect(marbles, "p-w-v-P-t|", "s-c-g---e|")


def test_a_transcript_before_the_verdict_ends_the_turn_at_the_verdict(marbles: Marbles) -> None:
    """The model of the end of turn may be slower than the recogniser."""
    expect(marbles, "p-w-v-t-P|", "s-c-g---e|")


def test_a_transcript_that_does_not_reach_the_pause_is_waited_for(marbles: Marbles) -> None:
    """No word before the pause may be missing."""
    expect(marbles, "p-w-v-o-P-t|", "s-c-g-----e|")


def drafted(*events: Event) -> list[Event]:
    """Its pauses, and its end."""
    begun = [Pause(0.0, 0.5), SpeechStarted(0.5, 0.6), WordRecognised("if", 0.5, 0.7)]
    stage = detect_turns(pause_above=0.6, resume_below=0.4, clause_openers={"if"})
    with Marbles() as marbles:
        said = marbles.record(reactivex.from_iterable([*begun, *events]).pipe(stage))
    return [one.value for one in said if isinstance(one.value, TurnPaused | TurnResumed | TurnEnded)]


STOPPED, DRAFT = SpeechStopped(1.0, 1.16), TranscriptDrafted(1.0, "If it rains", (WordRecognised("it", 0.7, 0.8),))
PAUSED = TurnPaused("If it rains", 1.0)


def test_a_pause_with_its_words_may_be_the_end_of_the_turn() -> None:
    """It is told while the end-of-turn model is unsure, and where the words stop in mid-sentence, once."""
    assert drafted(STOPPED, DRAFT) == [PAUSED]
    assert drafted(STOPPED, Pause(0.5, 1.0, bounded=True), DRAFT) == [PAUSED]
    assert drafted(STOPPED, Pause(0.9, 1.0, bounded=True), DRAFT) == [PAUSED]
    assert drafted(STOPPED, DRAFT, Pause(0.2, 1.0, bounded=True), Pause(0.2, 1.0, bounded=True)) == [PAUSED]


def test_where_a_model_judges_pauses_its_verdict_is_waited_for() -> None:
    """It is not, where it is not asked any more."""
    judged = [STOPPED, Pause(0.2, 1.0, bounded=True), SpeechStarted(1.2, 1.3), Pause(0.0, 1.2)]
    later = [SpeechStopped(2.0, 2.16), replace(DRAFT, until_s=2.0)]
    pause = TurnPaused("If it rains", 2.0)
    assert drafted(*judged, *later) == []
    assert drafted(*judged, *later, Pause(0.5, 2.0, bounded=True)) == [pause]
    assert drafted(*judged, *later, Pause(0.9, 2.0, bounded=True)) == [pause]  # in mid-sentence
    assert drafted(*judged, TurnTaking(by="silence"), *later) == [pause]


def test_what_ends_the_turn_is_no_pause_in_it() -> None:
    """The end follows in the same callback."""
    ended = TurnEnded("If it rains", 1.0)
    assert drafted(STOPPED, Pause(1.0, 1.0), DRAFT, Transcribed(1.0, "If it rains")) == [ended]
    assert drafted(STOPPED, DRAFT, Pause(1.0, 1.0), Transcribed(1.0, "If it rains")) == [PAUSED, ended]


def test_speech_that_goes_on_resumes_a_turn_that_has_paused() -> None:
    """Before the words are there, it has not paused; words of an earlier pause do not count."""
    again = [SpeechStarted(1.2, 1.3), Pause(0.0, 1.2)]
    assert drafted(STOPPED, DRAFT, *again) == [PAUSED, TurnResumed(1.2)]
    assert drafted(STOPPED, *again, DRAFT) == []
    assert drafted(STOPPED, *again, SpeechStopped(2.0, 2.16), DRAFT) == []


def test_a_turn_that_the_client_takes_over_is_not_resumed() -> None:
    """It has ended, in its pause."""
    taken = [TurnTaking(by="client"), SettingsChanged(turns=TurnTaking(by="client"))]
    assert drafted(STOPPED, DRAFT, *taken, SpeechStarted(1.2, 1.3)) == [PAUSED, TurnEnded("", 0.5)]


def test_a_pause_says_whether_its_words_acknowledge(marbles: Marbles) -> None:
    """As the end of the turn does."""
    heard = [Pause(0.0, 0.5), SpeechStarted(0.5, 0.6), STOPPED, TranscriptDrafted(1.0, "Mhm.", ())]
    stage = detect_turns(pause_above=0.6, resume_below=0.4, acknowledgements={"mhm"})
    out = marbles.record(reactivex.from_iterable(heard).pipe(stage))
    assert out[-2].value == TurnPaused("Mhm.", 1.0, acknowledgement=True)


def test_going_on_takes_the_pause_back(marbles: Marbles) -> None:
    """A user who speaks on before the words are there has not finished."""
    expect(marbles, "p-w-P-p-v-t-P|", "s-c-----g---e|")


def test_an_unsure_pause_changes_nothing(marbles: Marbles) -> None:
    """Between the thresholds the floor stays where it is."""
    expect(marbles, "q-p-w-v-t-q-P|", "--s-c-g-----e|")


def test_a_word_starts_a_turn_without_a_voice(marbles: Marbles) -> None:
    """A recogniser may be quicker than the VAD."""
    expect(marbles, "w-v-t-P|", "(sc)-g---e|")


def test_a_cough_is_a_turn_without_words(marbles: Marbles) -> None:
    """It ends with an empty text, and the next turn starts clean."""
    expect(marbles, "p-t-P---p-w-v-t-P|", "s---n---s-c-g---e|")


def test_a_cough_before_the_words_takes_nothing_from_them(marbles: Marbles) -> None:
    """The first word confirms the turn, and so interrupts the bot, though the cough is settled already."""
    expect(marbles, "p-x-w-v-P-t|", "s---c-g---e|")


def test_a_turn_is_confirmed_once(marbles: Marbles) -> None:
    """Also when the recogniser takes its first word back, and then hears another."""
    expect(marbles, "p-w-x-w-v-P-t|", "s-c---h-g---e|")


def test_silence_after_a_turn_starts_none(marbles: Marbles) -> None:
    """A second sure pause is no news."""
    expect(marbles, "p-w-v-t-P-P-P|", "s-c-g---e----|")


def test_settings_pass_and_other_events_stay_behind(marbles: Marbles) -> None:
    """Whoever responds needs to know of them; nobody needs the rest."""
    settings = SettingsChanged("Be brief.")
    source = marbles.cold("xy|", x=settings, y=SpeechStarted(1.0, 1.1))
    marbles.expect(source.pipe(detect_turns(pause_above=0.6, resume_below=0.4)), "x-|", x=settings)


def test_scores_make_sure_of_a_voice(marbles: Marbles) -> None:
    """A recogniser that scores pauses all the time is believed at the second score: the first may be a click."""
    scores = {"a": Pause(0.1, 1.0), "b": Pause(0.1, 1.08), "c": Pause(0.1, 1.16), "q": Pause(0.5, 1.08)}
    sure = {
        "s": TurnStarted(1.0),
        "B": TurnVoiceChanged(True, 1.08, sure=True),
        "C": TurnVoiceChanged(True, 1.16, sure=True),
    }
    stage = detect_turns(pause_above=0.6, resume_below=0.4, scored_ms=80)
    marbles.expect(marbles.cold("a-b-c|", table=scores).pipe(stage), "s-B-C|", table=sure)
    marbles.expect(marbles.cold("a-q-c|", table=scores).pipe(stage), "s----|", table=sure)


def test_a_word_makes_scores_needless(marbles: Marbles) -> None:
    """The turn is confirmed."""
    scores = {"a": Pause(0.1, 1.0), "b": Pause(0.1, 1.08), "w": WordRecognised("so", 1.0, 1.5)}
    stage = detect_turns(pause_above=0.6, resume_below=0.4, scored_ms=80)
    marbles.expect(marbles.cold("aw-b|", table=scores).pipe(stage), "sc--|", table=TURNS)


@pytest.mark.parametrize(
    ("words", "logprob", "turns"),
    [
        (["Better."], -1.9, "s-v---u"),
        (["As", "if."], -1.5, "s-v-v---u"),
        (["Stop."], -0.3, "s-c---e"),
        (["Stop."], None, "s-c---e"),
        (["As", "if", "I", "knew."], -1.5, "s-v-v-v-c---e"),
        (["Okay."], -0.1, "s-v---u"),
    ],
    ids=["a hum", "two words", "sure", "no probabilities", "too many words", "a known one"],
)
def test_few_words_of_which_the_recogniser_is_unsure_are_an_acknowledgement(
    marbles: Marbles, words: list[str], logprob: float | None, turns: str
) -> None:
    """It has no word for a hum, and writes one that it does not believe."""
    table = {**HEARD, **{str(at): WordRecognised(word, 1.0, 1.5, logprob) for at, word in enumerate(words)}}
    source = marbles.cold("p-" + "-".join(map(str, range(len(words)))) + "-t-P|", table=table)
    text = " ".join(words)
    told = {
        **TURNS, "v": TurnVoiceChanged(True, 1.5, acknowledges=True),
        "u": TurnEnded(text, 2.0, acknowledgement=True), "e": TurnEnded(text, 2.0),
    }  # fmt: skip
    marbles.expect(source.pipe(detect_turns(ENDPOINTING)), turns + "|", table=told)


@pytest.mark.parametrize(
    ("logprob", "phrase", "nats", "acknowledges"),
    [
        (-0.2, "Got it", -2.5, True),
        (-0.2, "Got it", -2.7, False),
        (-0.2, "Stop", -0.1, False),
        (-0.8, "Got it", -4.3, True),
        (-0.8, "Got it", -4.5, False),
        (-1.0, "Hold on", -0.5, False),
        (-1.0, "", -5.0, False),
    ],
    ids=["alike", "not alike", "alike to a command", "unsure", "unsure and not alike", "a command", "none"],
)
def test_few_words_are_an_acknowledgement_where_their_sound_is_nearly_as_likely_to_be_one(
    marbles: Marbles, logprob: float, phrase: str, nats: float, acknowledges: bool
) -> None:
    """ "Darted" was "Got it"; "Till dawn" was "Hold on", though the recogniser is unsure of it, as of a hum."""
    word = WordRecognised("Darted.", 1.0, 1.5, logprob, Resemblance(phrase, nats))
    source = marbles.cold("p-w-t-P|", table={**HEARD, "w": word})
    told = {
        **TURNS, "v": TurnVoiceChanged(True, 1.5, acknowledges=True),
        "u": TurnEnded("Darted.", 2.0, acknowledgement=True), "e": TurnEnded("Darted.", 2.0),
    }  # fmt: skip
    marbles.expect(source.pipe(detect_turns(ENDPOINTING)), "s-v---u|" if acknowledges else "s-c---e|", table=told)


def test_a_second_clip_that_resembles_no_acknowledgement_interrupts(marbles: Marbles) -> None:
    """Each clip of a turn has a resemblance of its own: "Darted. London" is no acknowledgement."""
    heard = {
        "w": WordRecognised("Darted.", 1.0, 1.5, -0.2, Resemblance("Got it", -1.0)),
        "l": WordRecognised("London.", 1.6, 1.9, -0.2, Resemblance("", -5.0)),
    }
    source = marbles.cold("p-w-l-t-P|", table={**HEARD, **heard})
    told = {
        **TURNS, "v": TurnVoiceChanged(True, 1.5, acknowledges=True), "c": TurnConfirmed(1.6, "Darted. London."),
        "e": TurnEnded("Darted. London.", 2.0),
    }  # fmt: skip
    marbles.expect(source.pipe(detect_turns(ENDPOINTING)), "s-v-c---e|", table=told)


@pytest.mark.parametrize(
    ("text", "turns"),
    [
        ("If it rains tomorrow.", "s-c-----e|"),
        ("If it rains, I stay.", "s-c---e--|"),
        ("I would like a", "s-c-----e|"),
        ("What shall we do?", "s-c---e--|"),
    ],
)
def test_silence_ends_a_turn_that_stops_in_mid_sentence(marbles: Marbles, text: str, turns: str) -> None:
    """The model is sure of its sound, and the words say that another clause follows."""
    heard = {"w": WordRecognised(text, 1.0, 1.5), "P": Pause(0.9, 2.0, bounded=True), "S": Pause(1.0, 2.0)}
    source = marbles.cold("p-w-t-P-S|", table={**HEARD, **heard})
    marbles.expect(source.pipe(detect_turns(ENDPOINTING)), turns, table={**TURNS, "e": TurnEnded(text, 2.0)})


def test_a_pause_that_no_other_follows_ends_any_turn(marbles: Marbles) -> None:
    """A recogniser that notices pauses itself says so once."""
    source = marbles.cold("p-w-t-P|", table={**HEARD, "w": WordRecognised("Because", 1.0, 1.5)})
    told = {**TURNS, "e": TurnEnded("Because", 2.0)}
    marbles.expect(source.pipe(detect_turns(ENDPOINTING)), "s-c---e|", table=told)
