"""A pipeline that repeats the user's words."""

from pathlib import Path

import pytest
from talk import Talk

from voicepipe.events import ReplyEnded, ReplyInterrupted, SpeechEncoded, TurnEnded, WordSpoken
from voicepipe.testing import Marbles

PARROT = str(Path(__file__).parents[2] / "pipelines" / "parrot.py")


@pytest.fixture
def talk(marbles: Marbles) -> Talk:
    return Talk(marbles, marbles.llm({}), marbles.tts(delay_ms=60, ms_per_word=300))


def test_it_says_what_was_said(talk: Talk) -> None:
    """Each turn once, without a language model, and soon: the voice is all that takes time."""
    talk.run([(1.0, "hello there"), (4.0, "who are you")], until_s=8, pipeline=PARROT)
    assert [event.text for event in talk.events(ReplyEnded)] == ["hello there", "who are you"]
    assert talk.times(SpeechEncoded)[0] == pytest.approx(talk.times(TurnEnded)[0] + 0.06, abs=0.03)


def test_it_can_be_interrupted(talk: Talk) -> None:
    """By a word; it then repeats that one."""
    talk.run([(1.0, "one two three four five"), (3.5, "stop it now")], until_s=9, pipeline=PARROT)
    (cut,) = talk.events(ReplyInterrupted)
    assert "one two three four five".startswith(cut.heard_text)
    assert " ".join(event.word for event in talk.events(WordSpoken)).endswith("stop it now")


def test_it_does_not_open_the_conversation(talk: Talk) -> None:
    """It has nothing to repeat yet."""
    talk.run([], until_s=3, pipeline=PARROT)
    assert not talk.events(SpeechEncoded)
