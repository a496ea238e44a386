"""When the replicas of a stage are replaced by an update, and when they are left alone."""

from __future__ import annotations

from pathlib import Path

from voicepipe.cluster.app_file import StageOptions
from voicepipe.cluster.code_version import code_version


def test_a_stage_with_the_options_that_it_had_is_left_alone() -> None:
    """So is one that only gets more replicas: Serve adds them."""
    assert code_version(StageOptions(stage="stt")) == code_version(StageOptions(stage="stt", replicas=4, drain_s=9))


def test_other_options_of_a_replica_replace_it() -> None:
    versions = {code_version(StageOptions(stage=stage, capacity=n)) for stage in ("stt", "tts") for n in (4, 5)}
    assert len(versions) == 4


def test_a_changed_file_replaces_its_replicas(tmp_path: Path) -> None:
    file = tmp_path / "my_stages.py"
    options = StageOptions(stage=f"{file}:Mine")
    versions = {code_version(options)}
    for text in ("class Mine: ...", "class Mine: pass", "class Mine: pass"):
        file.write_text(text)
        versions.add(code_version(options))
    assert len(versions) == 3
    assert len({code_version(StageOptions(stage=f"{name}:Mine")) for name in ("json", "no_such.module")}) == 2


def test_a_changed_model_replaces_its_replicas(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF")
    before = code_version(StageOptions(stage=str(file)))
    file.write_bytes(b"GGUF and more")
    assert code_version(StageOptions(stage=str(file))) != before
