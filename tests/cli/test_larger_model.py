"""Messages of `serve` about the embedded language model."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from voicepipe.cli.larger_model import WHAT_IT_IS, LargerModel, advice
from voicepipe.engine import local_servers
from voicepipe.engine.local_servers import LocalServer
from voicepipe.installation.program import this_program
from voicepipe.session import STAGE_NAMES
from voicepipe.settings import load_settings

OLLAMA = LocalServer("Ollama", "http://127.0.0.1:11434", ("qwen2.5:3b",))


def test_the_command_that_uses_a_server_of_this_machine_is_printed() -> None:
    """One command, which works as printed; the other servers are named."""
    vllm = LocalServer("vLLM", "http://127.0.0.1:8000", ("a", "b"))
    assert advice([OLLAMA, vllm], ["voicepipe", "serve", "--port", "8765"]) == [
        WHAT_IT_IS,
        "Ollama runs at http://127.0.0.1:11434, and vLLM. To talk with its model:  "
        "voicepipe serve --port 8765 --llm http://127.0.0.1:11434",
    ]


def test_where_there_is_none_a_whole_command_is_printed() -> None:
    """It works as printed when Ollama runs."""
    printed = advice([], [".venv/bin/voicepipe", "serve", "my bot.py"])[1]
    assert printed.endswith("  .venv/bin/voicepipe serve 'my bot.py' --llm http://localhost:11434")


@pytest.mark.parametrize("program", ["bin/voicepipe", "lib/voicepipe/__main__.py"])
def test_it_is_told_as_the_program_was_started(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, program: str
) -> None:
    """`python -m voicepipe` has no file that could be typed. Nothing is told where another model was chosen."""
    script = tmp_path / program
    script.parent.mkdir(parents=True)
    script.touch()
    monkeypatch.setattr(sys, "argv", [str(script), "serve"])
    monkeypatch.setattr(local_servers.Search, "found", lambda _: [OLLAMA])
    LargerModel(load_settings({}, environment={}), STAGE_NAMES).tell()
    typed = f"{this_program()} serve"
    assert capsys.readouterr().out.splitlines()[-1].endswith(f"  {typed} --llm http://127.0.0.1:11434")
    LargerModel(load_settings({"--llm": "http://there:1"}, environment={}), STAGE_NAMES).tell()
    assert capsys.readouterr().out == ""
