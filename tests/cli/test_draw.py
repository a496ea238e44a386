"""`voicepipe draw`: files, standard output, and mistakes in a sentence."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from voicepipe.cli import main

MINE = """\
from reactivex import Observable
from reactivex import operators as rx

from voicepipe import Event, Session
from voicepipe.operators import decode, encode


def shout(events: Observable[Event]) -> Observable[Event]:
    return events.pipe(rx.map(lambda event: event))


def pipeline(session: Session) -> Observable[Event]:
    return session.received.pipe(decode(session.codec), shout, encode(session.codec))
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


def test_ones_own_pipeline_is_drawn_into_a_file(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the stage that is written in it; nothing is printed."""
    assert main(["draw", "mine.py", "-o", "mine.svg"]) == 0
    picture = mine.with_suffix(".svg").read_text("utf-8")
    ElementTree.fromstring(picture)
    assert all(f">{name}</text>" in picture for name in ("decode", "shout", "encode"))
    assert capsys.readouterr().out == ""


def test_without_a_file_it_goes_to_standard_output(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a picture, or as text."""
    assert main(["draw", str(mine)]) == 0
    assert capsys.readouterr().out.startswith("<svg ")
    assert main(["draw", str(mine), "--overview"]) == 0
    assert capsys.readouterr().out.startswith("<svg")
    assert main(["draw", str(mine), "--mermaid"]) == 0
    text = capsys.readouterr().out
    assert text.index("decode") < text.index("shout") < text.index("encode")


def test_without_a_name_it_is_the_default_one(capsys: pytest.CaptureFixture[str]) -> None:
    """As with `voicepipe serve`."""
    assert main(["draw", "--mermaid"]) == 0
    assert "hang_up_after" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (
            "    return events.pipe",
            "    events.pipe",
            "shout ({file}:8) returned None (is its `return` missing?); a stage",
        ),
        ("    return session", "    session", "pipeline ({file}:12) returned None (is its `return` missing?); a stage"),
        ("decode(session.codec)", "decode()", "{file}:13: TypeError: decode() missing 1 required positional argument"),
        ("def pipeline", "def pipelin", "{file} has no function 'pipeline'; it has pipelin, shout"),
        ("def pipeline", "1 / 0\ndef pipeline", "{file}:12: ZeroDivisionError: division by zero"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    mine: Path, capsys: pytest.CaptureFixture[str], before: str, after: str, says: str
) -> None:
    """In a sentence, with exit code 2."""
    mine.write_text(MINE.replace(before, after))
    assert main(["draw", str(mine)]) == 2
    assert capsys.readouterr().err.startswith(f"voicepipe draw: {says.format(file=mine)}")


def test_a_file_that_cannot_be_written_is_told(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the reason."""
    assert main(["draw", str(mine), "-o", "no/such/folder.svg"]) == 2
    assert capsys.readouterr().err == "voicepipe draw: cannot write no/such/folder.svg: No such file or directory\n"
