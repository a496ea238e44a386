"""The command line: ``python -m voicepipe.testing render``."""

import io

import pytest

from voicepipe.testing.__main__ import main


def test_to_standard_output(capsys):
    """Without -o the picture is written to standard output."""
    assert main(["render", "a--b|"]) == 0
    assert capsys.readouterr().out.startswith("<svg")


def test_to_a_file_with_names(tmp_path):
    """Several diagrams, with names, are rows of one picture."""
    target = tmp_path / "out.svg"
    assert main(["render", "source: a--b|", "debounced: ---b-(b|)", "-o", str(target)]) == 0
    assert ">source</text>" in target.read_text()
    assert ">debounced</text>" in target.read_text()


def test_lines_as_in_a_docstring(capsys, monkeypatch):
    """Lines with names and comments, from an argument or from standard input."""
    assert main(["render", "source   a|\nresult   b|   twice"]) == 0
    picture = capsys.readouterr().out
    assert ">twice</text>" in picture
    monkeypatch.setattr("sys.stdin", io.StringIO("source   a|\nresult   b|   twice\n"))
    assert main(["render", "-"]) == 0
    assert capsys.readouterr().out == picture


def test_a_mistake(capsys):
    """A diagram that cannot be read is shown with a caret, and the status is 2."""
    assert main(["render", "a-(b"]) == 2
    assert capsys.readouterr().err.endswith("    a-(b\n      ^\n")


def test_usage():
    """Without a command it tells what there is."""
    with pytest.raises(SystemExit):
        main([])
