"""A user's pronunciations are read from a file, and what is wrong with it is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from voicepipe._yaml import YamlError
from voicepipe.engine.pronunciations import read_pronunciations


def test_words_are_read(tmp_path: Path) -> None:
    file = tmp_path / "words.yaml"
    file.write_text("nginx: engine x\nNguyen: win\n", "utf-8")
    assert read_pronunciations(file) == {"nginx": "engine x", "Nguyen": "win"}
    assert read_pronunciations(None) == {}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [("two words: x", "two words: it is not a single word"), ("- a", "valid dictionary"), ("a: [b]", "valid string")],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, wrong: str) -> None:
    file = tmp_path / "words.yaml"
    file.write_text(text, "utf-8")
    with pytest.raises(YamlError, match=wrong):
        read_pronunciations(file)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(YamlError, match="cannot be read"):
        read_pronunciations(tmp_path / "absent.yaml")
