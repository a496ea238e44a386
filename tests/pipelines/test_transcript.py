"""A side branch that writes, and may fail."""

import tempfile
from pathlib import Path

import pytest
import structlog
from talk import Talk

from voicepipe.events import StageFailed, TurnEnded
from voicepipe.testing import Marbles

TRANSCRIPT = str(Path(__file__).parents[2] / "pipelines" / "transcript.py")


@pytest.fixture
def talk(marbles: Marbles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Talk:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return Talk(marbles, marbles.llm({}), marbles.tts())


def test_each_turn_is_a_line_of_the_file(talk: Talk, tmp_path: Path) -> None:
    """Written by the end of the session, and closed, in a file that a log line names."""
    (tmp_path / "temporary").mkdir()
    with structlog.testing.capture_logs() as logs:
        talk.run([(1.0, "take a letter"), (3.0, "*"), (5.0, "dear sir")], until_s=8, pipeline=TRANSCRIPT)
    (file,) = (tmp_path / "temporary").iterdir()
    assert file.read_text() == "take a letter\ndear sir\n"
    assert [(one["event"], one["path"]) for one in logs] == [("transcript.opened", str(file))]


def test_a_transcript_that_fails_leaves_the_captions_alone(talk: Talk) -> None:
    """Its folder does not exist: the failure is logged, and the user does not hear of it."""
    with structlog.testing.capture_logs() as logs:
        talk.run([(1.0, "take a letter"), (5.0, "dear sir")], until_s=8, pipeline=TRANSCRIPT)
    assert [turn.text for turn in talk.events(TurnEnded)] == ["take a letter", "dear sir"]
    assert not talk.events(StageFailed)
    assert [(one["event"], one["stage"]) for one in logs] == [("tee.failed", "transcript")]
