"""Sounds that interrupt a reply and sounds that do not, on the default pipeline."""

from dataclasses import replace
from functools import cache

import pytest
from reactivex import Observable
from reactivex import operators as rx_ops

from voicepipe.events import Event, ReplyEnded, ReplyInterrupted, ReplyStarted, TurnEnded, WordRecognised
from voicepipe.loader import load_pipeline
from voicepipe.session import Session
from voicepipe.testing import Scenario, Transcript, run

LONG = (
    "One two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty."
)


def talk(title: str, says: str = LONG) -> Scenario:
    """The bot opens briefly, and answers "tell me" at about 3 s with `says`, for 300 ms a word."""
    scenario = Scenario(title).llm("tell me", says).llm("", "I see.").tts(delay_s=0.06, word_s=0.3)
    return scenario.at(2).user_says("tell me")


def played(scenario: Scenario) -> Transcript:
    return run(scenario.lasts(20))


@cache
def whole_reply() -> Transcript:
    """The same reply without a cough."""
    return played(talk("a long reply"))


@pytest.mark.parametrize("length_s", [0.1, 0.2, 0.3, 0.5])
@pytest.mark.parametrize("at_s", [6.5, 7.0, 8.0])
def test_a_cough_leaves_the_reply_whole(length_s: float, at_s: float) -> None:
    """It is held, and goes on within a second: the end is late by that at the most."""
    whole = whole_reply()
    coughed = played(talk("a cough in a long reply").at(at_s).user_coughs(length_s))
    assert coughed.said.split("twenty.")[0] == whole.said.split("twenty.")[0]
    assert "twenty." in coughed.said
    assert not coughed.times(ReplyInterrupted)
    late_s = coughed.times(ReplyEnded)[1] - whole.times(ReplyEnded)[1]
    assert 0 <= late_s <= length_s + 1.0


@pytest.mark.parametrize(
    "words", ["mhm", "okay", "right", "uh-huh", "yeah sure", "I see", "mm", "hm", "oh wow", "oui", "genau", "claro"]
)
def test_an_acknowledgement_leaves_the_reply_whole(words: str) -> None:
    """It is not answered, and the model does not read it."""
    transcript = played(talk("an acknowledgement in a long reply").at(7).user_says(words))
    assert "twenty." in transcript.said
    assert not transcript.times(ReplyInterrupted)
    last = next(event for _, event in reversed(transcript.events) if isinstance(event, ReplyStarted))
    assert words not in [message.text for message in last.conversation.messages]


def unsure(session: Session) -> Observable[Event]:
    """The default pipeline, with a recogniser that gives each word a probability of 0.2."""

    def scored(event: Event) -> Event:
        return replace(event, logprob=-1.6) if isinstance(event, WordRecognised) else event

    stt = session.stt
    return load_pipeline(None)(replace(session, stt=lambda mic: stt(mic).pipe(rx_ops.map(scored))))


@pytest.mark.parametrize("words", ["better", "as if", "no Kate"])
def test_a_hum_for_which_the_recogniser_knows_no_word_leaves_the_reply_whole(words: str) -> None:
    """It writes some, and is unsure of them. The model does not read them."""
    transcript = run(talk("a hum in a long reply").at(7).user_says(words).never().llm_is_asked(words).lasts(20), unsure)
    assert "twenty." in transcript.said
    assert not transcript.times(ReplyInterrupted)


def test_what_a_recogniser_is_unsure_of_counts_in_silence_and_when_it_goes_on() -> None:
    """An answer is one, and so is a whole sentence."""
    run(Scenario("in silence").llm("tell me", "Hi.").at(2).user_says("tell me").by(5).bot_says("Hi.").lasts(8), unsure)
    sentence = "I do not want that today"
    transcript = run(talk("a sentence").at(7).user_says(sentence).ever().llm_is_asked(sentence).lasts(20), unsure)
    assert len(transcript.times(ReplyInterrupted)) == 1


@pytest.mark.parametrize("words", ["stop", "no", "wait", "hold on", "okay stop", "but why", "yes but", "I said stop"])
def test_what_is_meant_interrupts(words: str) -> None:
    """With its first word that is no acknowledgement, and it is answered."""
    transcript = played(talk("an interruption of a long reply").at(7).user_says(words))
    assert "seventeen" not in transcript.said
    (cut_s,) = transcript.times(ReplyInterrupted)
    assert cut_s < 9
    assert [at_s for at_s in transcript.times(ReplyStarted) if cut_s <= at_s < 10]


@pytest.mark.parametrize("words", ["yes", "okay", "yeah sure"])
def test_behind_a_question_an_acknowledgement_is_an_answer(words: str) -> None:
    """While the last word of the question is still heard, and after it."""
    question = "Would you like me to go on and to tell you all about the old man and the wide sea?"
    for at_s in (9.1, 9.8):
        transcript = played(talk("an answer to a question", question).at(at_s).user_says(words))
        last = next(event for _, event in reversed(transcript.events) if isinstance(event, ReplyStarted))
        assert words in [message.text for message in last.conversation.messages], at_s


def test_a_voice_that_lasts_interrupts_without_a_word() -> None:
    """A recogniser may need long, or know no word of it: the bot does not talk over a user who goes on."""
    scenario = (
        talk("a long word").recogniser_needs(word_s=3).at(7).user_says("incomprehensibilities and more of it all")
    )
    (cut_s, *_) = played(scenario).times(ReplyInterrupted)
    assert 8.2 <= cut_s <= 8.4


def test_music_is_no_turn_without_end_and_is_not_answered() -> None:
    """A voice of 40 s without a word: the turn is closed after 30 s, and the bot stays silent until it is over."""
    scenario = (
        Scenario("music").llm("", "I see.").at(2).user_coughs(40.0).unchecked("the user is not cut in mid-sentence")
    )
    transcript = run(scenario.lasts(50))
    ended = [(round(at_s), event.text) for at_s, event in transcript.events if isinstance(event, TurnEnded)]
    assert ended == [(32, ""), (42, "")]
    assert [at_s for at_s in transcript.times(ReplyStarted) if 2 < at_s < 42] == []
