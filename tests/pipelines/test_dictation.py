"""Captions, and nothing else."""

from pathlib import Path

import pytest
from talk import Talk

from voicepipe.events import ReplyAudio, ReplyStarted, SpeechEncoded, TurnEnded, WordRecognised
from voicepipe.testing import Marbles

DICTATION = str(Path(__file__).parents[2] / "pipelines" / "dictation.py")


@pytest.fixture
def talk(marbles: Marbles) -> Talk:
    return Talk(marbles, marbles.llm({}), marbles.tts())


def test_what_is_said_is_written_word_by_word_and_sentence_by_sentence(talk: Talk) -> None:
    """The first word while it is still being said."""
    talk.run([(1.0, "take a letter"), (4.0, "dear sir")], until_s=7, pipeline=DICTATION)
    assert [word.text for word in talk.events(WordRecognised)] == ["take", "a", "letter", "dear", "sir"]
    assert [turn.text for turn in talk.events(TurnEnded)] == ["take a letter", "dear sir"]
    assert talk.times(WordRecognised)[0] == pytest.approx(1.5, abs=0.05)


def test_no_server_answers(talk: Talk) -> None:
    """The model and the voice are never asked."""
    talk.run([(1.0, "take a letter")], until_s=5, pipeline=DICTATION)
    assert not talk.events(ReplyStarted) + talk.events(ReplyAudio) + talk.events(SpeechEncoded)
