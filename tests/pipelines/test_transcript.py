"""A side branch that writes, and may fail."""

import sys
from pathlib import Path

import pytest
import structlog
from talk import Talk

from voicepipe.events import StageFailed, TurnEnded
from voicepipe.loader import load_pipeline
from voicepipe.testing import Marbles

TRANSCRIPT = str(Path(__file__).parents[2] / "pipelines" / "transcript.py")


@pytest.fixture
def talk(marbles: Marbles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Talk:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRANSCRIPT", str(tmp_path / "of talks" / "transcript.txt"))
    return Talk(marbles, marbles.llm({}), marbles.tts())


def test_each_turn_is_a_line_of_the_file(talk: Talk, tmp_path: Path) -> None:
    """In the file that the variable names, whose folder is made; the log says where it is."""
    file = tmp_path / "of talks" / "transcript.txt"
    with structlog.testing.capture_logs() as logs:
        talk.run([(1.0, "take a letter"), (3.0, "*"), (5.0, "dear sir")], until_s=8, pipeline=TRANSCRIPT)
    assert file.read_text("utf-8") == "take a letter\ndear sir\n"
    assert logs == [{"event": "transcript.begun", "file": str(file), "log_level": "info"}]


def test_a_conversation_without_words_makes_no_file(talk: Talk, tmp_path: Path) -> None:
    """Nor does a server that starts and tries the pipeline."""
    talk.run([], until_s=3, pipeline=TRANSCRIPT)
    assert not list(tmp_path.iterdir())


def test_without_the_variable_the_file_is_in_the_users_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And not in the folder in which the server happens to be started."""
    monkeypatch.delenv("TRANSCRIPT", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    module = sys.modules[load_pipeline(TRANSCRIPT).__module__]
    assert (module.FILE.is_absolute(), module.FILE.name) == (True, "transcript.txt")
    assert Path.cwd() not in module.FILE.parents


def test_a_transcript_that_fails_leaves_the_captions_alone(talk: Talk, tmp_path: Path) -> None:
    """It is logged; the user does not hear of it."""
    (tmp_path / "of talks" / "transcript.txt").mkdir(parents=True)
    with structlog.testing.capture_logs() as logs:
        talk.run([(1.0, "take a letter"), (5.0, "dear sir")], until_s=8, pipeline=TRANSCRIPT)
    assert [turn.text for turn in talk.events(TurnEnded)] == ["take a letter", "dear sir"]
    assert not talk.events(StageFailed)
    assert [(one["event"], one["stage"]) for one in logs] == [("tee.failed", "transcript")]
