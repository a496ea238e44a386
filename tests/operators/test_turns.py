"""From what is heard to whose turn it is."""

from voicepipe.events import (
    Pause,
    SettingsChanged,
    SpeechStarted,
    Transcribed,
    TurnConfirmed,
    TurnEnded,
    TurnStarted,
    TurnTextChanged,
    TurnVoiceChanged,
    WordRecognised,
)
from voicepipe.operators import detect_turns
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
