"""The embedded models as parts of an engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from voicepipe.engine import local
from voicepipe.engine.local import MODELS, PACKAGES, LocalLlm, load_local, needed_models
from voicepipe.llm.gguf import GgufError
from voicepipe.session import STAGE_NAMES
from voicepipe.weights import registry


class FakeModel:
    """Loads in no time."""

    def __init__(self, *_: Any, **options: Any) -> None:
        self.options = options

    def warm(self, messages: list[dict[str, str]], slot: int) -> None:
        assert messages[-1]["role"] == "user"

    def close(self) -> None:
        """Free nothing."""


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All models are fake; their names, as they are loaded."""
    for name in ("Silero", "SmartTurn", "Moonshine", "SmolLM", "Hibari"):
        monkeypatch.setattr(local, name, FakeModel)
    return []


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (["stt"], ["moonshine", "silero", "smart-turn"]),
        (["llm"], ["smollm2"]),
        (["tts"], ["hibari"]),
        (["stt", "tts"], ["hibari", "moonshine", "silero", "smart-turn"]),
    ],
)
def test_each_kind_loads_its_own_models(loaded: list[str], wanted: Any, names: list[str]) -> None:
    """And no thread more than it needs."""
    parts = load_local(wanted, sessions=2, progress=loaded.append)
    assert sorted(line.split()[0] for line in loaded) == names
    assert [part is not None for part in (parts.stt, parts.llm, parts.tts)] == [
        kind in wanted for kind in ("stt", "llm", "tts")
    ]
    parts.close()


def test_a_gguf_that_cannot_be_used_is_told_before_anything_is_loaded(loaded: list[str], tmp_path: Path) -> None:
    """The others take seconds."""
    with pytest.raises(GgufError, match="does not exist"):
        load_local(["stt", "llm", "tts"], sessions=1, progress=loaded.append, gguf=tmp_path / "absent.gguf")
    assert loaded == []


def test_a_gguf_takes_the_place_of_the_embedded_language_model() -> None:
    """Which then need not be here."""
    assert needed_models(["llm", "tts"], STAGE_NAMES) == ["smollm2", "hibari"]
    assert needed_models(["llm", "tts"], STAGE_NAMES, Path("mine.gguf")) == ["hibari"]


def test_a_slot_of_the_llm_is_given_back(loaded: list[str]) -> None:
    """The lowest free one is taken: it may still be warm."""
    parts = load_local(["llm"], sessions=2, progress=loaded.append)
    assert isinstance(parts.llm, LocalLlm)
    first, second = parts.llm.open(), parts.llm.open()
    assert parts.llm.free_slots == []
    first.close()
    assert parts.llm.free_slots == [0]
    second.close()
    parts.close()


def test_without_smart_turn_turns_end_by_silence(loaded: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, and no error; a model that is needed is one."""

    def absent(*_: Any, **__: Any) -> None:
        raise registry.ModelMissing("not here")

    monkeypatch.setattr(local, "SmartTurn", absent)
    parts = load_local(["stt"], sessions=1, progress=loaded.append)
    assert parts.stt is not None
    assert parts.stt.smart_turn is None
    parts.close()
    monkeypatch.setattr(local, "Moonshine", absent)
    with pytest.raises(registry.ModelMissing):
        load_local(["stt"], sessions=1, progress=loaded.append)


def test_the_registry_knows_every_model() -> None:
    """By these very names."""
    assert {name for names in MODELS.values() for name in names} <= set(registry.REGISTRY)
    assert set(MODELS) == set(PACKAGES)
