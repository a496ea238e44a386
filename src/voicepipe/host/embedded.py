"""The embedded models as what a host serves: `stt`, `tts`, `llm`, or a GGUF file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from voicepipe.engine.local import LocalParts, load_local
from voicepipe.engine.parts import InputStages, StageProvider
from voicepipe.engine.settings import names_gguf
from voicepipe.host.hosted import HostedLlm, HostedStage, HostedStt, HostedTts
from voicepipe.host.own import load_class, own_stage

__all__ = ["EMBEDDED", "load_stage"]

EMBEDDED = {"stt": "Moonshine", "tts": "hibari", "llm": "SmolLM2-135M"}
"""The embedded stages by name, with their models."""


def load_stage(ref: str, *, capacity: int, progress: Callable[[str], None] = lambda _: None) -> HostedStage:
    """Load what a host serves: `stt`, `tts`, `llm`, the path of a GGUF file, or a class as `my_stages.py:MyVoice`.

    Args:
        ref: The stage.
        capacity: How many sessions it will serve at once.
        progress: Called, from any thread, with what has been loaded.

    Raises:
        StageClassError: There is no such class, or it has no stage.
        ModelError: An embedded model is not here.
        GgufError: The file is absent, or is no chat model.
    """
    if names_gguf(ref):
        return _llm(ref, capacity, progress, Path(ref).expanduser())
    match ref:
        case "stt":
            return _stt(capacity, progress)
        case "tts":
            return _tts(capacity, progress)
        case "llm":
            return _llm(EMBEDDED[ref], capacity, progress, None)
        case _:
            return own_stage(load_class(ref), lambda: _pauses(capacity, progress))


def _stt(capacity: int, progress: Callable[[str], None]) -> HostedStt:
    parts = load_local(["stt"], sessions=capacity, progress=progress)
    assert parts.stt is not None, "it was asked for"
    return HostedStt(name=EMBEDDED["stt"], open=parts.stt.for_sessions(capacity).open, close=parts.close)


def _pauses(capacity: int, progress: Callable[[str], None]) -> tuple[StageProvider[InputStages], Callable[[], None]]:
    """Load the VAD and the end-of-turn model alone."""
    parts = load_local(["stt"], uses=("vad", "end_of_turn"), sessions=capacity, progress=progress)
    assert parts.stt is not None, "it was asked for"
    return parts.stt.for_sessions(capacity), parts.close


def _tts(capacity: int, progress: Callable[[str], None]) -> HostedTts:
    parts = load_local(["tts"], sessions=capacity, progress=progress)
    assert parts.tts is not None, "it was asked for"
    return HostedTts(name=EMBEDDED["tts"], open=parts.tts.open, close=parts.close)


def _llm(name: str, capacity: int, progress: Callable[[str], None], gguf: Path | None) -> HostedLlm:
    parts: LocalParts = load_local(["llm"], sessions=capacity, progress=progress, gguf=gguf)
    assert parts.llm is not None, "it was asked for"
    return HostedLlm(name=Path(name).name, llm=parts.llm.shared(), close=parts.close)
