"""A user's own stage class, from a Python file or a module, as what a host serves.

The class is made once, without arguments, where the stage runs: that is the place to load a model. The name of its
method is the kind of stage::

    class MyVoice:
        def __init__(self):
            self.model = load_model("cuda")

        def tts(self, voice: str) -> Stage[ReplyText, ReplyAudio | Event]:
            return clause_by_clause(self.model.speak, ...)

`stt(self)` returns a session's recogniser, `tts(self, voice)` a reply's voice, and `llm(self, conversation)` the
observable of an answer. A recogniser that notices pauses itself says so with `notices_pauses = True`; otherwise the
embedded VAD and end-of-turn model stand beside it. `name` is what clients are told, and `close(self)` is called last.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any, cast

import reactivex

from voicepipe.boundary.pending import PendingWork
from voicepipe.conversation import Conversation
from voicepipe.engine.parts import InputStages, SessionPart, StageProvider
from voicepipe.host.hosted import HostedLlm, HostedStage, HostedStt, HostedTts, StageKind
from voicepipe.loader import PipelineError, import_module_of, located
from voicepipe.stage import named

__all__ = ["StageClassError", "load_class", "own_stage"]

KINDS: tuple[StageKind, ...] = ("stt", "tts", "llm")


class StageClassError(Exception):
    """A stage class cannot be served; the message names the class and says what is wrong."""


def load_class(ref: str) -> type[Any]:
    """Return the class that `my_stages.py:MyVoice` or `package.module:MyVoice` names. Raises StageClassError."""
    target, colon, name = ref.rpartition(":")
    if not colon or not name.isidentifier():
        raise StageClassError(f"{ref!r} names no class; name the class behind a colon, as in my_stages.py:MyVoice")
    try:
        module = import_module_of(target)
    except PipelineError as error:
        raise StageClassError(str(error)) from error
    found = getattr(module, name, None)
    if not inspect.isclass(found):
        have = ", ".join(_classes(module)) or "none"
        raise StageClassError(f"{target} has no class {name!r}; its classes: {have}")
    kind_of(found)
    return found


def kind_of(stage_class: type[Any]) -> StageKind:
    """Return the kind of stage that a class makes, by the name of its method. Raises StageClassError."""
    kinds: list[StageKind] = [kind for kind in KINDS if callable(getattr(stage_class, kind, None))]
    if len(kinds) != 1:
        has = f"has {' and '.join(kinds)}" if kinds else "has none of them"
        raise StageClassError(
            f"{stage_class.__name__} {has}; a stage class has one method: stt(self), tts(self, voice) or "
            "llm(self, conversation)"
        )
    return kinds[0]


def own_stage(
    stage_class: type[Any], pauses: Callable[[], tuple[StageProvider[InputStages], Callable[[], None]]]
) -> HostedStage:
    """Make the stage of a class: this loads its model.

    Args:
        stage_class: The class.
        pauses: Loads what notices pauses, for a recogniser that does not, and returns it with what frees it.

    Raises:
        StageClassError: The class has no stage, or cannot be made.
    """
    kind = kind_of(stage_class)
    try:
        stage = stage_class()
    except Exception as error:
        raise StageClassError(f"{stage_class.__name__}() failed: {located(error)}") from error
    name = str(getattr(stage, "name", stage_class.__name__))
    close: Callable[[], None] = getattr(stage, "close", _nothing)
    match kind:
        case "stt":
            return _own_stt(stage, name, close, pauses)
        case "tts":
            return HostedTts(
                name=name, open=lambda: SessionPart(lambda conversation: _voice(stage, conversation)), close=close
            )
        case "llm":
            return HostedLlm(name=name, llm=stage.llm, close=close)


def _own_stt(
    stage: Any,
    name: str,
    close: Callable[[], None],
    pauses: Callable[[], tuple[StageProvider[InputStages], Callable[[], None]]],
) -> HostedStt:
    if getattr(stage, "notices_pauses", False):
        return HostedStt(name=name, open=lambda: SessionPart(_noticing(stage)), close=close)
    embedded, free = pauses()

    def open_one() -> SessionPart[InputStages]:
        part = embedded.open()
        return replace(part, stage=replace(part.stage, stt=named("STT", stage.stt())))

    def close_both() -> None:
        close()
        free()

    return HostedStt(name=name, open=open_one, close=close_both)


def _noticing(stage: Any) -> InputStages:
    return InputStages(None, lambda _: reactivex.empty(), named("STT", stage.stt()), PendingWork())


def _voice(stage: Any, conversation: Conversation) -> Any:
    return named("TTS", stage.tts(conversation.voice))


def _classes(module: ModuleType) -> Iterator[str]:
    for name, thing in vars(module).items():
        if inspect.isclass(thing) and cast("type[Any]", thing).__module__ == module.__name__:
            yield name


def _nothing() -> None:
    """Do nothing: the class has nothing to free."""
