"""A user's stage class: which it is, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hosted import EchoLlm, ToneStt, ToneTts, no_pauses

from voicepipe.host.own import StageClassError, load_class, own_stage

MINE = """
class MyVoice:
    name = "mine"
    def tts(self, voice): ...

class Both:
    def tts(self, voice): ...
    def llm(self, conversation): ...

class Nothing: ...

class Broken:
    def __init__(self):
        self.model = open("/no/such/model")
    def stt(self): ...
"""


@pytest.fixture
def mine(tmp_path: Path) -> str:
    file = tmp_path / "my_stages.py"
    file.write_text(MINE)
    return str(file)


def test_the_method_says_the_kind(mine: str) -> None:
    stage = own_stage(load_class(f"{mine}:MyVoice"), no_pauses)
    assert (stage.kind, stage.name) == ("tts", "mine")
    assert [own_stage(one, no_pauses).kind for one in (ToneStt, ToneTts, EchoLlm)] == ["stt", "tts", "llm"]


@pytest.mark.parametrize(
    ("ref", "why"),
    [
        ("{file}", "names no class"),
        ("{file}:Other", "has no class 'Other'; its classes: MyVoice, Both, Nothing, Broken"),
        ("{file}:Both", "Both has tts and llm; a stage class has one method"),
        ("{file}:Nothing", "Nothing has none of them"),
        ("{folder}/absent.py:MyVoice", "does not exist"),
        ("no_such_module:MyVoice", "there is no file no_such_module, and no module"),
    ],
)
def test_a_class_that_cannot_be_served_is_told_by_its_name(mine: str, ref: str, why: str) -> None:
    with pytest.raises(StageClassError, match=why):
        load_class(ref.format(file=mine, folder=Path(mine).parent))


def test_a_class_that_cannot_be_made_is_told_with_its_line(mine: str) -> None:
    with pytest.raises(StageClassError, match=r"Broken\(\) failed: .*my_stages.py:14: FileNotFoundError"):
        own_stage(load_class(f"{mine}:Broken"), no_pauses)
