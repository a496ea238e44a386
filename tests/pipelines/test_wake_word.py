"""Silent until it is called."""

from pathlib import Path

import pytest
from talk import Talk

from voicepipe.events import ReplyEnded, ReplyInterrupted, ReplyStarted, TurnEnded
from voicepipe.testing import Marbles

WAKE_WORD = str(Path(__file__).parents[2] / "pipelines" / "wake_word.py")


@pytest.fixture
def talk(marbles: Marbles) -> Talk:
    llm = marbles.llm(
        {"Hey, voicepipe!": "50ms y|", "what time is it": "50ms n|", "and now": "50ms m|"},
        y="Yes?",
        n="Noon.",
        m="Still noon.",
    )
    return Talk(marbles, llm, marbles.tts(delay_ms=60, ms_per_word=300))


def test_nothing_is_answered_before_it_is_called(talk: Talk) -> None:
    """It listens, and captions are shown."""
    talk.run([(1.0, "what time is it")], until_s=5, pipeline=WAKE_WORD)
    assert [turn.text for turn in talk.events(TurnEnded)] == ["what time is it"]
    assert not talk.events(ReplyStarted)


def test_its_name_opens_the_conversation_and_goodbye_closes_it(talk: Talk) -> None:
    """However the recogniser writes them; what was said before the name is not part of it."""
    talk.run(
        [
            (1.0, "what time is it"),
            (4.0, "Hey, voicepipe!"),
            (7.0, "what time is it"),
            (11.0, "Good-bye."),
            (14.0, "and now"),
        ],
        until_s=18,
        pipeline=WAKE_WORD,
    )
    assert [reply.text for reply in talk.events(ReplyEnded)] == ["Yes?", "Noon."]
    asked = talk.events(ReplyStarted)[0].conversation
    assert [message.text for message in asked.messages] == ["Hey, voicepipe!"]


def test_goodbye_cuts_a_reply_short_and_is_not_answered(marbles: Marbles) -> None:
    """The gate closes with the turn's end; the voice that said it has stopped the bot before."""
    llm = marbles.llm({"hey voicepipe tell me all": "50ms l|"}, l="well " * 30)
    talk = Talk(marbles, llm, marbles.tts(delay_ms=60, ms_per_word=300))
    talk.run([(1.0, "hey voicepipe tell me all"), (6.0, "goodbye")], until_s=10, pipeline=WAKE_WORD)
    assert len(talk.events(ReplyInterrupted)) == 1
    assert len(talk.events(ReplyStarted)) == 1
